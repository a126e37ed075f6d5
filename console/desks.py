"""The desks where dead letters are worked on: a few, kept open, each lent to one thread at a time."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Final

import psycopg

from console.api.problems import Problem
from console.book import off_the_loop
from dlq_handler import Desk
from schemas.failures import DependencyUnavailable

SIZE: Final = 4
WAIT_SECONDS: Final = 5.0


def no_desk() -> Desk:
    """Stand in where no desk was handed over: reading goes on, acting does not."""
    raise DependencyUnavailable("this console was started without a desk for dead letters", field="desk")


@contextmanager
def _in_words() -> Iterator[None]:
    """Say what the database has against it as an error that people are told."""
    try:
        yield
    except psycopg.DataError:
        raise Problem("invalid_request", "a value that was given cannot be stored") from None
    except psycopg.OperationalError as error:
        raise DependencyUnavailable(f"the order book does not answer: {error.sqlstate or type(error).__name__}", field="book") from None


class Desks:
    """Lends desks. `make` sets one up; at most `size` are made, each when it is first needed."""

    def __init__(self, make: Callable[[], Desk], size: int = SIZE) -> None:
        self._make = make
        self._idle: queue.LifoQueue[Desk | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)
        self._long: set[Event] = set()

    @contextmanager
    def lent(self) -> Iterator[Desk]:
        """Lend a desk; `DependencyUnavailable` where all are in use for long, or the book does not answer."""
        off_the_loop()
        try:
            desk = self._idle.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise DependencyUnavailable("every desk is in use", field="desk") from None
        try:
            with _in_words():
                desk = desk or self._make()
                yield desk
        finally:
            self._idle.put(desk)

    @contextmanager
    def own(self) -> Iterator[tuple[Desk, Event]]:
        """Lend a desk made for one long piece of work, and the event that asks it to pause when this process ends."""
        off_the_loop()
        with _in_words():
            desk, stop = self._make(), Event()
            self._long.add(stop)
            try:
                yield desk, stop
            finally:
                self._long.discard(stop)
                desk.close()

    @property
    def busy(self) -> int:
        """How many long pieces of work are under way."""
        return len(self._long)

    def close(self) -> None:
        """Close what is idle, and ask long work to pause; whoever asks again gets a new desk."""
        for stop in tuple(self._long):
            stop.set()
        for _ in range(self._idle.qsize()):
            desk = self._idle.get_nowait()
            if desk is not None:
                desk.close()
            self._idle.put(None)
