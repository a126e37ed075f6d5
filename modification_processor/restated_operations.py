"""What a channel's restatement changed, in the words of edits: set_ship_address, change_quantity, add_line and others.

Pure: (order before, order after the merge) -> operations with the paths each of them says, and the ticket that is kept of them. The merge
has decided already (`restatement.py`); nothing is carried out here, so no guarantee of the merge rests on it. What no operation
says (ledger rows, tax the channel works out, a price of the channel's own, extensions) stays the statement's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from modification_processor import channel_changes
from modification_processor.edit import MAX_OPERATIONS
from modification_processor.operations.addresses import WholeAddress
from modification_processor.operations.rows import inverse_of as operation
from modification_processor.operations.rows import row_path
from modification_processor.operations.set_contact import FIELDS
from schemas.assertion import Actor
from schemas.money import to_text
from schemas.order import Address, Adjustment, Order, OrderLine, id_of
from schemas.statement import OrderStated
from schemas.ticket import ModificationTicket, Operation

DOOR = "restatement"
"""Marks the tickets that are kept of restatements: nobody sent them."""


@dataclass(frozen=True)
class Named:
    """One operation, the paths it says, and those that follow from it."""

    operation: Operation
    paths: tuple[str, ...]
    follows: tuple[str, ...] = ()


def operations_of(before: Order, after: Order) -> tuple[Named, ...]:
    """Return what an author would have asked for to get from one order to the other; at most as many as a ticket has."""
    if after.lifecycle == "cancelled" != before.lifecycle:
        lines = tuple(f"{row_path('lines', line.line_id)}" for line in before.lines)
        return (Named(operation("cancel_order", {}), ("/lifecycle", *(f"{line}/cancelled" for line in lines)), _money_of(lines)),)
    found = (*_parts(before, after), *_lines(before, after), *_rows(before, after))
    return found[:MAX_OPERATIONS]


def ticket_of(body: OrderStated, named: tuple[Named, ...], at: datetime) -> ModificationTicket:
    """Return the ticket that is kept of a restatement: the same each time the message comes."""
    source = body.order.source
    return ModificationTicket(
        ticket_id=ticket_id_of(body),
        order_id=body.order.order_id,
        operations=tuple(each.operation for each in named),
        reason_code=channel_changes.REASON,
        comment=f"restated by {source.channel}"[:200],
        opened_at=source.channel_updated_at or at,
    )


def ticket_id_of(body: OrderStated) -> UUID:
    """Return the id of the ticket that is kept of a restatement."""
    return id_of(f"{body.order.order_id}:{body.message_id}:restated")


def actor_of(body: OrderStated) -> Actor:
    """Return whose the changes are."""
    return Actor(f"channel:{body.order.source.channel}", channel_changes.ROLES, DOOR)


def _parts(before: Order, after: Order) -> Iterator[Named]:
    for name, path in (("set_ship_address", "/ship_to"), ("set_bill_address", "/bill_to")):
        address: Address | None = getattr(after, path[1:])
        if address != getattr(before, path[1:]) and address is not None and address.lines and address.city and address.country:
            yield Named(operation(name, _whole(address)), (path,))
    if (asked := _contact(before, after)) is not None:
        yield asked
    if after.delivery_window != before.delivery_window:
        window = after.delivery_window
        ends = {} if window is None else window.model_dump(mode="json", exclude_none=True)
        yield Named(operation("set_delivery_window", ends), ("/delivery_window",))
    for name, field, argument in (
        ("set_ship_method", "ship_method", "method"), ("set_note", "note", "note"), ("set_payment_method", "payment_method", "method"),
    ):  # fmt: skip
        if getattr(after, field) != getattr(before, field):
            yield Named(operation(name, {argument: getattr(after, field)}), (f"/{field}",))
    if after.tags != before.tags:
        added, gone = (
            tuple(tag for tag in these if tag not in others) for these, others in ((after.tags, before.tags), (before.tags, after.tags))
        )
        yield Named(operation("set_tags", {"add": added, "remove": gone}), ("/tags",))


def _whole(address: Address) -> Mapping[str, object]:
    return {name: getattr(address, name) for name in WholeAddress.model_fields if getattr(address, name)}


def _contact(before: Order, after: Order) -> Named | None:
    changed = [name for name in FIELDS if getattr(after.contact, name) != getattr(before.contact, name)]
    if not changed:
        return None
    given = {name: getattr(after.contact, name) for name in changed if getattr(after.contact, name)}
    cleared = [name for name in changed if name not in given]
    asked: dict[str, object] = given | ({"clear": cleared} if cleared else {})
    return Named(operation("set_contact", asked), tuple(f"/contact/{name}" for name in changed))


def _lines(before: Order, after: Order) -> Iterator[Named]:
    known = {line.line_id: line for line in before.lines}
    for line in after.lines:
        was, path = known.get(line.line_id), row_path("lines", line.line_id)
        if was is None:
            if line.sku and not line.quantity_exponent:
                yield Named(operation("add_line", {"sku": line.sku, "quantity": line.open}), (path,), ("/totals",))
        elif (was.ordered, was.cancelled) != (line.ordered, line.cancelled) and was.sku == line.sku:
            yield _quantity(was, line, path)


def _quantity(was: OrderLine, line: OrderLine, path: str) -> Named:
    paths, follows = (f"{path}/ordered", f"{path}/cancelled"), _money_of((path,))
    if line.open == 0:
        return Named(operation("remove_line" if line.ordered == 0 else "cancel_line", {"line_id": line.line_id}), paths, follows)
    if line.ordered == was.ordered:
        units = {"quantity": line.cancelled - was.cancelled} if line.cancelled > was.cancelled else None
        if units is not None:
            return Named(operation("cancel_line", {"line_id": line.line_id, **units}), paths, follows)
    return Named(operation("change_quantity", {"line_id": line.line_id, "quantity": line.ordered}), paths, follows)


def _money_of(lines: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"{line}/{name}" for line in lines for name in ("gross_minor", "gross_basis")), "/totals")


def _rows(before: Order, after: Order) -> Iterator[Named]:
    """Name discounts by a code, and fees, that came or went."""
    old, new = ({row.adjustment_id: row for row in order.adjustments} for order in (before, after))
    for row in (row for key, row in new.items() if key not in old):
        if (asked := _row_added(row, after.currency)) is not None:
            yield Named(asked, (row_path("adjustments", row.adjustment_id),), ("/totals",))
    for row in (row for key, row in old.items() if key not in new):
        name = {"fee": "remove_fee", "discount": "remove_promotion"}.get(row.kind)
        if name is not None and (row.kind == "fee" or row.code):
            asked = operation(name, {"adjustment_id": row.adjustment_id})
            yield Named(asked, (row_path("adjustments", row.adjustment_id),), ("/totals",))


def _row_added(row: Adjustment, currency: str) -> Operation | None:
    if row.kind == "discount" and row.code:
        return operation("apply_promotion", {"code": row.code})
    if row.kind == "fee" and row.amount_minor > 0:
        return operation("add_fee", {"label": row.label or row.adjustment_id, "amount": to_text(row.amount_minor, currency)})
    return None
