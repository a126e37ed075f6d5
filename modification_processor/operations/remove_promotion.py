"""Take a discount off the order.

Arguments: the discount's row, of a promotion, a code or the channel. Money: the row leaves with its shares and the
seller's tax on it; discounts behind it that it had cut short get back what is theirs, up to what the lines have left.
Refused for a row the order does not have, that is no discount, or that has tax the channel is liable for.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.restore_adjustment import restoring
from modification_processor.operations.rows import adjustment_of, remove_adjustment, row_path
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation


class RemovePromotion(Model):
    """The row of the discount."""

    adjustment_id: str


def touches(_order: Order, arguments: RemovePromotion) -> tuple[Touch, ...]:
    """The whole row."""
    return (Touch("promotion", row_path("adjustments", arguments.adjustment_id)),)


def reads(_order: Order, _arguments: RemovePromotion) -> frozenset[str]:
    """Nothing beside the row it removes."""
    return frozenset()


def apply(order: Order, arguments: RemovePromotion, _context: Context) -> Order:
    """Return the order without the discount."""
    row = adjustment_of(order, arguments.adjustment_id)
    if row.kind != "discount":
        message = f"adjustment {row.adjustment_id[:80]} is no discount but of kind {row.kind}"
        raise OperationRefused("not_a_discount", message, field=f"{row_path('adjustments', row.adjustment_id)}/kind", value=row.kind)
    return remove_adjustment(order, row)


def inverse(order: Order, arguments: RemovePromotion, context: Context) -> tuple[Operation, ...]:
    """Put the row back as it was, which the history proves; none for a row that the same ticket had made."""
    return restoring(adjustment_of(order, arguments.adjustment_id), context)


OPERATION = OperationSpec(
    name="remove_promotion",
    version=1,
    arguments=RemovePromotion,
    reasons=frozenset({"customer_request", "entry_error", "fraud_review", "channel_change"}),
    touches=touches,
    reads=reads,
    money="adjustments",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
)
