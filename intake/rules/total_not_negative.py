"""A seller who owes for delivering is no order: it is a credit note, or somebody is at play. It is rejected."""

from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about a grand total below nothing."""
    total = stated.order.totals.grand_total_minor
    if total >= 0 or not to_fulfil(stated):
        return None
    return Finding(path="/totals/grand_total_minor", rule="total_not_negative", message="the order's total is negative", value=str(total))


RULE = Rule(name="total_not_negative", mode="enforce", verdict="reject", owner="finance", check=check)
