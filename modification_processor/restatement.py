"""A channel states an order again: a merge of three, never an overwrite.

The new statement is compared with the channel's *previous* one, normalised by the same mapping, not with the book.
What the channel did not change stays as the book has it, so an unrelated update never undoes an agent's edit. What
it did change is taken where the book still has the channel's old value and the field is not locked. What the book has
already, by a change of ours that the channel was told of and now sends back, is no change; a line that we added is known
again by its SKU and quantity, and from then on by the id the channel gave it. Anything else is a clash: the book stays, and
hold `channel` with a work item names both values' paths.

The unit of comparison is a part of the order that means something by itself (an address, a line, a discount, the tags).
"""

from collections.abc import Collection, Mapping
from typing import Any

from modification_processor.field_locks import evaluate
from modification_processor.operations.operation import Touch
from modification_processor.operations.rows import row_path
from modification_processor.outcomes import Restated, WorkItem
from modification_processor.rule_holds import with_rule_holds
from modification_processor.totals import recalculate
from schemas.model import Instant
from schemas.order import Adjustment, Hold, Order, OrderLine, StatedTotals, TaxRow, held

PARTS: tuple[tuple[str, str], ...] = (
    ("ship_to", "ship_address_area"),
    ("bill_to", "bill_address"),
    ("contact", "contact"),
    ("delivery_window", "delivery_window"),
    ("ship_method", "ship_method"),
    ("note", "notes"),
    ("tags", "notes"),
    ("payment_method", "payment_method"),
)
"""Fields merged whole, and the lock class each falls under."""

Rows = tuple[Adjustment, ...] | tuple[TaxRow, ...]
MONEY_ROWS = ("adjustments", "taxes")
_SYSTEM = frozenset({"Order_Modify"})
_OPEN_MODES = frozenset({"editable", "approval"})


def restate(book: Order, before: Order, now: Order, message_id: str, at: Instant) -> Restated:
    """Return the book after the channel's statement `now`, whose previous one was `before`."""
    changes: dict[str, Any] = {"source": book.source.model_copy(update=_source_of(now))}
    clashes: list[str] = []
    for name, lock in PARTS:
        old, new, ours = getattr(before, name), getattr(now, name), getattr(book, name)
        if new in (old, ours):
            continue
        if ours == old and _open(book, lock, f"/{name}", None):
            changes[name] = new
        else:
            clashes.append(f"/{name}")
    changes |= _lines(book, before, now, clashes)
    changes |= _money(book, before, now, clashes)
    changes |= _payments(book, now)
    if now.lifecycle == "cancelled" and before.lifecycle != "cancelled":
        _cancel(book, now, changes, clashes)
    merged = with_rule_holds(recalculate(book.model_copy(update=changes)), book.source.held_by, before, now, at)
    return _with_clashes(merged, clashes, message_id, at)


def _source_of(now: Order) -> dict[str, Any]:
    return {
        "channel_updated_at": now.source.channel_updated_at,
        "status": now.source.status,
        "payment_status": now.source.payment_status,
        "fulfillment_status": now.source.fulfillment_status,
        "mapping_version": now.source.mapping_version,
        "rules_version": now.source.rules_version,
        "held_by": now.source.held_by,
    }


def _open(book: Order, lock: str, path: str, line_id: str | None) -> bool:
    return evaluate(book, Touch(lock, path, line_id), _SYSTEM, None, by_channel=True).mode in _OPEN_MODES


def _stated(line: OrderLine) -> tuple[Any, ...]:
    """Return what the channel says of a line; fulfilment quantities are the warehouse's to say."""
    return (line.sku, line.name, line.ordered, line.cancelled, line.unit_price, line.gross_minor, line.gross_basis)


def _agree(ours: OrderLine, says: OrderLine) -> bool:
    """Whether the book has what the channel says, however each came to it: a change of ours that it sends back is no change."""
    return (ours.sku, ours.open, ours.gross_minor) == (says.sku, says.open, says.gross_minor)


def _lines(book: Order, before: Order, now: Order, clashes: list[str]) -> dict[str, Any]:
    old, new = {row.line_id: row for row in before.lines}, {row.line_id: row for row in now.lines}
    twins = _twins(book, now)
    lines = []
    for ours in book.lines:
        was, says = _named(ours, old), _named(ours, new)
        if ours.line_id in twins:
            lines.append(ours.model_copy(update={"channel_line_id": twins[ours.line_id].channel_line_id}))
            continue
        if was is None or (says is not None and _stated(was) == _stated(says)):
            lines.append(ours)
            continue
        wanted = says if says is not None else was.model_copy(update={"ordered": 0, "cancelled": 0, "gross_minor": 0})
        if _agree(ours, wanted):
            lines.append(ours)
        elif _stated(ours) == _stated(was) and _line_open(book, ours, wanted):
            lines.append(_take(ours, wanted))
        else:
            lines.append(ours)
            clashes.append(f"/lines/{ours.line_id}")
    lines += _new_lines(book, old, now, {row.line_id for row in twins.values()}, clashes)
    return {} if tuple(lines) == book.lines else {"lines": tuple(lines)}


def _new_lines(book: Order, old: Mapping[str, OrderLine], now: Order, ours: Collection[str], clashes: list[str]) -> list[OrderLine]:
    """Return the lines that the channel has added of its own accord."""
    known = {row.line_id for row in book.lines} | {f"L{row.channel_line_id}" for row in book.lines} | {*old, *ours}
    lines = []
    for row in now.lines:
        if row.line_id in known:
            continue
        if _open(book, "quantity_up", f"/lines/{row.line_id}", None):
            lines.append(row)
        else:
            clashes.append(f"/lines/{row.line_id}")
    return lines


def _named(ours: OrderLine, rows: Mapping[str, OrderLine]) -> OrderLine | None:
    """Return what the channel says of a line of ours: under our id, or under the one it gave a line that we added."""
    return rows.get(ours.line_id) or (rows.get(f"L{ours.channel_line_id}") if ours.channel_line_id else None)


def _twins(book: Order, now: Order) -> dict[str, OrderLine]:
    """Return, by our id, the lines that we added, told the channel of, and now get back under an id of the channel's."""
    known = {row.line_id for row in book.lines} | {f"L{row.channel_line_id}" for row in book.lines}
    fresh = [row for row in now.lines if row.line_id not in known and row.channel_line_id]
    twins: dict[str, OrderLine] = {}
    for ours in book.lines:
        if ours.channel_line_id is not None or ours.price_source == "channel" or not ours.open:
            continue
        twin = next((row for row in fresh if row.sku == ours.sku and row.open == ours.open), None)
        if twin is not None:
            fresh.remove(twin)
            twins[ours.line_id] = twin
    return twins


def _line_open(book: Order, ours: OrderLine, wanted: OrderLine) -> bool:
    taken = max(ours.released, ours.packed, ours.shipped)
    lock = "replace_sku" if wanted.sku != ours.sku else "quantity_up" if wanted.open > ours.open else "quantity_down"
    return wanted.open >= taken and _open(book, lock, f"/lines/{ours.line_id}/ordered", ours.line_id)


def _take(ours: OrderLine, wanted: OrderLine) -> OrderLine:
    names = ("sku", "name", "ordered", "cancelled", "unit_price", "price_source", "gross_minor", "gross_basis", "tax_included")
    return ours.model_copy(update={name: getattr(wanted, name) for name in names})


def _money(book: Order, before: Order, now: Order, clashes: list[str]) -> dict[str, Any]:
    """Take over discounts, shipping, tax and the stated totals where the book still has the channel's."""
    changes: dict[str, Any] = {}
    for name in MONEY_ROWS:
        old, new, ours = getattr(before, name), getattr(now, name), getattr(book, name)
        if new in (old, ours):
            continue
        if _amounts(new) == _amounts(ours):
            continue
        lines_clash = any(path.startswith("/lines/") for path in clashes)
        if (ours == old or _followed(book, now, new, ours)) and not lines_clash:
            changes[name] = new
        else:
            changes[name] = _merged_rows(name, (old, new, ours), clashes, lines_clash=lines_clash)
    if now.stated_totals not in (before.stated_totals, StatedTotals()):
        changes["stated_totals"] = now.stated_totals
    return changes


def _merged_rows(name: str, states: tuple[Rows, Rows, Rows], clashes: list[str], *, lines_clash: bool) -> Rows:
    """Take the rows that the channel changed over one by one: those that the book still has as the channel had them.

    Rows of ours stay, and so do those that the channel left alone. Where the lines clash, rows that hang on lines do too.
    """
    old, new, ours = ({_name_of(row): row for row in rows} for rows in states)
    merged = dict(ours)
    for row_id in dict.fromkeys((*old, *new)):
        was, says, have = old.get(row_id), new.get(row_id), ours.get(row_id)
        if says in (was, have) or (says is not None and have is not None and says.amount_minor == have.amount_minor):
            continue
        if have != was or (lines_clash and any(row is not None and _on_lines(row) for row in (was, says))):
            clashes.append(row_path(name, row_id))
        elif says is None:
            del merged[row_id]
        else:
            merged[row_id] = says
    return tuple(merged.values())  # type: ignore[return-value]  # one collection's rows are of one kind


def _on_lines(row: Adjustment | TaxRow) -> bool:
    return bool(row.allocations) if isinstance(row, Adjustment) else row.line_id is not None


def _name_of(row: Adjustment | TaxRow) -> str:
    return row.adjustment_id if isinstance(row, Adjustment) else row.tax_id


def _amounts(rows: Rows) -> dict[str, int]:
    return {str(getattr(row, str(type(row).KEY))): row.amount_minor for row in rows}


def _followed(book: Order, now: Order, new: Rows, ours: Rows) -> bool:
    """Whether the channel worked out the same rows after the same change of lines: then what it says they come to counts."""
    says = {line.line_id: line for line in now.lines}
    same = all((found := _named(line, says)) is not None and _agree(line, found) for line in book.lines if line.open)
    return same and len(says) <= len(book.lines) and _amounts(new).keys() == _amounts(ours).keys()


def _payments(book: Order, now: Order) -> dict[str, Any]:
    """Add ledger rows the book does not have; a ledger only grows."""
    known = {row.payment_id for row in book.payments}
    new = tuple(row for row in now.payments if row.payment_id not in known)
    return {"payments": (*book.payments, *new)} if new else {}


def _cancel(book: Order, now: Order, changes: dict[str, Any], clashes: list[str]) -> None:
    if any(max(line.released, line.packed, line.shipped) for line in book.lines):
        clashes.append("/lifecycle")
        return
    changes["lifecycle"] = "cancelled"
    changes.setdefault("lines", tuple(line.model_copy(update={"cancelled": line.ordered}) for line in book.lines))
    del now


def _with_clashes(order: Order, clashes: list[str], message_id: str, at: Instant) -> Restated:
    if not clashes:
        return Restated(order)
    detail = f"the channel changed {', '.join(dict.fromkeys(clashes))}, which the book holds otherwise or has locked"[:500]
    hold = Hold(hold_id=f"C{message_id}"[:80], kind="channel", reason=detail, placed_at=at)
    return Restated(held(order, hold), (WorkItem("channel_conflict", detail),))
