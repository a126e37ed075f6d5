"""The kinds of books behind the repositories, for tests that run over all: PostgreSQL, the one in memory, and PostgreSQL as the simulation uses it.

`Book.connect` opens a connection as the product would. `Book.blocked` runs something that has to wait for a lock another open
transaction holds, and tells what it returned once that has ended: a thread beside a real server, a task where the turns are the scheduler's.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Generic, Protocol, TypeVar, cast

import psycopg
from psycopg import sql

from store.database import Connection, connect, drop_schema, role_of
from store.migrating import migrate
from tests.simulation.memory.database import Database
from tests.simulation.memory.installed import installed
from tests.simulation.postgres.database import PostgresDatabase
from tests.simulation.postgres.server import Server
from tests.simulation.scheduler import Process, Scheduler, Trace

T = TypeVar("T")
D = TypeVar("D", Database, PostgresDatabase)


class Book(Protocol):
    """A book of the test's own."""

    name: str

    def connect(self) -> Connection: ...

    def count(self, table: str) -> int:
        """Return how many committed rows a table has."""
        ...

    def blocked(self, waits: Callable[[], T], end: Callable[[], None]) -> T:
        """Start `waits`, see that it waits, `end` what it waits for, and return what it returned."""
        ...


class SteppedBook(Generic[D]):
    """A book whose sessions take turns: in memory, or in PostgreSQL."""

    def __init__(self, name: str, opened: Callable[[Scheduler], D]) -> None:
        self.name = name
        self.scheduler = Scheduler(random.Random(1), Trace())
        self.database: D = opened(self.scheduler)

    def connect(self) -> Connection:
        return cast("Connection", self.database.connect())

    def count(self, table: str) -> int:
        return sum(1 for _ in self.database.committed(table))

    def blocked(self, waits: Callable[[], T], end: Callable[[], None]) -> T:
        found: list[T] = []
        process = Process("test")
        self.scheduler.spawn(process, "waits", lambda: found.append(waits()))
        (task,) = process.tasks
        while not task.point.startswith("lock"):
            assert not found, f"it does not wait: {task.point}"
            self.scheduler.run(lambda: False, 1, strict=False)
        end()
        self.scheduler.run(lambda: bool(found), 100)
        return found[0]


class PostgresBook:
    """A schema of its own on the session's server."""

    name = "postgresql"

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema

    def empty(self, owner: str) -> None:
        """Remove every row: making a schema anew for each test takes seconds."""
        with psycopg.connect(owner, autocommit=True) as connection:
            query = (
                "select quote_ident(table_name) from information_schema.tables where table_schema = %s and table_name <> 'schema_version'"
            )
            names = [f"{self._schema}.{name}" for (name,) in connection.execute(query, (self._schema,)).fetchall()]
            connection.execute(sql.SQL(f"truncate {', '.join(names)} restart identity"))

    def connect(self) -> Connection:
        return connect(self._url, self._schema, application="contract")

    def count(self, table: str) -> int:
        with self.connect() as connection:
            row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
        assert row is not None
        return int(row[0])

    def blocked(self, waits: Callable[[], T], end: Callable[[], None]) -> T:
        found: list[T] = []
        thread = threading.Thread(target=lambda: found.append(waits()))
        thread.start()
        with psycopg.connect(self._url, autocommit=True) as looking:
            query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'contract'"
            deadline = time.monotonic() + 60
            while looking.execute(query).fetchone() == (0,):
                assert time.monotonic() < deadline, "it does not wait"
                assert thread.is_alive(), "it does not wait"
                time.sleep(0.01)
        end()
        thread.join(60)
        return found[0]


@contextmanager
def memory_book() -> Iterator[SteppedBook[Database]]:
    """A new book in memory."""
    with installed():
        yield SteppedBook("memory", Database)


@contextmanager
def simulated_book(server: Server) -> Iterator[SteppedBook[PostgresDatabase]]:
    """A new book in PostgreSQL, as the simulation uses it."""
    book = SteppedBook("simulated", lambda scheduler: PostgresDatabase(server, scheduler))
    with closing(book.database):
        yield book


@contextmanager
def postgres_book(owner: str, url: str) -> Iterator[PostgresBook]:
    """A new schema on a server that runs."""
    schema = f"contract_{secrets.token_hex(4)}"
    migrate(owner, schema, role_of(url))
    try:
        yield PostgresBook(url, schema)
    finally:
        drop_schema(owner, schema)
