"""What doors and forms may ask of the processor: modes, previews, what a ticket asks for and what would undo it.

Each answer is worked out by the code that guards the commit, over an unlocked snapshot; none of it writes.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from modification_processor import bulk, past, undo
from modification_processor.actions import pending_of
from modification_processor.edit import Call, calls_of
from modification_processor.field_locks import FieldMode, Moment, default_locks, field_modes
from modification_processor.operations import discover
from modification_processor.operations.operation import OperationSpec
from modification_processor.outcomes import Refused
from modification_processor.preview import Preview, preview
from modification_processor.rules_in_force import approval_rules, narrowing_rules
from modification_processor.service import context_of, known_to
from normalizers import discover as channels
from normalizers.channel import Verb
from schemas.codec import decode
from schemas.failures import OrdermendError
from schemas.order import Order
from schemas.ticket import APPLIED_STATES, ModificationTicket, Operation
from store import actions, orders, rulesets, tickets
from store.database import Connection, Cursor
from store.sealing import KeyVault, Unsealable
from store.tickets import TicketRow


class Looked(NamedTuple):
    """An order as it is at this moment."""

    order: Order
    version: int
    edits: int = 0


class RequestLost(OrdermendError):
    """What the ticket asked for cannot be read any more: its person was erased."""

    code = "erased"
    error_class = "BUSINESS_REJECT"


def look(cursor: Cursor, order_id: UUID) -> Looked | None:
    """Return the order as stored, without a lock."""
    stored = orders.load(cursor, [order_id]).get(order_id)
    return Looked(stored.order, stored.version, stored.edits) if stored else None


def operations_known() -> Mapping[str, OperationSpec]:
    """Return every operation by name."""
    return discover()


def modes_for(order: Order, roles: frozenset[str], when: Moment) -> tuple[FieldMode, ...]:
    """Return the mode of every field a form shows to somebody with these roles."""
    return field_modes(order, roles, _verbs(order), when)


def moment_of(cursor: Cursor) -> Moment:
    """Return this moment by the database's clock, with the rules of windows and risk in force."""
    narrowing = narrowing_rules()
    at, (version,) = rulesets.moments(cursor, narrowing.kind)
    return Moment(at, narrowing.at(cursor, version))


def read_operations(operations: Sequence[Operation]) -> tuple[Call, ...] | Refused:
    """Read names and arguments; say what cannot be read."""
    return calls_of(operations)


def preview_for(
    cursor: Cursor,
    looked: Looked,
    operations: Sequence[Operation],
    reason_code: str,
    roles: frozenset[str],
    ticket_id: UUID | None = None,
    former: Order | None = None,
) -> Preview | Refused:
    """Return what a ticket of these operations would do now, or why it would be refused.

    `former`: the order before the ticket that it takes back, where it takes one back.
    """
    calls = calls_of(operations)
    if isinstance(calls, Refused):
        return calls
    order = looked.order
    approvals, narrowing = approval_rules(), narrowing_rules()
    _, versions = rulesets.moments(cursor, approvals.kind, narrowing.kind)
    return preview(
        order, looked.version, calls, reason_code, roles, _verbs(order),
        replace(known_to(cursor, order, calls, ticket_id or uuid.uuid4()), former=former),
        pending_of(actions.pending(cursor, [order.order_id]).get(order.order_id, ())),
        channel_collects=order.source.channel in default_locks().marketplaces,
        rules=approvals.at(cursor, versions[0]), edit_rules=narrowing.at(cursor, versions[1]), edits=looked.edits,
    )  # fmt: skip


def try_bulk(connection: Connection, request: bulk.Request, order_ids: Sequence[UUID]) -> bulk.DryRun:
    """Return what a bulk job would do to orders as they are now. Raises `BulkRefused` for what no order could take."""
    return bulk.dry_run(connection, request, order_ids, context_of)


def request_of(cursor: Cursor, vault: KeyVault, ticket: TicketRow) -> ModificationTicket:
    """Return what a ticket asks for. Raises `RequestLost` where its order's key was deleted."""
    row = cursor.execute("select wrapped from order_key where order_id = %s", (ticket.order_id,)).fetchone()
    if row is None:
        raise RequestLost
    try:
        key = vault.unwrap(ticket.order_id, bytes(row[0]))
        body = decode(key.open(bytes(ticket.request_sealed), f"ticket:{ticket.ticket_id}"))
    except Unsealable:
        raise RequestLost from None
    assert isinstance(body, ModificationTicket)
    return body


def effects_of(cursor: Cursor, vault: KeyVault, looked: Looked, ticket: TicketRow) -> Preview | Refused:
    """Return what a stored ticket would do now, with its author's roles: what a reviewer has to see."""
    body = request_of(cursor, vault, ticket)
    undone = tickets.find(cursor, ticket.order_id, body.undoes) if body.undoes is not None else None
    former = undo.before(past.load(cursor, vault, ticket.order_id), undone) if undone is not None and undone.new_version else None
    return preview_for(cursor, looked, body.operations, body.reason_code, frozenset(ticket.roles.split()), ticket.ticket_id, former)


def what_undoes(cursor: Cursor, vault: KeyVault, order_id: UUID, ticket_id: UUID) -> tuple[Operation, ...] | Refused:
    """Return the operations that take an applied ticket back, or why there are none."""
    ticket = tickets.find(cursor, order_id, ticket_id)
    if ticket is None or ticket.state not in APPLIED_STATES:
        state = "not there" if ticket is None else ticket.state
        return Refused("not_applied", f"ticket {ticket_id} is {state}; only an applied one can be undone", "/undoes", "ticket_applied")
    try:
        calls = calls_of(request_of(cursor, vault, ticket).operations)
        if isinstance(calls, Refused):
            return calls
        here = past.load(cursor, vault, order_id)
        return undo.operations(here, ticket, calls, known_to(cursor, past.as_of(here, here.version), calls, ticket_id))
    except (RequestLost, Unsealable):
        return Refused("no_inverse", "what it changed was erased", "/undoes", "erased")


def _verbs(order: Order) -> frozenset[Verb] | None:
    declared = channels().get(order.source.channel)
    return declared.verbs if declared else None
