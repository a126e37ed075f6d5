"""The one lock per order: its head row, and what hangs on it (its key, its open lanes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from store.database import Cursor


@dataclass(slots=True)
class Head:
    """A locked head: counters that only rise, the end of the hash chain, and how many messages are parked."""

    order_id: UUID
    version: int
    event_seq: int
    history_seq: int
    chain: bytes
    depth: int
    parked_seq: int
    """The number of the last message ever parked: lanes come and go, their messages' numbers never come again."""
    wrapped_key: bytes | None


@dataclass(slots=True)
class Lane:
    """A closed lane: messages of one order from one topic that wait in order. No row means open."""

    order_id: UUID
    topic: str
    state: str
    """`ordering` (until the order exists), `retrying` (until `next_attempt_at`), `blocked` (until somebody acts)."""
    next_seq: int
    depth: int
    attempt: int
    next_attempt_at: datetime | None
    error_class: str
    code: str
    blocked_since: datetime


def lock(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Lock the heads there are, then make those that are missing, each in `order_id` order: every transaction locks in that order.

    Who makes a head has locked it, and knows what is in it. One that somebody else made meanwhile is locked last.
    """
    ids = sorted(order_ids)
    found = _locked(cursor, ids)
    missing = [order_id for order_id in ids if order_id not in found]
    if missing:
        found |= _made(cursor, missing)
    theirs = [order_id for order_id in missing if order_id not in found]
    if theirs:
        found |= _locked(cursor, theirs)
    return {order_id: found[order_id] for order_id in ids}


def _made(cursor: Cursor, ids: list[UUID]) -> dict[UUID, Head]:
    cursor.execute(
        "insert into order_head (order_id) select unnest(%b::uuid[]) order by 1 on conflict do nothing returning order_id",
        (ids,),
        binary=True,
    )
    return {order_id: Head(order_id, 0, 0, 0, b"", 0, 0, None) for (order_id,) in cursor.fetchall()}


def _locked(cursor: Cursor, ids: list[UUID]) -> dict[UUID, Head]:
    cursor.execute(
        """select h.order_id, h.version, h.event_seq, h.history_seq, h.chain, h.depth, h.parked_seq,
                  (select k.wrapped from order_key k where k.order_id = h.order_id)
             from order_head h where h.order_id = any(%b) order by h.order_id for update of h""",
        (ids,),
        binary=True,
    )
    return {row[0]: Head(*row) for row in cursor.fetchall()}


def peek(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Return heads without locking or inserting any; an order nobody has seen has a head of zeros. For dry runs."""
    cursor.execute(
        """select i.order_id, coalesce(h.version, 0), coalesce(h.event_seq, 0), coalesce(h.history_seq, 0), coalesce(h.chain, ''::bytea),
                  coalesce(h.depth, 0), coalesce(h.parked_seq, 0), (select k.wrapped from order_key k where k.order_id = i.order_id)
             from unnest(%b::uuid[]) i(order_id) left join order_head h using (order_id)""",
        (list(order_ids),),
        binary=True,
    )
    return {row[0]: Head(*row) for row in cursor.fetchall()}


def lanes(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[tuple[UUID, str], Lane]:
    """Return the closed lanes of orders whose heads are locked."""
    cursor.execute(
        """select order_id, topic, state, next_seq, depth, attempt, next_attempt_at, error_class, code, blocked_since
             from lane where order_id = any(%b)""",
        (list(order_ids),),
        binary=True,
    )
    return {(row[0], row[1]): Lane(*row) for row in cursor.fetchall()}


def save(cursor: Cursor, heads: Sequence[Head]) -> None:
    """Write the counters of heads that moved."""
    cursor.execute(
        """update order_head h set version = u.version, event_seq = u.event_seq, history_seq = u.history_seq, chain = u.chain, depth = u.depth,
                  parked_seq = u.parked_seq
             from unnest(%b::uuid[], %b::int[], %b::bigint[], %b::bigint[], %b::bytea[], %b::int[], %b::bigint[])
                  u(order_id, version, event_seq, history_seq, chain, depth, parked_seq)
            where h.order_id = u.order_id""",
        (
            [h.order_id for h in heads],
            [h.version for h in heads],
            [h.event_seq for h in heads],
            [h.history_seq for h in heads],
            [h.chain for h in heads],
            [h.depth for h in heads],
            [h.parked_seq for h in heads],
        ),
    )


def save_keys(cursor: Cursor, keys: Sequence[tuple[UUID, bytes]]) -> None:
    """Store new orders' wrapped keys."""
    cursor.execute(
        "insert into order_key (order_id, wrapped) select * from unnest(%b::uuid[], %b::bytea[])",
        ([k[0] for k in keys], [k[1] for k in keys]),
    )


def wrapped_key(cursor: Cursor, order_id: UUID) -> bytes:
    """Return an order's wrapped key; empty where it has none."""
    row = cursor.execute("select wrapped from order_key where order_id = %s", (order_id,)).fetchone()
    return bytes(row[0]) if row else b""


def try_now(cursor: Cursor, order_id: UUID, topic: str) -> None:
    """Make a closed lane, whose order's head is locked, due at once."""
    cursor.execute(
        "update lane set state = 'retrying', attempt = 0, next_attempt_at = now() where order_id = %s and topic = %s", (order_id, topic)
    )


def leave(cursor: Cursor, lane: Lane) -> None:
    """Let one message out of a lane, whose order's head is locked: an empty lane opens, another is due at once."""
    cursor.execute("update order_head set depth = depth - 1 where order_id = %s", (lane.order_id,))
    if lane.depth <= 1:
        save_lanes(cursor, [], [(lane.order_id, lane.topic)])
        return
    cursor.execute("update lane set depth = depth - 1 where order_id = %s and topic = %s", (lane.order_id, lane.topic))
    try_now(cursor, lane.order_id, lane.topic)


def save_lanes(cursor: Cursor, closed: Sequence[Lane], opened: Sequence[tuple[UUID, str]]) -> None:
    """Write closed lanes and remove opened ones."""
    if opened:
        cursor.execute(
            "delete from lane where (order_id, topic) in (select * from unnest(%b::uuid[], %b::text[]))",
            ([o[0] for o in opened], [o[1] for o in opened]),
        )
    if closed:
        cursor.executemany(
            """insert into lane as l (order_id, topic, state, next_seq, depth, attempt, next_attempt_at, error_class, code, blocked_since)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict (order_id, topic) do update set state = excluded.state, next_seq = excluded.next_seq, depth = excluded.depth,
                  attempt = excluded.attempt, next_attempt_at = excluded.next_attempt_at, error_class = excluded.error_class,
                  code = excluded.code, crash_suspect = 0""",
            [
                (x.order_id, x.topic, x.state, x.next_seq, x.depth, x.attempt, x.next_attempt_at, x.error_class, x.code, x.blocked_since)
                for x in closed
            ],
        )
