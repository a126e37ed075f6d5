"""What was shown is what is done: else nothing is, and the answer is what would be done now."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from modification_processor.edit import calls_of
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.preview import Preview, preview
from schemas.codec import decode
from schemas.events import ModificationRefused
from schemas.order import Order
from schemas.ticket import Operation
from tests.conftest import Eventually
from tests.line import Line, shopify_order

Asked = tuple[str, dict[str, object]]


def previewed(order: Order, ticket_id: UUID, asked: Asked, reason: str = "entry_error") -> Preview:
    """Preview as a form does: over an unlocked snapshot, a moment earlier."""
    calls = calls_of((Operation(name=asked[0], arguments=json.dumps(asked[1])),))
    assert not isinstance(calls, Refused)
    found = preview(order, 1, calls, reason, frozenset({"Order_Modify"}), None, Context(datetime.now(UTC), str(ticket_id)))
    assert isinstance(found, Preview)
    return found


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    stated = line.state_order(shopify_order(5501))
    eventually(lambda: line.order(stated.order_id), what="the order in the book")
    stored = line.order(stated.order_id)
    assert stored is not None
    return stored


def test_a_preview_that_still_holds_is_applied_and_did_exactly_what_it_showed(line: Line, eventually: Eventually, order: Order) -> None:
    ticket, asked = uuid4(), ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5})
    shown = previewed(order, ticket, asked)
    line.ticket(order.order_id, ("set_contact", {"email": "b@example.com"}))
    line.ticket(order.order_id, asked, reason="entry_error", ticket_id=ticket, preview_hash=shown.preview_hash)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied, whatever others did beside it")
    rows = line.rows(
        "select path, convert_from(old, 'utf8'), convert_from(new, 'utf8'), derived from history where cause_id = %s order by seq",
        f"ticket:{ticket}",
    )
    assert rows == [(change.path, change.old, change.new, change.derived) for change in shown.changes]
    assert 3000 == shown.money_delta_minor == sum(move.minor for move in shown.moves)


def test_a_hold_previewed_earlier_is_not_stale_for_the_clock(line: Line, eventually: Eventually, order: Order) -> None:
    asked: Asked = ("place_hold", {"kind": "manual", "reason": "call back"})
    ticket = uuid4()
    shown = previewed(order, ticket, asked)
    line.ticket(order.order_id, asked, reason="entry_error", ticket_id=ticket, preview_hash=shown.preview_hash)
    eventually(lambda: line.state(ticket) == "applied", what="the hold placed")


def test_a_new_row_previewed_under_one_ticket_may_be_asked_for_under_another(line: Line, eventually: Eventually, order: Order) -> None:
    asked: Asked = ("place_hold", {"kind": "manual", "reason": "call back"})
    shown = previewed(order, uuid4(), asked)
    ticket = line.ticket(order.order_id, asked, reason="entry_error", preview_hash=shown.preview_hash)
    eventually(lambda: line.state(ticket) == "applied", what="the hold placed")


def test_a_stale_preview_is_answered_with_the_new_one_which_can_be_asked_for(line: Line, eventually: Eventually, order: Order) -> None:
    first = order.lines[0].line_id
    ticket, asked = uuid4(), ("change_quantity", {"line_id": first, "quantity": 5})
    shown = previewed(order, ticket, asked)
    line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 4}), reason="entry_error")
    line.ticket(order.order_id, asked, reason="entry_error", ticket_id=ticket, preview_hash=shown.preview_hash)
    eventually(lambda: line.state(ticket) == "refused", what="the stale ticket refused")
    stored = line.order(order.order_id)
    assert stored is not None
    assert 4 == stored.lines[0].ordered

    value = line.one("select value from outbox where headers->>'type' = 'ModificationRefused'")
    event = decode(bytes(value))
    assert isinstance(event, ModificationRefused)
    assert event.preview is not None
    assert (1000, [("4", "5")]) == (
        event.preview.money_delta_minor,
        [(change.old, change.new) for change in event.preview.changes if change.path.endswith("/ordered")],
    )
    again = line.ticket(order.order_id, asked, reason="entry_error", preview_hash=event.preview.preview_hash)
    eventually(lambda: line.state(again) == "applied", what="the ticket with the new preview applied")
    assert () == line.findings()
