"""`store.history` in memory."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from store.history import HistoryRow, RecentChange, recent
from tests.simulation.memory.database import Transaction


def insert(tx: Transaction, rows: Iterable[HistoryRow]) -> None:
    for row in rows:
        tx.insert("history", (row.order_id, row.seq), row)


def requested_since(tx: Transaction, bases: Sequence[tuple[UUID, int]]) -> dict[UUID, list[RecentChange]]:
    found: dict[UUID, list[RecentChange]] = {}
    for order_id, base in bases:
        for row in tx.rows("history", order_id):
            if row.version > base and not row.derived:
                found.setdefault(order_id, []).extend(recent(row.path, _text(row.old), _text(row.new), row.version, row.user_id))
    return found


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def read(tx: Transaction, order_id: UUID) -> list[HistoryRow]:
    return tx.rows("history", order_id)
