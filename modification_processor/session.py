"""One connection to the book: opened at first need, and again after a fault; one transaction at a time.

Guarantee: what is done inside `taken_back_if_it_fails` is rolled back whatever is raised there, the end of the process included.
Fails: with what psycopg says. One instance, one thread.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from store.database import Connection, Cursor


class Session:
    """The connection of one writer. `connect` opens one."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The open connection; opened again after a fault."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    @contextmanager
    def taken_back_if_it_fails(self) -> Iterator[Cursor]:
        """Give a cursor; whatever is raised rolls back what was done with it. Whoever asks commits."""
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except BaseException:
            self.rollback()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Give a cursor and commit what was done with it, or roll it back."""
        with self.taken_back_if_it_fails() as cursor:
            yield cursor
            cursor.connection.commit()

    def rollback(self) -> None:
        """Roll back, where there is anything to; a connection that cannot is given up."""
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.rollback()
            except psycopg.Error:
                self._connection.close()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
