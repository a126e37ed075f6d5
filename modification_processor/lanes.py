"""Lanes under their lock: how messages leave one, and which of them a whole statement makes needless."""

from collections.abc import Sequence

from modification_processor.incoming import Read
from modification_processor.rereading import waiting_reads
from modification_processor.transaction import Transaction
from modification_processor.work import OrderWork, Writes
from schemas.statement import ChangeStated, FetchNeeded, OrderStated, fetch_of
from store import letters
from store.heads import Lane

MAX_READ = 10_000
"""More than any lane holds."""


def let_out(work: OrderWork, lane: Lane, leaving: int, writes: Writes) -> None:
    """Let `leaving` messages out of a lane; an empty lane opens, another is due at once."""
    lane.depth -= leaving
    work.head.depth -= leaving
    lane.attempt = 0
    writes.heads[work.head.order_id] = work.head
    place = (work.head.order_id, lane.topic)
    if lane.depth <= 0:
        work.lanes.pop(lane.topic, None)
        writes.lanes.pop(place, None)
        writes.opened.append(place)
    else:
        lane.state, lane.next_attempt_at = "retrying", writes.at
        writes.lanes[place] = lane


def supersede(tx: Transaction, work: OrderWork, lane: Lane, by: Read) -> None:
    """A whole statement says all that older ones in its lane could say: they are kept, marked, and hold up nobody.

    A change is none of them: it says what the statement may not have yet, and is decided in its turn. Nor is a notification, which may
    tell of something newer, nor a statement that the channel made later and that came earlier.
    """
    tx.writes.flush_waiting(tx.cursor)
    waiting = letters.waiting(tx.cursor, work.head.order_id, lane.topic, MAX_READ)
    others = waiting_reads(waiting, tx.writes.key_of(work))
    past_it = [other.seq for other in others if other.seq is not None and is_superseded(other, by)]
    _, left = mark_superseded(tx, work, lane.topic, past_it)
    let_out(work, lane, lane.depth - left, tx.writes)


def mark_superseded(tx: Transaction, work: OrderWork, topic: str, seqs: Sequence[int]) -> tuple[int, int]:
    """Mark these messages of a lane as superseded; return how many were, and how many go on waiting.

    Those that were fetched end their fetches: what the order was asked for is in the book.
    """
    ids, left = letters.supersede(tx.cursor, work.head.order_id, topic, seqs)
    tx.writes.settled += [(work.head.order_id, message_id, "superseded") for message_id in ids]
    brought_by = [fetch for message_id in ids if (fetch := fetch_of(message_id)) is not None]
    tx.writes.fetched += [(work.head.order_id, fetch_id) for fetch_id, _ in brought_by]
    return len(ids), left


def is_superseded(waiting: Read, by: Read) -> bool:
    """Whether a whole statement leaves nothing to do for a message that waits in its lane."""
    if isinstance(waiting.body, ChangeStated | FetchNeeded):
        return False
    if not isinstance(waiting.body, OrderStated) or not isinstance(by.body, OrderStated):
        return True
    theirs, ours = waiting.body.order.source.channel_updated_at, by.body.order.source.channel_updated_at
    return theirs is None or ours is None or theirs <= ours
