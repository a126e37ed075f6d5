"""One message of a batch, against its order as the earlier ones left it: repeat, wait in its lane, or be decided and settled.

Guarantee: exactly one outcome a message; what fails parks its followers in the same pass.
"""

from dataclasses import replace

from modification_processor import earlier_tickets, lanes
from modification_processor.decide import is_restated
from modification_processor.deciding import tried
from modification_processor.incoming import Read
from modification_processor.loading import Seen
from modification_processor.outcomes import Failed, Outcome, Recalled, Refused, Reviewed, Withdrawn
from modification_processor.settle import MAX_DEPTH
from modification_processor.transaction import Transaction
from modification_processor.work import OrderWork
from schemas.statement import IntakeFailed, OrderStated
from schemas.ticket import ModificationTicket, TicketCancelled, TicketReviewed
from store.heads import Lane

_SAME_ID = Failed(
    "IDEMPOTENCY_CONFLICT", "same_id_other_content", "read", "this message id was received before with other content", "message_id",
    "same_id_same_content", blocks=False,
)  # fmt: skip


def handle(tx: Transaction, work: OrderWork, read: Read, seen: Seen) -> str:
    """Handle one message; return its outcome's word."""
    first = seen.get((read.order_id, read.message_id))
    if first is not None:
        if first[0] == read.sha256:
            tx.settler.repeat(read)
            return "duplicate"
        return tx.settler.settle(work, _other_content(read), _SAME_ID)
    seen[read.order_id, read.message_id] = (read.sha256, "")
    lane = work.lanes.get(read.incoming.topic)
    if lane is not None and _waits_behind(read):
        return _wait(tx, work, lane, read)
    outcome, word = carry_out(tx, work, read)
    if is_restated(outcome) and lane is not None:
        lanes.supersede(tx, work, lane, read)
    return word


def _waits_behind(read: Read) -> bool:
    """Whether a message waits behind its lane's head: not a whole statement, nor what acts on a ticket, nor what is of no order or closes no lane."""
    if isinstance(read.body, IntakeFailed) and read.body.order_id is None:
        return False
    return not isinstance(read.body, OrderStated | TicketCancelled | TicketReviewed) and (read.failure is None or read.failure.blocks)


def _wait(tx: Transaction, work: OrderWork, lane: Lane, read: Read) -> str:
    if lane.depth < MAX_DEPTH or not isinstance(read.body, ModificationTicket):
        tx.settler.park_behind(work, lane, read)
        return "waiting"
    refused = Refused("lane_full", f"{lane.depth} messages of this order wait already", rule_id="lane.depth")
    return tx.settler.settle(work, read, refused)


def carry_out(tx: Transaction, work: OrderWork, read: Read) -> tuple[Outcome, str]:
    """Decide a message, settle it, and do to an earlier ticket what it says, whether it just came or has waited in its lane.

    Returns its outcome and that outcome's word. A rehearsal settles alone: it writes nothing that an earlier ticket could be found by.
    """
    outcome = tried(tx, work, read)
    acts = not tx.means.only_looks
    if isinstance(outcome, Reviewed) and acts:
        outcome = earlier_tickets.review(tx, work, read, outcome)
    word = tx.settler.settle(work, read, outcome)
    if isinstance(outcome, Recalled) and acts:
        earlier_tickets.go_on(tx, work, read, outcome)
    if isinstance(outcome, Withdrawn) and acts:
        word = earlier_tickets.withdraw(tx, work, read, outcome)
    return outcome, word


def _other_content(read: Read) -> Read:
    """Return the message under an id of its own: the id it carries belongs to somebody else's content."""
    at = read.incoming
    return replace(read, message_id=f"{read.message_id}!{at.topic}:{at.part}:{at.off}", body=None, failure=_SAME_ID)
