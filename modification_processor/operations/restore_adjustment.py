"""Put a discount or a fee back that a ticket took off: only as the undo of that ticket.

Arguments: the row's id, its kind and its code. Everything else (shares with their bases, source, version, position, the
seller's tax on it) is read from the order as it was before that ticket, which the history proves; nobody states it. Money: the
row's shares follow the units its lines have now, so with the lines as they were every amount is as it was, to the unit.
Refused outside an undo, for a row that the order then did not have or has again, and for a promotion whose uses are gone
meanwhile or beside which, or which, something stands alone. Its dates and its switch were met when it was given.
"""

from typing import Literal

from modification_processor.operations.operation import Context, Needs, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import adjustment_of, former_of, inverse_of, minted_prefix, next_position, row_path
from modification_processor.promotions import is_promotion, stands_again
from schemas.model import Model
from schemas.order import Adjustment, Order
from schemas.ticket import REASON_CODES, Operation


class RestoreAdjustment(Model):
    """The row that was removed."""

    adjustment_id: str
    kind: Literal["discount", "fee"]
    code: str | None = None


def touches(_order: Order, arguments: RestoreAdjustment) -> tuple[Touch, ...]:
    """The whole row, locked as what removes it: a discount as promotions are, a fee as prices are."""
    return (Touch("promotion" if arguments.kind == "discount" else "price_override", row_path("adjustments", arguments.adjustment_id)),)


def reads(_order: Order, _arguments: RestoreAdjustment) -> frozenset[str]:
    """Nothing beside the row."""
    return frozenset()


def needs(arguments: RestoreAdjustment) -> Needs:
    """The promotion in force, whose uses are counted."""
    return Needs(promotions=(arguments.code,)) if arguments.code is not None else Needs()


def apply(order: Order, arguments: RestoreAdjustment, context: Context) -> Order:
    """Return the order with the row as it was."""
    path = row_path("adjustments", arguments.adjustment_id)
    former = former_of(context, path)
    row = adjustment_of(former, arguments.adjustment_id)
    if any(other.adjustment_id == row.adjustment_id for other in order.adjustments):
        raise OperationRefused("adjustment_exists", f"the order has adjustment {row.adjustment_id[:80]}", field=path)
    if (row.kind, row.code) != (arguments.kind, arguments.code):
        raise OperationRefused("not_the_removed_row", f"adjustment {row.adjustment_id[:80]} was a {row.kind}", field=path, value=row.kind)
    gone = next((part.line_id for part in row.allocations if order.line(part.line_id) is None), None)
    if gone is not None:
        raise OperationRefused("unknown_line", f"the order has no line {gone}, which has a share of it", field=path, value=gone)
    if is_promotion(row):
        stands_again(order, row, context, path)
    if any(other.position == row.position for other in order.adjustments):
        row = row.model_copy(update={"position": next_position(order.adjustments)})
    there = {tax.tax_id for tax in order.taxes}
    taxes = tuple(tax for tax in former.taxes if tax.adjustment_id == row.adjustment_id and tax.tax_id not in there)
    update: dict[str, object] = {"adjustments": _with(order.adjustments, row)}
    return order.model_copy(update=update | {"taxes": (*order.taxes, *taxes)} if taxes else update)


def _with(rows: tuple[Adjustment, ...], row: Adjustment) -> tuple[Adjustment, ...]:
    """Return the rows with one more, before the first that stands behind it."""
    place = next((index for index, other in enumerate(rows) if other.position > row.position), len(rows))
    return (*rows[:place], row, *rows[place:])


def restoring(row: Adjustment, context: Context) -> tuple[Operation, ...]:
    """Return what puts a discount or a fee back that this ticket removes; nothing for a row that the ticket had made itself."""
    if row.adjustment_id.startswith(minted_prefix(context)):
        return ()
    arguments = RestoreAdjustment(adjustment_id=row.adjustment_id, kind="fee" if row.kind == "fee" else "discount", code=row.code)
    return (inverse_of(OPERATION.name, arguments),)


def inverse(_order: Order, arguments: RestoreAdjustment, _context: Context) -> tuple[Operation, ...]:
    """Remove it again."""
    name = "remove_promotion" if arguments.kind == "discount" else "remove_fee"
    return (inverse_of(name, {"adjustment_id": arguments.adjustment_id}),)


OPERATION = OperationSpec(
    name="restore_adjustment",
    version=1,
    arguments=RestoreAdjustment,
    reasons=frozenset(REASON_CODES),
    touches=touches,
    reads=reads,
    money="adjustments",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
    needs=needs,
)
