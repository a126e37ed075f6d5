"""What of `store.actions` the processor uses; who carries the requests out is outside (`counterparts.py`)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from store.actions import ActionRow, Aimed, Ended, Lowered
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


def claim(tx: Transaction, keys: Sequence[tuple[UUID, UUID]], again_after: timedelta) -> list[ActionRow]:
    found = [tx.update("action", key, lambda row: _sent(row, tx.now, again_after)) for key in keys]
    return [row for row in found if row is not None]


def _sent(row: ActionRow, now: datetime, again_after: timedelta) -> ActionRow | None:
    if row.state not in OPEN or row.next_attempt_at is None or row.next_attempt_at > now:
        return None
    return row._replace(state="sent", attempts=row.attempts + 1, next_attempt_at=now + again_after)


def lower(tx: Transaction, rows: Sequence[Lowered]) -> None:
    for row in rows:
        tx.update("action", row[:2], lambda old, row=row: old._replace(amount_minor=row.amount_minor))


def cancel_recalls(tx: Transaction, order_id: UUID, ticket_id: UUID) -> list[UUID]:
    rows = [row for row in _recalls(tx, order_id, ticket_id) if row.state == "planned"]
    for row in rows:
        tx.update("action", row[:2], lambda old: old._replace(state="cancelled", next_attempt_at=None))
    return [row.action_id for row in rows]


def recalled_lines(tx: Transaction, order_id: UUID, ticket_id: UUID) -> list[str]:
    rows = [row for row in _recalls(tx, order_id, ticket_id) if row.state == "done"]
    return [row.transaction for row in sorted(rows, key=lambda row: (row.created_at, -row.step))]


def _recalls(tx: Transaction, order_id: UUID, ticket_id: UUID) -> list[ActionRow]:
    return [row for row in tx.rows("action", order_id) if row.ticket_id == ticket_id and row.port == "warehouse"]


def with_requests_taken_back(tx: Transaction, order_ids: Sequence[UUID]) -> list[UUID]:
    return [
        order_id for order_id in order_ids if any(row.kind == "take_back" and row.state == "done" for row in tx.rows("action", order_id))
    ]
