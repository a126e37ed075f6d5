"""What doors and forms may ask of the processor: modes, previews, what a ticket asks for and what would undo it.

Each answer is worked out by the code that guards the commit, over an unlocked snapshot; none of it writes.
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from modification_processor import bulk, past, undo
from modification_processor.actions import pending_of
from modification_processor.approvals import Delegation, may_review
from modification_processor.edit import Call, calls_of
from modification_processor.field_locks import FieldMode, Moment, default_locks, field_modes
from modification_processor.operations import discover
from modification_processor.operations.operation import OperationSpec
from modification_processor.outcomes import Refused
from modification_processor.preview import Preview, preview
from modification_processor.rules_in_force import approval_rules, narrowing_rules
from modification_processor.snapshot import context_of, known_to
from modification_processor.verify import begin, verify_range
from normalizers import discover as channels
from normalizers.channel import Verb
from schemas.assertion import Actor
from schemas.codec import decode
from schemas.failures import OrdermendError
from schemas.order import Order
from schemas.statement import unpacked
from schemas.ticket import APPLIED_STATES, ModificationTicket, Operation, TicketReviewed
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


class ReviewRight(NamedTuple):
    """Whether somebody may approve a ticket now. `refusal` None: they may. `lent`: who else's right they use for it."""

    refusal: Refused | None
    lent: tuple[Delegation, ...]


def review_right(cursor: Cursor, ticket: TicketRow, user_id: str, roles: frozenset[str], currency: str) -> ReviewRight:
    """Return what the commit would say to this person's approval: the same function, the same rules."""
    approvals = approval_rules()
    at, (version,) = rulesets.moments(cursor, approvals.kind)
    rules = approvals.at(cursor, version)
    reviewer = Actor(user_id, roles, "console")
    review = TicketReviewed(review_id=uuid.uuid4(), ticket_id=ticket.ticket_id, order_id=ticket.order_id, decision="approve", at=at)
    lent = tuple(d for d in rules.delegations if d.taker == user_id and d.giver != ticket.user_id and at < d.until)
    return ReviewRight(may_review(reviewer, review, ticket, currency, rules, at), lent)


def lent_roles(cursor: Cursor) -> Mapping[str, frozenset[str]]:
    """Return who stands in for others now, and with which of the roles that approve: what the commit would add to their own."""
    approvals = approval_rules()
    at, (version,) = rulesets.moments(cursor, approvals.kind)
    rules = approvals.at(cursor, version)
    approving = {tier.role for tier in rules.approvers}
    standing = [d for d in rules.delegations if at < d.until and d.role in approving]
    return {taker: frozenset(d.role for d in standing if d.taker == taker) for taker in {d.taker for d in standing}}


class LookedOver(NamedTuple):
    """How many orders were checked, and how many findings they had."""

    orders: int
    findings: int


def check_some(connection: Connection, vault: KeyVault, orders_at_most: int) -> LookedOver:
    """Check orders from a chance id on: history folds to the order, chains hold, money adds up."""
    begin(connection)
    try:
        start = UUID(int=random.getrandbits(128))
        parts = list(verify_range(connection, vault, start, None, orders_at_most))
        left = orders_at_most - sum(part.orders for part in parts)
        if left > 0:  # the end of the book was near: from its beginning on
            parts += verify_range(connection, vault, UUID(int=0), start, left)
    finally:
        connection.rollback()
    return LookedOver(sum(part.orders for part in parts), sum(len(part.findings) for part in parts))


class Said(NamedTuple):
    """What a channel said of an order, as it came. `text` None: its person was erased, or nothing is kept."""

    channel: str
    text: str | None
    sha256: str


def raw_of(cursor: Cursor, vault: KeyVault, order_id: UUID, message_id: str) -> Said | None:
    """Return a channel's message, opened; None where there is no such one."""
    row = cursor.execute(
        """select s.channel, s.raw_sealed, s.raw_sha256, k.wrapped from statement s left join order_key k using (order_id)
            where s.order_id = %s and s.message_id = %s""",
        (order_id, message_id),
    ).fetchone()
    if row is None:
        return None
    channel, sealed, sha256, wrapped = row
    try:
        packed = vault.unwrap(order_id, bytes(wrapped)).open(bytes(sealed), f"statement:{message_id}") if wrapped else b""
    except Unsealable:
        packed = b""
    return Said(channel, unpacked(packed)[0].decode("utf-8", "replace") if packed else None, sha256)


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
