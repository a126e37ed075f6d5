"""Channels change their orders by document: each change is a ticket from that channel, or a named work item; never lost, never twice.

An X12 860 lowers a quantity and cancels a line; another moves the delivery; one that names a line nobody knows is handed over, and
so is one that the warehouse was faster than. A shop's difference is counted once, though the shop states the whole order as well.
"""

import json
from datetime import UTC, datetime

from schemas.order import DeliveryWindow
from tests.conftest import Eventually
from tests.line import Line, order_in, shopify_order


def x12(kind: str, number: str, *segments: str, control: int = 1) -> bytes:
    """Return one interchange with one transaction set."""
    functional = "PO" if kind == "850" else "PC"
    begin = f"BEG*00*SA*{number}**20261101" if kind == "850" else f"BCH*04*SA*{number}***20261101*****20261102"
    body = (f"ST*{kind}*0001", begin, *segments)
    lines = (
        f"ISA*00*          *00*          *ZZ*BUYER          *ZZ*ORDERMEND      *261101*1200*U*00401*{control:09}*0*P*>",
        f"GS*{functional}*BUYER*ORDERMEND*20261101*1200*{control}*X*004010",
        *body,
        f"SE*{len(body) + 1}*0001",
        f"GE*1*{control}",
        f"IEA*1*{control:09}",
    )
    return "~".join((*lines, "")).encode()


TOWN = ("N1*ST*Depot 4*92*D4", "N3*1 Quay", "N4*Tacoma*WA*98421*US")
ROWS = ("PO1*1*10*EA*2.5*PE*VP*NUT-8", "PO1*2*4*EA*1*PE*VP*BOLT-8", "CTT*2")


def test_a_channels_change_is_a_ticket_or_a_work_item(line: Line, eventually: Eventually) -> None:
    first = x12("850", "PO-1", *TOWN, *ROWS)
    order = order_in(first, "x12")
    # The change comes first: it waits for its order, and is applied once.
    line.send_raw(x12("860", "PO-1", "POC*1*QD*10*6*EA***VP*NUT-8", "POC*2*DI*4*0*EA***VP*BOLT-8", "CTT*2", control=2), "x12")
    line.send_raw(first, "x12")
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 1, what="the change applied")
    changed = line.order(order.order_id)
    assert changed is not None
    assert [(row.line_id, row.open) for row in changed.lines] == [(order.lines[0].line_id, 6), (order.lines[1].line_id, 0)]
    assert changed.totals.grand_total_minor == 1500
    assert line.rows("select user_id, reason_code, door, operations from ticket") == [
        ("channel:x12", "channel_change", "channel", "change_quantity cancel_line")
    ]
    author = "select distinct user_id, reason_code, cause_kind from history where order_id = %s"
    assert line.rows(author, order.order_id) == [("channel:x12", "channel_change", "ticket")]

    moved = x12("860", "PO-1", "DTM*063*20371120", "N1*ST*Depot 5*92*D5", "N3*9 Dock", "N4*Tacoma*WA*98424*US", control=3)
    for _ in range(2):  # the same document again
        line.send_raw(moved, "x12")
    heard = "select count(*) from inbox where message = 'ChangeStated' and outcome <> 'waiting'"
    eventually(lambda: line.one(heard) == 3, what="both of them heard")  # what is held next locks the address
    line.send_raw(x12("860", "PO-1", "POC*7*QI*3**EA***VP*GEAR", "CTT*1", control=4), "x12")
    eventually(lambda: line.one("select count(*) from work_item where kind = 'channel_change'") == 1, what="the unclear change's work item")
    after = line.order(order.order_id)
    assert after is not None
    assert after.ship_to is not None
    assert after.ship_to.lines == ("9 Dock",)
    assert after.delivery_window == DeliveryWindow(latest=datetime(2037, 11, 20, tzinfo=UTC))
    assert line.one("select operations from ticket order by submitted_at desc limit 1") == "set_ship_address set_delivery_window"
    assert line.rows("select outcome, count(*) from inbox where message = 'ChangeStated' group by outcome order by outcome") == [
        ("accepted", 3),
        ("duplicate", 1),
    ]
    (detail,) = line.rows("select detail from work_item where kind = 'channel_change'")[0]
    assert "no line 7" in detail
    assert [hold.kind for hold in after.holds] == ["channel"]
    assert line.findings() == ()


def test_a_shops_difference_is_counted_once_and_a_late_one_is_handed_over(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(7))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.send_raw(_edited(7, 701, "2026-11-02T10:00:00Z"), headers=_EDITED)
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 1, what="the difference applied")
    line.send_raw(shopify_order(7, lines=(("SKU-A", 3, "10.00"), ("SKU-B", 1, "5.50")), updated="2026-11-02T10:00:00Z"))
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'restated'") == 1, what="the shop's own statement of it")
    line.send_raw(_edited(7, 701, "2026-11-02T10:00:00Z", edit=2), headers=_EDITED)
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'stale'") == 1, what="the repeat told from a new one")
    now = line.order(order.order_id)
    assert now is not None
    assert [row.open for row in now.lines] == [3, 1]
    assert now.holds == ()

    line.fact(order.order_id, "shipped", ("L701", 3), ("L702", 1))
    eventually(lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact'") == 1, what="the shipment")
    line.send_raw(_edited(7, 701, "2026-11-03T10:00:00Z", side="removals", edit=3), headers=_EDITED)
    eventually(lambda: line.one("select count(*) from work_item where kind = 'channel_change'") == 1, what="the late change's work item")
    assert line.rows("select state, code from ticket order by submitted_at") == [("applied", None), ("refused", "field_locked")]
    held = line.order(order.order_id)
    assert held is not None
    assert [row.open for row in held.lines] == [3, 1]
    assert [hold.kind for hold in held.holds] == ["channel"]
    assert line.findings() == ()


_EDITED = {"x-shopify-topic": "orders/edited"}


def _edited(number: int, line_id: int, at: str, *, side: str = "additions", edit: int = 1) -> bytes:
    """Return a shop's own record of an edit: one unit more, or one less."""
    items: dict[str, list[object]] = {"additions": [], "removals": []} | {side: [{"id": line_id, "delta": 1}]}
    return json.dumps({"order_edit": {"id": edit, "order_id": number, "created_at": at, "line_items": items}}).encode()
