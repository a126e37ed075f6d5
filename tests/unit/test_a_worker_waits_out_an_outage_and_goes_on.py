"""A worker's loop over the book: it pauses where there was nothing to do, waits out what is away, and ends by anything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, cast

import psycopg
import pytest

from store.database import Connection
from store.rounds import BOOK_ONLY, keep_at_it
from telemetry.metrics import INFRA_FAULTS


class Stop(Event):
    """Notes what it is waited on for, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return self.is_set()


class Health:
    ticks = 0

    def tick(self) -> None:
        self.ticks += 1


@contextmanager
def session() -> Iterator[None]:
    yield


def opened() -> Connection:
    """Return what stands for a connection: a round is given it and these look at nothing in it."""
    return cast("Connection", session())


def faults(of: str) -> float:
    found: float = INFRA_FAULTS.labels(of)._value.get()
    return found


def test_it_pauses_for_as_long_as_a_round_says() -> None:
    stop, health, told = Stop(), Health(), [0.0, 2.5, 0.0]

    def once(_: Connection) -> float:
        if len(told) == 1:
            stop.set()
        return told.pop(0)

    keep_at_it(opened, once, stop, "worker", cast("Any", health))
    assert ([], [2.5]) == (told, stop.waited)
    assert 4 == health.ticks, "each round is a sign of life, and so is the try to connect"


def test_it_waits_out_an_outage_and_says_of_what() -> None:
    stop = Stop()
    before = faults("postgresql"), faults("kafka")
    down: list[Exception] = [psycopg.OperationalError("away"), TimeoutError()]

    def once(_: Connection) -> float:
        if down:
            raise down.pop(0)
        stop.set()
        return 0.0

    keep_at_it(opened, once, stop, "worker", None, {**BOOK_ONLY, TimeoutError: "kafka"})
    assert [1.0, 1.0] == stop.waited
    assert (before[0] + 1, before[1] + 1) == (faults("postgresql"), faults("kafka"))


def test_a_book_that_cannot_be_reached_is_an_outage() -> None:
    stop, tries = Stop(), [0]

    def connect() -> Connection:
        tries[0] += 1
        if tries[0] == 3:
            stop.set()
            return opened()
        raise psycopg.OperationalError("refused")

    keep_at_it(connect, lambda _: 0.0, stop, "worker")
    assert ([1.0, 1.0], 3) == (stop.waited, tries[0])


def test_a_defect_ends_the_worker() -> None:
    def once(_: Connection) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        keep_at_it(opened, once, Stop(), "worker")
