"""Child processes known by pid and start time, so that a reused pid is never taken for ours.

Decides: whether a process we once started still runs; how it is stopped; what was left behind by a start that was killed.
Guarantee: a signal goes only to a process whose start time is the one recorded. Zombies count as gone.
Fails:   StackFailed naming the cause, the log and its last lines; StartCancelled when the start was interrupted.
Limits:  left-over processes are found through /proc, so on Linux only.
"""

import atexit
import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.failures import StackFailed

_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 12
_COMPLAINT: Final = re.compile(r"FATAL|PANIC|ERROR|Error\b|Exception|error:")
_STACK_FRAME: Final = re.compile(r"^\s+(at |\.\.\. |File )|^Traceback")
_children: dict[int, subprocess.Popen[bytes]] = {}
"""What this process started and has to reap."""


@atexit.register
def _let_go() -> None:
    """Reap what has ended; what runs on outlives us on purpose, and is no leak to complain about."""
    for child in _children.values():
        if child.poll() is None:
            child.returncode = 0
    _children.clear()


class StartCancelled(Exception):
    """The start was interrupted from outside."""


@dataclass(frozen=True)
class Identity:
    """A process for ever: `started` is opaque, equal only for the same process."""

    pid: int
    started: str


@dataclass(frozen=True)
class Account:
    """A system user a server runs as, when we are root and it refuses to be."""

    name: str
    uid: int
    gid: int


def start_time(pid: int) -> str | None:
    """Return when `pid` started, or None if there is no such living process."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    if not Path("/proc/self/stat").exists():
        return _start_time_by_ps(pid)
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else after_name[19]


def _start_time_by_ps(pid: int) -> str | None:
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed but for a number
    state, _, started = found.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def alive(process: Identity) -> bool:
    """Say whether exactly this process still runs."""
    return start_time(process.pid) == process.started


def send(process: Identity, number: signal.Signals) -> None:
    """Signal the process if it is still the one meant."""
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def stop(process: Identity, number: signal.Signals, seconds: float) -> None:
    """Ask the process to stop, wait at most `seconds`, then kill it. Returns when it is gone."""
    send(process, number)
    if not wait_until(lambda: not alive(process), seconds):
        send(process, signal.SIGKILL)
        wait_until(lambda: not alive(process), 10)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until `condition` holds; False when `seconds` passed first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def strays(directory: Path, programs: frozenset[str]) -> list[Identity]:
    """Return the processes of `programs` whose working directory is `directory` or below it."""
    found = []
    for pid in _pids():
        try:
            where, program = Path(f"/proc/{pid}/cwd").readlink(), Path(f"/proc/{pid}/exe").readlink().name
        except OSError:
            continue
        started = start_time(pid)
        if started and program.removesuffix(" (deleted)") in programs and where.is_relative_to(directory):
            found.append(Identity(pid, started))
    return found


def _pids() -> Iterator[int]:
    proc = Path("/proc")
    return (int(entry.name) for entry in (proc.iterdir() if proc.is_dir() else ()) if entry.name.isdigit())


def remove_strays(directory: Path, programs: frozenset[str], number: signal.Signals, seconds: float) -> None:
    """Stop what still runs in `directory`; helpers of a dead server get `seconds` to leave by themselves."""
    for stray in strays(directory, programs):
        send(stray, number)
    if not wait_until(lambda: not strays(directory, programs), seconds):
        for stray in strays(directory, programs):
            stop(stray, signal.SIGKILL, 5)


def free_port(preferred: int | None = None, avoid: frozenset[int] = frozenset()) -> int:
    """Return `preferred` if it is free on 127.0.0.1, else a random free port.

    Ports are taken below the range that outgoing connections use, so that none of those takes it before the server does.
    """
    for _ in range(200):
        port = preferred if preferred is not None and preferred not in avoid else 20_000 + secrets.randbelow(12_000)
        if port not in avoid and not accepts(port) and _bindable(port):
            return port
        preferred = None
    raise StackFailed("no free port was found on 127.0.0.1 between 20000 and 32000: stop some servers")


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether something listens on the port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def python_environment() -> dict[str, str]:
    """Return the environment of a Python child that must find this very checkout, installed or not."""
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Starting:
    """One server on its way up: reports its phases, notices a cancellation, says why it failed.

    `title` is the server's name for people; `log` takes what the server and its helper programs print.
    """

    title: str
    log: Path
    cancelled: threading.Event
    report: Callable[[str], None]
    spawned: list[Identity] = field(default_factory=list)

    def check(self) -> None:
        """Raise StartCancelled if the start was interrupted."""
        if self.cancelled.is_set():
            raise StartCancelled

    def spawn(self, command: Sequence[str], directory: Path, environment: Mapping[str, str], account: Account | None = None) -> Identity:
        """Start a child in a session of its own: a Ctrl-C at the terminal reaches us, not it."""
        self.check()
        with self.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=dict(environment),
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        _children[child.pid] = child
        identity = Identity(child.pid, start_time(child.pid) or "ended")
        self.spawned.append(identity)
        return identity

    def run(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        account: Account | None = None,
        *,
        seconds: float = 60,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Run a helper program to its end; its failure is the start's failure. `meanwhile` is called often, to report progress."""
        helper = self.spawn(command, directory, environment, account)
        child = _children[helper.pid]
        deadline = time.monotonic() + seconds
        while child.poll() is None:
            self.check()
            meanwhile()
            if time.monotonic() > deadline:
                raise self.failure(f"{Path(command[0]).name} did not end within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
        if child.returncode:
            raise self.failure(f"{Path(command[0]).name} ended with {_ending(child.returncode)}")

    def wait(self, server: Identity, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the server is ready; raise when it ends first or `seconds` pass."""
        deadline = time.monotonic() + seconds
        child = _children[server.pid]
        while not ready():
            self.check()
            if child.poll() is not None:
                raise self.failure(f"it ended with {_ending(child.returncode)}")
            if time.monotonic() > deadline:
                raise self.failure(f"it did not answer within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def failure(self, cause: str) -> StackFailed:
        """Return the error to raise: cause, what the log says, where it is; the log's last lines as its notes."""
        lines = _last_lines(self.log)
        complaints = [line.strip() for line in lines if _COMPLAINT.search(line) and not _STACK_FRAME.match(line)]
        said = f" ({complaints[-1][:300]})" if complaints else ""
        error = StackFailed(f"{self.title} did not start: {cause}{said}; see {self.log}, then run the command again")
        for line in lines[-_TAIL_LINES:]:
            error.add_note(line)
        return error


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 32_768))
            return file.read().decode(errors="replace").splitlines()[-200:]
    except OSError:
        return []
