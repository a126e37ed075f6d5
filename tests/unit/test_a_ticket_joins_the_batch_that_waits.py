"""A ticket that comes while a batch waits for the handler is handled with it: it waits for the batch under way and for no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import cast
from uuid import UUID

import pytest

from modification_processor.incoming import Incoming, Read
from modification_processor.reader import BATCH, BESIDE, CHANNEL_BATCH, Batch, Reader, express_first, rising
from streaming.consumer import BatchConsumer, Place
from tests.conftest import Eventually

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Fetched:
    """A record as the client gives it out."""

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming

    def topic(self) -> str:
        return self.incoming.topic

    def partition(self) -> int:
        return self.incoming.part

    def timestamp(self) -> tuple[int, int]:
        return 2, round(self.incoming.appended_at.timestamp() * 1000)


@dataclass
class Fed:
    """Gives out what it was fed, as `BatchConsumer` does."""

    topic: str
    held: list[Incoming] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    fed: int = 0
    at: datetime = NOW

    def feed(self, count: int) -> None:
        with self.lock:
            self.held += [Incoming(self.topic, 0, self.fed + number, None, b"", None, self.at) for number in range(count)]
            self.fed += count

    def poll(self, limit: int, _timeout_seconds: float) -> list[Fetched]:
        with self.lock:
            given, self.held = self.held[:limit], self.held[limit:]
        return [Fetched(each) for each in given]

    def pause(self) -> None:
        """Nothing is fetched ahead."""

    def resume(self) -> None:
        """Nothing is fetched ahead."""


def _read(incoming: Incoming) -> Read:
    return Read(incoming, UUID(int=0), f"{incoming.topic}:{incoming.off}", "ModificationTicket", b"")


def _reader(express: Fed, channel: Fed, epochs: Callable[[], Mapping[Place, int]]) -> Reader:
    consumers = cast("tuple[BatchConsumer, BatchConsumer]", (express, channel))
    return Reader(*consumers, lambda message: _read(cast("Fetched", message).incoming), epochs, lambda: None)


def _next(reader: Reader) -> list[str]:
    batch = reader.next(10.0)
    assert isinstance(batch, Batch)
    return [read.message_id for read in batch.reads]


def test_a_ticket_joins_the_batch_that_waits(eventually: Eventually) -> None:
    express, channel = Fed("tickets"), Fed("orders")
    reader = _reader(express, channel, lambda: {("tickets", 0): 1, ("orders", 0): 1})
    channel.feed(CHANNEL_BATCH + 5)
    reader.start()
    eventually(lambda: not channel.held, what="both batches of orders were polled")
    express.feed(3)
    eventually(lambda: not express.held, what="the tickets were polled")
    first, second = _next(reader), _next(reader)
    reader.stop()
    assert [f"orders:{number}" for number in range(CHANNEL_BATCH)] == first
    assert ["orders:200", "orders:201", "orders:202", "orders:203", "orders:204", "tickets:0", "tickets:1", "tickets:2"] == second


def test_what_was_polled_under_other_epochs_does_not_join(eventually: Eventually) -> None:
    express, channel = Fed("tickets"), Fed("orders")
    epochs = {("tickets", 0): 1, ("orders", 0): 1}
    reader = _reader(express, channel, lambda: epochs)
    channel.feed(CHANNEL_BATCH + 1)
    reader.start()
    eventually(lambda: not channel.held, what="both batches of orders were polled")
    epochs["tickets", 0] = 2
    express.feed(1)
    eventually(lambda: not express.held, what="the ticket was polled")
    first, second, third = _next(reader), _next(reader), _next(reader)
    reader.stop()
    assert (CHANNEL_BATCH, ["orders:200"], ["tickets:0"]) == (len(first), second, third)


def test_few_orders_go_with_tickets_and_a_batch_has_an_end() -> None:
    express, channel = Fed("tickets"), Fed("orders")
    reader = _reader(express, channel, lambda: {("tickets", 0): 1, ("orders", 0): 1})
    express.feed(10)
    channel.feed(BATCH)
    reader.start()
    first, second = _next(reader), _next(reader)
    reader.stop()
    assert (10 + BESIDE, CHANNEL_BATCH) == (len(first), len(second))


@pytest.mark.parametrize(("seconds", "turns"), [(0, BESIDE), (1, BESIDE), (3, CHANNEL_BATCH), (3600, CHANNEL_BATCH)])
def test_orders_always_have_room_and_equal_turns_once_they_are_behind(seconds: int, turns: int) -> None:
    express, channel = Fed("tickets", at=NOW + timedelta(seconds=seconds)), Fed("orders")
    reader = _reader(express, channel, lambda: {("tickets", 0): 1, ("orders", 0): 1})
    express.feed(20 * BATCH)
    channel.feed(20 * BATCH)
    reader.start()
    batches = [_next(reader) for _ in range(5)]
    reader.stop()
    stated = [sum(name.startswith("orders") for name in names) for names in batches]
    assert [BESIDE] + 4 * [turns] == stated
    assert all(
        len(names) - of == (BATCH - BESIDE if turns == BESIDE else turns) for names, of in list(zip(batches, stated, strict=True))[1:]
    )


def test_where_orders_take_long_fewer_are_under_way_at_once() -> None:
    express, channel = Fed("tickets"), Fed("orders")
    reader = _reader(express, channel, lambda: {("tickets", 0): 1, ("orders", 0): 1})
    reader.took(CHANNEL_BATCH, 1.0)
    channel.feed(BATCH)
    reader.start()
    slow = len(_next(reader))
    reader.stop()
    assert BESIDE == slow


def _about(topic: str, off: int, order: int) -> Read:
    return Read(Incoming(topic, 0, off, None, b"", None, NOW), UUID(int=order), f"{topic}:{off}", "ModificationTicket", b"")


def test_a_ticket_does_not_wait_for_many_orders_that_are_not_its_own() -> None:
    stated = [_about("orders", number, number) for number in range(BESIDE + 1)]
    other, own = _about("tickets", 0, 1000), _about("tickets", 1, 7)
    assert [[other], stated] == express_first([*stated, other], "orders")
    assert [[*stated, other, own]] == express_first([*stated, other, own], "orders")
    assert [[*stated[1:], other]] == express_first([*stated[1:], other], "orders")
    assert [stated] == express_first(stated, "orders")
    assert [[other]] == express_first([other], "orders")


@dataclass
class Rebalanced(Fed):
    """Gives out offset 2; at the second poll its partition is given anew, and is read from `given` on."""

    given: list[int] = field(default_factory=list)
    epochs: dict[Place, int] = field(default_factory=lambda: {("tickets", 0): 1})

    def poll(self, limit: int, _timeout_seconds: float) -> list[Fetched]:
        if limit > 1:
            self.epochs["tickets", 0] = 2
        offsets = [2] if limit == 1 else self.given
        return [Fetched(Incoming("tickets", 0, off, None, b"", None, NOW)) for off in offsets]


@pytest.mark.parametrize("given", [[1, 2, 3], []])
def test_what_was_polled_before_a_rebalance_does_not_pass_for_what_comes_after_it(given: list[int]) -> None:
    express = Rebalanced("tickets", given=given)
    reader = _reader(express, Fed("orders"), lambda: express.epochs)
    batch = reader._batch(reader._gather())
    assert given == [read.incoming.off for read in batch.reads]
    assert {("tickets", 0): 2} == batch.epochs


def test_what_is_given_out_again_from_before_is_not_left_out() -> None:
    reads = [_read(Incoming("tickets", 0, off, None, b"", None, NOW)) for off in (2, 1, 2, 3)]
    assert [1, 2, 3] == [read.incoming.off for read in rising(reads)]


def test_what_is_given_out_twice_is_read_once() -> None:
    reads = [_read(Incoming("tickets", part, off, None, b"", None, NOW)) for part, off in ((0, 4), (0, 5), (1, 4), (0, 5), (0, 4), (0, 6))]
    assert [(0, 4), (0, 5), (1, 4), (0, 6)] == [(read.incoming.part, read.incoming.off) for read in rising(reads)]
