"""The local stack: broker, database and token issuer, started, found again, and stopped without a trace.

Output:    `Stack`, whose `environment()` makes any child process use it; the state lies in ORDERMEND_HOME/stack.json.
Guarantee: one `up` at a time; a second finds the first; a dead or half-started part is cleaned away and started again on its data.
           SIGINT, SIGTERM or SIGHUP at any step of `up` stops what that `up` started; `down` leaves no process.
Fails:     StackFailed naming the server, the cause, the log and its last lines.
Variables: KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL and ORDERMEND_ISSUER_URL, where set, stand for the part of their own; it is not started.
"""

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ordermend.local import external, state
from ordermend.local.issuer_server import IssuerServer
from ordermend.local.kafka import KafkaServer
from ordermend.local.kafka_jars import KAFKA_VERSION
from ordermend.local.parts import Part, Server
from ordermend.local.postgres import PostgresServer, home_for, release_shared_folder
from ordermend.local.processes import Identity, StartCancelled, Starting, accepts, alive, remove_strays, stop
from ordermend.settings import Settings
from schemas.failures import SettingsInvalid, StackFailed

Progress = Callable[[str, str], None]
"""Called with a server's name and what it is doing; `ready` is the last word. From several threads."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NAMES: Final = ("kafka", "postgres", "issuer")
_STOP_SECONDS: Final = 30.0


def _silent(server: str, phase: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Stack:
    """A running stack. `parts` are those of ours; `outside` the variables of servers that are not."""

    home: Path
    parts: Mapping[str, Part]
    outside: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return the variables that make a child process use this stack; add them to `os.environ`."""
        found = {"ORDERMEND_HOME": str(self.home), **self.outside}
        for part in self.parts.values():
            found |= part.environment
        return found

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Return the broker's address."""
        return self.environment()["KAFKA_BOOTSTRAP_SERVERS"]

    @property
    def database_url(self) -> str:
        """Return the database's address under the application's role."""
        return self.environment()["DATABASE_URL"]

    @property
    def owner_database_url(self) -> str:
        """Return the database's address under the owner's role."""
        return self.environment()["ORDERMEND_OWNER_DATABASE_URL"]

    @property
    def issuer_url(self) -> str:
        """Return the token issuer's address."""
        return self.environment()["ORDERMEND_ISSUER_URL"]


@dataclass(frozen=True)
class PartStatus:
    """One line of `ordermend status`."""

    name: str
    state: Literal["running", "not answering", "stopped", "outside"]
    address: str
    pid: int | None
    log: str


class Interrupted(SystemExit):
    """A signal ended the start; `code` is the exit code that says so, 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def up(settings: Settings, progress: Progress = _silent) -> Stack:
    """Start what is not running; return when everything answers.

    Raises:
        StackFailed: a server did not start; whatever this call had started is stopped again.
        Interrupted: a signal came; the same.
    """
    with _deaf() as interruption, state.locked(settings.home, interruption.event) as ours:
        if ours:
            external.check(settings)
            _start_missing(settings, _servers(settings), interruption.event, progress)
        interruption.settle()
        return _stack(settings)


def down(settings: Settings) -> list[str]:
    """Stop everything of ours and return the names of what was running. Data, keys and ports are kept."""
    if not settings.home.exists():
        return []
    with _deaf(), state.locked(settings.home, threading.Event()):
        known = state.read(settings.home)
        running = [part.name for part in known.parts.values() if part.process and alive(part.process)]
        _stop_all(_servers(settings, every=True), known)
        state.write(settings.home, state.State(parts={name: part.stopped() for name, part in known.parts.items()}))
        release_shared_folder(settings.home)
        return running


def status(settings: Settings) -> list[PartStatus]:
    """Return the state of each server, ours or not. Changes nothing."""
    known, outside = state.read(settings.home).parts, external.addresses(settings)
    return [PartStatus(name, "outside", outside[name], None, "") if name in outside else _status(name, known.get(name)) for name in _NAMES]


def _status(name: str, part: Part | None) -> PartStatus:
    if part is None or part.process is None or not alive(part.process):
        return PartStatus(name, "stopped", "", None, str(part.log) if part else "")
    return PartStatus(name, "running" if accepts(part.port) else "not answering", part.address, part.pid, str(part.log))


def connected(settings: Settings) -> Settings:
    """Return the settings with the addresses of the running stack where the environment names none.

    Raises:
        SettingsInvalid: a server is neither named nor running.
    """
    missing = [each.name for each in status(settings) if each.state in {"stopped", "not answering"} and each.name != "issuer"]
    if missing:
        raise SettingsInvalid(f"{' and '.join(missing)} not running: run `ordermend up`, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL")
    environment = _stack(settings).environment()
    fields = ("kafka_bootstrap_servers", "database_url", "owner_database_url", "issuer_url")
    found = {name: environment.get(str(Settings.model_fields[name].validation_alias)) for name in fields}
    if settings.database_url is None and settings.ports is None:
        # Only our own stack is known to be a place where nobody waits for real money.
        found["ports"] = "simulated"
    if settings.database_url is None and settings.sources is None:
        found["sources"] = "simulated"
    return settings.model_copy(update=found)


@contextlib.contextmanager
def ephemeral(settings: Settings, progress: Progress = _silent) -> Iterator[Stack]:
    """Run a stack for the length of a `with` block, then erase it; for tests. Give it a home and a cache of its own."""
    try:
        yield up(settings, progress)
    finally:
        erase(settings)


def erase(settings: Settings) -> None:
    """Stop the stack and remove its data, keys and state; nothing else, and the home folder only if it is empty then."""
    down(settings)
    if settings.home.exists():
        for folder in [*(server.directory for server in _servers(settings, every=True)), settings.home / "keys"]:
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("stack.json", "stack.lock"):
            (settings.home / name).unlink(missing_ok=True)
        release_shared_folder(settings.home)
        with contextlib.suppress(OSError):
            settings.home.rmdir()


def _servers(settings: Settings, *, every: bool = False) -> list[Server]:
    home, cache, outside = settings.home, settings.cache_dir, external.addresses(settings)
    servers: list[Server] = [
        KafkaServer(home / "kafka", cache / f"kafka-{KAFKA_VERSION}"),
        PostgresServer(home_for(home / "postgres"), cache),
        IssuerServer(home / "issuer", settings.keys_dir),
    ]
    return [server for server in servers if every or server.name not in outside]


def _stack(settings: Settings) -> Stack:
    outside = external.addresses(settings)
    parts = {name: part for name, part in state.read(settings.home).parts.items() if name not in outside and part.process}
    return Stack(settings.home, parts, external.environment(settings))


def _start_missing(settings: Settings, servers: list[Server], cancelled: threading.Event, progress: Progress) -> None:
    known = state.read(settings.home)
    missing = [server for server in servers if not _healthy(known.parts.get(server.name))]
    for server in servers:
        if server not in missing:
            progress(server.title, "ready")
    keeper = _Keeper(settings.home, known)
    try:
        _start_together(missing, known, cancelled, progress, keeper)
    except BaseException:
        _stop_all(missing, keeper.state)
        keeper.forget([server.name for server in missing])
        raise


def _healthy(part: Part | None) -> bool:
    return part is not None and part.process is not None and alive(part.process) and accepts(part.port)


class _Keeper:
    """Writes the state file as parts come up, from several threads."""

    def __init__(self, home: Path, known: state.State) -> None:
        self.state = known
        self._home = home
        self._lock = threading.Lock()

    def keep(self, part: Part) -> None:
        with self._lock:
            self.state = self.state.with_part(part)
            state.write(self._home, self.state)

    def forget(self, names: list[str]) -> None:
        for name in names:
            if name in self.state.parts:
                self.keep(self.state.parts[name].stopped())


def _start_together(servers: list[Server], known: state.State, cancelled: threading.Event, progress: Progress, keeper: _Keeper) -> None:
    """Start the servers in parallel; the first failure, or a signal, calls off the rest."""
    abandon = threading.Event()
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        starts = [pool.submit(_start, server, known.parts.get(server.name), abandon, progress, keeper) for server in servers]
        pending: set[Future[None]] = set(starts)
        while pending:
            done, pending = wait(pending, timeout=0.05)
            if cancelled.is_set() or any(start.exception() for start in done):
                abandon.set()
    failures = [failure for start in starts if (failure := start.exception())]
    for failure in failures:
        if not isinstance(failure, StartCancelled):
            raise failure
    if failures:
        raise StartCancelled


def _start(server: Server, before: Part | None, abandon: threading.Event, progress: Progress, keeper: _Keeper) -> None:
    starting = _prepare(server, before, abandon, progress)
    try:
        part = server.start(starting, before.ports if before else {})
        starting.check()
    except BaseException:
        _stop_spawned(starting.spawned, server)
        raise
    keeper.keep(part)
    progress(server.title, "ready")


def _prepare(server: Server, before: Part | None, abandon: threading.Event, progress: Progress) -> Starting:
    """Clear away what an earlier start left, and turn the log over."""
    _stop_one(server, before)
    try:
        server.directory.mkdir(parents=True, exist_ok=True)
        if server.log.exists():
            server.log.replace(server.log.with_suffix(".log.1"))
        server.log.touch(mode=0o600)
    except OSError as error:
        raise StackFailed(
            f"{server.title} did not start: {error.strerror}: {error.filename}; set ORDERMEND_HOME to a folder of yours"
        ) from None
    return Starting(server.title, server.log, abandon, lambda phase: progress(server.title, phase))


def _stop_spawned(spawned: list[Identity], server: Server) -> None:
    for process in reversed(spawned):
        stop(process, server.stop_signal, 10)
    _stop_one(server, None)


def _stop_all(servers: list[Server], known: state.State) -> None:
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        list(pool.map(lambda server: _stop_one(server, known.parts.get(server.name)), servers))


def _stop_one(server: Server, part: Part | None) -> None:
    if part is not None and part.process:
        stop(part.process, server.stop_signal, _STOP_SECONDS)
    remove_strays(part.directory if part else server.directory, server.programs, server.stop_signal, 10)


class _Interruption:
    """A signal that came while we could not listen."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.number = 0

    def note(self, number: int, _frame: object) -> None:
        self.number = self.number or number
        self.event.set()

    def settle(self) -> None:
        if self.number:
            raise Interrupted(self.number)


@contextlib.contextmanager
def _deaf() -> Iterator[_Interruption]:
    """Turn the signals that end a program into an event, so that no step is left half done."""
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    except StartCancelled:
        interruption.settle()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
