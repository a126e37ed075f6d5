"""A letter the tables refuse, events and statements larger than Kafka takes, floods of headers: none is skipped, none stops the others.

What cannot be written becomes a letter; where the letter cannot be written it waits; where it cannot wait, its partition halts and
the others go on.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message

from modification_processor import rows
from ordermend import bootstrap
from ordermend.serving import Running
from schemas import codec
from schemas.failures import SameIdOtherContent
from schemas.topics import MAX_MESSAGE_BYTES, MAX_VALUE_BYTES
from store.database import Connection, connect
from streaming.producer import Record
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def owner_of(line: Line) -> Connection:
    """Somebody who may change the tables."""
    return connect(line.settings.migration_url or "", line.settings.db_schema, autocommit=True)


@pytest.fixture
def owner(line: Line) -> Iterator[Connection]:
    with owner_of(line) as connection:
        yield connection


def test_a_letter_that_cannot_be_written_waits_and_is_written_later(still_line: Line, eventually: Eventually) -> None:
    line, bad, others = still_line, uuid.uuid4(), [uuid.uuid4(), uuid.uuid4()]
    failing = {bad, *others}

    def fail(step: str) -> None:
        if step in {f"decide ticket:{ticket_id}" for ticket_id in failing}:
            raise SameIdOtherContent

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    orders = [line.state_order(shopify_order(8100 + number)) for number in range(4)]
    eventually(lambda: line.one("select count(*) from orders") == 4, what="the orders in the book")
    with owner_of(line) as owner:
        owner.execute("alter table dead_letter add constraint full_disk check (false) not valid")
        for order, ticket_id in zip(orders[::3] + orders[2:3], [bad, *others], strict=True):
            line.ticket(order.order_id, ("set_note", {"note": "once"}), ticket_id=ticket_id)
        fine = line.ticket(orders[1].order_id, ("set_note", {"note": "twice"}))
        eventually(lambda: line.state(fine) == "applied", what="the other order's edit")
        waiting = "select state, code from lane"
        eventually(lambda: line.rows(waiting) == 3 * [("retrying", "letter_unwritable")], what="the bad ones waiting")
        assert ("waiting", 0) == (line.state(bad), line.one("select count(*) from dead_letter"))

        # The retrier meets the same in the one that still is bad: it waits on, and holds up none of those tried with it.
        failing.difference_update(others)
        worker = bootstrap.processor(line.settings, "retrier-work", fail)
        line.book.execute("update lane set next_attempt_at = now()")
        assert 2 == worker.retry_lanes([(order.order_id, line.topics.modifications) for order in orders])
        assert ["applied", "applied"] == [line.state(ticket_id) for ticket_id in others]
        assert line.one("select next_attempt_at > now() + interval '5 minutes' from lane")
        owner.execute("alter table dead_letter drop constraint full_disk")
        line.book.execute("update lane set next_attempt_at = now()")
        assert 0 == worker.retry_lanes([(orders[0].order_id, line.topics.modifications)])
        worker.close()
    assert [("same_id_other_content", "unresolved")] == line.rows("select code, status from dead_letter")
    assert "dead" == line.state(bad)
    assert () == line.findings()


def test_a_message_of_which_nothing_can_be_stored_halts_its_partition_alone(line: Line, eventually: Eventually, owner: Connection) -> None:
    orders = [line.state_order(shopify_order(8200 + number)) for number in range(12)]
    eventually(lambda: line.one("select count(*) from orders") == 12, what="the orders in the book")
    owner.execute("alter table dead_letter add constraint full_disk check (false) not valid")
    # Nobody answers for it, so it may close no lane; its letter is refused; it must not be skipped.
    line.producer.send([Record(line.topics.modifications, str(orders[0].order_id).encode(), b"unsigned", [])])
    health = "select next_offset from partition_owner where topic = %s"
    tickets = [line.ticket(order.order_id, ("set_note", {"note": "on"})) for order in orders]
    eventually(lambda: sum(line.state(ticket) == "applied" for ticket in tickets) >= 6, what="the edits of other partitions")

    def untouched() -> int:
        return [offset for (offset,) in line.rows(health, line.topics.modifications)].count(None)

    eventually(lambda: untouched() <= 1, what="every other partition going on")
    assert 1 == untouched()
    owner.execute("alter table dead_letter drop constraint full_disk")
    line.stop("processor")
    line.start("processor")
    eventually(lambda: all(line.state(ticket) == "applied" for ticket in tickets), 60, what="everything behind it, after a start")
    assert [("DECODE",)] == line.rows("select error_class from dead_letter")
    assert () == line.findings()


def test_an_event_too_large_for_kafka_is_a_letter_before_it_is_committed(
    line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    big, other = line.state_order(shopify_order(8300)), line.state_order(shopify_order(8301))
    eventually(lambda: line.one("select count(*) from orders") == 2, what="the orders in the book")
    encode = codec.encode

    def huge(event: Any) -> bytes:
        value = encode(event)
        # One byte more than there is room for.
        return value.ljust(MAX_VALUE_BYTES + 1 - len(str(big.order_id)), b"\0") if event.order_id == big.order_id else value

    monkeypatch.setattr(rows, "encode", huge)
    line.ticket(big.order_id, ("set_note", {"note": "x"}))
    fine = line.ticket(other.order_id, ("set_note", {"note": "x"}))
    eventually(lambda: line.state(fine) == "applied", what="the other order's edit")
    eventually(lambda: line.rows("select error_class, code from dead_letter") == [("LIMIT", "output_too_large")], what="the letter")
    assert 1 == line.one("select version from orders where order_id = %s", big.order_id)
    assert () == line.findings()


def test_a_row_that_kafka_does_not_take_holds_up_its_own_order_alone(line: Line, eventually: Eventually, owner: Connection) -> None:
    stuck, other = line.state_order(shopify_order(8400)), line.state_order(shopify_order(8401))
    eventually(lambda: line.one("select count(*) from outbox where sent_at is not null") == 2, what="the first events sent")
    row = "insert into outbox (order_id, event_seq, event_id, topic, key, value, headers) values (%s, null, %s, %s, null, %s, '{}')"
    owner.execute(row, (stuck.order_id, uuid.uuid4(), line.topics.events, b"x" * (MAX_MESSAGE_BYTES + 1)))
    for order in (stuck, other):
        line.ticket(order.order_id, ("set_note", {"note": "x"}))
    sent = "select count(*) from outbox where order_id = %s and sent_at is null"
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 2, what="both edits applied")
    eventually(lambda: line.one(sent, other.order_id) == 0, what="the other order's event sent")
    assert 2 == line.one(sent, stuck.order_id)
    line.stop("relay")


def test_a_flood_of_headers_and_an_oversized_document_are_letters_with_bounded_copies(line: Line, eventually: Eventually) -> None:
    flood = {f"h{number}": "x" * 10 for number in range(100_000)}
    line.send_raw(b"{not json", headers={"wide": "ü" * 65_536, "x-shopify-topic": "orders/create"}, key=b"8500")
    line.send_raw(b"{not json either", headers=flood, key=b"8501")
    # As large as its topic takes, and no statement that carries it whole fits any more.
    line.send_raw(b"{" + b" " * (MAX_MESSAGE_BYTES - 1000), key=b"8502")
    wide = {"line_items": [], "note": "n" * (5 * 1024 * 1024 - 4096)}
    line.send_raw(json.dumps(wide).encode(), key=b"8503")
    after = line.state_order(shopify_order(8504))
    eventually(lambda: line.order(after.order_id), 60, what="the order behind them")
    eventually(lambda: line.one("select count(*) from dead_letter") == 4, what="four letters")
    assert 1 == line.one("select count(*) from dead_letter where error_class = 'LIMIT'")
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="the copies sent")
    copies = _copies(line, f"{line.settings.topic_prefix}orders.raw.shopify.v1.dlt", 4)
    for copy in copies:
        headers = headers_of(copy)
        size = sum(len(name) + len(value or b"") for name, value in headers.items())
        assert size <= 8192
        assert headers["dlq.error.class"]
    assert any(headers_of(copy).get("x-shopify-topic") == b"orders/create" for copy in copies), "one that is too wide leaves room to others"
    flooded = [headers_of(copy) for copy in copies if "h1" in headers_of(copy)]
    assert [True] == ["dlq.headers_dropped" in headers for headers in flooded]
    assert () == line.findings()


def headers_of(copy: Message) -> dict[str, bytes]:
    return {header[0]: header[1] if isinstance(header[1], bytes) else str(header[1] or "").encode() for header in copy.headers() or ()}


def _copies(line: Line, topic: str, count: int) -> list[Message]:
    settings = {"bootstrap.servers": line.settings.kafka_bootstrap_servers, "group.id": f"{topic}.test", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    found: list[Message] = []
    try:
        for _ in range(600):
            found += [message for message in consumer.consume(count, 0.1) if message.error() is None]
            if len(found) >= count:
                break
    finally:
        consumer.close()
    assert count == len(found)
    return found
