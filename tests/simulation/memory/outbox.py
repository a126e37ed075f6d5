"""`store.outbox` in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.outbox import Outgoing, Unsent
from tests.simulation.memory.database import Transaction


class OutboxRow(NamedTuple):
    """A row of `outbox`."""

    id: int
    order_id: UUID
    event_seq: int | None
    event_id: UUID
    topic: str
    key: bytes | None
    value: bytes
    headers: dict[str, str]
    sent_at: datetime | None = None


def add(tx: Transaction, rows: Sequence[Outgoing]) -> None:
    for row in rows:
        number = tx.database.next_id()
        tx.insert("outbox", (row.order_id, number), OutboxRow(number, *row))


def lead(tx: Transaction) -> bool:
    holder = tx.database.advisory.setdefault("relay", tx.session)
    return holder is tx.session


def listen(tx: Transaction) -> None:
    del tx


def unsent(tx: Transaction, limit: int, but: Collection[UUID] = ()) -> list[Unsent]:
    rows = sorted(row for row in tx.every("outbox") if row.sent_at is None and row.order_id not in but)
    messages, events = ([row for row in rows if (row.event_seq is None) is kind][:limit] for kind in (True, False))
    return [Unsent(row.id, row.order_id, row.topic, row.key, row.value, row.headers) for row in (*messages, *events)]


def mark_sent(tx: Transaction, rows: Sequence[Unsent]) -> None:
    for sent in rows:
        tx.update("outbox", (sent.order_id, sent.id), lambda row: _sent(row, tx.now))


def _sent(row: OutboxRow, at: datetime) -> OutboxRow:
    headers = {name: text for name, text in row.headers.items() if name != "actor"}
    return row._replace(sent_at=at, value=row.value if row.event_seq is not None else b"", headers=headers)
