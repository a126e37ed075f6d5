"""A channel's order gets an edit. The order keeps its id, totals follow, history says who, when, old and new."""

from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_an_edit_is_applied_and_remembered(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1001))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    placed = line.order(order.order_id)
    assert placed is not None
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3}), base=1)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")

    edited = line.order(order.order_id)
    assert edited is not None
    assert placed.order_id == edited.order_id
    assert 3 == edited.lines[0].ordered
    assert placed.totals.grand_total_minor + 1000 == edited.totals.grand_total_minor
    rows = line.rows("select path, old, new, user_id, reason_code, derived from history where order_id = %s order by seq", order.order_id)
    asked = [(path, bytes(old), bytes(new), user, reason) for path, old, new, user, reason, derived in rows if not derived]
    assert [(f"/lines/{order.lines[0].line_id}/ordered", b"2", b"3", "ana", "customer_request")] == asked
    assert {"/totals/grand_total_minor", "/totals/subtotal_minor", f"/lines/{order.lines[0].line_id}/gross_minor"} == {
        path for path, _, _, _, _, derived in rows if derived
    }
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="every event sent")
    assert () == line.findings()
