"""From a message under its order's lock to its outcome: what `decide` may know is gathered here, and what it raises is an outcome too.

A ticket that takes another back is first compared with what would do just that. A ticket that was received before (reviewed, or its
recalls answered) is decided by the same code as a new one, over the order as it is now.
Guarantee: whatever a decision raises costs its message, not the batch; only an outage of the book, and a process without memory, are let go.
"""

from collections.abc import Callable
from dataclasses import replace

import psycopg

from modification_processor import channel_changes, past, undo
from modification_processor.decide import Known, decide
from modification_processor.edit import BULK_DOOR, MAPPING_DOOR
from modification_processor.field_locks import default_locks
from modification_processor.incoming import Read
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Failed, Outcome, Refused, unexpected
from modification_processor.rereading import previous_statement, ticket_again
from modification_processor.transaction import Transaction
from modification_processor.work import OrderWork
from normalizers import discover as channels
from normalizers.channel import Verb
from schemas.failures import OrdermendError
from schemas.order import Order
from schemas.statement import ChangeStated, OrderStated
from schemas.ticket import ModificationTicket
from store import history, tickets
from store.sealing import Unsealable

Approval = tuple[str, str]
"""Who approved, and the hash of the effects they saw."""


def tried(tx: Transaction, work: OrderWork, read: Read) -> Outcome:
    """Decide a message, unless so much like it failed that it waits; count how it fared."""
    breaking = tx.writes.breaking
    held = breaking.holds(read) if breaking else None
    outcome = held or decided(tx, work, read)
    if breaking and held is None:
        breaking.note(read, outcome)
    return outcome


def decided(tx: Transaction, work: OrderWork, read: Read) -> Outcome:
    """Decide a message; of a ticket that takes another back, first whether it does just that."""
    if read.failure is not None:
        return read.failure

    def decide_it() -> Outcome:
        former = _former(tx, work, read)
        if isinstance(former, Refused):
            return former
        tx.means.faultpoint(f"decide {read.message_id}")
        return decide(work.order, read, _known(tx, work, read, tx.context, former))

    return _whatever_is_raised(decide_it)


def decided_again(tx: Transaction, work: OrderWork, ticket: Read, approved: Approval | None) -> Outcome:
    """Decide a ticket anew that was received before, over the order as it is now."""
    body = ticket.body
    assert isinstance(body, ModificationTicket)

    def decide_it() -> Outcome:
        context = tx.facts_for([ticket], [work])
        former = _former(tx, work, ticket)
        if isinstance(former, Refused):
            return former
        known = _known(tx, work, ticket, context, former)
        if body.base_version is not None:
            # The batch loaded changes for the base versions of its own tickets only; its own rows are not written yet.
            stored = history.requested_since(tx.cursor, [(work.head.order_id, body.base_version)]).get(work.head.order_id, [])
            known = replace(known, recent=[*stored, *work.recent])
        return decide(work.order, ticket, replace(known, approved=approved))

    return _whatever_is_raised(decide_it)


def _whatever_is_raised(decide_it: Callable[[], Outcome]) -> Outcome:
    try:
        return decide_it()
    except (psycopg.Error, MemoryError):
        # The book's fault and not the message's; or no state to go on in: then the batch is redone in a child where lives were lost.
        raise
    except OrdermendError as error:
        return Failed.of(error, "decide")
    except Exception as error:  # noqa: BLE001 -- see the next line
        # Not ours to guess: the message waits as a BUG, its order stays as it was, the others go on.
        return unexpected(error, "decide")


def _known(tx: Transaction, work: OrderWork, read: Read, context: Context, former: Order | None) -> Known:
    """Return what a decision may look at; `former` is the order before the ticket that this one takes back."""
    body = read.body
    if isinstance(body, ModificationTicket):
        door = read.actor.door if read.actor is not None else ""
        ticket = replace(context, ticket_id=str(body.ticket_id), former=former)
        by_channel = door in (channel_changes.DOOR, MAPPING_DOOR)
        return _known_of_edit(tx, work, ticket, in_bulk=door == BULK_DOOR, by_channel=by_channel, unnoticed=door == MAPPING_DOOR)
    if isinstance(body, ChangeStated) and work.order is not None:
        previous, _ = previous_statement(work)
        return replace(_known_of_edit(tx, work, context, in_bulk=False, by_channel=True), previous=previous)
    if isinstance(body, OrderStated) and work.order is not None:
        previous, digest = previous_statement(work)
        return Known(work.head.version, tx.at, context, previous=previous, previous_sha256=digest)
    return Known(
        work.head.version, tx.at, context,
        pending=work.pending, recalls=work.recalls, fetch_planned=work.fetch_planned, taken_back=work.taken_back,
    )  # fmt: skip


def _known_of_edit(
    tx: Transaction, work: OrderWork, context: Context, *, in_bulk: bool, by_channel: bool, unnoticed: bool = False
) -> Known:
    """Return what an edit may look at. A channel's own change is not told to it, and what it lets us change does not bind it."""
    channel = work.order.source.channel if work.order else ""
    return Known(
        work.head.version, tx.at, context, None if by_channel else _verbs(channel), work.recent,
        rules=tx.writes.rules, edit_rules=tx.writes.edit_rules, edits=work.edited + work.edits, pending=work.pending,
        channel_collects=channel in default_locks().marketplaces, in_bulk=in_bulk, by_channel=by_channel, unnoticed=unnoticed,
    )  # fmt: skip


def _verbs(channel: str) -> frozenset[Verb] | None:
    declared = channels().get(channel)
    return declared.verbs if declared else None


def _former(tx: Transaction, work: OrderWork, read: Read) -> Order | Refused | None:
    """Return the order before the ticket that this one takes back, or why it may not; None for any other message."""
    body, writes = read.body, tx.writes
    if not isinstance(body, ModificationTicket) or body.undoes is None or work.order is None:
        return None
    if work.dirty or any(row.ticket_id == body.undoes for rows in (writes.tickets, writes.decided) for row in rows):
        tx.flush_past()
    ticket = tickets.find(tx.cursor, work.head.order_id, body.undoes)
    refusal = undo.undoable(body, ticket)
    if refusal is not None:
        return refusal
    assert ticket is not None
    try:
        first = ticket_again(ticket, writes.key_of(work), read)
        if isinstance(first.calls, Refused):
            return first.calls
        # Only what follows another operation of its ticket has to be carried out again to be taken back.
        alone = len(first.calls) == 1
        known = Context(tx.at, "") if alone else tx.facts_for([first], [work])
        here = past.load(tx.cursor, tx.means.vault, work.head.order_id)
        inverse = undo.operations(here, ticket, first.calls, known)
    except Unsealable:
        return Refused("no_inverse", "what it changed was erased", "/undoes", "erased")
    refusal = inverse if isinstance(inverse, Refused) else undo.is_inverse(body, inverse)
    return refusal or undo.before(here, ticket)
