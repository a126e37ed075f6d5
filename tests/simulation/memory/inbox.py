"""`store.inbox` in memory."""

from collections.abc import Sequence
from uuid import UUID

from store.inbox import Received, Repeat
from tests.simulation.memory.database import Transaction


def seen(tx: Transaction, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], tuple[bytes, str]]:
    rows = {key: tx.get("inbox", *key) for key in keys}
    return {key: (row.sha256, row.outcome) for key, row in rows.items() if row is not None}


def add(tx: Transaction, rows: Sequence[Received]) -> None:
    for row in rows:
        tx.insert("inbox", (row.order_id, row.message_id), row)


def settle(tx: Transaction, outcomes: Sequence[tuple[UUID, str, str]]) -> None:
    for order_id, message_id, outcome in outcomes:
        tx.update("inbox", (order_id, message_id), lambda row, outcome=outcome: row._replace(outcome=outcome))


def rename(tx: Transaction, names: Sequence[tuple[UUID, str, str]]) -> None:
    for order_id, message_id, own in names:
        row = tx.get("inbox", order_id, message_id)
        if row is not None and tx.insert("inbox", (order_id, own), row._replace(message_id=own), or_nothing=True):
            tx.delete("inbox", order_id, message_id)


def add_repeats(tx: Transaction, rows: Sequence[Repeat]) -> None:
    for row in rows:
        tx.insert("repeat", row[:4], row, or_nothing=True)
