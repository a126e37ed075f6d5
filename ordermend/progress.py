"""Progress on a terminal: what each part is doing and for how long; plain lines where there is no terminal.

Goes to standard error, so that a command's answer can be piped.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

Report = Callable[[str, str], None]
"""Called with a part's name and what it is doing; `ready` ends its clock. From any thread."""


@contextlib.contextmanager
def phases() -> Iterator[Report]:
    """Show progress while the block runs."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
            yield _rows(progress)
    else:
        yield _lines(console)


def _rows(progress: Progress) -> Report:
    tasks: dict[str, TaskID] = {}
    lock = threading.Lock()

    def report(part: str, phase: str) -> None:
        with lock:
            if part not in tasks:
                tasks[part] = progress.add_task(part, total=1)
            progress.update(tasks[part], description=f"{part}: {phase}", completed=1 if phase == "ready" else 0)

    return report


def _lines(console: Console) -> Report:
    began = time.monotonic()

    def report(part: str, phase: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {part}: {phase}", markup=False, highlight=False, soft_wrap=True)

    return report
