"""The services of a demo run as child processes, started again by name when they die.

Guarantee: `stop` leaves none of them; they are signalled through their own handles, never by name or pattern.
Fails:   StackFailed naming service, exit and log where one dies over and over.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from schemas.failures import StackFailed

PROCESSES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"processor": ("processor",), "intake": ("intake", "relay", "retrier", "settlement", "fetcher", "bulk", "verifier")}
)
"""Process -> the services in it. The one writer has a process to itself."""
CONSOLE: Final[Mapping[str, Sequence[str]]] = MappingProxyType({"console": ("console",)})
"""What is added where somebody is there to look."""

_WATCH_SECONDS: Final = 0.1
_STOP_SECONDS: Final = 20.0
_DEATHS_IN: Final = (5, 20.0)
"""So many unasked deaths within so many seconds are a fault, not bad luck."""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    deaths: list[float] = field(default_factory=list)


class Children:
    """The running services. `with Children(...) as children:` stops them at the end, whatever happens."""

    def __init__(self, environment: Mapping[str, str], folder: Path, processes: Mapping[str, Sequence[str]] = PROCESSES) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._processes = processes
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._children: dict[str, _Child] = {}
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="watch-children")
        self.restarts = 0
        self.failure: StackFailed | None = None

    def __enter__(self) -> Self:
        try:
            for name in self._processes:
                self.log(name).unlink(missing_ok=True)
                self._children[name] = _Child(self._spawn(name))
        except BaseException:
            self.stop()
            raise
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self, name: str) -> Path:
        """Where a process writes its log."""
        return self._folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """Return the id of the process that runs under this name now."""
        return self._children[name].process.pid

    def kill(self, name: str) -> None:
        """Kill a process on the spot (SIGKILL); it is started again."""
        with self._lock:
            self._children[name].process.kill()

    def check(self) -> None:
        """Raise if a service cannot be kept running."""
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Ask all to finish, wait, and kill what does not."""
        self._stopping.set()
        with self._lock:
            processes = [child.process for child in self._children.values()]
            for process in processes:
                process.terminate()
            deadline = time.monotonic() + _STOP_SECONDS
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
                process.kill()
                process.wait()
                _close_input(process)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ordermend.local.demo.services", *self._processes[name]]
        with self.log(name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            for name, child in self._children.items():
                if child.process.poll() is not None:
                    self._revive(name, child)

    def _revive(self, name: str, child: _Child) -> None:
        code = child.process.returncode
        _close_input(child.process)
        count, within = _DEATHS_IN
        now = time.monotonic()
        child.deaths = [*(death for death in child.deaths if now - death < within), now]
        if len(child.deaths) >= count:
            self.failure = self.failure or self._fault(name, code)
            return
        with self._lock:
            if not self._stopping.is_set():
                child.process = self._spawn(name)
                self.restarts += 1

    def _fault(self, name: str, code: int) -> StackFailed:
        log = self.log(name)
        error = StackFailed(f"{name} ended {_DEATHS_IN[0]} times, at last with code {code}; see {log}")
        for line in log.read_text("utf-8", "replace").splitlines()[-8:]:
            error.add_note(line[:300])
        return error


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
