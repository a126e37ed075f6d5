"""Sell a line at a price of our own.

Arguments: the line, the price of one unit in the order's currency as decimal text, and why. Money: every open unit
costs that price (0 is a price), whatever row amount was agreed with the channel; the line's discounts stay, never
above what it costs now, and the seller's tax follows the new base.
Refused for a line with nothing open, for a price below 0 or of too many digits, and without a reason in words.
"""

from modification_processor.operations.amounts import price_of
from modification_processor.operations.operation import Context, LineEdit, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of, line_of, minted_prefix, replace_line
from modification_processor.operations.texts import required
from schemas.money import scaled_text
from schemas.order import Order, OrderLine
from schemas.ticket import Operation


class OverridePrice(LineEdit):
    """`unit_price` is a decimal like "9.95"; `note` says why, and is kept with the ticket."""

    line_id: str
    unit_price: str
    note: str


def touches(order: Order, arguments: OverridePrice) -> tuple[Touch, ...]:
    """The price; the first time also where it is from, and the row amount agreed with the channel."""
    line = order.line(arguments.line_id)
    names = ("unit_price",) if line is not None and overridden(line) else ("unit_price", "price_source", "gross_basis")
    return tuple(Touch("price_override", f"/lines/{arguments.line_id}/{name}", arguments.line_id) for name in names)


def reads(_order: Order, arguments: OverridePrice) -> frozenset[str]:
    """The line must still be the one the author saw."""
    return frozenset({f"/lines/{arguments.line_id}/sku"})


def apply(order: Order, arguments: OverridePrice, _context: Context) -> Order:
    """Return the order with the line at that price."""
    line = line_of(order, arguments.line_id)
    path = f"/lines/{line.line_id}/unit_price"
    price = price_of(arguments.unit_price, path)
    required(arguments.note, f"{path}/note")
    if line.open == 0:
        raise OperationRefused("nothing_open", f"line {line.line_id} has nothing open", field=path)
    if overridden(line) and line.unit_price is not None and line.unit_price.decimal == price.decimal:
        raise OperationRefused("no_change", f"line {line.line_id} already has this price", field=path, value=arguments.unit_price)
    return replace_line(order, line.model_copy(update={"unit_price": price, "price_source": "override", "gross_basis": None}))


def overridden(line: OrderLine) -> bool:
    """Say whether the line costs what an earlier override says, and nothing else."""
    return line.price_source == "override" and line.gross_basis is None


def inverse(order: Order, arguments: OverridePrice, context: Context) -> tuple[Operation, ...]:
    """Set an earlier override back; or have the price of the channel's or the catalogue's restored, which the history proves."""
    line = line_of(order, arguments.line_id)
    made_here = line.line_id.startswith(minted_prefix(context))
    if line.unit_price is None or not (made_here or overridden(line)):
        return () if made_here else (inverse_of("restore_price", {"line_id": line.line_id}),)
    former = scaled_text(line.unit_price.amount, line.unit_price.exponent)
    return (inverse_of(OPERATION.name, OverridePrice(line_id=line.line_id, unit_price=former, note="the former price")),)


OPERATION = OperationSpec(
    name="override_price",
    version=1,
    arguments=OverridePrice,
    reasons=frozenset({"customer_request", "entry_error", "wrong_sku", "goodwill", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
