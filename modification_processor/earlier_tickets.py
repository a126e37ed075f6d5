"""What a message does to a ticket that was received before it: approve, decline, withdraw, or go on once the warehouse has answered.

Each acts under the order's lock, in the transaction of the message that causes it, and on the ticket as stored: what this batch has not written
yet is written first. A ticket that ends asks for no more recalls, and what was given back for it is said.
"""

from collections.abc import Sequence
from uuid import UUID

from modification_processor.approvals import may_review
from modification_processor.deciding import decided_again
from modification_processor.incoming import Read, by_the_clock
from modification_processor.lanes import let_out
from modification_processor.outcomes import Applied, AwaitsRecalls, Failed, Outcome, Recalled, Refused, Reviewed, Withdrawn, WorkItem
from modification_processor.rereading import ticket_again
from modification_processor.rows import emit, open_items
from modification_processor.transaction import Transaction
from modification_processor.work import OrderWork
from schemas import events
from schemas.ticket import TicketReviewed
from store import actions, letters, tickets
from store.sealing import Unsealable
from store.tickets import TicketRow
from telemetry.logs import logger


def review(tx: Transaction, work: OrderWork, read: Read, outcome: Reviewed) -> Outcome:
    """Let a ticket that awaits approval through, or end it; what does not fit is refused and remembered.

    The ticket is decided anew, by the same code, against the order as it is now: its locks, its merge and its
    effects. Only the very effects that were reviewed pass; others make the ticket ask again.
    """
    body = read.body
    assert isinstance(body, TicketReviewed)
    tx.writes.flush_waiting(tx.cursor)
    ticket = tickets.find(tx.cursor, work.head.order_id, body.ticket_id)
    refusal = may_review(read.actor, body, ticket, work.order.currency if work.order else "", tx.writes.rules, tx.at)
    if refusal is not None:
        return refusal
    assert ticket is not None
    assert read.actor is not None
    if outcome.decision == "decline":
        end(tx, work, read, body.ticket_id, "declined")
        return outcome
    try:
        again = ticket_again(ticket, tx.writes.key_of(work), read)
    except Unsealable:
        return Refused("erased", "what the ticket asked for was erased with its person", "/ticket_id", "erased")
    decided = decided_again(tx, work, again, (read.actor.user_id, ticket.effects_hash or ""))
    if isinstance(decided, Failed):
        return decided
    tx.settler.settle(work, again, decided)
    return outcome


def withdraw(tx: Transaction, work: OrderWork, read: Read, outcome: Withdrawn) -> str:
    """Cancel a ticket that waits, is dead or awaits approval; its followers go on at once."""
    return "withdrawn" if end(tx, work, read, UUID(outcome.ticket_id), "cancelled") else "nothing_to_cancel"


def expire(tx: Transaction, work: OrderWork, ticket_id: UUID) -> bool:
    """End a ticket whose deadline has passed; False where somebody was faster."""
    order_id = work.head.order_id
    ticket = tickets.find(tx.cursor, order_id, ticket_id)
    if ticket is None or ticket.due_at is None or ticket.due_at > tx.at:
        return False
    return end(tx, work, by_the_clock(order_id, f"expire:{ticket_id}", tx.at), ticket_id, "expired")


def end(tx: Transaction, work: OrderWork, read: Read, ticket_id: UUID, state: str) -> bool:
    """End a ticket that waits, is dead or awaits approval; False where it is none of these."""
    order_id, writes = work.head.order_id, tx.writes
    writes.flush_waiting(tx.cursor)
    found = letters.find_parked(tx.cursor, order_id, f"ticket:{ticket_id}")
    current = tickets.states(tx.cursor, [(order_id, ticket_id)]).get((order_id, ticket_id))
    if found is None and current not in ("awaiting_approval", "compensating"):
        return False
    if found is not None:
        letters.set_status(tx.cursor, [(order_id, found.topic, found.seq)], "discarded")
        letters.resolve(tx.cursor, [(order_id, found.topic, found.seq)], "discarded")
        let_out(work, work.lanes[found.topic], 1, writes)
    if current == "compensating":
        _give_up_recalls(tx, work, read, ticket_id)
    writes.settled.append((order_id, f"ticket:{ticket_id}", state))
    tickets.close(tx.cursor, order_id, ticket_id, state, writes.at)
    emit(work, read, writes, tx.means.topics.events, events.TicketClosed, ticket_id=ticket_id, state=state)
    return True


def go_on(tx: Transaction, work: OrderWork, read: Read, outcome: Recalled) -> None:
    """Apply the ticket whose last recall was confirmed, or end it where the warehouse refuses.

    It is decided anew over the order as it is now; a line that was taken up again meanwhile is not asked for twice.
    """
    ticket_id = outcome.recall.ticket_id
    tx.writes.flush_waiting(tx.cursor)
    ticket = tickets.find(tx.cursor, work.head.order_id, ticket_id)
    if ticket is None or ticket.state != "compensating":
        if outcome.refusal is None:
            _say_in_vain(tx, work, read, ticket_id, [outcome.recall.line_id])
        return
    try:
        again = ticket_again(ticket, tx.writes.key_of(work), read)
    except Unsealable:
        # Its person was erased meanwhile: nobody can say any more what it asked for.
        end(tx, work, read, ticket_id, "cancelled")
        if outcome.refusal is None:
            _say_in_vain(tx, work, read, ticket_id, [outcome.recall.line_id])
        return
    decided = _after_recall(tx, work, again, ticket, outcome)
    if decided is None:
        return
    tx.settler.settle(work, again, decided)
    if not isinstance(decided, Applied):
        _give_up_recalls(tx, work, read, ticket_id, outcome.recall.line_id if outcome.refusal is None else None)


def _after_recall(tx: Transaction, work: OrderWork, again: Read, ticket: TicketRow, outcome: Recalled) -> Outcome | None:
    """Return what becomes of a ticket now that one of its recalls was answered; None while it waits for others."""
    if outcome.refusal is not None:
        message = f"the warehouse does not give back line {outcome.recall.line_id}: {outcome.refusal}"
        return Refused("recall_refused", message[:500], f"/lines/{outcome.recall.line_id}", "locks.compensation")
    if any(recall.ticket_id == ticket.ticket_id for recall in work.recalls):
        return None
    decided = decided_again(tx, work, again, (ticket.approved_by, ticket.effects_hash or "") if ticket.approved_by else None)
    if isinstance(decided, AwaitsRecalls):
        return Refused("recall_refused", "the warehouse took up again what it had given back", rule_id="locks.compensation")
    if isinstance(decided, Failed):
        # A defect of ours: the ticket ends, since nothing would bring the warehouse's answer a second time.
        logger("processor").error("ticket_undecided_after_recall", ticket_id=str(ticket.ticket_id), code=decided.code, where=decided.where)
        return Refused("undecided", decided.detail[:500], rule_id=decided.rule)
    return decided


def _give_up_recalls(tx: Transaction, work: OrderWork, read: Read, ticket_id: UUID, just_now: str | None = None) -> None:
    """Ask for no more recalls of a ticket that ended; what was given back for it has to be released again."""
    gone = actions.cancel_recalls(tx.cursor, work.head.order_id, ticket_id)
    work.recalls = [recall for recall in work.recalls if recall.action_id not in gone]
    back = actions.recalled_lines(tx.cursor, work.head.order_id, ticket_id)
    back += [just_now] if just_now is not None and just_now not in back else []
    _say_in_vain(tx, work, read, ticket_id, back)


def _say_in_vain(tx: Transaction, work: OrderWork, read: Read, ticket_id: UUID, line_ids: Sequence[str]) -> None:
    if line_ids:
        detail = f"the warehouse gave back {', '.join(line_ids)} for ticket {ticket_id}, which is not applied: release it again"
        open_items(work, read, (WorkItem("recalled_in_vain", detail[:500]),), tx.writes, tx.means.topics.events)
