"""Orders, facts and edits flow while the processor is killed with SIGKILL at random moments and started again.

Every message has exactly one outcome, every edit at most one effect, events keep their order's order, nothing is found.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from ordermend import bootstrap
from ordermend.settings import Settings
from schemas.codec import decode
from schemas.events import OrderEvent
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ORDERS, KILLS = 240, 5


def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "ORDERMEND_HOME": str(settings.home),
        "ORDERMEND_KEYS_DIR": str(settings.keys_dir),
        "ORDERMEND_TOPIC_PREFIX": settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": str(settings.database_url),
    }


@contextmanager
def service(name: str, settings: Settings, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A service as a child process; the list's last entry is the one that runs."""
    running = [start(name, settings, log)]
    try:
        yield running
    finally:
        running[-1].terminate()
        assert 0 == running[-1].wait(30)


def start(name: str, settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen([sys.executable, "-m", "ordermend", "run", name], env=environment(settings), stdout=out, stderr=out)


def traffic(line: Line) -> Iterator[None]:
    """Send everything, a little at a time; some edits before their orders, some twice, some forbidden."""
    dice = random.Random(11)
    for number in range(ORDERS):
        body = shopify_order(50_000 + number)
        order = line.state_order(body) if number % 3 else None
        if order is None:
            from tests.line import order_in  # noqa: PLC0415 -- an order that is sent after its edit

            order = order_in(body)
        sku = order.lines[0].line_id
        ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": dice.randrange(3, 9)}))
        line.ticket(
            order.order_id, ("set_contact", {"email": f"c{number}@example.com"}), roles=() if number % 7 == 0 else ("Order_Modify",)
        )
        if number % 5 == 0:
            line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 2}), ticket_id=ticket)
        if number % 3 == 0:
            line.send_raw(body)
        if number % 2:
            line.fact(order.order_id, "allocated")
        if number % 50 == 0:
            line.send_raw(b"{broken")
        yield


def test_killed_processes_lose_double_and_reorder_nothing(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    bootstrap.prepare(still_line.settings)  # a process of its own looks for every channel's topics
    line, dice = still_line, random.Random(5)
    with (
        service("intake", line.settings, tmp_path / "intake.log"),
        service("relay", line.settings, tmp_path / "relay.log"),
        service("retrier", line.settings, tmp_path / "retrier.log"),
        service("processor", line.settings, tmp_path / "processor.log") as processors,
    ):
        eventually(lambda: line.one("select count(*) from partition_owner") == 12, 60, what="the processor's partitions")
        sent = traffic(line)
        for _ in range(KILLS):
            for _ in range(ORDERS // (KILLS + 1)):
                next(sent)
            time.sleep(dice.uniform(0, 0.15))  # the moment of the kill, not a wait for anything
            processors[-1].send_signal(signal.SIGKILL)
            processors[-1].wait()
            processors.append(start("processor", line.settings, tmp_path / "processor.log"))
        for _ in sent:
            pass
        eventually(lambda: line.one("select count(*) from orders") == ORDERS, 90, what="every order in the book")
        eventually(
            lambda: line.one("select count(*) from ticket where state in ('applied', 'refused')") == 2 * ORDERS,
            90,
            what="every edit decided",
        )
        eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, 60, what="every event sent")
        eventually(
            lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact' and outcome = 'recorded'") == ORDERS // 2,
            60,
            what="facts",
        )
        assert () == line.findings()

    assert 5 == line.one("select count(*) from dead_letter where code = 'undecodable'")
    assert ORDERS // 5 == line.one("select count(*) from dead_letter where error_class = 'IDEMPOTENCY_CONFLICT'")
    assert ORDERS + ORDERS - 35 == line.one("select count(*) from ticket where state = 'applied'")
    assert 35 == line.one("select count(*) from ticket where code = 'role_missing'")
    assert_events_are_whole_and_in_order(line)


def assert_events_are_whole_and_in_order(line: Line) -> None:
    """Read the events topic as a consumer does: drop what was seen; what is left has no gap and no inversion."""
    seen: dict[str, int] = {}
    for event in events(line):
        order = str(event.order_id)
        if event.event_seq <= seen.get(order, 0):
            continue
        assert seen.get(order, 0) + 1 == event.event_seq
        seen[order] = event.event_seq
    stored = {str(order_id): seq for order_id, seq in line.rows("select order_id, event_seq from order_head where event_seq > 0")}
    assert stored == seen


def events(line: Line) -> Iterator[OrderEvent]:
    """Yield every event on the topic, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap.bootstrap_of(line.settings),
            "group.id": "reader",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    topic = line.topics.events
    for part in sorted(consumer.list_topics(topic, timeout=20).topics[topic].partitions):
        end = consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=20)[1]
        consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING)])
        read = 0
        while read < end:
            for message in consumer.consume(500, 0.5):
                value = message.value()
                assert message.error() is None
                assert value is not None
                event = decode(value)
                assert isinstance(event, OrderEvent)
                yield event
                read = (message.offset() or 0) + 1
    consumer.close()
