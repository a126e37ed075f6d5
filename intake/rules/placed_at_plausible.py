"""An order placed before the web existed has a wrong clock or a wrong unit; it is still an order."""

from datetime import UTC, datetime

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def check(stated: StatedOrder) -> Finding | None:
    """Count implausible dates; shadow until its precision is known."""
    placed = stated.order.placed_at
    if placed is None or placed >= EARLIEST:
        return None
    return Finding(path="/placed_at", rule="placed_at_plausible", message="the order is dated before 1990", value=placed.isoformat())


RULE = Rule(name="placed_at_plausible", mode="shadow", verdict="accept_with_warning", owner="order-operations", check=check)
