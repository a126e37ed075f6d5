"""Waive a fee.

Arguments: the fee's row. Money: the row leaves, with the seller's tax on it.
Refused for a row the order does not have, that is no fee, or that has tax the channel is liable for.
"""

from modification_processor.operations.add_fee import AddFee
from modification_processor.operations.amounts import amount_of
from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import adjustment_of, inverse_of, remove_adjustment, row_path
from modification_processor.operations.texts import required
from schemas.model import Model
from schemas.money import to_text
from schemas.order import Adjustment, Order
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


def inverse(order: Order, arguments: RemoveFee, _context: Context) -> tuple[Operation, ...]:
    """Charge it again, as a row of another id; none for a fee of the channel's, or one that is taxed."""
    row = adjustment_of(order, arguments.adjustment_id)
    again = AddFee(label=row.label, amount=to_text(row.amount_minor, order.currency))
    return (inverse_of("add_fee", again),) if _chargeable(order, row, again) else ()


def _chargeable(order: Order, row: Adjustment, again: AddFee) -> bool:
    """Say whether `add_fee` gives the row back to the unit."""
    if row.source != "manual" or any(tax.adjustment_id == row.adjustment_id for tax in order.taxes):
        return False
    path = row_path("adjustments", row.adjustment_id)
    try:
        return bool(required(again.label, path)) and amount_of(again.amount, order.currency, path) == row.amount_minor
    except OperationRefused:
        return False


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
