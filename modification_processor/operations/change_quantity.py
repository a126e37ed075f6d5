"""Change how many units of a line the customer gets.

Arguments: the line and the new number of ordered units (in the line's own unit). Money: existing units keep the
sold price, added ones get it too (price policy `sold`); the line's share of discounts and tax follows. A removed
line is reopened this way, unless the line that replaced it (or that it replaced) is open.
Refused below what the warehouse already holds for it, and where nothing would stay open (that is `remove_line`).
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import check_units, inverse_of, line_of, replace_line, replacements_of, taken
from normalizers.channel import Verb
from schemas.model import Model
from schemas.order import Order, OrderLine
from schemas.ticket import Operation


class ChangeQuantity(Model):
    """`quantity` is the new ordered quantity of the line, above what is cancelled of it."""

    line_id: str
    quantity: int


def touches(order: Order, arguments: ChangeQuantity) -> tuple[Touch, ...]:
    """One leaf; going up and going down are locked differently."""
    line = order.line(arguments.line_id)
    up = line is not None and arguments.quantity > line.ordered
    return (Touch("quantity_up" if up else "quantity_down", f"/lines/{arguments.line_id}/ordered", arguments.line_id),)


def reads(_order: Order, arguments: ChangeQuantity) -> frozenset[str]:
    """The line must still be the one the author saw."""
    return frozenset({f"/lines/{arguments.line_id}/sku", f"/lines/{arguments.line_id}/cancelled"})


def apply(order: Order, arguments: ChangeQuantity, _context: Context) -> Order:
    """Return the order with the line's ordered quantity set."""
    line = line_of(order, arguments.line_id)
    _check_quantity(line, arguments.quantity)
    if line.open == 0:
        _check_not_replaced(order, line)
    return replace_line(order, line.model_copy(update={"ordered": arguments.quantity}))


def _check_quantity(line: OrderLine, quantity: int) -> None:
    path = f"/lines/{line.line_id}/ordered"
    check_units(quantity, line.quantity_exponent, path)
    if quantity <= line.cancelled:
        rule = f"is not above {line.cancelled}" + (" already cancelled" if line.cancelled else "")
        message = f"quantity {quantity} of line {line.line_id} {rule}; remove the line instead"
        raise OperationRefused("quantity_not_positive", message, field=path, value=str(quantity))
    if quantity - line.cancelled < taken(line):
        message = f"quantity {quantity - line.cancelled} is below the {taken(line)} already released or shipped on line {line.line_id}"
        raise OperationRefused("below_fulfilled", message, field=path, value=str(quantity))
    if quantity == line.ordered:
        raise OperationRefused("no_change", f"line {line.line_id} already has quantity {line.ordered}", field=path)


def _check_not_replaced(order: Order, line: OrderLine) -> None:
    other = next((row for row in replacements_of(order, line) if row.open > 0), None)
    if other is not None:
        message = f"line {line.line_id} stays at 0 while line {other.line_id} stands in its place"
        raise OperationRefused("line_replaced", message, field=f"/lines/{line.line_id}/ordered", value=other.line_id)


def inverse(order: Order, arguments: ChangeQuantity, _context: Context) -> tuple[Operation, ...]:
    """Set the quantity back; a line that was removed is removed again."""
    line = line_of(order, arguments.line_id)
    if line.open == 0:
        return (inverse_of("remove_line", {"line_id": line.line_id}),)
    return (inverse_of(OPERATION.name, ChangeQuantity(line_id=line.line_id, quantity=line.ordered)),)


OPERATION = OperationSpec(
    name="change_quantity",
    version=1,
    arguments=ChangeQuantity,
    reasons=frozenset({"customer_request", "entry_error", "out_of_stock", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CHANGE_QUANTITY,
)
