"""A line of zero or fewer units cannot be fulfilled."""

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about the first line whose ordered quantity is negative; 0 is a line the channel removed."""
    for index, line in enumerate(stated.order.lines):
        if line.ordered < 0:
            return Finding(
                path=f"/lines/{index}/ordered",
                rule="quantities_positive",
                message=f"line {line.line_id} orders {line.ordered} units",
                value=str(line.ordered),
            )
    return None


RULE = Rule(name="quantities_positive", mode="enforce", verdict="reject", owner="order-operations", check=check)
