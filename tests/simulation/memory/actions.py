"""What of `store.actions` the processor uses. Nobody carries the requests out: settlement is no part of the protocol simulated."""

from collections.abc import Sequence
from uuid import UUID

from store.actions import ActionRow, Aimed, Ended
from tests.simulation.memory.database import Transaction

OPEN = ("planned", "sent")


def insert(tx: Transaction, rows: Sequence[ActionRow]) -> None:
    for row in rows:
        tx.insert("action", row[:2], row)


def pending(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, list[ActionRow]]:
    found = {
        order_id: sorted(
            (row for row in tx.rows("action", order_id) if row.state in OPEN and row.port in ("payment", "warehouse")),
            key=lambda row: (row.created_at, row.step),
        )
        for order_id in order_ids
    }
    return {order_id: rows for order_id, rows in found.items() if rows}


def end(tx: Transaction, rows: Sequence[Ended]) -> None:
    for row in rows:
        tx.update(
            "action", row[:2], lambda old, row=row: old._replace(state=row.state, next_attempt_at=None) if old.state in OPEN else None
        )


def aim(tx: Transaction, rows: Sequence[Aimed]) -> None:
    for row in rows:
        tx.update("action", row[:2], lambda old, row=row: old._replace(transaction=row.transaction))
