"""The book in memory: tables, transactions, row locks and sessions that behave as PostgreSQL's do at READ COMMITTED.

What is kept of PostgreSQL: a statement sees what was committed before it and what its own transaction wrote; a row that is
written or locked is locked to the end of the transaction; whoever waits for it then sees its newest version; a unique key that
another open transaction has inserted is waited for; circles of waiting are found (40P01), long waits end (55P03); after an
error a transaction takes nothing but a rollback; a session that goes takes its transaction and its locks with it.
What is left out: snapshots of whole statements (a statement that waits reads what comes after the wait as it is then,
save where `repositories` take care), savepoints, isolation above READ COMMITTED.

That both stores keep one contract is shown by tests/contract/test_a_store_keeps_its_contract.py, case by case.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from psycopg import errors

from tests.simulation.scheduler import Scheduler

LATE_SECONDS = 0.3
LOCK_SECONDS = 5.0
IDLE_SECONDS = 10.0
"""What `store.database.LIMITS` sets for real sessions."""

Key = tuple[Any, ...]
Row = Any
Table = dict[Any, dict[Key, Row]]
"""The rows by the first part of their key, which is the order in nearly every table."""
P = ParamSpec("P")
T = TypeVar("T")


class Outcomes(Protocol):
    """Decides how a COMMIT ends: "done", "lost_before", "lost_after" (the connection goes, before or after it happened), "late"."""

    def __call__(self, session: "Session", /) -> str: ...


class Database:
    """All of it. Used from one thread; who waits, waits in the scheduler."""

    def __init__(self, scheduler: Scheduler, outcome: Outcomes = lambda _session: "done") -> None:
        self.scheduler = scheduler
        self.outcome = outcome
        self.tables: dict[str, Table] = defaultdict(dict)
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.sessions: list[Session] = []
        self.refuses: Callable[[Any], bool] = lambda _order: False
        """Which orders a constraint of the table `orders` keeps out."""
        self.advisory: dict[str, Session] = {}
        self.commits = 0
        """How many transactions wrote something: what a listener waits for."""
        self.on_commit: Callable[[Transaction], None] = lambda _transaction: None
        self.away_until = 0.0
        self._next_id = 0

    def connect(self, name: str = "session") -> "Session":
        """Open a session; fails while the server is away."""
        self.scheduler.pause("connect")
        if self.scheduler.clock.seconds < self.away_until:
            raise errors.CannotConnectNow("the database system is starting up")
        session = Session(self, name)
        self.sessions.append(session)
        return session

    def next_id(self) -> int:
        """Return the next number of the one sequence; it is not given back by a rollback."""
        self._next_id += 1
        return self._next_id

    def restart(self, away_seconds: float) -> None:
        """End every session; take none for a while."""
        self.away_until = self.scheduler.clock.seconds + away_seconds
        for session in list(self.sessions):
            session.cut()

    def committed(self, table: str) -> Iterator[Row]:
        """Yield the committed rows of a table."""
        for rows in self.tables[table].values():
            yield from rows.values()

    def close(self) -> None:
        """Leave it: nothing is kept anywhere."""

    def end_idle(self) -> None:
        """End sessions whose transaction has been left alone for too long."""
        now = self.scheduler.clock.seconds
        for session in list(self.sessions):
            if session.transaction_open and now - session.used_at > IDLE_SECONDS:
                session.cut()


class Transaction:
    """What one transaction wrote and holds."""

    def __init__(self, database: Database, session: "Session") -> None:
        self.database = database
        self.session = session
        self.now: datetime = database.scheduler.clock.now()
        self.failed = False
        self.over = False
        self._writes: dict[str, Table] = defaultdict(dict)
        self._held: list[tuple[str, Key]] = []
        self._waits_for: Transaction | None = None

    def get(self, table: str, *key: Any) -> Any:
        """Return a row as this transaction sees it now."""
        mine = self._writes[table].get(key[0])
        if mine is not None and key in mine:
            return mine[key]
        rows = self.database.tables[table].get(key[0])
        return None if rows is None else rows.get(key)

    def before(self, table: str, *key: Any) -> Any:
        """Return a row as it is committed."""
        return self.database.tables[table].get(key[0], {}).get(key)

    @property
    def process(self) -> str:
        """Whose transaction it is."""
        return self.session.name.partition(" ")[0]

    def rows(self, table: str, first: Any) -> list[Row]:
        """Return the rows whose key begins with `first`, in the order of their keys."""
        mine, theirs = self._writes[table].get(first), self.database.tables[table].get(first)
        if mine is None:
            return [] if theirs is None else [theirs[key] for key in sorted(theirs)]
        found = {**(theirs or {}), **mine}
        return [found[key] for key in sorted(found) if found[key] is not None]

    def every(self, table: str) -> list[Row]:
        """Return all rows of a table."""
        firsts = {**self.database.tables[table], **self._writes[table]}
        return [row for first in firsts for row in self.rows(table, first)]

    def lock(self, table: str, *key: Any) -> Any:
        """Wait for a row and hold it; return it as it is then."""
        place = (table, key)
        while (holder := self.database.locks.get(place)) is not self:
            if holder is None:
                self.database.locks[place] = self
                self._held.append(place)
                break
            self._wait_for(holder, place)
        return self.get(table, *key)

    def insert(self, table: str, key: Key, row: Row, *, or_nothing: bool = False) -> bool:
        """Add a row; False where its key is there and that is no error."""
        if or_nothing and self.get(table, *key) is not None:
            return False
        if self.lock(table, *key) is not None:
            if or_nothing:
                return False
            raise errors.UniqueViolation(f'duplicate key value violates unique constraint "{table}_pkey"')
        self.write(table, key, row)
        return True

    def upsert(self, table: str, key: Key, row: Row, change: Callable[..., Row]) -> None:
        """Add a row, or change the one that is there."""
        while not self.insert(table, key, row, or_nothing=True) and self.update(table, key, change) is None:
            pass

    def update(self, table: str, key: Key, change: Callable[..., Row | None]) -> Any:
        """Lock a row that is there and change it; `change` sees the newest version, and returns None to leave it."""
        if self.get(table, *key) is None:
            return None
        row = self.lock(table, *key)
        new = None if row is None else change(row)
        if new is not None:
            self.write(table, key, new)
        return new

    def delete(self, table: str, *key: Any) -> None:
        """Remove a row, if it is there."""
        if self.get(table, *key) is not None and self.lock(table, *key) is not None:
            self.write(table, key, None)

    def write(self, table: str, key: Key, row: Row | None) -> None:
        """Put a row whose lock is held."""
        self._writes[table].setdefault(key[0], {})[key] = row

    def written(self, table: str) -> Iterator[Row | None]:
        """Yield the rows of a table that this transaction leaves behind; None for each that it removes."""
        for rows in self._writes[table].values():
            yield from rows.values()

    def commit(self) -> None:
        """Make it so, for everybody."""
        if any(self._writes.values()):
            self.database.commits += 1
            self.database.on_commit(self)
        for name, firsts in self._writes.items():
            table = self.database.tables[name]
            for first, rows in firsts.items():
                place = table.setdefault(first, {})
                for key, row in rows.items():
                    if row is None:
                        place.pop(key, None)
                    else:
                        place[key] = row
        self.end()

    def end(self) -> None:
        """Give the locks back; what was written and not committed is gone."""
        self.over = True
        self._writes.clear()
        for place in self._held:
            del self.database.locks[place]
        self._held.clear()

    def _wait_for(self, holder: "Transaction", place: tuple[str, Key]) -> None:
        other: Transaction | None = holder
        while other is not None:
            if other is self:
                raise errors.DeadlockDetected(f"deadlock detected over {place[0]}")
            other = other._waits_for
        self._waits_for = holder
        try:
            free = self.database.scheduler.wait(
                lambda: self.over or self.database.locks.get(place) is not holder, LOCK_SECONDS, f"lock {place[0]}"
            )
        finally:
            self._waits_for = None
        if self.over:
            raise errors.AdminShutdown("terminating connection due to administrator command")
        if not free:
            raise errors.LockNotAvailable(f"canceling statement due to lock timeout over {place[0]}")


class Session:
    """A connection, as psycopg's to the code that uses it."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self.autocommit = False
        self.closed = False
        self.used_at = database.scheduler.clock.seconds
        self._gone = False
        self._transaction: Transaction | None = None
        self._in_block = False

    @property
    def transaction_open(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return self._transaction is not None and not self._transaction.over

    def run(self, statement: Callable[Concatenate[Transaction, P], T], name: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one statement."""
        self.database.scheduler.pause(name)
        transaction = self._begun()
        try:
            found = statement(transaction, *args, **kwargs)
        except errors.Error:
            transaction.failed = True
            if transaction.over:
                self._lose()
            elif self.autocommit and not self._in_block:
                self.rollback()
            raise
        self.used_at = self.database.scheduler.clock.seconds
        if self.autocommit and not self._in_block:
            self.commit()
        return found

    def cursor(self) -> "Cursor":
        """Return a cursor."""
        return Cursor(self)

    def execute(self, query: str) -> None:
        """Take the one statement that is no cursor's: how a rehearsal wants to see the book. Here it sees what is committed then."""
        assert query == "set transaction isolation level repeatable read, read only", f"the book in memory knows no SQL: {query}"
        self.database.scheduler.pause("isolation")

    def commit(self) -> None:
        """Commit, with the outcome that is decided for it."""
        transaction = self._transaction
        if transaction is None:
            return
        self.database.scheduler.pause("commit")
        if self._gone or transaction.over:
            self._lose()
            raise errors.AdminShutdown("terminating connection due to administrator command")
        self._transaction = None
        if transaction.failed:
            transaction.end()
            return
        self._end(transaction, self.database.outcome(self))

    def _end(self, transaction: Transaction, outcome: str) -> None:
        if outcome == "done":
            transaction.commit()
            self.database.scheduler.pause("commit answered")
            return
        if outcome == "lost_after":
            transaction.commit()
        elif outcome == "lost_before":
            transaction.end()
        else:
            # The server has the COMMIT and is slow; nobody is left to hear of it. Its locks stand until then.
            self.database.scheduler.after(LATE_SECONDS, lambda: None if transaction.over else transaction.commit())
        self._lose()
        raise errors.OperationalError("server closed the connection unexpectedly")

    def rollback(self) -> None:
        """Undo the open transaction."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None and not transaction.over:
            transaction.end()
        if self._gone:
            self._lose()
            raise errors.AdminShutdown("terminating connection due to administrator command")

    def close(self) -> None:
        """Leave."""
        self.closed = True
        self.cut()

    def cut(self) -> None:
        """End the session from outside: its client finds out at its next word."""
        self._gone = True
        if self._transaction is not None and not self._transaction.over:
            self._transaction.end()
        if self in self.database.sessions:
            self.database.sessions.remove(self)
        for name in [name for name, session in self.database.advisory.items() if session is self]:
            del self.database.advisory[name]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction of its own: committed at the end, rolled back on any error."""
        assert self._transaction is None, "nested transactions are left out"
        self._in_block = True
        try:
            yield
        except BaseException:
            if not self.closed and not self._gone:
                self.rollback()
            raise
        else:
            self._begun()
            self.commit()
        finally:
            self._in_block = False

    def notifies(self, *, timeout: float, stop_after: int) -> Iterator[str]:
        """Wait for somebody's commit, for so long; one is all that is ever asked for."""
        assert stop_after == 1
        seen = self.database.commits
        # Whoever listens asks again and again; nothing moves before somebody commits, so it need not.
        self.database.scheduler.wait(lambda: self._gone or self.database.commits != seen, 100 * timeout, "listen")
        if self._gone:
            self._lose()
            raise errors.AdminShutdown("terminating connection due to administrator command")
        yield "outbox"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def _begun(self) -> Transaction:
        if self._gone or self.closed or (self._transaction is not None and self._transaction.over):
            self._lose()
            raise errors.AdminShutdown("terminating connection due to administrator command")
        if self._transaction is None:
            self._transaction = Transaction(self.database, self)
        if self._transaction.failed:
            raise errors.InFailedSqlTransaction("current transaction is aborted, commands ignored until end of transaction block")
        return self._transaction

    def _lose(self) -> None:
        self._transaction = None
        self.close()


class Cursor:
    """A cursor, as psycopg's to the code that uses it: the repositories find out by its type that the book is in memory."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.connection = session
        self._found: list[tuple[Any, ...]] = []

    def execute(self, query: str) -> Self:
        """Answer the one statement that is no repository's: what time it is."""
        assert query == "select now()", f"the book in memory knows no SQL: {query}"
        self._found = [(self.session.run(lambda transaction: transaction.now, "now"),)]
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the answer."""
        return self._found.pop() if self._found else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None
