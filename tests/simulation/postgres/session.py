"""A session with PostgreSQL whose every statement is a turn of the scheduler's: psycopg's connection, and the real server.

Whoever has to wait for a lock gives the turn away and goes on once the lock is free, so nothing ever keeps the one thread. The first
who waits really waits: its statement stands in the server's queue with the snapshot it began with, and is looked at again whenever
somebody's transaction has ended. Who has to wait beside it is called off, rolled back to a savepoint, and asks again then; so of two
that are woken none races the other, and a seed does the same each time. Waits end as the product's limits would have them (55P03),
and circles are found when they close (40P01). How a COMMIT ends, when the session goes, and what time it is, are the simulation's.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import psycopg
from psycopg import errors, pq
from psycopg.waiting import Ready

from tests.simulation.memory.database import LOCK_SECONDS
from tests.simulation.postgres.server import answers

if TYPE_CHECKING:
    from tests.simulation.postgres.database import PostgresDatabase

T = TypeVar("T")
LOOK_SECONDS = 0.003
"""So long [real] a statement takes before anybody asks whether it waits for a lock; how long it takes decides nothing."""
OPEN = (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)


class CalledOff(errors.LockNotAvailable):
    """The statement had to wait while somebody else does: it is asked again, as long as a wait may last."""


class Session(psycopg.Connection[tuple[Any, ...]]):
    """One session; made by `PostgresDatabase.connect`."""

    def __init__(self, database: "PostgresDatabase", name: str, connection: "pq.abc.PGconn") -> None:
        super().__init__(connection)
        self.database = database
        self.name = name
        self.used_at = database.scheduler.clock.seconds
        self.waits_for: frozenset[int] = frozenset()
        """Backends that hold what it waits for."""
        self.answered = False
        self.pid = connection.backend_pid
        self._wrote = False
        self._gone = False
        self._closed = False
        self._clocked = False
        self._in_block = False
        self._ends_with: errors.Error | None = None
        """What the statement that was called off fails with."""

    def __del__(self, *_: object) -> None:
        """A process that was killed closes nothing: `cut` has given its connections back."""

    @property
    def closed(self) -> bool:
        """Whether its user knows that it is gone."""
        return self._closed

    @property
    def transaction_open(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return not self._gone and self.pgconn.transaction_status in OPEN

    def statement(self, point: str, run: Callable[[], T], *, may_wait: bool = False) -> T:
        """Run a statement in a turn of its own; `may_wait`: it locks rows, and may be asked again."""
        self._turn(point)
        began = self.database.scheduler.clock.seconds
        while True:
            in_savepoint = may_wait and self.database.blocked is not None
            if in_savepoint:
                self._say("savepoint turn")
            try:
                found = run()
            except errors.QueryCanceled:
                self._called_off(began, in_savepoint=in_savepoint)
                continue
            except errors.Error:
                if self.autocommit and not self._in_block and not self._gone:
                    self.rollback()
                raise
            if in_savepoint:
                self._say("release savepoint turn")
            break
        self.waits_for = frozenset()
        self.used_at = self.database.scheduler.clock.seconds
        return found

    def ended(self, *, wrote: bool) -> None:
        """Note whether a statement wrote anything, and commit what stands by itself."""
        self._wrote = self._wrote or wrote
        if self.autocommit and not self._in_block:
            self.commit()

    def raise_called_off(self) -> NoReturn:
        """Raise what a statement ends with that is not asked again."""
        error, self._ends_with = self._ends_with, None
        assert error is not None, "nobody else calls statements off"
        raise errors.LockNotAvailable(*error.args) if isinstance(error, CalledOff) else error

    def _called_off(self, began: float, *, in_savepoint: bool) -> None:
        """Wait until it is worth asking again, or raise what the statement ends with."""
        left, seen = began + LOCK_SECONDS - self.database.scheduler.clock.seconds, self.database.releases
        free = (
            isinstance(self._ends_with, CalledOff)
            and in_savepoint
            and self.database.scheduler.wait(lambda: self._gone or self.database.releases != seen, left, "lock")
        )
        self._is_there()
        if not free:
            self.waits_for = frozenset()
            self.raise_called_off()
        self._ends_with = None
        self._say("rollback to savepoint turn")
        self._say("release savepoint turn")

    def _turn(self, point: str) -> None:
        self.database.scheduler.pause(point)
        self._is_there()
        if not self._clocked:
            begin = "" if self.pgconn.transaction_status in OPEN else "begin; "
            self._say(f"{begin}set local sim.now = '{self.database.scheduler.clock.now().isoformat()}'")
            self._clocked = True

    def _is_there(self) -> None:
        if self._gone or self._closed:
            self._lose()
            raise errors.AdminShutdown("terminating connection due to administrator command")

    def _say(self, statement: str) -> None:
        self.database.server.say(self.pgconn, statement)

    def wait(self, gen: Generator[Any, Ready, T], interval: float = 0.0, timeout: float | None = None) -> T:
        """Carry psycopg's exchange with the server on; a wait for somebody's lock is the scheduler's."""
        del interval, timeout
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self._ready(int(wanted)))
        except StopIteration as end:
            found: T = end.value
            return found
        finally:
            gen.close()

    def _ready(self, wanted: int) -> Ready:
        if self._gone:
            raise errors.AdminShutdown("terminating connection due to administrator command")
        if wanted & Ready.W and not answers(self.pgconn, 0):
            return Ready.W
        while not answers(self.pgconn, LOOK_SECONDS):
            self.waits_for = self.database.server.blockers(self.pid)
            if self.waits_for:
                self._wait_for_lock()
        return Ready.RW if wanted & Ready.W else Ready.R

    def _wait_for_lock(self) -> None:
        database = self.database
        if database.closes_circle(self):
            self._call_off(errors.DeadlockDetected("deadlock detected"))
        elif database.blocked is not None:
            self._call_off(CalledOff("canceling statement due to lock timeout"))
        elif not self._waited():
            self._call_off(errors.LockNotAvailable("canceling statement due to lock timeout"))

    def _waited(self) -> bool:
        """Stand in the server's queue while others go on; return whether it is our turn, before it has lasted too long."""
        database = self.database
        database.blocked, self.answered = self, False
        try:
            free = database.scheduler.wait(lambda: self.answered or self._gone, LOCK_SECONDS, "lock")
        finally:
            database.blocked = None
        if self._gone:
            raise errors.AdminShutdown("terminating connection due to administrator command")
        return free

    def _call_off(self, error: errors.Error) -> None:
        self._ends_with = error
        self.pgconn.get_cancel().cancel()
        while not answers(self.pgconn, 1.0):
            """It comes: nobody else keeps the server from it."""

    def commit(self) -> None:
        """Commit, with the outcome that is decided for it."""
        if self._gone or self._closed:
            self._is_there()
        if self.pgconn.transaction_status not in OPEN:
            return
        self.database.scheduler.pause("commit")
        self._is_there()
        if self.pgconn.transaction_status == pq.TransactionStatus.INERROR:
            self._end("rollback")
            return
        outcome = self.database.outcome(self)
        if outcome == "done":
            self._end("commit")
            self.database.scheduler.pause("commit answered")
            return
        if outcome == "lost_after":
            self._end("commit")
        elif outcome == "late":
            # The server has the COMMIT and is slow; nobody is left to hear of it. Its locks stand until then.
            self.database.commit_later(self.pgconn, self.name, wrote=self._wrote)
            self._left()
        self._lose()
        raise errors.OperationalError("server closed the connection unexpectedly")

    def _end(self, how: str) -> None:
        wrote, self._wrote, self._clocked = self._wrote, False, False
        self._say(how)
        if how == "commit":
            self.database.committed_by(self.name, wrote=wrote)
        self.database.released()

    def rollback(self) -> None:
        """Undo the open transaction."""
        if self._gone:
            self._is_there()
        if not self._closed and self.pgconn.transaction_status in OPEN:
            self._end("rollback")

    def cut(self) -> None:
        """End the session from outside: its client finds out at its next word."""
        if not self._gone:
            connection = self.pgconn
            self._left()
            self.database.server.give_back(connection)
            self.database.released()

    def _left(self) -> None:
        self._gone = True
        if self in self.database.sessions:
            self.database.sessions.remove(self)

    def close(self) -> None:
        """Leave."""
        self._closed = True
        self.cut()

    def _lose(self) -> None:
        self.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Commit, unless something was raised; leave."""
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    @contextmanager
    def transaction(self, *_: object, **__: object) -> Iterator[None]:  # type: ignore[override]  # nobody asks for what it yields
        """Open a transaction of its own: committed at the end, rolled back on any error."""
        assert not self.transaction_open, "nested transactions are left out"
        self._in_block = True
        try:
            self._turn("begin")
            yield
        except BaseException:
            if not self._closed and not self._gone:
                self.rollback()
            raise
        else:
            self.commit()
        finally:
            self._in_block = False

    def notifies(self, *, timeout: float | None = None, stop_after: int | None = None) -> Iterator[str]:  # type: ignore[override]  # one is as good as another
        """Wait for somebody's commit, for so long; one is all that is ever asked for."""
        assert stop_after == 1
        seen, seconds = self.database.commits, 100 * (timeout or 0.0)
        # Whoever listens asks again and again; nothing moves before somebody commits, so it need not.
        self.database.scheduler.wait(lambda: self._gone or self.database.commits != seen, seconds, "listen")
        self._is_there()
        yield "outbox"
