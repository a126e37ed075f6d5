"""Crash poison: a message that kills whoever handles it is tried in a child process first, and found out there.

A process that died several times over a partition without getting anywhere (`partition_owner.starts`) is careful with
what waits there: each message is handled by a child, the whole work but the commit, before it is handled here. A child
that dies, hangs or asks for more memory than it is given is started again; after three deaths over one message, seen by a parent that lived, the
message is POISON_CRASH, a dead letter like any other, and everything behind it goes on. A console tries a dry run in a child first, too: its
letters are what failed, and one that kills must not end the pages of everybody else.

Source: reliability notes of arroyo and Karafka on poison pills; docs/architecture.md, "Crash poison".
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from modification_processor.incoming import Incoming
from modification_processor.outcomes import Failed
from schemas.failures import OrdermendError
from schemas.repair import Repaired
from schemas.statement import Statement
from store.letters import Letter

DEATHS = 3
"""So many starts without progress make a process careful, and so many deaths of its child make a message poison."""
HANG_SECONDS = 10.0
MEMORY_BYTES = 512 * 1024 * 1024
"""What a child may use beside what it began with; a batch of the largest documents stays far below."""
MEMORY_EXIT = 77
PROBE = 1000
"""Messages of a partition that are tried after the crashes: more than any batch held."""


class DryRun(NamedTuple):
    """A letter that is to be rehearsed, with what the workbench is asked for it."""

    letter: Letter
    repaired: Repaired | None
    statements: Sequence[tuple[str, Statement]]
    followers: bool


Tried = Incoming | tuple[UUID, str]
"""A record as it came, or the lane (order, topic) whose head is tried."""
T = TypeVar("T")
Serve = Callable[[Pipe], None]
Attempt = Callable[[Any], None]
"""Does the whole work of what is tried, but the commit."""


class DryRunKills(OrdermendError):
    """A dry run ended the process that tried it."""

    code = "dry_run_kills"
    error_class = "POISON_CRASH"


class Trial(Generic[T]):
    """The parent's side. One instance, one thread; `close` ends the child."""

    def __init__(self, serve: Serve, hang_seconds: float = HANG_SECONDS, deaths: int = DEATHS) -> None:
        """`serve` runs in the child and has to be importable there: `answer`, with a processor of its own."""
        self._serve = serve
        self._hang_seconds = hang_seconds
        self._deaths = deaths
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Pipe | None = None

    def poison(self, tried: T) -> Failed | None:
        """Return the failure of what killed every child that tried it; None where one lived through it."""
        for _ in range(self._deaths):
            how = self._death(tried)
            if how is None:
                return None
        return Failed(
            "POISON_CRASH", "poison_crash", "handle", f"it killed {_processes(self._deaths)}: {how}", rule="process_survives", where="child"
        )

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None

    def _death(self, tried: T) -> str | None:
        pipe = self._opened()
        with suppress(EOFError, OSError):
            pipe.send(tried)
            if not pipe.poll(self._hang_seconds):
                self.close()
                return f"no end within {self._hang_seconds:g} s"
            pipe.recv()
            return None
        assert self._child is not None
        self._child.join()
        code = self._child.exitcode
        self.close()
        if code == MEMORY_EXIT:
            return f"more than {MEMORY_BYTES >> 20} MiB of memory"
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def _opened(self) -> Pipe:
        """Return the pipe to a child that has said it is there."""
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(target=self._serve, args=(theirs,), daemon=True)
            self._child.start()
            theirs.close()
            self._pipe.recv()
        return self._pipe


class DryRuns:
    """The console's side: dry runs that may end a child, and nothing else. For several threads, one at a time."""

    def __init__(self, serve: Serve, hang_seconds: float = HANG_SECONDS) -> None:
        # A person waits for it: one death is enough, they can ask again.
        self._trial: Trial[DryRun] = Trial(serve, hang_seconds, deaths=1)
        self._lock = threading.Lock()

    def check(self, dry_run: DryRun) -> None:
        """Try it in a child. Raises `DryRunKills` where the child dies of it."""
        with self._lock:
            failure = self._trial.poison(dry_run)
        if failure is not None:
            raise DryRunKills(
                f"it was not done here: {failure.detail}",
                field=str(dry_run.letter.letter_id),
                rule="process_survives",
                value=failure.detail,
            )

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._trial.close()


def _processes(deaths: int) -> str:
    return "the process that tried it" if deaths == 1 else f"a process {deaths} times"


def answer(pipe: Pipe, attempt: Attempt) -> None:
    """The child's side: say that it is there, then try what is sent, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    limit_memory(MEMORY_BYTES)
    pipe.send("ready")
    with suppress(EOFError):
        while True:
            tried = pipe.recv()
            # Whatever is raised is the parent's to classify: here only life and death count.
            try:
                attempt(tried)
            except MemoryError:
                os._exit(MEMORY_EXIT)
            except Exception:  # noqa: BLE001, S110 -- see above
                pass
            pipe.send("lived")


def limit_memory(bytes_more: int) -> None:
    """Let this process's address space grow by so much and no more; where the system does not say how large it is, do nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + bytes_more, hard))
