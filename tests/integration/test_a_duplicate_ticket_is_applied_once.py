"""The same ticket arrives three times, then its id with other content. One effect; the other content is a dead letter."""

from uuid import uuid4

from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_duplicate_ticket_is_applied_once(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1002))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    ticket_id, change = uuid4(), {"line_id": order.lines[0].line_id, "quantity": 3}
    for _ in range(3):
        line.ticket(order.order_id, ("change_quantity", change), ticket_id=ticket_id)
    line.ticket(order.order_id, ("change_quantity", change | {"quantity": 9}), ticket_id=ticket_id)
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter about other content")

    assert 2 == line.one("select version from orders where order_id = %s", order.order_id)
    assert 2 == line.one("select count(*) from repeat where message = 'ModificationTicket'")
    assert [("IDEMPOTENCY_CONFLICT", "unresolved")] == line.rows("select error_class, status from dead_letter")
    assert () == line.findings()
