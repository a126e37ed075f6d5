"""What the world asks of its book, which is in memory or in PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from tests.simulation.looks import Commit
from tests.simulation.memory.database import Database
from tests.simulation.postgres.database import PostgresDatabase
from tests.simulation.postgres.server import Server
from tests.simulation.posts import AGENTS, REFUSED_QUANTITY
from tests.simulation.scheduler import Scheduler


class BookSession(Protocol):
    """A connection, as psycopg's to the services; to the world, what can be cut."""

    name: str

    def cut(self) -> None: ...


class Tables(Protocol):
    """What is committed: the rows of a table by the first part of their key and by their key."""

    def __getitem__(self, name: str, /) -> dict[Any, dict[tuple[Any, ...], Any]]: ...


class Book(Protocol):
    """The book of one seed."""

    commits: int
    on_commit: Callable[[Any], None]

    @property
    def tables(self) -> Tables: ...

    @property
    def sessions(self) -> Sequence[BookSession]: ...

    def connect(self, name: str = "session") -> BookSession: ...

    def restart(self, away_seconds: float) -> None: ...

    def committed(self, table: str) -> Iterator[Any]: ...

    def end_idle(self) -> None: ...

    def close(self) -> None: ...


def open_book(
    server: Server | None, scheduler: Scheduler, outcome: Callable[[BookSession], str], on_commit: Callable[[Commit], None]
) -> Book:
    """Open an empty book: in PostgreSQL where there is a server. A constraint of either keeps full orders out."""
    book: Database | PostgresDatabase
    if server is not None:
        book = PostgresDatabase(server, scheduler, outcome)
    else:
        book = Database(scheduler, outcome)
        book.refuses = lambda order: order.lines[AGENTS].ordered >= REFUSED_QUANTITY
    book.on_commit = on_commit
    return book
