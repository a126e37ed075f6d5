"""Rows of an order: found, replaced and added without touching the others; and the ids new rows get.

A path that ends in `NEW` ("-", RFC 6901's name of the element after the last) is a row the operation makes: its
id is only known with the ticket, and nobody else can have written it.
"""

import json
from collections.abc import Mapping, Sequence

from modification_processor.operations.operation import Context, OperationRefused
from modification_processor.totals import tax_of
from schemas.model import Model
from schemas.order import Adjustment, Order, OrderLine, TaxRow
from schemas.ticket import Operation

NEW = "-"
"""Stands for the id of a row that is made by the operation: `/lines/-`."""


MAX_UNITS = 1_000_000
"""More of one line than this is a typing error, and keeps every product with a price within 64 bits."""


def check_units(quantity: int, exponent: int, path: str) -> None:
    """Refuse more than `MAX_UNITS` whole units; `quantity` counts units of 10^-exponent."""
    if quantity > MAX_UNITS * 10**exponent:
        message = f"quantity {quantity} is above {MAX_UNITS} units"
        raise OperationRefused("quantity_too_large", message, field=path, value=str(quantity))


def line_of(order: Order, line_id: str) -> OrderLine:
    """Return the line, or refuse naming it."""
    line = order.line(line_id)
    if line is None:
        raise OperationRefused("unknown_line", f"the order has no line {line_id}", field=f"/lines/{line_id}", value=line_id)
    return line


def row_path(collection: str, row_id: str) -> str:
    """Return a row's path, its id escaped as history escapes it (RFC 6901 section 3): channels put "/" into ids."""
    return f"/{collection}/{row_id.replace('~', '~0').replace('/', '~1')}"


def taken(line: OrderLine) -> int:
    """Return how many units the warehouse already holds for the line or has sent: no edit goes below."""
    return max(line.released, line.packed, line.shipped)


def replace_line(order: Order, line: OrderLine) -> Order:
    """Return the order with this line in the place of the one of the same id."""
    return order.model_copy(update={"lines": tuple(line if row.line_id == line.line_id else row for row in order.lines)})


def adjustment_of(order: Order, adjustment_id: str) -> Adjustment:
    """Return the adjustment, or refuse naming it."""
    row = next((row for row in order.adjustments if row.adjustment_id == adjustment_id), None)
    if row is None:
        message = f"the order has no adjustment {adjustment_id[:80]}"
        raise OperationRefused("unknown_adjustment", message, field=row_path("adjustments", adjustment_id), value=adjustment_id)
    return row


def remove_adjustment(order: Order, row: Adjustment) -> Order:
    """Return the order without the row and the seller's tax on it; refuse if the channel has tax on it, which is not ours."""
    taxes = tuple(tax for tax in order.taxes if tax.adjustment_id != row.adjustment_id)
    if any(tax.liable == "channel" for tax in order.taxes if tax.adjustment_id == row.adjustment_id):
        message = f"adjustment {row.adjustment_id[:80]} has tax the channel is liable for; only the channel takes it off"
        raise OperationRefused("channel_taxed", message, field=row_path("adjustments", row.adjustment_id), value=row.adjustment_id)
    adjustments = tuple(other for other in order.adjustments if other.adjustment_id != row.adjustment_id)
    update: dict[str, object] = {"adjustments": adjustments}
    return order.model_copy(update=update if len(taxes) == len(order.taxes) else update | {"taxes": taxes})


def former_of(context: Context, path: str) -> Order:
    """Return the order before the ticket that is taken back, or refuse: only an undo puts back what was, as the history proves it."""
    if context.former is None:
        raise OperationRefused("only_as_undo", "what was there before comes back only by undoing the ticket that changed it", field=path)
    return context.former


def minted_id(context: Context) -> str:
    """Return the id of the row this operation makes: the same at every try, another for every operation."""
    return f"{minted_prefix(context)}{context.op_index}"


def minted_prefix(context: Context) -> str:
    """Return how the ids of all rows of this ticket begin."""
    return f"T{context.ticket_id[:8]}-"


def resolved_path(path: str, context: Context) -> str:
    """Return a touch's path with `NEW` replaced by the id the operation gives its row."""
    head, dash, tail = path.partition(f"/{NEW}")
    return f"{head}/{minted_id(context)}{tail}" if dash and (not tail or tail[0] == "/") else path


def minted_line_id(order: Order, context: Context) -> str:
    """Return the new line's id, or refuse if the order already has it."""
    line_id = minted_id(context)
    if order.line(line_id) is not None:
        raise OperationRefused("line_exists", f"the order already has a line {line_id}", field=f"/lines/{line_id}", value=line_id)
    return line_id


def next_position(rows: tuple[OrderLine, ...] | tuple[Adjustment, ...] | tuple[TaxRow, ...]) -> int:
    """Return the position behind the last row."""
    return max((row.position for row in rows), default=-1) + 1


def taxes_like(order: Order, rows: Sequence[TaxRow], line_id: str) -> tuple[TaxRow, ...]:
    """Return tax rows for a new line like those of another: rate, title, side and liable party.

    A row whose amount no rate of its own explains (none is stated, or it is on top of other taxes) keeps its basis,
    whose ratio is the rate; what was taxed on nothing has no ratio, and says nothing of another line.
    """
    start = next_position(order.taxes)
    return tuple(
        TaxRow(
            tax_id=f"{line_id}-t{index}",
            position=start + index,
            line_id=line_id,
            title=row.title,
            rate=row.rate,
            included=row.included,
            liable="seller",
            amount_minor=0,
            basis=row.basis if row.basis is not None and row.basis.input > 0 and not _explained(order, row) else None,
        )
        for index, row in enumerate(rows)
    )


def _explained(order: Order, row: TaxRow) -> bool:
    """Say whether the rate gives the amount that was agreed, to the unit that rounding may cost."""
    if row.rate is None or row.basis is None or row.basis.input <= 0:
        return row.rate is not None
    return abs(tax_of(order, row.model_copy(update={"basis": None}), row.basis.input) - row.basis.amount_minor) <= 1


def replacements_of(order: Order, line: OrderLine) -> tuple[OrderLine, ...]:
    """Return the other lines that stand for the same position: what it replaced, what replaced it, and so on."""
    family = {line.line_id}
    size = 0
    while size != len(family):
        size = len(family)
        for row in order.lines:
            if row.replaces_line_id is not None and (row.line_id in family or row.replaces_line_id in family):
                family |= {row.line_id, row.replaces_line_id}
    return tuple(row for row in order.lines if row.line_id in family and row.line_id != line.line_id)


def inverse_of(name: str, arguments: Model | Mapping[str, object]) -> Operation:
    """Return an operation that carries `arguments`; a mapping where the other operation's file cannot be imported."""
    text = arguments.model_dump_json(exclude_defaults=True) if isinstance(arguments, Model) else json.dumps(arguments)
    return Operation(name=name, arguments=text)
