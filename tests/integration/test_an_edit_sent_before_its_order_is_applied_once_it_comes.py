"""A ticket and a fact arrive before their order. They wait with their reason, and are applied when the order is there."""

from tests.conftest import Eventually
from tests.line import Line, order_in, shopify_order


def test_an_edit_sent_before_its_order_is_applied_once_it_comes(line: Line, eventually: Eventually) -> None:
    body = shopify_order(1003)
    order = order_in(body)
    first = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 4}))
    second = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5}))
    line.fact(order.order_id, "allocated")
    eventually(lambda: line.one("select count(*) from parked") == 3, what="all three parked")
    assert {"waiting"} == {line.state(first), line.state(second)}
    assert {("ordering", "ORDERING")} == set(line.rows("select state, error_class from lane"))

    line.send_raw(body)
    eventually(lambda: line.state(second) == "applied", what="the waiting edits applied")
    eventually(lambda: line.one("select count(*) from lane") == 0, what="every lane open again")
    edited = line.order(order.order_id)
    assert edited is not None
    assert 5 == edited.lines[0].ordered
    assert [4, 5] == [
        int(bytes(new)) for (new,) in line.rows("select new from history where path like '/lines/%%/ordered' and not derived order by seq")
    ]
    assert () == line.findings()
