"""Connections to the order book for the door: a few, kept open, each lent for one short transaction, and never on an event loop."""

import asyncio
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from schemas.failures import DependencyUnavailable
from store.database import Connection, Cursor

SIZE: Final = 8
WAIT_SECONDS: Final = 5.0


def off_the_loop() -> None:
    """Raise where the caller is on an event loop: waiting for the book there would keep everybody waiting."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("the order book was asked on the event loop; call it by run_in_threadpool")


class Book:
    """Lends cursors. `connect` opens a connection; at most `size` are open."""

    def __init__(self, connect: Callable[[], Connection], size: int = SIZE) -> None:
        self.connect = connect
        self._idle: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    @contextmanager
    def read(self) -> Iterator[Cursor]:
        """Lend a cursor whose statements all see the book at one moment; nothing can be written with it."""
        with self._lent("set transaction isolation level repeatable read, read only") as cursor:
            yield cursor

    @contextmanager
    def write(self) -> Iterator[Cursor]:
        """Lend a cursor in a transaction that is committed at the end of the `with` block."""
        with self._lent("") as cursor:
            yield cursor

    @contextmanager
    def _lent(self, begin: str) -> Iterator[Cursor]:
        off_the_loop()
        try:
            connection = self._idle.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise DependencyUnavailable("every connection to the order book is in use", field="book") from None
        try:
            if connection is None or connection.closed or connection.broken:
                connection = self.connect()
            with connection.transaction(), connection.cursor() as cursor:
                if begin:
                    cursor.execute(begin)
                yield cursor
        except psycopg.OperationalError as error:
            if connection is not None and connection.broken:
                connection.close()
            raise DependencyUnavailable(f"the order book does not answer: {error.sqlstate or type(error).__name__}", field="book") from None
        finally:
            self._idle.put(connection)

    def close(self) -> None:
        """Close what is idle; whoever asks again gets a new connection."""
        # All of them out first: what is put back would be the next to come out again.
        for connection in [self._idle.get_nowait() for _ in range(self._idle.qsize())]:
            if connection is not None:
                connection.close()
            self._idle.put(None)
