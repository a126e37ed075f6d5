"""What rules would do to orders is counted by the modes that a form shows: each rule alone, and every field whose mode would change."""

from datetime import UTC, datetime, timedelta

from modification_processor import field_label, narrowings, read_edit_rules, shifts
from modification_processor.edit_rules import EditRules
from normalizers import discover
from normalizers.channel import Document, StatedOrder
from schemas.order import Hold, Order
from tests.line import shopify_order

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RULES = """
version = 1
[[windows]]
id = "hour"
channels = ["shopify"]
classes = ["notes", "quantity_up"]
closes = "after_placement"
minutes = 60
mode = "locked"

[risk_hold]
kinds = ["fraud"]
classes = ["contact"]

[cost]
approval_from = 30

[cost.class]
replace_sku = 10

[cost.value]
points = 20
from = {"*" = "20"}
"""


def order(age: timedelta, **changes: object) -> Order:
    """Return an order of 25.50 GBP that was placed so long ago."""
    (found,) = discover()["shopify"].normalize((Document(shopify_order(1)),))
    assert isinstance(found, StatedOrder)
    return found.order.model_copy(update={"placed_at": NOW - age} | changes)


def test_each_rule_is_counted_alone() -> None:
    rules = read_edit_rules(RULES)
    held = (Hold(hold_id="H1", kind="fraud"),)
    looked_at = [order(timedelta(minutes=30)), order(timedelta(hours=2)), order(timedelta(hours=3), holds=held, lifecycle="held")]
    window, hold, cost = narrowings(looked_at, rules, NOW)
    assert ("window.hour", 2, {"notes": 2, "quantity_up": 2}) == (window.rule_id, window.orders, window.by_class)
    assert "is locked from 60 minutes after the order was placed on, for channel shopify" == window.says
    assert ("risk.hold", ("contact",), 1, {"contact": 1}) == (hold.rule_id, hold.classes, hold.orders, hold.by_class)
    assert ("risk.cost_of_change", 3) == (cost.rule_id, cost.orders)
    assert "Replacing the SKU" == field_label(*cost.by_class)
    assert [] == narrowings(looked_at, EditRules(1), NOW)


def test_what_would_change_is_what_differs_strictest_first() -> None:
    rules, none = read_edit_rules(RULES), EditRules(0)
    looked_at = [order(timedelta(hours=2)), order(timedelta(minutes=1))]
    found = shifts(looked_at, none, rules, NOW)
    assert {
        ("replace_sku", "editable", "approval", 2),
        ("notes", "editable", "locked", 1),
        ("quantity_up", "editable", "locked", 1),
    } == set(found)
    assert "replace_sku" == found[0].field_class
    assert {("replace_sku", "approval", "editable", 2)} < set(shifts(looked_at, rules, none, NOW))
    assert [] == shifts(looked_at, rules, rules, NOW)
