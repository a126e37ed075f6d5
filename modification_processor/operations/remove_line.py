"""Take a line out of the order.

Arguments: the line. It stays as a row with nothing open (ordered = what was cancelled of it, mostly 0), so its id
and its history do. Money: its gross, its share of discounts and its tax leave with it (reclaim).
Refused once the warehouse holds a unit of it.
"""

from modification_processor.operations.operation import Context, LineEdit, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of, line_of, replace_line, taken
from normalizers.channel import Verb
from schemas.order import Order
from schemas.ticket import Operation


class RemoveLine(LineEdit):
    """The line to remove."""

    line_id: str


def touches(_order: Order, arguments: RemoveLine) -> tuple[Touch, ...]:
    """The quantity of the line, down."""
    return (Touch("quantity_down", f"/lines/{arguments.line_id}/ordered", arguments.line_id),)


def reads(_order: Order, arguments: RemoveLine) -> frozenset[str]:
    """The line must still be the one the author saw."""
    return frozenset({f"/lines/{arguments.line_id}/sku", f"/lines/{arguments.line_id}/cancelled"})


def apply(order: Order, arguments: RemoveLine, _context: Context) -> Order:
    """Return the order with nothing of the line open."""
    line = line_of(order, arguments.line_id)
    path = f"/lines/{line.line_id}/ordered"
    if taken(line):
        message = f"line {line.line_id} cannot be removed: {taken(line)} of it are already released or shipped"
        raise OperationRefused("below_fulfilled", message, field=path, value=str(taken(line)))
    if line.open == 0:
        raise OperationRefused("no_change", f"line {line.line_id} has nothing open", field=path)
    return replace_line(order, line.model_copy(update={"ordered": line.cancelled}))


def inverse(order: Order, arguments: RemoveLine, _context: Context) -> tuple[Operation, ...]:
    """Set the quantity back."""
    line = line_of(order, arguments.line_id)
    return (inverse_of("change_quantity", {"line_id": line.line_id, "quantity": line.ordered}),)


OPERATION = OperationSpec(
    name="remove_line",
    version=1,
    arguments=RemoveLine,
    reasons=frozenset({"customer_request", "entry_error", "wrong_sku", "out_of_stock", "duplicate_order", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CANCEL_LINE,
)
