"""Change how many units of a line the customer gets.

Arguments: the line, the new number of ordered units (in the line's own unit), and what added units cost. Money: existing
units keep the sold price; added ones get it too (`sold`), or the list price of now (`list`: they are a line of their own, taxed
as this one), or it only while the list price still is the sold one (`unchanged`); the line's share of discounts and tax
follows. A removed line is reopened this way, unless the line that replaced it (or that it replaced) is open.
Refused below what the warehouse already holds for it, and where nothing would stay open (that is `remove_line`); by `list` and
`unchanged` for a SKU the catalogue does not sell in this currency, and by `unchanged` at another price.
"""

from typing import Literal

from modification_processor.operations.operation import Context, LineEdit, Needs, OperationRefused, OperationSpec, Product, Touch
from modification_processor.operations.rows import (
    NEW,
    check_units,
    inverse_of,
    line_of,
    minted_id,
    minted_line_id,
    next_position,
    replace_line,
    replacements_of,
    taken,
    taxes_like,
)
from normalizers.channel import Verb
from schemas.money import UnitPrice, scaled_text
from schemas.order import Order, OrderLine
from schemas.ticket import Operation


class ChangeQuantity(LineEdit):
    """`quantity` is the new ordered quantity, above what is cancelled; `added` says what more units than now cost."""

    line_id: str
    quantity: int
    added: Literal["sold", "list", "unchanged"] = "sold"


def touches(order: Order, arguments: ChangeQuantity) -> tuple[Touch, ...]:
    """One leaf, or a row for added units at the list price; going up and going down are locked differently."""
    line = order.line(arguments.line_id)
    up = line is not None and arguments.quantity > line.ordered
    if up and arguments.added == "list":
        return (Touch("quantity_up", f"/lines/{NEW}", arguments.line_id),)
    return (Touch("quantity_up" if up else "quantity_down", f"/lines/{arguments.line_id}/ordered", arguments.line_id),)


def reads(_order: Order, arguments: ChangeQuantity) -> frozenset[str]:
    """The line must still be the one the author saw."""
    paths = {f"/lines/{arguments.line_id}/sku", f"/lines/{arguments.line_id}/cancelled"}
    return frozenset(paths | ({f"/lines/{arguments.line_id}/ordered"} if arguments.added == "list" else set()))


def needs(arguments: ChangeQuantity) -> Needs:
    """The list price of the line's SKU, where the added units' price is not the sold one."""
    return Needs(own_lines=arguments.added != "sold")


def apply(order: Order, arguments: ChangeQuantity, context: Context) -> Order:
    """Return the order with the line's ordered quantity set, or the added units in a line of their own."""
    line = line_of(order, arguments.line_id)
    _check_quantity(line, arguments.quantity)
    if line.open == 0:
        _check_not_replaced(order, line)
    if arguments.quantity > line.ordered and arguments.added != "sold":
        product = _listed(order, line, context)
        if arguments.added == "list":
            return _beside(order, line, arguments.quantity - line.ordered, product, minted_line_id(order, context))
        _check_same_price(order, line, product)
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


def _listed(order: Order, line: OrderLine, context: Context) -> Product:
    product = context.products.get((line.sku or "", order.currency))
    if product is None:
        message = f"the catalogue has no SKU {(line.sku or '?')[:80]} in {order.currency}"
        raise OperationRefused("unknown_sku", message, field=f"/lines/{line.line_id}/sku", value=line.sku)
    return product


def _check_same_price(order: Order, line: OrderLine, product: Product) -> None:
    if line.unit_price is None or line.unit_price.decimal != product.price.decimal:
        sold = "no unit price" if line.unit_price is None else f"{_shown(line.unit_price)} {order.currency}"
        message = f"line {line.line_id} was sold at {sold}, the list price is {_shown(product.price)} {order.currency}"
        raise OperationRefused("price_differs", message, field=f"/lines/{line.line_id}/unit_price", value=_shown(product.price))


def _shown(price: UnitPrice) -> str:
    return scaled_text(price.amount, price.exponent)


def _beside(order: Order, line: OrderLine, added: int, product: Product, line_id: str) -> Order:
    """Return the order with the added units in a line of their own, taxed as the first."""
    new = OrderLine(
        line_id=line_id,
        position=next_position(order.lines),
        sku=line.sku,
        name=line.name,
        unit_of_measure=line.unit_of_measure,
        quantity_exponent=line.quantity_exponent,
        unit_price=product.price,
        tax_included=line.tax_included,
        price_source="catalog",
        ordered=added,
    )
    own = [row for row in order.taxes if row.line_id == line.line_id and row.liable == "seller"]
    return order.model_copy(update={"lines": (*order.lines, new), "taxes": (*order.taxes, *taxes_like(order, own, line_id))})


def inverse(order: Order, arguments: ChangeQuantity, context: Context) -> tuple[Operation, ...]:
    """Set the quantity back, or remove the line of the added units; a line that was removed is removed again."""
    line = line_of(order, arguments.line_id)
    if arguments.quantity > line.ordered and arguments.added == "list":
        return (inverse_of("remove_line", {"line_id": minted_id(context)}),)
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
    needs=needs,
)
