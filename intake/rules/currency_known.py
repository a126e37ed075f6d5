"""An order whose currency nobody knows: where trading partners have not agreed on one beforehand, it has to be held.

It ships as a warning, for an X12 850 without CUR is in the currency both sides know; enforced, by account or everywhere, it holds.
"""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.money import NO_CURRENCY
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order without an ISO 4217 code."""
    if stated.order.currency != NO_CURRENCY:
        return None
    return Finding(path="/currency", rule="currency_known", message="the channel states no currency we know")


RULE = Rule(name="currency_known", mode="warn", verdict="accept_with_hold", owner="order-operations", check=check)
