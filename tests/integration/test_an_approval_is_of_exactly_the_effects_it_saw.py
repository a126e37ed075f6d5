"""Whoever approves, approves effects: not their own ticket's, not late, and not others than those they saw."""

from collections.abc import Callable
from uuid import UUID

import pytest

from schemas.facts import FactPayment
from schemas.order import Order
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ABROAD = {"name": "Ida", "lines": ["1 Rue Haute"], "city": "Lille", "postal_code": "59000", "country": "FR"}
Await = Callable[[int], tuple[Order, UUID]]


@pytest.fixture
def awaiting(line: Line, eventually: Eventually) -> Await:
    """A ticket that needs an approval: another country once the payment is authorized."""

    def make(number: int) -> tuple[Order, UUID]:
        order = line.state_order(shopify_order(number))
        eventually(lambda: line.order(order.order_id), what="the order in the book")
        payment = FactPayment(provider="psp", transaction="t1", kind="authorization", amount_minor=2550, currency="GBP")
        line.fact(order.order_id, "payment", payment=payment)
        eventually(lambda: line.one("select version from orders where order_id = %s", order.order_id) == 2, what="the authorisation")
        ticket = line.ticket(order.order_id, ("set_ship_address", ABROAD), reason="address_correction")
        eventually(lambda: line.state(ticket) == "awaiting_approval", what="the ticket awaiting approval")
        return order, ticket

    return make


def _outcome(line: Line, review: UUID) -> str | None:
    outcome: str | None = line.one("select outcome from inbox where message_id = %s", f"review:{review}")
    return outcome


def test_an_approved_ticket_is_applied_and_remembers_who_approved(line: Line, eventually: Eventually, awaiting: Await) -> None:
    order, ticket = awaiting(5101)
    line.review(order.order_id, ticket)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")
    row = line.rows("select approved_by, user_id, due_at, new_version from ticket where ticket_id = %s", ticket)
    assert [("carla", "ana", None, 3)] == row
    assert "FR" == line.order(order.order_id).ship_to.country  # type: ignore[union-attr]  # it is there, see above
    assert {"ana"} == {user for (user,) in line.rows("select distinct user_id from history where version = 3")}
    assert [("carla", "ticket_approved", str(ticket))] == [
        (actor, action, detail) for actor, action, detail in line.rows("select actor, action, detail from audit")
    ]
    assert () == line.findings()


@pytest.mark.parametrize(
    ("user", "roles", "hash_", "code"),
    [
        ("ana", ("Order_Approve", "Order_Modify"), None, "own_ticket"),
        ("carla", ("Order_Modify",), None, "role_missing"),
        ("carla", ("Order_Approve",), "another", "stale_preview"),
    ],
)
def test_a_review_that_may_not_be_changes_nothing(
    line: Line, eventually: Eventually, awaiting: Await, user: str, roles: tuple[str, ...], hash_: str | None, code: str
) -> None:
    order, ticket = awaiting(5102)
    review = line.review(order.order_id, ticket, user=user, roles=roles, preview_hash=hash_)
    eventually(lambda: _outcome(line, review) == "refused", what="the review refused")
    assert "awaiting_approval" == line.state(ticket)
    assert code in line.one("select detail from audit where action = 'modification_refused'")
    assert () == line.findings()


def test_a_declined_ticket_ends_and_cannot_be_approved_any_more(line: Line, eventually: Eventually, awaiting: Await) -> None:
    order, ticket = awaiting(5103)
    line.review(order.order_id, ticket, "decline")
    eventually(lambda: line.state(ticket) == "declined", what="the ticket declined")
    late = line.review(order.order_id, ticket)
    eventually(lambda: _outcome(line, late) == "refused", what="the late approval refused")
    assert "GB" == line.order(order.order_id).ship_to.country  # type: ignore[union-attr]  # it is there, see above
    assert () == line.findings()


def test_an_approval_of_what_has_become_impossible_applies_nothing(line: Line, eventually: Eventually, awaiting: Await) -> None:
    """The order shipped while the ticket waited: the same locks that guard every edit guard the approved one."""
    order, ticket = awaiting(5104)
    for kind in ("released", "packed", "shipped"):
        line.fact(order.order_id, kind)
    eventually(lambda: line.one("select lifecycle from orders where order_id = %s", order.order_id) == "closed", what="the shipment")
    line.review(order.order_id, ticket)
    eventually(lambda: line.state(ticket) == "refused", what="the ticket refused")
    assert "field_locked" == line.one("select code from ticket where ticket_id = %s", ticket)
    assert () == line.findings()


def test_an_approval_that_nobody_gives_expires(line: Line, eventually: Eventually, awaiting: Await) -> None:
    order, ticket = awaiting(5105)
    line.rows("update ticket set due_at = now() - interval '1 second' where ticket_id = %s returning 1", ticket)
    eventually(lambda: line.state(ticket) == "expired", what="the ticket expired")
    late = line.review(order.order_id, ticket)
    eventually(lambda: _outcome(line, late) == "refused", what="the late approval refused")
    assert "expired" == line.one("select outcome from inbox where message_id = %s", f"ticket:{ticket}")
    assert () == line.findings()


def test_a_ticket_that_waits_for_an_order_that_never_comes_expires(line: Line, eventually: Eventually) -> None:
    from uuid import uuid4  # noqa: PLC0415 -- one scenario needs it

    order_id = uuid4()
    first = line.ticket(order_id, ("set_contact", {"email": "a@example.com"}))
    second = line.ticket(order_id, ("set_contact", {"email": "b@example.com"}))
    eventually(lambda: line.state(second) == "waiting", what="both waiting")
    line.rows("update ticket set due_at = now() - interval '1 second' where ticket_id = %s returning 1", second)
    eventually(lambda: line.state(second) == "expired", what="the second expired")
    assert "waiting" == line.state(first)
    assert [(1,)] == line.rows("select depth from lane")
    assert () == line.findings()
