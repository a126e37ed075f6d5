"""What of `store.bulk` a job and its runner use, in memory; nobody takes a job back here."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from store.bulk import ItemRow, JobRow
from tests.simulation.memory.database import Transaction


def add_job(tx: Transaction, job: JobRow, items: Sequence[ItemRow]) -> None:
    tx.insert("bulk_job", (job.job_id,), job)
    for item in items:
        tx.insert("bulk_item", item[:2], item)


def take(tx: Transaction, job_id: UUID) -> JobRow | None:
    if tx.database.locks.get(("bulk_job", (job_id,))) not in (None, tx) or tx.get("bulk_job", job_id) is None:
        return None
    locked: JobRow = tx.lock("bulk_job", job_id)
    return locked


def running(tx: Transaction) -> list[UUID]:
    rows = [row for row in tx.every("bulk_job") if row.state == "running"]
    return [row.job_id for row in sorted(rows, key=lambda row: row.created_at)]


def planned(tx: Transaction, job_id: UUID, limit: int) -> list[ItemRow]:
    return [row for row in tx.rows("bulk_item", job_id) if row.state == "planned"][:limit]


def move(tx: Transaction, rows: Sequence[ItemRow]) -> None:
    for row in rows:
        tx.update("bulk_item", row[:2], lambda old, row=row: old._replace(state=row.state, code=row.code))


def skip_rest(tx: Transaction, job_id: UUID, code: str) -> None:
    for row in tx.rows("bulk_item", job_id):
        tx.update("bulk_item", row[:2], lambda old: old._replace(state="skipped", code=code) if old.state == "planned" else None)


def set_state(tx: Transaction, job_id: UUID, state: str) -> None:
    ended = None if state in ("running", "paused") else tx.now
    tx.update("bulk_job", (job_id,), lambda row: row._replace(state=state, ended_at=ended))


def counts(tx: Transaction, job_id: UUID) -> dict[str, int]:
    return dict(Counter(_outcome(tx, row) for row in tx.rows("bulk_item", job_id)))


def _outcome(tx: Transaction, item: ItemRow) -> str:
    ticket = tx.get("ticket", item.order_id, item.ticket_id)
    return item.state if item.state != "sent" or ticket is None else str(ticket.state)


def versions(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = [row for order_id in order_ids if (row := tx.get("orders", order_id)) is not None]
    return {row.order_id: row.version for row in rows}
