"""`store.heads` in memory."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.heads import Head, Lane
from tests.simulation.memory.database import Transaction


class HeadRow(NamedTuple):
    """A row of `order_head`."""

    order_id: UUID
    version: int = 0
    event_seq: int = 0
    history_seq: int = 0
    chain: bytes = b""
    depth: int = 0
    parked_seq: int = 0


class LaneRow(NamedTuple):
    """A row of `lane`."""

    order_id: UUID
    topic: str
    state: str
    next_seq: int
    depth: int
    attempt: int
    next_attempt_at: datetime | None
    error_class: str
    code: str
    blocked_since: datetime
    crash_suspect: int = 0


def lock(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
    ids = sorted(order_ids)
    for order_id in ids:
        tx.insert("order_head", (order_id,), HeadRow(order_id), or_nothing=True)
    # What stands beside the locked row is as of the statement's start, also where it waited.
    keys = {order_id: tx.get("order_key", order_id) for order_id in ids}
    return {order_id: _head(tx.lock("order_head", order_id), keys[order_id]) for order_id in ids}


def peek(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
    return {order_id: _head(tx.get("order_head", order_id) or HeadRow(order_id), tx.get("order_key", order_id)) for order_id in order_ids}


def _head(row: HeadRow | None, key: bytes | None) -> Head:
    assert row is not None
    return Head(*row, wrapped_key=key)


def lanes(tx: Transaction, order_ids: Sequence[UUID]) -> dict[tuple[UUID, str], Lane]:
    rows = [row for order_id in order_ids for row in tx.rows("lane", order_id)]
    return {(row.order_id, row.topic): Lane(*row[:-1]) for row in rows}


def save(tx: Transaction, heads: Sequence[Head]) -> None:
    for h in heads:
        row = HeadRow(h.order_id, h.version, h.event_seq, h.history_seq, bytes(h.chain), h.depth, h.parked_seq)
        tx.update("order_head", (h.order_id,), lambda _, row=row: row)


def save_keys(tx: Transaction, keys: Sequence[tuple[UUID, bytes]]) -> None:
    for order_id, wrapped in keys:
        tx.insert("order_key", (order_id,), wrapped)


def wrapped_key(tx: Transaction, order_id: UUID) -> bytes:
    return tx.get("order_key", order_id) or b""


def try_now(tx: Transaction, order_id: UUID, topic: str) -> None:
    tx.update("lane", (order_id, topic), lambda row: row._replace(state="retrying", attempt=0, next_attempt_at=tx.now))


def leave(tx: Transaction, lane: Lane) -> None:
    tx.update("order_head", (lane.order_id,), lambda row: row._replace(depth=row.depth - 1))
    if lane.depth <= 1:
        tx.delete("lane", lane.order_id, lane.topic)
        return
    tx.update("lane", (lane.order_id, lane.topic), lambda row: row._replace(depth=row.depth - 1))
    try_now(tx, lane.order_id, lane.topic)


def save_lanes(tx: Transaction, closed: Sequence[Lane], opened: Sequence[tuple[UUID, str]]) -> None:
    for order_id, topic in opened:
        tx.delete("lane", order_id, topic)
    for lane in closed:
        row = LaneRow(*astuple(lane))
        key = (lane.order_id, lane.topic)
        tx.upsert("lane", key, row, lambda old, row=row: row._replace(blocked_since=old.blocked_since))
