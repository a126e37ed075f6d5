"""The channel restates an order so that a holding rule trips, then so that it does not; an agent has a hold of her own, and releases one of the rule's.

The rule's hold comes with the first statement that calls for it and goes with the first that does not; the agent's stays; what she released
does not come back with a statement that says the same again.
"""

from typing import Any

from tests.conftest import Eventually
from tests.line import Line, shopify_order

GB = {"name": "Ida", "address1": "1 High Street", "city": "Leeds", "zip": "LS1 1AA", "country_code": "GB", "province_code": None}
NOWHERE = {**GB, "country_code": "QQ"}


def day(number: int, address: dict[str, Any], note: str) -> bytes:
    return shopify_order(1010, updated=f"2026-11-{number:02}T10:00:00Z", shipping_address=address, note=note)


def test_a_rules_hold_comes_and_goes_with_the_channels_statement(line: Line, eventually: Eventually) -> None:
    order = line.state_order(day(1, GB, "one"))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.ticket(order.order_id, ("place_hold", {"kind": "fraud", "reason": "call back"}), reason="fraud_review")
    eventually(lambda: holds(line, order.order_id) == ["fraud"], what="the agent's hold")

    line.send_raw(day(2, NOWHERE, "two"))
    eventually(lambda: holds(line, order.order_id) == ["fraud", "intake"], what="the rule's hold beside it")
    line.send_raw(day(3, GB, "three"))
    eventually(lambda: holds(line, order.order_id) == ["fraud"], what="the rule's hold gone with its reason")

    line.send_raw(day(4, NOWHERE, "four"))
    eventually(lambda: holds(line, order.order_id) == ["fraud", "intake"], what="the rule's hold again")
    line.ticket(order.order_id, ("release_hold", {"hold_id": "intake:country_known"}), reason="fraud_review")
    eventually(lambda: holds(line, order.order_id) == ["fraud"], what="the rule's hold released by the agent")
    line.send_raw(day(5, NOWHERE, "five"))
    eventually(lambda: (found := line.order(order.order_id)) is not None and found.note == "five", what="an unrelated change")

    assert ["fraud"] == holds(line, order.order_id)
    causes = line.rows(
        "select cause_kind, new is null from history where order_id = %s and path = '/holds/intake:country_known/kind' order by version",
        order.order_id,
    )
    assert [("statement", False), ("statement", True), ("statement", False), ("ticket", True)] == causes
    assert () == line.findings()


def holds(line: Line, order_id: Any) -> list[str]:
    found = line.order(order_id)
    return sorted(hold.kind for hold in found.holds) if found is not None else []
