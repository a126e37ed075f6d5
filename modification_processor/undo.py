"""Undo: the operations that take an applied ticket back, worked out from what the order was before it.

Undo is a ticket like any other, with `undoes` naming the one it takes back: locks, merge, price and approvals are those
of today. The processor works the inverse out itself and refuses a ticket that says `undoes` and asks for something else.
What an inverse puts back (a removed discount with its shares, a channel's price) is read from the history, never stated. An undo can
be undone in turn: the order is then as the edit had left it.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from modification_processor.edit import Call, calls_of
from modification_processor.operations import restore_adjustment, split_shipment
from modification_processor.operations.operation import Context, OperationRefused
from modification_processor.outcomes import Refused
from modification_processor.past import Past, as_of
from modification_processor.promotions import is_promotion
from modification_processor.totals import recalculate
from schemas.failures import OrdermendError
from schemas.order import Adjustment, Basis, Order
from schemas.ticket import APPLIED_STATES, ModificationTicket, Operation
from store.tickets import TicketRow


def undoable(body: ModificationTicket, ticket: TicketRow | None) -> Refused | None:
    """Return why the ticket cannot be undone by `body`, or None."""
    if body.base_version is None:
        # Without it, what others changed since would be overwritten instead of being a conflict.
        return Refused("base_version_missing", "an undo names the version its author looked at", "/base_version", "undo_has_base_version")
    if ticket is None:
        return Refused("unknown_ticket", "the order has no ticket of that id", "/undoes", "ticket_exists")
    if ticket.state not in APPLIED_STATES:
        return Refused(
            "not_applied", f"ticket {ticket.ticket_id} is {ticket.state}; only an applied one can be undone", "/undoes", "ticket_applied"
        )
    return None


def operations(past: Past, ticket: TicketRow, calls: Sequence[Call], context: Context) -> tuple[Operation, ...] | Refused:
    """Return the inverse operations of an applied ticket, last one first; or why there are none.

    `calls` are the ticket's own operations, `context` carries the catalogue entries they need.
    """
    assert ticket.new_version is not None
    order, after = before(past, ticket), as_of(past, ticket.new_version)
    moved = _moved_beside(order, after)
    if moved is not None:
        return Refused("no_inverse", f"{moved}; no operation takes that back", "/undoes", "inverse.consequences")
    context = _as_then(context, past, ticket)
    dropped = tuple(operation for row in _dropped_beside(order, after, calls) for operation in restore_adjustment.restoring(row, context))
    found: list[tuple[Operation, ...]] = []
    for index, call in enumerate(calls):
        here = replace(context, op_index=index)
        try:
            inverse = call.spec.inverse(order, call.arguments, here)
            if not inverse:
                return Refused("no_inverse", f"{call.spec.name} cannot be undone", f"/operations/{index}/name", f"inverse.{call.spec.name}")
            if index + 1 < len(calls):
                order = _after(order, call, here)
        except (OperationRefused, OrdermendError) as error:
            return Refused("no_inverse", f"{call.spec.name} cannot be undone any more: {error.message}", error.field, error.rule)
        found.append(inverse)
    # What follows a whole ticket came last, so it goes first; shipments carry what is open, so they come back once it is.
    inverses = (operation for inverse in reversed(found) for operation in inverse if operation.name != split_shipment.OPERATION.name)
    others = (*dropped, *inverses)
    try:
        dissolved, restored = _shipments_back(before(past, ticket), after, others, context)
    except OperationRefused as error:
        return Refused("no_inverse", f"its shipments cannot be as they were: {error.message}", error.field, error.rule)
    return *dissolved, *others, *restored


def _as_then(context: Context, past: Past, ticket: TicketRow) -> Context:
    """Return what the ticket's operations knew: they are carried out again to see what each of them found, and nothing is decided anew.

    Their moment was the ticket's; its uses of promotions are counted among those of now, so they are not asked about; where it took
    another ticket back itself, that one says what it put back.
    """
    undone = f"ticket:{ticket.undoes}"
    version = next((entry.row.version for entry in past.entries if entry.row.cause_id == undone), None) if ticket.undoes else None
    former = None if version is None else as_of(past, version - 1)
    return replace(
        context, at=ticket.decided_at or context.at, ticket_id=str(ticket.ticket_id), uses={}, moved={}, former=former
    )  # fmt: skip


def before(past: Past, ticket: TicketRow) -> Order:
    """Return the order as an applied ticket found it."""
    assert ticket.new_version is not None
    return as_of(past, ticket.new_version - 1)


def _after(order: Order, call: Call, context: Context) -> Order:
    after = call.spec.apply(order, call.arguments, context)
    return recalculate(after) if call.spec.recalculates else after


def _moved_beside(before: Order, after: Order) -> str | None:
    """Return what a ticket moved that none of its operations' inverses sets back: a promotion's terms, an area's tax."""
    rows = {row.adjustment_id: row for row in after.adjustments}
    for row in filter(is_promotion, before.adjustments):
        new = rows.get(row.adjustment_id)
        if new is not None and (new.promotion_version != row.promotion_version or not _bases(row).items() <= _bases(new).items()):
            return f"promotion {(row.code or row.adjustment_id)[:80]} was cut anew with it"
    if before.ship_to is not None and after.ship_to is not None and before.ship_to.tax_area != after.ship_to.tax_area:
        rates = ({(row.tax_id, row.rate, row.basis) for row in order.taxes} for order in (before, after))
        return "the tax was worked out anew for another area" if next(rates) != next(rates) else None
    return None


def _dropped_beside(before: Order, after: Order, calls: Sequence[Call]) -> list[Adjustment]:
    """Return the promotions that left with a ticket without being asked to: by their policy, or the ticket's."""
    kept = {row.adjustment_id for row in after.adjustments}
    asked = {getattr(call.arguments, "adjustment_id", None) for call in calls}
    return [row for row in before.adjustments if is_promotion(row) and row.adjustment_id not in kept | asked]


def _shipments_back(before: Order, after: Order, others: Sequence[Operation], context: Context) -> tuple[list[Operation], list[Operation]]:
    """Return what dissolves the shipments a ticket made, and what lets those it changed, or left nothing to carry, be as they were.

    `others` come first: what a shipment carries too much of a line that they make smaller, it loses by itself.
    """
    if not (before.shipments or after.shipments):
        return [], []
    was = {row.shipment_id: row for row in before.shipments}
    order = after.model_copy(update={"shipments": tuple(row for row in after.shipments if row.shipment_id in was)})
    calls = calls_of(others) if others else ()
    for call in calls if not isinstance(calls, Refused) else ():
        order = _after(order, call, replace(context, former=before)) if call.spec.moves_units else order
    now = {row.shipment_id: row for row in order.shipments}
    dissolved = [split_shipment.dissolving(row.shipment_id) for row in after.shipments if row.shipment_id not in was]
    return dissolved, [split_shipment.restoring(row) for name, row in was.items() if now.get(name) != row]


def _bases(row: Adjustment) -> dict[str, Basis | None]:
    return {part.line_id: part.basis for part in row.allocations}


def is_inverse(body: ModificationTicket, inverse: Sequence[Operation]) -> Refused | None:
    """Return why the ticket's operations are not the inverse, or None."""
    if [_meaning(operation) for operation in body.operations] == [_meaning(operation) for operation in inverse]:
        return None
    names = ", ".join(operation.name for operation in inverse)
    return Refused("not_the_inverse", f"taking ticket {body.undoes} back takes exactly: {names}", "/operations", "undo_is_inverse")


def _meaning(operation: Operation) -> tuple[str, int, object]:
    return operation.name, operation.version, json.loads(operation.arguments)
