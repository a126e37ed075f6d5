"""An agent corrects an address, then the channel restates the order.

An unrelated change merges; a change of the same part is held as a conflict; an older statement counts as stale; the
same one again as a duplicate.
"""

from tests.conftest import Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Ida Example", "lines": ["2 Low Road"], "city": "York", "postal_code": "YO1 1AA", "country": "GB"}


def test_a_restatement_never_undoes_an_agents_edit(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1008))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    ticket = line.ticket(order.order_id, ("set_ship_address", ADDRESS), reason="address_correction")
    eventually(lambda: line.state(ticket) == "applied", what="the correction applied")

    newer = shopify_order(1008, updated="2026-11-02T10:00:00Z", note="ring twice")
    line.send_raw(newer)
    line.send_raw(newer)
    line.send_raw(shopify_order(1008, updated="2026-10-01T10:00:00Z", note="old news"))
    elsewhere = {"name": "Ida", "address1": "9 Hill", "city": "Hull", "zip": "HU1 1AA", "country_code": "GB", "province_code": None}
    line.send_raw(shopify_order(1008, updated="2026-11-03T10:00:00Z", note="ring twice", shipping_address=elsewhere))
    eventually(lambda: line.one("select count(*) from work_item where kind = 'channel_conflict'") == 1, what="the conflict's work item")

    words = dict(line.rows("select outcome, count(*) from inbox where message = 'OrderStated' group by outcome"))
    assert {"accepted": 1, "restated": 2, "duplicate": 1, "stale": 1} == words
    held = line.order(order.order_id)
    assert held is not None
    assert held.ship_to is not None
    assert "York" == held.ship_to.city
    assert "ring twice" == held.note
    assert ["channel"] == [hold.kind for hold in held.holds]
    assert () == line.findings()
