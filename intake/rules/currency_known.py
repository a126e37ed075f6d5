"""An order whose currency nobody knows is worth nothing we could charge or give back: it is taken, and held until somebody says it."""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.money import NO_CURRENCY
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order without an ISO 4217 code."""
    if stated.order.currency != NO_CURRENCY:
        return None
    return Finding(path="/currency", rule="currency_known", message="the channel states no currency we know")


RULE = Rule(name="currency_known", mode="enforce", verdict="accept_with_hold", owner="order-operations", check=check)
