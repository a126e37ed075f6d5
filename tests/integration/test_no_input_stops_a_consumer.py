"""Messages made to hurt: no UTF-8 in a key, NUL in a text, an id longer than an index takes, a hash that is none.

Each is a dead letter or a refusal, none is skipped, and the messages after them are handled.
"""

from datetime import UTC, datetime
from uuid import uuid4

from schemas.codec import encode
from schemas.facts import FulfillmentFact
from schemas.statement import IntakeFailed, RawDocument
from streaming.producer import Record
from tests.conftest import Eventually
from tests.line import Line, shopify_order

AT = datetime(2026, 11, 23, tzinfo=UTC)


def test_no_input_stops_a_consumer(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(7001))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    facts, tickets, canonical = line.topics.fulfillment, line.topics.modifications, line.topics.canonical
    for key in (b"raw:\xff\xfe", b"\x00" * 36, None, b"not an id"):
        line.producer.send([Record(facts, key, b"anything", []), Record(tickets, key, b"", []), Record(canonical, key, b"\xc3\x01", [])])
    for fact_id in ("\x00", "x" * 5_000):
        fact = FulfillmentFact(fact_id=fact_id, order_id=order.order_id, kind="allocated", at=AT)
        line.send_signed(facts, order.order_id, encode(fact), f"fact:{fact_id}", line.warehouse, "wms", ())
    raw = RawDocument(body=b"x", sha256="no hash", topic="t\x00", partition=0, offset=0)
    forged = IntakeFailed(message_id="m", order_id=None, channel="shopify", verdict="reject", error_class="BUG", code="c", raw=raw)
    line.producer.send([Record(canonical, b"raw:x:0", encode(forged), [])])
    line.ticket(order.order_id, ("set_contact", {"email": "a@example.com"}), reason="\x00")
    line.producer.send([Record(tickets, str(order.order_id).encode(), b"unsigned bytes", [])])

    other = line.state_order(shopify_order(7002))
    eventually(lambda: line.order(other.order_id), what="the next order")
    fine = line.ticket(other.order_id, ("set_contact", {"email": "b@example.com"}), ticket_id=uuid4())
    eventually(lambda: line.state(fine) == "applied", what="the next edit")
    line.fact(other.order_id, "allocated")
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'recorded'") == 1, what="the next fact")

    lost = "select topic, count(*) from dead_letter group by topic"
    # The partitions are read at their own pace: a letter of another one may come last.
    eventually(lambda: {facts: 6, tickets: 6, canonical: 5} == dict(line.rows(lost)), what="every bad message a letter")
    assert () == line.findings()
