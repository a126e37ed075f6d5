"""`store.tickets` in memory."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg import errors

from schemas.ticket import APPLIED_STATES
from store.tickets import TicketRow
from tests.simulation.memory.database import Transaction

WAITING = ("waiting", "awaiting_approval", "compensating")


def insert(tx: Transaction, rows: Sequence[TicketRow]) -> None:
    for row in rows:
        if any(isinstance(value, str) and "\x00" in value for value in row):
            raise errors.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        tx.insert("ticket", (row.order_id, row.ticket_id), row)


def decide(tx: Transaction, rows: Sequence[TicketRow]) -> None:
    for r in rows:
        tx.insert("ticket", (r.order_id, r.ticket_id), r, or_nothing=True)
        tx.update("ticket", (r.order_id, r.ticket_id), lambda row, r=r: _decided(row, r))


def _decided(row: TicketRow, r: TicketRow) -> TicketRow:
    return row._replace(
        state=r.state, new_version=r.new_version, money_delta_minor=r.money_delta_minor, code=r.code, rule_id=r.rule_id, path=r.path,
        message=r.message, decided_at=r.decided_at, effects_hash=r.effects_hash, due_at=r.due_at, approved_by=r.approved_by,
    )  # fmt: skip


def states(tx: Transaction, keys: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], str]:
    rows = {key: tx.get("ticket", *key) for key in keys}
    return {key: row.state for key, row in rows.items() if row is not None}


def close(tx: Transaction, order_id: UUID, ticket_id: UUID, state: str, at: datetime) -> None:
    tx.update("ticket", (order_id, ticket_id), lambda row: row._replace(state=state, decided_at=at, due_at=None))


def bury(tx: Transaction, order_id: UUID, ticket_id: UUID) -> None:
    tx.update("ticket", (order_id, ticket_id), lambda row: row._replace(state="dead"))


def find(tx: Transaction, order_id: UUID, ticket_id: UUID) -> TicketRow | None:
    row: TicketRow | None = tx.get("ticket", order_id, ticket_id)
    return row


def due(tx: Transaction, limit: int) -> list[tuple[UUID, UUID]]:
    rows = [row for row in tx.every("ticket") if row.due_at is not None and row.due_at <= tx.now and row.state in WAITING]
    return [(row.order_id, row.ticket_id) for row in sorted(rows, key=lambda row: row.due_at)[:limit]]


def mark_undone(tx: Transaction, keys: Sequence[tuple[UUID, UUID]]) -> None:
    for key in keys:
        tx.update("ticket", key, lambda row: row._replace(state="undone") if row.state in APPLIED_STATES else None)


def settle(tx: Transaction, rows: Sequence[tuple[UUID, UUID, str]]) -> None:
    first = {row[:2]: row[2] for row in reversed(rows)}
    for key, state in first.items():
        tx.update("ticket", key, lambda row, state=state: row._replace(state=state) if row.state == "settling" else None)


def reauthor(tx: Transaction, row: TicketRow) -> None:
    tx.update("ticket", (row.order_id, row.ticket_id), lambda old: _reauthored(old, row) if old.state in ("dead", "waiting") else None)


def _reauthored(old: TicketRow, row: TicketRow) -> TicketRow:
    return old._replace(
        user_id=row.user_id, roles=row.roles, door=row.door, on_behalf_of=row.on_behalf_of, reason_code=row.reason_code,
        base_version=row.base_version, operations=row.operations, request_sealed=row.request_sealed, state="waiting",
    )  # fmt: skip


def operations_of(tx: Transaction, order_id: UUID) -> dict[str, str]:
    return {f"ticket:{row.ticket_id}": row.operations for row in tx.rows("ticket", order_id)}
