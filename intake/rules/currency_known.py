"""An order whose currency nobody knows cannot be paid: it is held, unless the channel leaves the currency to what partners agreed beforehand.

Known is what ISO 4217 lists, and what it listed until lately: an order of last year is restated this year.
"""

from functools import cache

from intake.rules.rule import Rule, declared, to_fulfil
from normalizers.channel import StatedOrder
from schemas.money import NO_CURRENCY
from schemas.statement import Finding

NO_MONEY = frozenset({"XXX", "XTS"})
WITHDRAWN = frozenset({"ANG", "BGN", "BYR", "CUC", "EEK", "HRK", "LTL", "LVL", "MRO", "SLL", "STD", "VEF", "ZMK", "ZWL"})
"""Since 2010; ISO 4217, list three, read 2026-11-28."""


@cache
def known() -> frozenset[str]:
    """Return every code that an amount may be in."""
    import pycountry  # noqa: PLC0415 - slow to load, and some processes never judge

    return frozenset(currency.alpha_3 for currency in pycountry.currencies) - NO_MONEY | WITHDRAWN


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order without a code of ISO 4217."""
    currency = stated.order.currency
    if currency in known() or not to_fulfil(stated):
        return None
    if currency != NO_CURRENCY:
        return Finding(path="/currency", rule="currency_known", message="the currency is none of ISO 4217", value=currency)
    unreadable = any(finding.rule == "currency_unreadable" for finding in stated.findings)
    if declared(stated).currency_agreed and not unreadable:
        return None
    said = "what the channel states as currency is none" if unreadable else "the channel states no currency"
    return Finding(path="/currency", rule="currency_known", message=said)


RULE = Rule(name="currency_known", mode="enforce", verdict="accept_with_hold", owner="order-operations", check=check)
