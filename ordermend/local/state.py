"""What the stack remembers between commands, and the lock that keeps two commands apart.

Guarantee: the state file is replaced as a whole and only its owner can read it (its URLs contain passwords).
           A file that cannot be read counts as none: left-over processes are then found by their working directory.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from ordermend.local.parts import Part

_VERSION: Final = 1


class State(BaseModel):
    """The state file: the parts by name."""

    model_config = ConfigDict(frozen=True)

    version: int = _VERSION
    parts: dict[str, Part] = {}

    def with_part(self, part: Part) -> "State":
        """Return the state with `part` added or replaced."""
        return self.model_copy(update={"parts": {**self.parts, part.name: part}})


def read(home: Path) -> State:
    """Return the kept state, or an empty one."""
    try:
        state = State.model_validate_json(_file(home).read_bytes())
    except (OSError, ValidationError):
        return State()
    return state if state.version == _VERSION else State()


def write(home: Path, state: State) -> None:
    """Keep the state."""
    write_private(_file(home), state.model_dump_json(indent=1))


def _file(home: Path) -> Path:
    return home / "stack.json"


def write_private(file: Path, text: str) -> None:
    """Write a file that only we can read, all of it or none."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as content:
        content.write(text)
        content.flush()
        os.fsync(content.fileno())
    draft.replace(file)


@contextlib.contextmanager
def locked(home: Path, cancelled: threading.Event) -> Iterator[bool]:
    """Hold the stack's lock; yields False if `cancelled` came while waiting. The system frees it when a holder dies."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "stack.lock").open("a") as file:
        yield _acquire(file.fileno(), cancelled)


def _acquire(descriptor: int, cancelled: threading.Event) -> bool:
    while not cancelled.is_set():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False
