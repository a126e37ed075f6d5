"""An order without a single line cannot be fulfilled: it waits in quarantine until the channel states it whole.

One whose charges alone come to its total is whole: an amount that a seller took for no article of the shop (a custom amount, a simple payment).
"""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order without lines; one that was cancelled needs none, nor does one of charges."""
    order = stated.order
    if order.lines or order.lifecycle == "cancelled" or (order.totals.fee_minor > 0 and not order.totals.rounding_minor):
        return None
    return Finding(path="/lines", rule="lines_present", message="the order has no lines")


RULE = Rule(name="lines_present", mode="enforce", verdict="quarantine", owner="order-operations", check=check)
