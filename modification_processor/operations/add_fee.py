"""Charge a fee.

Arguments: what it is for and how much, in the order's currency, as decimal text. Money: a row of its own, untaxed,
that follows no line.
Refused for an amount that is not above 0, or has more digits than the currency; and for a label that is blank, too
long or has control characters.
"""

from modification_processor.operations.amounts import amount_of
from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import NEW, inverse_of, minted_id, next_position
from modification_processor.operations.texts import required
from schemas.model import Model
from schemas.order import Adjustment, Order
from schemas.ticket import Operation


class AddFee(Model):
    """`label` is what the customer reads, `amount` a decimal of the order's currency: "4.90"."""

    label: str
    amount: str


def touches(_order: Order, _arguments: AddFee) -> tuple[Touch, ...]:
    """A row of its own; locked as a price is: an amount that somebody made up needs an approval."""
    return (Touch("price_override", f"/adjustments/{NEW}"),)


def reads(_order: Order, _arguments: AddFee) -> frozenset[str]:
    """Nothing: it follows no line."""
    return frozenset()


def apply(order: Order, arguments: AddFee, context: Context) -> Order:
    """Return the order with the fee behind its other adjustments."""
    adjustment_id = minted_id(context)
    path = f"/adjustments/{adjustment_id}"
    if any(row.adjustment_id == adjustment_id for row in order.adjustments):
        raise OperationRefused("adjustment_exists", f"the order already has a row {adjustment_id}", field=path)
    row = Adjustment(
        adjustment_id=adjustment_id,
        position=next_position(order.adjustments),
        kind="fee",
        source="manual",
        label=required(arguments.label, f"{path}/label"),
        amount_minor=amount_of(arguments.amount, order.currency, f"{path}/amount_minor"),
    )
    return order.model_copy(update={"adjustments": (*order.adjustments, row)})


def inverse(_order: Order, _arguments: AddFee, context: Context) -> tuple[Operation, ...]:
    """Remove the row it made."""
    return (inverse_of("remove_fee", {"adjustment_id": minted_id(context)}),)


OPERATION = OperationSpec(
    name="add_fee",
    version=1,
    arguments=AddFee,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "reschedule", "channel_change"}),
    touches=touches,
    reads=reads,
    money="adjustments",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
