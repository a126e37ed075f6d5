"""The relay dies between Kafka's yes and its own mark, again and again; a row with a low number commits late: nothing is lost."""

import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from ordermend import bootstrap
from store import outbox
from store.database import Connection
from store.outbox import Outgoing
from telemetry import failpoints
from telemetry.failpoints import FailpointRaised
from telemetry.health import Health
from tests.line import Line

CRASHES = 500
ORDERS, EVENTS = 50, 40


@contextmanager
def connected(line: Line) -> Iterator[Connection]:
    with bootstrap.connector(line.settings, "relay")() as connection:
        connection.autocommit = True
        yield connection


def rows(line: Line, orders: list[uuid.UUID], first: int, last: int) -> list[Outgoing]:
    return [
        Outgoing(order, seq, uuid.uuid4(), line.topics.events, str(order).encode(), b"event %d" % seq, {"event_seq": str(seq)})
        for seq in range(first, last + 1)
        for order in orders
    ]


def heard(line: Line) -> dict[str, list[int]]:
    """Return the numbers on the topic by order, in the topic's order."""
    found: dict[str, list[int]] = defaultdict(list)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap.bootstrap_of(line.settings),
            "group.id": "ear",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    for part in consumer.list_topics(line.topics.events, timeout=20).topics[line.topics.events].partitions:
        end, read = consumer.get_watermark_offsets(TopicPartition(line.topics.events, part), timeout=20)[1], 0
        consumer.assign([TopicPartition(line.topics.events, part, OFFSET_BEGINNING)])
        while read < end:
            for message in consumer.consume(500, 0.5):
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                found[key.decode()].append(int(value.removeprefix(b"event ")))
                read = (message.offset() or 0) + 1
    consumer.close()
    return found


def without_repeats(numbers: list[int]) -> list[int]:
    """Return what a consumer acts on: it drops what it has seen, by number."""
    kept: list[int] = []
    for number in numbers:
        if not kept or number > kept[-1]:
            kept.append(number)
    return kept


def test_a_relay_that_dies_before_its_mark_sends_again_and_never_out_of_order(still_line: Line) -> None:
    line = still_line
    orders = [uuid.uuid4() for _ in range(ORDERS)]
    with line.book.cursor() as cursor:
        outbox.add(cursor, rows(line, orders, 1, EVENTS))
    relay, crashes = bootstrap.relay(line.settings, Health()), 0
    failpoints.arm("relay.sent=raise%95")
    try:
        while crashes < CRASHES:
            with connected(line) as connection:
                try:
                    if relay.send(connection) == 0:
                        outbox_again = rows(line, [uuid.uuid4() for _ in range(5)], 1, 5)
                        outbox.add(connection.cursor(), outbox_again)
                except FailpointRaised:
                    crashes += 1
        failpoints.arm("")
        with connected(line) as connection:
            while relay.send(connection):
                pass
    finally:
        failpoints.arm("")
    assert 0 == line.one("select count(*) from outbox where sent_at is null")
    found = heard(line)
    assert sum(map(len, found.values())) > line.one("select count(*) from outbox")
    for order in orders:
        assert list(range(1, EVENTS + 1)) == without_repeats(found[str(order)])


def test_a_row_that_commits_late_is_not_passed_over(still_line: Line) -> None:
    line = still_line
    late, orders = [uuid.uuid4()], [uuid.uuid4() for _ in range(100)]
    relay = bootstrap.relay(line.settings, Health())
    with bootstrap.connector(line.settings, "slow")() as slow, connected(line) as connection:
        outbox.add(slow.cursor(), rows(line, late, 1, 1))  # the lowest numbers, not committed
        for first in range(1, 101, 25):
            outbox.add(connection.cursor(), rows(line, orders, first, first + 24))
        while relay.send(connection):
            pass
        assert 10_000 == line.one("select count(*) from outbox where sent_at is not null")
        slow.commit()
        assert 1 == relay.send(connection)
    found = heard(line)
    assert [1] == found[str(late[0])]
    assert all(list(range(1, 101)) == found[str(order)] for order in orders)
