"""Waive a fee.

Arguments: the fee's row. Money: the row leaves, with the seller's tax on it.
Refused for a row the order does not have, that is no fee, or that has tax the channel is liable for.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.restore_adjustment import restoring
from modification_processor.operations.rows import adjustment_of, remove_adjustment, row_path
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation


class RemoveFee(Model):
    """The row of the fee."""

    adjustment_id: str


def touches(_order: Order, arguments: RemoveFee) -> tuple[Touch, ...]:
    """The whole row; locked as a price is."""
    return (Touch("price_override", row_path("adjustments", arguments.adjustment_id)),)


def reads(_order: Order, _arguments: RemoveFee) -> frozenset[str]:
    """Nothing beside the row it removes."""
    return frozenset()


def apply(order: Order, arguments: RemoveFee, _context: Context) -> Order:
    """Return the order without the fee."""
    row = adjustment_of(order, arguments.adjustment_id)
    if row.kind != "fee":
        message = f"adjustment {row.adjustment_id[:80]} is no fee but of kind {row.kind}"
        raise OperationRefused("not_a_fee", message, field=f"{row_path('adjustments', row.adjustment_id)}/kind", value=row.kind)
    return remove_adjustment(order, row)


def inverse(order: Order, arguments: RemoveFee, context: Context) -> tuple[Operation, ...]:
    """Put the row back as it was, which the history proves; none for a row that the same ticket had made."""
    return restoring(adjustment_of(order, arguments.adjustment_id), context)


OPERATION = OperationSpec(
    name="remove_fee",
    version=1,
    arguments=RemoveFee,
    reasons=frozenset({"customer_request", "entry_error", "goodwill", "channel_change"}),
    touches=touches,
    reads=reads,
    money="adjustments",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
