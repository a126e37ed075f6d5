"""Where the time goes: cProfile around one thread's work, kept as a file and printed by own time.

A profiled run is a run of its own: its speed is never reported, because profiling slows every call.
"""

import cProfile
import io
import pstats
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOP = 25


@contextmanager
def profiled(file: Path | None) -> Iterator[None]:
    """Profile this thread for the length of the block and keep the figures in `file`; None: do nothing."""
    if file is None:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        file.parent.mkdir(parents=True, exist_ok=True)
        profile.dump_stats(file)


def top(file: Path, count: int = TOP) -> str:
    """Return the functions with the most own time, as text."""
    text = io.StringIO()
    pstats.Stats(str(file), stream=text).sort_stats("tottime").print_stats(count)
    lines = [line.rstrip().replace(f"{Path.cwd()}/", "") for line in text.getvalue().splitlines()]
    return "\n".join(line for line in lines if line)
