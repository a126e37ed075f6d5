"""Cancel open units of a line: they were ordered, and will not come.

Arguments: the line and how many of its units (null: all the warehouse does not hold yet). Money: gross, discount share
and tax of the cancelled units leave with them. Refused for more units than are open and not yet released.
"""

from modification_processor.operations.operation import Context, LineEdit, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import line_of, replace_line, taken
from normalizers.channel import Verb
from schemas.order import Order
from schemas.ticket import Operation


class CancelLine(LineEdit):
    """`quantity` is how many units to cancel, on top of those already cancelled; null is all that can be."""

    line_id: str
    quantity: int | None = None


def touches(_order: Order, arguments: CancelLine) -> tuple[Touch, ...]:
    """The cancelled units of the line."""
    return (Touch("quantity_down", f"/lines/{arguments.line_id}/cancelled", arguments.line_id),)


def reads(_order: Order, arguments: CancelLine) -> frozenset[str]:
    """The line must still be the one the author saw, with as many units."""
    return frozenset({f"/lines/{arguments.line_id}/sku", f"/lines/{arguments.line_id}/ordered"})


def apply(order: Order, arguments: CancelLine, _context: Context) -> Order:
    """Return the order with the units cancelled."""
    line = line_of(order, arguments.line_id)
    path = f"/lines/{line.line_id}/cancelled"
    free = line.open - taken(line)
    quantity = free if arguments.quantity is None else arguments.quantity
    if free <= 0 or quantity > free:
        message = f"{max(quantity, 1)} of line {line.line_id} cannot be cancelled: {max(free, 0)} are open and not yet released"
        raise OperationRefused("below_fulfilled" if taken(line) else "nothing_open", message, field=path, value=str(quantity))
    if quantity <= 0:
        raise OperationRefused("quantity_not_positive", f"quantity {quantity} to cancel is not above 0", field=path, value=str(quantity))
    return replace_line(order, line.model_copy(update={"cancelled": line.cancelled + quantity}))


def inverse(_order: Order, _arguments: CancelLine, _context: Context) -> tuple[Operation, ...]:
    """None: the channel and the customer were told; units are sold anew with `change_quantity`."""
    return ()


OPERATION = OperationSpec(
    name="cancel_line",
    version=1,
    arguments=CancelLine,
    reasons=frozenset(
        {"customer_request", "entry_error", "wrong_sku", "out_of_stock", "fraud_review", "duplicate_order", "channel_change"}
    ),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CANCEL_LINE,
)
