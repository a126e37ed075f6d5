"""A closed lane, tried again: its head, then its followers in order, by the code of the live path and under the same lock.

A start is counted before anything is tried, in a transaction of its own: a lane whose tries processes die of is tried by a child first, and then
message by message. What cannot be written is its head's failure, and a dead letter; where not even that can be written the lane waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
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
from modification_processor.unwritable import failure_of, is_of_data
from modification_processor.work import OrderWork
from schemas.fingerprint import frame_of
from schemas.statement import ChangeStated, OrderStated
from store import heads, letters, tickets
from store.database import Cursor
from store.letters import Parked
from telemetry.logs import logger
from telemetry.metrics import LANES_POSTPONED

PoisonOf = Callable[[UUID, str], Failed | None]
"""Tries the head of a lane (order, topic) in a child process: why it is poison, or None."""
POSTPONED = timedelta(minutes=10)
"""When a lane is tried again whose head can neither be handled nor become a dead letter."""
CRASHES = 3
"""A lane is tried so often by processes that die of it, before its head is tried in a child."""


@dataclass
class LaneRetry:
    """Tries lanes, each in transactions of its own."""

    session: Session
    means: Means
    poison_of: PoisonOf

    def retry(self, order_id: UUID, topic: str, limit: int) -> int:
        """Try a due lane; return how many messages left it."""
        with self.session.transaction() as cursor:
            starts = letters.suspect(cursor, order_id, topic)
        self.means.faultpoint("retry.suspected")
        suspect = starts > CRASHES
        poison = self.poison_of(order_id, topic) if suspect else None
        try:
            # What lived through the child is committed before the next is looked at: it may be a follower that kills.
            return self.once(order_id, topic, 1 if suspect else limit, poison)
        except Exception as error:
            if not _is_the_lanes(error):
                raise
            return self.singly(order_id, topic, error)

    def once(self, order_id: UUID, topic: str, limit: int, failure: Failed | None) -> int:
        """Try so many of a lane's messages in one transaction; `failure`: what its head is known to fail of."""
        with self.session.transaction() as cursor:
            left = try_lane(cursor, self.means, order_id, topic, limit, failure)
            self.means.faultpoint("retry.written")
        self.means.faultpoint("retry.committed")
        return left

    def singly(self, order_id: UUID, topic: str, error: Exception) -> int:
        """Something of a lane cannot be written. If it is its head, that fails of it; if not even that can be written, the lane waits."""
        for failure in (None, failure_of(error) if is_of_data(error) else unexpected(error, "write")):
            try:
                return self.once(order_id, topic, 1, failure)
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


def try_lane(cursor: Cursor, means: Means, order_id: UUID, topic: str, limit: int, poison: Failed | None) -> int:
    """Try so many messages of a lane, if it is due; return how many left it. The caller commits."""
    head = heads.lock(cursor, [order_id])[order_id]
    lanes = {lane.topic: lane for lane in heads.lanes(cursor, [order_id]).values()}
    lane = lanes.get(topic)
    tx = Transaction.begin(cursor, means)
    if lane is None or lane.state not in ("retrying", "ordering") or (lane.next_attempt_at is not None and lane.next_attempt_at > tx.at):
        return 0
    waiting = letters.waiting(cursor, order_id, topic, limit)
    if poison is not None:
        _bury_head(tx, OrderWork(head, None, "", lanes), waiting[:1], poison)
        return 0
    batch = waiting_reads(waiting, means.vault.unwrap(order_id, bytes(head.wrapped_key or b""))) if waiting else []
    works, seen = load(cursor, means, batch) if batch else ({}, {})
    tx.look_up(batch, works.values())
    left = _try_in_turn(tx, works[order_id], batch, topic, seen) if batch else []
    for read in left:
        assert read.seq is not None
        letters.resolve(cursor, order_id, topic, read.seq, "resolved")
    means.faultpoint("retry.decided")
    tx.writes.flush(cursor, works)
    return len(left)


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


def _bury_head(tx: Transaction, work: OrderWork, waiting: Sequence[Parked], poison: Failed) -> None:
    """Make a dead letter of a head that nobody may look into; its lane waits for a person."""
    for row in waiting:
        incoming = opened(row, tx.writes.key_of(work))
        digest = sha256(incoming.value).digest()
        read = Read(incoming, row.order_id, row.message_id, row.message, digest, failure=poison, seq=row.seq)
        tx.settler.settle(work, read, poison)
        if row.message_id.startswith("ticket:") and work.lanes[row.topic].state == "blocked":
            tickets.bury(tx.cursor, row.order_id, UUID(row.message_id.removeprefix("ticket:")))
    tx.writes.flush(tx.cursor, {work.head.order_id: work})
