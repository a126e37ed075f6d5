"""Closed lanes, tried again: each its head, then its followers in order, by the code of the live path and under the same locks.

Many lanes share a transaction, as many messages of the live path do. A start is counted before anything is tried, in a transaction of its own:
a lane whose tries processes die of is tried by a child first, and then message by message. Where something cannot be written each lane is tried
by itself: it is its head's failure, and a dead letter; where not even that can be written the lane waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import psycopg

from modification_processor.decide import is_restated
from modification_processor.deciding import tried
from modification_processor.handling import carry_out
from modification_processor.incoming import Read
from modification_processor.lanes import is_superseded, let_out, mark_superseded
from modification_processor.loading import Seen, load
from modification_processor.outcomes import Failed, Withdrawn, unexpected
from modification_processor.rereading import opened, waiting_reads
from modification_processor.retry_schedule import soon_again
from modification_processor.session import Session
from modification_processor.transaction import Means, Transaction
from modification_processor.unwritable import failure_of, is_of_contention, is_of_data
from modification_processor.work import OrderWork
from schemas.fingerprint import frame_of
from schemas.statement import ChangeStated, OrderStated
from store import heads, letters, tickets
from store.database import Cursor
from store.heads import Head, Lane
from store.sealing import OrderKey
from telemetry.logs import logger
from telemetry.metrics import LANES_POSTPONED

Place = tuple[UUID, str]
"""A lane: its order's id and its topic."""
PoisonOf = Callable[[UUID, str], Failed | None]
"""Tries the head of a lane (order, topic) in a child process: why it is poison, or None."""
POSTPONED = timedelta(minutes=10)
"""When a lane is tried again whose head can neither be handled nor become a dead letter."""
CRASHES = 3
"""A lane is tried so often by processes that die of it, before its head is tried in a child."""
TOGETHER = 32
"""So many lanes share a transaction. Most hold a message or two, so that no order is locked for longer than by a batch of the live path."""


@dataclass
class LaneRetry:
    """Tries lanes, many in a transaction, or each in transactions of its own."""

    session: Session
    means: Means
    poison_of: PoisonOf

    def retry(self, places: Sequence[Place], limit: int) -> int:
        """Try due lanes, of each at most so many messages; return how many messages left them."""
        return sum(self._some(places[first : first + TOGETHER], limit) for first in range(0, len(places), TOGETHER))

    def _some(self, places: Sequence[Place], limit: int) -> int:
        with self.session.transaction() as cursor:
            starts = letters.suspect(cursor, places)
        self.means.faultpoint("retry.suspected")
        fine = [place for place in places if 0 < starts.get(place, 0) <= CRASHES]
        suspects = [place for place in places if starts.get(place, 0) > CRASHES]
        # What lived through the child is committed before the next is looked at: it may be a follower that kills.
        return self._together(fine, limit) + sum(self._alone(place, 1, self.poison_of(*place)) for place in suspects)

    def _together(self, places: Sequence[Place], limit: int) -> int:
        """Try lanes in one transaction; where something is wrong with one of them, each by itself."""
        if not places:
            return 0
        try:
            return self.once(places, limit, None)
        except Exception as error:
            if not _is_the_lanes(error) and not is_of_contention(error):
                raise
        return sum(self._alone(place, limit, None) for place in places)

    def _alone(self, place: Place, limit: int, poison: Failed | None) -> int:
        try:
            return self.once([place], limit, poison)
        except Exception as error:
            if not _is_the_lanes(error):
                raise
            return self.singly(place, error)

    def once(self, places: Sequence[Place], limit: int, failure: Failed | None) -> int:
        """Try so many messages of each of these lanes in one transaction; `failure`: what the head of the one lane is known to fail of."""
        with self.session.transaction() as cursor:
            left = (
                bury_head(cursor, self.means, places[0], failure) if failure is not None else try_lanes(cursor, self.means, places, limit)
            )
            self.means.faultpoint("retry.written")
        self.means.faultpoint("retry.committed")
        return left

    def singly(self, place: Place, error: Exception) -> int:
        """Something of a lane cannot be written. If it is its head, that fails of it; if not even that can be written, the lane waits."""
        order_id, topic = place
        for failure in (None, failure_of(error) if is_of_data(error) else unexpected(error, "write")):
            try:
                return self.once([place], 1, failure)
            except Exception as again:
                if not _is_the_lanes(again):
                    raise
                logger("processor").error(
                    "lane_unwritable", topic=topic, order=str(order_id), error=type(again).__name__, where=frame_of(again)
                )
        with self.session.transaction() as cursor:
            letters.postpone(cursor, order_id, topic, POSTPONED)
        LANES_POSTPONED.inc()
        return 0


def _is_the_lanes(error: Exception) -> bool:
    """Whether it is for the lane to bear: what its rows are refused for, or a defect of ours. An outage is not, nor the want of memory."""
    return is_of_data(error) or not isinstance(error, psycopg.Error | OSError | MemoryError)


def try_lanes(cursor: Cursor, means: Means, places: Sequence[Place], limit: int) -> int:
    """Try so many messages of each of these lanes, if it is due; return how many left them. The caller commits."""
    tx, locked, due = _due(cursor, means, places)
    waiting = letters.waiting_in(cursor, due, limit) if due else {}
    batches = {place: waiting_reads(rows, _key_of(means, locked[place[0]])) for place, rows in waiting.items()}
    batch = [read for reads in batches.values() for read in reads]
    works, seen = load(cursor, means, batch) if batch else ({}, {})
    tx.look_up(batch, works.values())
    left = [
        (*place, read.seq)
        for place in due
        if place in batches
        for read in _try_in_turn(tx, works[place[0]], batches[place], place[1], seen)
        if read.seq is not None
    ]
    if left:
        letters.resolve(cursor, left, "resolved")
    means.faultpoint("retry.decided")
    tx.writes.flush(cursor, works)
    return len(left)


def bury_head(cursor: Cursor, means: Means, place: Place, poison: Failed) -> int:
    """Make a dead letter of a due lane's head that nobody may look into; none left the lane, which waits for a person."""
    tx, locked, due = _due(cursor, means, [place])
    for row in letters.waiting(cursor, *place, 1) if due else ():
        work = OrderWork(locked[place[0]], None, "", {lane.topic: lane for lane in heads.lanes(cursor, [place[0]]).values()})
        incoming = opened(row, tx.writes.key_of(work))
        digest = sha256(incoming.value).digest()
        read = Read(incoming, row.order_id, row.message_id, row.message, digest, failure=poison, seq=row.seq)
        tx.settler.settle(work, read, poison)
        if row.message_id.startswith("ticket:") and work.lanes[row.topic].state == "blocked":
            tickets.bury(tx.cursor, row.order_id, UUID(row.message_id.removeprefix("ticket:")))
        tx.writes.flush(tx.cursor, {work.head.order_id: work})
    return 0


def _due(cursor: Cursor, means: Means, places: Sequence[Place]) -> tuple[Transaction, dict[UUID, Head], list[Place]]:
    """Lock the heads of lanes, and begin; return which of the lanes are due now that nobody else may touch them."""
    order_ids = list({order_id for order_id, _ in places})
    locked = heads.lock(cursor, order_ids)
    lanes = heads.lanes(cursor, order_ids)
    tx = Transaction.begin(cursor, means)
    return tx, locked, [place for place in places if place in lanes and _is_due(lanes[place], tx.at)]


def _is_due(lane: Lane, at: datetime) -> bool:
    return lane.state in ("retrying", "ordering") and (lane.next_attempt_at is None or lane.next_attempt_at <= at)


def _key_of(means: Means, head: Head) -> OrderKey:
    return means.vault.unwrap(head.order_id, bytes(head.wrapped_key or b""))


def _try_in_turn(tx: Transaction, work: OrderWork, batch: Sequence[Read], topic: str, seen: Seen) -> list[Read]:
    left, failure = _whole_first(tx, work, batch, topic)
    left += drain(tx, work, _still_waiting(batch, left), topic, seen)
    if failure is not None and topic in work.lanes:  # else all of it went through after all
        soon_again(work.lanes[topic], failure, tx.writes.at)
    return left


def _whole_first(tx: Transaction, work: OrderWork, batch: Sequence[Read], topic: str) -> tuple[list[Read], Failed | None]:
    """Try a whole statement that waits behind others as if it had only just come: it says all they could, and supersedes them.

    Returns it, where it left the lane. Where it fails again it waits in its turn, and the failure is returned.
    """
    whole = next((read for read in reversed(batch[1:]) if isinstance(read.body, OrderStated)), None)
    if whole is None:
        return [], None
    outcome = tried(tx, work, whole)
    if not is_restated(outcome):
        return [], outcome if isinstance(outcome, Failed) else None
    assert whole.seq is not None
    tx.settler.settle(work, whole, outcome)
    past_it = [other.seq for other in batch if other.seq is not None and other.seq < whole.seq and is_superseded(other, whole)]
    superseded, _ = mark_superseded(tx, work, topic, past_it)
    tx.writes.done.append((work.head.order_id, topic, whole.seq))
    let_out(work, work.lanes[topic], 1 + superseded, tx.writes)
    return [whole], None


def _still_waiting(batch: Sequence[Read], left: Sequence[Read]) -> list[Read]:
    """Return what of a lane is still to be tried once a whole statement of it has left: changes, and what came after."""
    if not left:
        return list(batch)
    (whole,) = left
    assert whole.seq is not None
    return [read for read in batch if read is not whole and (isinstance(read.body, ChangeStated) or (read.seq or 0) > whole.seq)]


def drain(tx: Transaction, work: OrderWork, batch: Sequence[Read], topic: str, seen: Seen) -> list[Read]:
    """Try messages in their order, up to the first that has to wait; return those that left the lane.

    `seen`: which of those that wait under the id of their place were received under their own meanwhile.
    """
    left: list[Read] = []
    if not batch:
        return left
    lane = work.lanes[topic]
    gone = {message_id for _, message_id in seen}
    withdrawn: set[str] = set()
    for read in batch:
        if read.message_id in withdrawn:
            continue
        if read.received_as not in (None, read.message_id) and read.message_id in gone:
            tx.settler.left_lane(read, "duplicate")
        else:
            outcome, _ = carry_out(tx, work, read)
            if isinstance(outcome, Failed) and outcome.blocks:
                return left
            if isinstance(outcome, Withdrawn):
                withdrawn.add(f"ticket:{outcome.ticket_id}")
        gone.add(read.message_id)
        assert read.seq is not None
        tx.writes.done.append((work.head.order_id, topic, read.seq))
        let_out(work, lane, 1, tx.writes)
        left.append(read)
    if lane.depth:
        lane.state, lane.next_attempt_at = "retrying", tx.at
    return left
