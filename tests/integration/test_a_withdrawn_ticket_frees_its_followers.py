"""A ticket that waits, or is dead, is withdrawn by an agent. It never applies; what waited behind it goes on."""

from uuid import uuid4

from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_withdrawn_ticket_frees_its_followers(line: Line, eventually: Eventually) -> None:
    order_id = uuid4()
    first = line.ticket(order_id, ("set_contact", {"email": "a@example.com"}))
    second = line.ticket(order_id, ("set_contact", {"email": "b@example.com"}))
    eventually(lambda: line.state(second) == "waiting", what="both waiting for their order")
    line.cancel_ticket(order_id, first, roles=())
    line.cancel_ticket(order_id, first)
    eventually(lambda: line.state(first) == "cancelled", what="the first withdrawn")

    eventually(lambda: line.rows("select state, depth from lane") == [("ordering", 1)], what="the second waiting on")
    words = {outcome for (outcome,) in line.rows("select outcome from inbox where message = 'TicketCancelled'")}
    assert {"refused", "withdrawn"} == words
    assert () == line.findings()


def test_a_ticket_that_awaits_approval_can_be_withdrawn(line: Line, eventually: Eventually) -> None:
    """A change past the authorisation waits for somebody with the right; its author takes it back."""
    from schemas.facts import FactPayment  # noqa: PLC0415 -- one scenario needs it

    order = line.state_order(shopify_order(4301))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    payment = FactPayment(provider="psp", transaction="t1", kind="authorization", amount_minor=2550, currency="GBP")
    line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact'") == 1, what="the authorisation")
    abroad = {"name": "Ida", "lines": ["1 Rue Haute"], "city": "Lille", "postal_code": "59000", "country": "FR"}
    ticket = line.ticket(order.order_id, ("set_ship_address", abroad), reason="address_correction")
    eventually(lambda: line.state(ticket) == "awaiting_approval", what="the ticket awaiting approval")
    assert 2 == line.one("select version from orders")
    line.cancel_ticket(order.order_id, ticket)
    eventually(lambda: line.state(ticket) == "cancelled", what="the ticket withdrawn")
    assert () == line.findings()
