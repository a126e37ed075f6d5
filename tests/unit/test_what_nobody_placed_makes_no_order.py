"""A checkout makes no order; a draft is held, and no longer once the channel has it placed under the same id."""

from datetime import UTC, datetime
from typing import Any

from modification_processor.decide import Known, decide
from modification_processor.incoming import Body, Incoming, Read
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Noted, Outcome, Restated, Stored
from schemas.order import Hold, Order
from schemas.statement import FetchNeeded, OrderStated, RawDocument
from tests.line import order_in, shopify_order

AT = datetime(2026, 11, 2, tzinfo=UTC)
ORDER = order_in(shopify_order(1))
RAW = RawDocument(body=b"{}", sha256="0" * 64, topic="orders.raw.shopify.v1", partition=0, offset=7)


def decided(body: Body, book: Order | None = None, **known: Any) -> Outcome:
    incoming = Incoming("orders.canonical.v1", 0, 0, None, b"", None, AT)
    read = Read(incoming, ORDER.order_id, "m1", type(body).__name__, b"", body)
    return decide(book, read, Known(1, AT, Context(AT, ""), **known))


def stated(event: Any) -> OrderStated:
    return OrderStated(message_id="m1", order=ORDER, event=event, verdict="accept", raw=RAW)


def test_a_checkout_is_noted_and_nothing_is_to_be_fetched() -> None:
    body = FetchNeeded(
        message_id="m1", order_id=ORDER.order_id, channel="shopify", account="a", channel_order_id="c1", event="draft", missing=(), raw=RAW
    )
    assert Noted("draft") == decided(body)


def test_a_draft_is_held_and_placing_it_takes_the_hold_off() -> None:
    first = decided(stated("draft"))
    assert isinstance(first, Stored)
    assert ("held", ["draft"]) == (first.order.lifecycle, [hold.kind for hold in first.order.holds])
    again = decided(stated("draft"), first.order, previous=ORDER, previous_sha256="1" * 64)
    assert isinstance(again, Restated)
    assert "held" == again.order.lifecycle
    placed = decided(stated("update"), first.order, previous=ORDER, previous_sha256="1" * 64)
    assert isinstance(placed, Restated)
    assert ("confirmed", ()) == (placed.order.lifecycle, placed.order.holds)


def test_what_else_holds_a_draft_still_does_when_it_is_placed() -> None:
    first = decided(stated("draft"))
    assert isinstance(first, Stored)
    fraud = Hold(hold_id="H1", kind="fraud", reason="look at it")
    book = first.order.model_copy(update={"holds": (*first.order.holds, fraud)})
    placed = decided(stated("create"), book, previous=ORDER, previous_sha256="1" * 64)
    assert isinstance(placed, Restated)
    assert ("held", (fraud,)) == (placed.order.lifecycle, placed.order.holds)
