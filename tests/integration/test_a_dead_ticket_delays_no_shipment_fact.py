"""A ticket message that nobody can read blocks its lane. Later tickets wait behind it; facts and statements go on."""

from tests.conftest import Eventually
from tests.line import AGENT, Line, shopify_order


def test_a_dead_ticket_delays_no_shipment_fact(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1004))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.send_signed(line.topics.modifications, order.order_id, b"no record of ours", "x", line.door, "ana", AGENT)
    behind = line.ticket(order.order_id, ("set_contact", {"email": "new@example.com"}))
    line.fact(order.order_id, "allocated")
    line.fact(order.order_id, "shipped")
    line.send_raw(shopify_order(1004, updated="2026-11-02T10:00:00Z", note="ring twice"))
    eventually(
        lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact' and outcome = 'recorded'") == 2, what="both facts"
    )
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'restated'") == 1, what="the restatement")

    assert "waiting" == line.state(behind)
    assert [("blocked", 2)] == line.rows("select state, depth from lane")
    shipped = line.order(order.order_id)
    assert shipped is not None
    assert [2, 1] == [row.shipped for row in shipped.lines]
    letter = line.rows("select letter_id, error_class, code from dead_letter")[0]
    assert ("DECODE", "undecodable") == letter[1:]
    eventually(lambda: line.one("select count(*) from outbox where topic like '%%.dlt' and sent_at is not null") == 1, what="its copy sent")
    assert () == line.findings()
