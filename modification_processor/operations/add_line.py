"""Add a SKU the order does not have yet.

Arguments: SKU and quantity (whole units). Money: the catalogue's price in the order's currency; taxed as the first
line (by position) that tells a rate, for which the seller is liable. Where no line tells one, the new line is untaxed.
Refused for a SKU the catalogue does not sell in this currency, and for a quantity below 1.
"""

from modification_processor.operations.operation import Context, LineEdit, Needs, OperationRefused, OperationSpec, Product, Touch
from modification_processor.operations.rows import NEW, check_units, inverse_of, minted_id, minted_line_id, next_position, taxes_like
from normalizers.channel import Verb
from schemas.order import Order, OrderLine, TaxRow
from schemas.ticket import Operation


class AddLine(LineEdit):
    """`quantity` is in whole units of the SKU."""

    sku: str
    quantity: int


def touches(_order: Order, _arguments: AddLine) -> tuple[Touch, ...]:
    """A row of its own; locked as more units are."""
    return (Touch("quantity_up", f"/lines/{NEW}"),)


def reads(order: Order, _arguments: AddLine) -> frozenset[str]:
    """The rates it copies."""
    return frozenset(f"/taxes/{row.tax_id}/rate" for row in _template(order))


def needs(arguments: AddLine) -> Needs:
    """The product."""
    return Needs(skus=(arguments.sku,))


def apply(order: Order, arguments: AddLine, context: Context) -> Order:
    """Return the order with the line and its tax rows behind the others."""
    line_id = minted_line_id(order, context)
    if arguments.quantity <= 0:
        message = f"quantity {arguments.quantity} of {arguments.sku[:80]} is not above 0"
        raise OperationRefused("quantity_not_positive", message, field=f"/lines/{line_id}/ordered", value=str(arguments.quantity))
    check_units(arguments.quantity, 0, f"/lines/{line_id}/ordered")
    product = context.products.get((arguments.sku, order.currency))
    if product is None:
        message = f"the catalogue has no SKU {arguments.sku[:80]} in {order.currency}"
        raise OperationRefused("unknown_sku", message, field=f"/lines/{line_id}/sku", value=arguments.sku)
    line = _line(order, line_id, product, arguments.quantity)
    return order.model_copy(update={"lines": (*order.lines, line), "taxes": (*order.taxes, *taxes_like(order, _template(order), line_id))})


def _line(order: Order, line_id: str, product: Product, quantity: int) -> OrderLine:
    template = _template(order)
    like = order.line(template[0].line_id or "") if template else min(order.lines, key=_position, default=None)
    return OrderLine(
        line_id=line_id,
        position=next_position(order.lines),
        sku=product.sku,
        name=product.name,
        unit_price=product.price,
        tax_included=like is not None and like.tax_included,
        price_source="catalog",
        ordered=quantity,
    )


def _position(line: OrderLine) -> tuple[int, str]:
    return (line.position, line.line_id)


def _template(order: Order) -> tuple[TaxRow, ...]:
    """Return the seller's tax rows of the first line that has one we can compute from."""
    for line in sorted(order.lines, key=_position):
        rows = tuple(row for row in order.taxes if row.line_id == line.line_id and row.liable == "seller" and _tells_a_rate(row))
        if rows:
            return rows
    return ()


def _tells_a_rate(row: TaxRow) -> bool:
    return row.rate is not None or (row.basis is not None and row.basis.input > 0)


def inverse(_order: Order, _arguments: AddLine, context: Context) -> tuple[Operation, ...]:
    """Remove the line; it stays with quantity 0."""
    return (inverse_of("remove_line", {"line_id": minted_id(context)}),)


OPERATION = OperationSpec(
    name="add_line",
    version=1,
    arguments=AddLine,
    reasons=frozenset({"customer_request", "entry_error", "goodwill", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CHANGE_LINES,
    needs=needs,
)
