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


def test_tags_are_a_set_of_which_each_is_its_own(line: Line, eventually: Eventually) -> None:
    """All looked at version 1: who adds and removes other tags than those before them merges, who removes one that was added since does not."""
    order = line.state_order(shopify_order(1008, tags="gift, wholesale"))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    edits = (
        ({"add": ["vip"], "remove": ["gift"]}, "ana", "applied"),
        ({"add": ["b2b", "a/b"]}, "ben", "applied"),
        ({"remove": ["wholesale"]}, "eva", "applied"),
        ({"add": ["late"], "remove": ["vip"]}, "ben", "conflicted"),
    )
    tickets = [line.ticket(order.order_id, ("set_tags", arguments), base=1, user=user) for arguments, user, _ in edits]
    eventually(lambda: all(line.state(ticket) for ticket in tickets), what="an answer to each")
    assert [state for _, _, state in edits] == [line.state(ticket) for ticket in tickets]
    edited = line.order(order.order_id)
    assert edited is not None
    assert ("a/b", "b2b", "vip") == edited.tags
    assert "/tags/vip" == line.one("select path from ticket where ticket_id = %s", tickets[3])
    again = line.ticket(order.order_id, ("set_tags", {"add": ["b2b"], "remove": ["a/b"]}), base=1)
    eventually(lambda: line.state(again) == "conflicted", what="the same tags again, from the same version, once stored")
    assert () == line.findings()
