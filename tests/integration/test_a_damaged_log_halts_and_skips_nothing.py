"""Kafka's log and the stored offsets disagree: group offsets that are gone change nothing, everything else halts, loudly."""

import time
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ordermend import bootstrap
from ordermend.serving import Running
from streaming.admin import create_topics
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import CHANNELS, Line, shopify_order

Damage = Callable[[Line, AdminClient, list[int]], None]


def no_group_offsets(line: Line, admin: AdminClient, _parts: list[int]) -> None:
    group = f"{line.settings.topic_prefix}{bootstrap.GROUP}.express"
    deadline = time.monotonic() + 60
    while True:
        try:
            admin.delete_consumer_groups([group])[group].result(20)
            return
        except KafkaException as error:
            # A static member counts as present until its session ends.
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def expired(line: Line, admin: AdminClient, parts: list[int]) -> None:
    """Retention took what was not read yet."""
    for part in parts:
        line.rows("update partition_owner set next_offset = 1 where topic = %s and part = %s returning 1", line.topics.modifications, part)
    for future in admin.delete_records([TopicPartition(line.topics.modifications, part, 2) for part in parts]).values():
        future.result(20)


def rewound(line: Line, _admin: AdminClient, parts: list[int]) -> None:
    """The log ends before the stored offset: an unclean leader lost its tail."""
    for part in parts:
        line.rows(
            "update partition_owner set next_offset = 1000 where topic = %s and part = %s returning 1", line.topics.modifications, part
        )


def made_anew(line: Line, admin: AdminClient, _parts: list[int]) -> None:
    for future in admin.delete_topics([line.topics.modifications], operation_timeout=20).values():
        future.result(20)
    wanted = [topic for topic in bootstrap.all_topics(line.settings.topic_prefix, CHANNELS) if topic.name == line.topics.modifications]
    create_topics(bootstrap.bootstrap_of(line.settings), wanted)


@pytest.mark.parametrize(("damage", "halts"), [(no_group_offsets, False), (expired, True), (rewound, True), (made_anew, True)])
def test_a_damaged_log_halts_and_skips_nothing(still_line: Line, eventually: Eventually, damage: Damage, halts: bool) -> None:
    line = still_line
    line.start("intake", "processor", "relay")
    orders = [line.state_order(shopify_order(99_000 + number)) for number in range(12)]
    eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders in the book")

    def edit(quantity: int) -> None:
        for order in orders:
            line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": quantity}))

    for quantity in (3, 4, 5):
        edit(quantity)
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 3 * len(orders), 60, what="three edits each")
    line.stop("processor")
    parts = [
        part for (part,) in line.rows("select part from partition_owner where topic = %s and next_offset > 2", line.topics.modifications)
    ]
    assert parts
    damage(line, AdminClient({"bootstrap.servers": bootstrap.bootstrap_of(line.settings)}), parts)

    health = Health()
    line.services["processor"] = Running({"processor": bootstrap.processor_app(line.settings, health, "processor-0").run})
    if halts:
        eventually(lambda: any(line.topics.modifications in part for part in health.readiness()), 60, what="the halt in readiness")
        stored = line.rows("select part, next_offset from partition_owner where topic = %s order by part", line.topics.modifications)
        # Facts travel on: one topic's damage is no other's.
        for order in orders:
            line.fact(order.order_id, "allocated")
        eventually(lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact'") == len(orders), 60, what="the facts")
        assert 3 * len(orders) == line.one("select count(*) from ticket where state = 'applied'")
        assert stored == line.rows(
            "select part, next_offset from partition_owner where topic = %s order by part", line.topics.modifications
        )
    else:
        edit(6)
        eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 4 * len(orders), 60, what="the fourth edit")
        assert 0 == line.one("select count(*) from repeat")
    assert 0 == line.one("select count(*) from dead_letter")
    # Two of the damages are made by moving our own offset, which the integrity check has to notice.
    assert ({"offset_without_outcome"} if damage in (expired, rewound) else set()) == {finding.rule for finding in line.findings()}
