"""`store.fetches` in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from store.fetches import OPEN, Fetch, Tried
from tests.simulation.memory.database import Transaction

ENDED = ("passed_on", "failed")
CLOSED = ("passed_on", "stored")
"""Fetches whose work item has nothing left to say."""


class FetchRow(NamedTuple):
    """A row of `order_fetch`."""

    order_id: UUID
    fetch_id: UUID
    item_id: UUID
    channel: str
    account: str
    channel_order_id: str
    missing: str
    depth: int
    state: str
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    not_found: int = 0
    reason: str | None = None
    ended_at: datetime | None = None


def plan(tx: Transaction, rows: Sequence[Fetch]) -> None:
    for row in rows:
        tx.insert("order_fetch", row[:2], FetchRow(*row), or_nothing=True)


def planned(tx: Transaction, order_ids: Sequence[UUID]) -> set[UUID]:
    return {order_id for order_id in order_ids if any(row.state == "planned" for row in tx.rows("order_fetch", order_id))}


def due(tx: Transaction, limit: int) -> list[tuple[UUID, UUID]]:
    rows = [
        row for row in tx.every("order_fetch") if row.state in OPEN and row.next_attempt_at is not None and row.next_attempt_at <= tx.now
    ]
    return [row[:2] for row in sorted(rows, key=lambda row: row.next_attempt_at)[:limit]]


def claim(tx: Transaction, keys: Sequence[tuple[UUID, UUID]], again_after: timedelta) -> list[Fetch]:
    rows = [tx.update("order_fetch", key, lambda row: _asked(row, tx.now, again_after)) for key in keys]
    return [Fetch(*row[: len(Fetch._fields)]) for row in rows if row is not None]


def _asked(row: FetchRow, now: datetime, again_after: timedelta) -> FetchRow | None:
    if row.state not in OPEN or row.next_attempt_at is None or row.next_attempt_at > now:
        return None
    state = "sent" if row.state == "sent" else "asked"
    return row._replace(state=state, attempts=row.attempts + 1, next_attempt_at=now + again_after * min(2**row.attempts, 64))


def record(tx: Transaction, rows: Sequence[Tried]) -> None:
    for tried in rows:
        key = (tried.order_id, tried.fetch_id)
        tx.update("order_fetch", key, lambda row, tried=tried: _recorded(row, tried, tx.now))
        _tell(tx, key)


def _recorded(row: FetchRow, tried: Tried, now: datetime) -> FetchRow | None:
    if row.state not in OPEN:
        return None
    ended = now if tried.state in ENDED else None
    return row._replace(
        state=tried.state, reason=tried.reason, next_attempt_at=tried.next_attempt_at, not_found=tried.not_found, ended_at=ended
    )


def postpone(tx: Transaction, channel: str, account: str, until: datetime) -> None:
    for row in tx.every("order_fetch"):
        if (row.channel, row.account) == (channel, account) and row.state in ("planned", "asked"):
            tx.update("order_fetch", row[:2], lambda now: now._replace(next_attempt_at=max(now.next_attempt_at, until)))


def stored(tx: Transaction, keys: Sequence[tuple[UUID, UUID]]) -> None:
    for key in keys:
        tx.update("order_fetch", key, lambda row: row._replace(state="stored", reason=None, next_attempt_at=None, ended_at=tx.now))
        _tell(tx, key)


def _tell(tx: Transaction, key: tuple[UUID, UUID]) -> None:
    """Close the work item that the fetch stands for, where nothing is left to say."""
    row = tx.get("order_fetch", *key)
    if row is not None and row.state in CLOSED:
        tx.update("work_item", (key[0], row.item_id), lambda item: item._replace(status="closed") if item.status == "open" else None)


def oldest_seconds(tx: Transaction) -> float:
    return max(((tx.now - row.created_at).total_seconds() for row in tx.every("order_fetch") if row.state in OPEN), default=0.0)
