"""Send another SKU in the place of a line's.

Arguments: the line and the new SKU. The line stays with nothing open, a new line names it in `replaces_line_id` and
takes its open units. Money: the sold price and every basis pass on (gross, shares of discounts, the seller's tax),
so the order costs what it did; tax the channel is liable for stays where the channel stated it.
Refused for a SKU the catalogue does not sell in this currency, and once the warehouse holds a unit of the line.
"""

from modification_processor.operations.operation import Context, LineEdit, Needs, OperationRefused, OperationSpec, Product, Touch
from modification_processor.operations.rows import NEW, inverse_of, line_of, minted_id, minted_line_id, next_position, replace_line, taken
from normalizers.channel import Verb
from schemas.order import Adjustment, Allocation, Basis, Order, OrderLine, TaxRow
from schemas.ticket import Operation


class ReplaceSku(LineEdit):
    """The line whose goods are swapped, and the SKU that comes instead."""

    line_id: str
    sku: str


def touches(_order: Order, arguments: ReplaceSku) -> tuple[Touch, ...]:
    """The old line's quantity and a row of its own, both locked by the old line's state."""
    return (
        Touch("replace_sku", f"/lines/{arguments.line_id}/ordered", arguments.line_id),
        Touch("replace_sku", f"/lines/{NEW}", arguments.line_id),
    )


def reads(_order: Order, arguments: ReplaceSku) -> frozenset[str]:
    """The line must still be the one the author saw, at the same price."""
    return frozenset(f"/lines/{arguments.line_id}/{name}" for name in ("sku", "cancelled", "unit_price"))


def needs(arguments: ReplaceSku) -> Needs:
    """The product."""
    return Needs(skus=(arguments.sku,))


def apply(order: Order, arguments: ReplaceSku, context: Context) -> Order:
    """Return the order with the old line closed and the new one in its place."""
    old = line_of(order, arguments.line_id)
    _check_replaceable(old, arguments.sku)
    product = context.products.get((arguments.sku, order.currency))
    if product is None:
        message = f"the catalogue has no SKU {arguments.sku[:80]} in {order.currency}"
        raise OperationRefused("unknown_sku", message, field=f"/lines/{old.line_id}/sku", value=arguments.sku)
    new = _new_line(order, old, product, minted_line_id(order, context))
    closed = replace_line(order, old.model_copy(update={"ordered": old.cancelled}))
    return closed.model_copy(
        update={
            "lines": (*closed.lines, new),
            "adjustments": tuple(_adjustment(row, old, new.line_id) for row in order.adjustments),
            "taxes": (*order.taxes, *_taxes(order, old.line_id, new.line_id)),
        }
    )


def _check_replaceable(line: OrderLine, sku: str) -> None:
    path = f"/lines/{line.line_id}/sku"
    if taken(line):
        message = f"line {line.line_id} cannot be replaced: {taken(line)} of it are already released or shipped"
        raise OperationRefused("below_fulfilled", message, field=path, value=str(taken(line)))
    if line.open == 0:
        raise OperationRefused("nothing_open", f"line {line.line_id} has nothing open", field=path)
    if line.sku == sku:
        raise OperationRefused("no_change", f"line {line.line_id} already is {sku[:80]}", field=path)


def _new_line(order: Order, old: OrderLine, product: Product, line_id: str) -> OrderLine:
    return OrderLine(
        line_id=line_id,
        position=next_position(order.lines),
        sku=product.sku,
        name=product.name,
        unit_of_measure=old.unit_of_measure,
        quantity_exponent=old.quantity_exponent,
        unit_price=old.unit_price,
        tax_included=old.tax_included,
        price_source="sold",
        gross_minor=old.gross_minor,
        gross_basis=old.gross_basis,
        ordered=old.open,
        replaces_line_id=old.line_id,
    )


def _adjustment(row: Adjustment, old: OrderLine, line_id: str) -> Adjustment:
    """Give the new line a share with the old one's basis; the old one's follows its quantity to 0."""
    part = next((part for part in row.allocations if part.line_id == old.line_id), None)
    if row.kind != "discount" or part is None:
        return row
    basis = part.basis or Basis(input=old.open, amount_minor=part.amount_minor)
    kept = tuple(Allocation(line_id=other.line_id, amount_minor=0, basis=basis) if other is part else other for other in row.allocations)
    return row.model_copy(update={"allocations": (*kept, Allocation(line_id=line_id, amount_minor=part.amount_minor, basis=basis))})


def _taxes(order: Order, old_id: str, new_id: str) -> tuple[TaxRow, ...]:
    """Copy the seller's tax rows that follow a base; one agreed on a base of 0 goes by its rate, or stays behind."""
    start = next_position(order.taxes)
    rows = [row for row in order.taxes if row.line_id == old_id and row.liable == "seller" and (_follows(row) or row.rate is not None)]
    return tuple(
        row.model_copy(
            update={
                "tax_id": f"{new_id}-t{index}",
                "position": start + index,
                "line_id": new_id,
                "basis": row.basis if _follows(row) else None,
            }
        )
        for index, row in enumerate(rows)
    )


def _follows(row: TaxRow) -> bool:
    return row.basis is not None and row.basis.input > 0


def inverse(order: Order, arguments: ReplaceSku, context: Context) -> tuple[Operation, ...]:
    """Close the new line, then reopen the old one, whose bases never left it."""
    old = line_of(order, arguments.line_id)
    return (
        inverse_of("remove_line", {"line_id": minted_id(context)}),
        inverse_of("change_quantity", {"line_id": old.line_id, "quantity": old.ordered}),
    )


OPERATION = OperationSpec(
    name="replace_sku",
    version=1,
    arguments=ReplaceSku,
    reasons=frozenset({"customer_request", "entry_error", "wrong_sku", "out_of_stock", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CHANGE_LINES,
    needs=needs,
)
