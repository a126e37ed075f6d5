"""Two agents look at version 1. Edits of different fields both apply; of the same field, the later names the winner."""

from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_disjoint_edits_merge_and_overlapping_ones_conflict(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1007))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    a, b = (row.line_id for row in order.lines)
    first = line.ticket(order.order_id, ("change_quantity", {"line_id": a, "quantity": 5}), base=1, user="ana")
    merges = line.ticket(order.order_id, ("change_quantity", {"line_id": b, "quantity": 2}), base=1, user="ben")
    clashes = line.ticket(order.order_id, ("change_quantity", {"line_id": a, "quantity": 7}), base=1, user="ben")
    eventually(lambda: line.state(clashes) == "conflicted", what="the conflict")

    assert ["applied", "applied"] == [line.state(first), line.state(merges)]
    edited = line.order(order.order_id)
    assert edited is not None
    assert [5, 2] == [row.ordered for row in edited.lines]
    path, message = line.rows("select path, message from ticket where ticket_id = %s", clashes)[0]
    assert f"/lines/{a}/ordered" == path
    assert path in message
    assert () == line.findings()
