"""An order dated in another century has a wrong clock or a wrong unit; edit windows, rates and prices hang on that moment: it is held.

Intake reads no clock, so that the same document is judged the same again: the bound is fixed, and far.
"""

from datetime import UTC, datetime

from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding

LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order dated in the far future."""
    placed = stated.order.placed_at
    if placed is None or placed < LATEST or not to_fulfil(stated):
        return None
    return Finding(path="/placed_at", rule="placed_in_the_past", message="the order is dated in the far future", value=placed.isoformat())


RULE = Rule(name="placed_in_the_past", mode="enforce", verdict="accept_with_hold", owner="order-operations", check=check)
