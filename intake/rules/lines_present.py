"""An order without a single line cannot be fulfilled: it waits in quarantine until the channel states it whole."""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order without lines; one that was cancelled needs none."""
    if stated.order.lines or stated.order.lifecycle == "cancelled":
        return None
    return Finding(path="/lines", rule="lines_present", message="the order has no lines")


RULE = Rule(name="lines_present", mode="enforce", verdict="quarantine", owner="order-operations", check=check)
