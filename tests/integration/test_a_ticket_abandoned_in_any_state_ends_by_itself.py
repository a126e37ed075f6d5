"""Tickets are left alone in every state that waits for somebody, and nobody ever comes: each ends by itself at its deadline.

Its order is as it was, or as the edit left it, and ships; nothing is stuck, nothing hangs, and the check finds nothing.
"""

from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import pytest

from modification_processor.settlement import NoAnswer, PaymentRequest
from ordermend import bootstrap
from ordermend.local.simulated import SimulatedWorld
from ordermend.serving import Running
from schemas.facts import FactPayment
from schemas.order import Order
from schemas.ticket import TicketState
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

WAITS = ("waiting", "awaiting_approval", "compensating", "settling")
ENDS = frozenset({"applied", "declined", "settled", "settlement_failed", "refused", "conflicted", "expired", "cancelled", "undone"})
NO_ROW_STAYS_IN = frozenset({"submitted", "approved"})
"""A ticket is one of these only while its message is handled."""
A_PERSONS = frozenset({"dead"})
"""Has a letter, which somebody works on; what waits behind it has a deadline of its own."""


class Silent(SimulatedWorld):
    """Neither gateway nor warehouse ever answers."""

    def execute(self, request: PaymentRequest) -> str | None:
        raise NoAnswer

    def recall(self, key: UUID, kind: str, order: Order, line_id: str) -> None:
        raise NoAnswer


@pytest.fixture
def silent(line: Line, tmp_path: Path) -> Line:
    worker = bootstrap.settlement(line.settings, Health(), Silent(tmp_path / "silent.sqlite").ports())
    line.services["settlement"] = Running({"settlement": worker.run})
    return line


def test_every_state_is_an_end_or_has_a_way_out() -> None:
    """A state that is added has to be placed here, and its way out shown below."""
    assert set(get_args(TicketState)) == {*WAITS} | ENDS | NO_ROW_STAYS_IN | A_PERSONS


def test_a_ticket_abandoned_in_any_state_ends_by_itself(silent: Line, eventually: Eventually) -> None:
    line = silent
    orders = [line.state_order(shopify_order(5900 + number)) for number in range(3)]
    eventually(lambda: line.one("select count(*) from orders") == 3, what="the orders in the book")
    priced, picked, paid = orders
    first = {order.order_id: order.lines[0].line_id for order in orders}
    line.fact(picked.order_id, "released", (first[picked.order_id], 2))
    payment = FactPayment(provider="adyen", transaction="t1", kind="capture", amount_minor=2550, currency="GBP", method="card")
    line.fact(paid.order_id, "payment", payment=payment)
    eventually(lambda: line.one("select count(*) from orders where version = 2") == 2, what="both facts in the book")

    tickets = {
        "waiting": line.ticket(uuid4(), ("set_note", {"note": "for an order that never comes"})),
        "awaiting_approval": line.ticket(
            priced.order_id, ("override_price", {"line_id": first[priced.order_id], "unit_price": "1", "note": "n"}), reason="goodwill"
        ),
        "compensating": line.ticket(picked.order_id, ("cancel_line", {"line_id": first[picked.order_id]})),
        "settling": line.ticket(paid.order_id, ("change_quantity", {"line_id": first[paid.order_id], "quantity": 1})),
    }
    assert set(WAITS) == set(tickets)
    eventually(
        lambda: {state: line.state(ticket) for state, ticket in tickets.items()} == {s: s for s in WAITS}, what="each where it waits"
    )
    assert 3 == line.one("select count(*) from ticket where due_at is not null"), "who waits for somebody has a deadline"
    assert 1 == line.one("select count(*) from action where state in ('planned', 'sent') and port = 'payment' and due_at > now()")

    # Time passes, and that is all that happens.
    line.rows("update ticket set due_at = now() where due_at is not null returning 1")
    line.rows("update action set due_at = now(), next_attempt_at = now() where state in ('planned', 'sent') returning 1")
    eventually(lambda: all(line.state(ticket) in ENDS for ticket in tickets.values()), 60.0, what="every ticket ended")
    ended = {state: line.state(ticket) for state, ticket in tickets.items()}
    assert ("expired", "expired", "settlement_failed") == (ended["waiting"], ended["awaiting_approval"], ended["settling"])
    assert ended["compensating"] in ("expired", "refused"), "its own deadline and the warehouse's came at the same moment"

    assert priced.lines == line.order(priced.order_id).lines  # type: ignore[union-attr]  # it is there, see above
    assert 2 == line.order(picked.order_id).lines[0].open  # type: ignore[union-attr]  # as above
    for order in (priced, picked):
        line.fact(order.order_id, "shipped")
    eventually(lambda: line.one("select count(*) from orders where lifecycle = 'closed'") == 2, what="both orders shipped")
    assert 0 == line.one("select count(*) from action where state in ('planned', 'sent') and port <> 'notice' and port <> 'channel'")
    assert () == line.findings()
