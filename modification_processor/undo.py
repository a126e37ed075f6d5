"""Undo: the operations that take an applied ticket back, worked out from what the order was before it.

Undo is a ticket like any other, with `undoes` naming the one it takes back: locks, merge, price and approvals are those
of today. The processor works the inverse out itself and refuses a ticket that says `undoes` and asks for something else.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from modification_processor.edit import Call
from modification_processor.operations.operation import Context, OperationRefused
from modification_processor.outcomes import Refused
from modification_processor.past import Past, as_of
from modification_processor.totals import recalculate
from schemas.failures import OrdermendError
from schemas.order import Order
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
    order = as_of(past, ticket.new_version - 1)
    found: list[tuple[Operation, ...]] = []
    for index, call in enumerate(calls):
        here = replace(context, ticket_id=str(ticket.ticket_id), op_index=index)
        try:
            inverse = call.spec.inverse(order, call.arguments, here)
            if not inverse:
                return Refused("no_inverse", f"{call.spec.name} cannot be undone", f"/operations/{index}/name", f"inverse.{call.spec.name}")
            if index + 1 < len(calls):
                order = _after(order, call, here)
        except (OperationRefused, OrdermendError) as error:
            return Refused("no_inverse", f"{call.spec.name} cannot be undone any more: {error.message}", error.field, error.rule)
        found.append(inverse)
    return tuple(operation for inverse in reversed(found) for operation in inverse)


def _after(order: Order, call: Call, context: Context) -> Order:
    after = call.spec.apply(order, call.arguments, context)
    return after if call.spec.money == "none" else recalculate(after)


def is_inverse(body: ModificationTicket, inverse: Sequence[Operation]) -> Refused | None:
    """Return why the ticket's operations are not the inverse, or None."""
    if [_meaning(operation) for operation in body.operations] == [_meaning(operation) for operation in inverse]:
        return None
    names = ", ".join(operation.name for operation in inverse)
    return Refused("not_the_inverse", f"taking ticket {body.undoes} back takes exactly: {names}", "/operations", "undo_is_inverse")


def _meaning(operation: Operation) -> tuple[str, int, object]:
    return operation.name, operation.version, json.loads(operation.arguments)
