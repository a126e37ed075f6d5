"""Give a line its price back that an override replaced: only as the undo of that override.

Arguments: the line. Price, where it was from and the row amount agreed with the channel are read from the order as it was before
the override, which the history proves; nobody claims a channel's price by hand. Money: the line's gross follows the basis again.
Refused outside an undo, and for a line whose price is no override, or was none of this order's then.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.override_price import OverridePrice, overridden
from modification_processor.operations.rows import former_of, inverse_of, line_of, replace_line
from schemas.model import Model
from schemas.money import scaled_text
from schemas.order import Order
from schemas.ticket import REASON_CODES, Operation


class RestorePrice(Model):
    """The line whose price was overridden."""

    line_id: str


def touches(_order: Order, arguments: RestorePrice) -> tuple[Touch, ...]:
    """The price, where it is from, and the row amount agreed with the channel."""
    names = ("unit_price", "price_source", "gross_basis")
    return tuple(Touch("price_override", f"/lines/{arguments.line_id}/{name}", arguments.line_id) for name in names)


def reads(_order: Order, arguments: RestorePrice) -> frozenset[str]:
    """The line must still be the one the price was for."""
    return frozenset({f"/lines/{arguments.line_id}/sku"})


def apply(order: Order, arguments: RestorePrice, context: Context) -> Order:
    """Return the order with the line at the price it had."""
    line = line_of(order, arguments.line_id)
    path = f"/lines/{line.line_id}/unit_price"
    before = line_of(former_of(context, path), arguments.line_id)
    if not overridden(line):
        raise OperationRefused("not_overridden", f"line {line.line_id} does not cost what an override says", field=path)
    update = {name: getattr(before, name) for name in ("unit_price", "price_source", "gross_basis")}
    return replace_line(order, line.model_copy(update=update))


def inverse(order: Order, arguments: RestorePrice, _context: Context) -> tuple[Operation, ...]:
    """Override it again."""
    line = line_of(order, arguments.line_id)
    if line.unit_price is None:
        return ()
    price = scaled_text(line.unit_price.amount, line.unit_price.exponent)
    return (inverse_of("override_price", OverridePrice(line_id=line.line_id, unit_price=price, note="the former price")),)


OPERATION = OperationSpec(
    name="restore_price",
    version=1,
    arguments=RestorePrice,
    reasons=frozenset(REASON_CODES),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
