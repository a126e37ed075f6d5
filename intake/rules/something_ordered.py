"""An order whose every line is of zero units asks for nothing: it waits in quarantine until the channel states what was ordered."""

from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about lines that never were of a unit; a line the channel took back was of some once."""
    lines = stated.order.lines
    if not lines or lines[0].ordered or any(line.ordered for line in lines) or not to_fulfil(stated):
        return None
    return Finding(path="/lines", rule="something_ordered", message="no line of the order is of a unit or more")


RULE = Rule(name="something_ordered", mode="enforce", verdict="quarantine", owner="order-operations", check=check)
