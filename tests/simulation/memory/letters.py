"""`store.letters` in memory."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from store.letters import Attempt, Audit, Item, Letter, Parked
from tests.simulation.memory.database import Transaction

HERE = ("waiting", "dead")
OPEN = ("unresolved", "replaying")


def park(tx: Transaction, rows: Sequence[Parked]) -> None:
    for row in rows:
        tx.insert("parked", row[:3], row)


def _lane(tx: Transaction, order_id: UUID, topic: str) -> list[Parked]:
    return [row for row in tx.rows("parked", order_id) if row.topic == topic and row.status in HERE]


def waiting(tx: Transaction, order_id: UUID, topic: str, limit: int) -> list[Parked]:
    return sorted(_lane(tx, order_id, topic), key=lambda row: row.seq)[:limit]


def waiting_in(tx: Transaction, places: Sequence[tuple[UUID, str]], limit: int) -> dict[tuple[UUID, str], list[Parked]]:
    found = {place: waiting(tx, *place, limit) for place in sorted(places)}
    return {place: rows for place, rows in found.items() if rows}


def set_status(tx: Transaction, rows: Sequence[tuple[UUID, str, int]], status: str) -> None:
    for key in rows:
        tx.update("parked", key, lambda row: row._replace(status=status))


def supersede(tx: Transaction, order_id: UUID, topic: str, seqs: Sequence[int]) -> tuple[list[str], int]:
    ids = []
    for row in _lane(tx, order_id, topic):
        if row.seq in seqs:
            tx.update("parked", row[:3], lambda now: now._replace(status="superseded"))
            ids.append(row.message_id)
    for letter in tx.rows("dead_letter", order_id):
        if letter.topic == topic and letter.status in OPEN and letter.seq in seqs:
            tx.update("dead_letter", letter[:2], lambda now: now._replace(status="superseded", resolved_at=tx.now))
    left = [row for row in tx.rows("parked", order_id) if row.topic == topic and row.status == "waiting"]
    return ids, len(left)


def find_parked(tx: Transaction, order_id: UUID, message_id: str) -> Parked | None:
    return next((row for row in tx.rows("parked", order_id) if row.message_id == message_id and row.status in HERE), None)


def bury(tx: Transaction, rows: Sequence[Letter]) -> None:
    for row in rows:
        tx.upsert("dead_letter", row[:2], row, lambda old, row=row: _again(old, row))


def _again(old: Letter, new: Letter) -> Letter:
    return old._replace(
        status="unresolved", resolved_at=None, attempts=old.attempts + 1, error_class=new.error_class, code=new.code, stage=new.stage,
        field=new.field, rule=new.rule, detail=new.detail, fingerprint=new.fingerprint, score=new.score, last_failed_at=new.last_failed_at,
    )  # fmt: skip


def resolve(tx: Transaction, rows: Sequence[tuple[UUID, str, int]], status: str) -> None:
    for order_id, topic, seq in rows:
        for row in tx.rows("dead_letter", order_id):
            if row.topic == topic and row.seq == seq and row.status in OPEN:
                tx.update("dead_letter", row[:2], lambda now: now._replace(status=status, resolved_at=tx.now))


def attempts(tx: Transaction, rows: Sequence[Attempt]) -> None:
    for row in rows:
        tx.insert("failure_attempt", row[:4], row, or_nothing=True)


def open_items(tx: Transaction, rows: Sequence[Item]) -> None:
    for row in rows:
        tx.insert("work_item", row[:2], row, or_nothing=True)


def record(tx: Transaction, rows: Sequence[Audit]) -> None:
    for row in rows:
        tx.insert("audit", row[:2], row)


def record_once(tx: Transaction, row: Audit) -> None:
    tx.insert("audit", row[:2], row, or_nothing=True)


def recorded(tx: Transaction, order_id: UUID, audit_id: UUID, action: str) -> str | None:
    row = tx.get("audit", order_id, audit_id)
    return row.detail if row is not None and row.action == action else None


def last_recorded(tx: Transaction, order_id: UUID, subject: str, actions: Sequence[str]) -> Audit | None:
    rows = [row for row in tx.rows("audit", order_id) if row.subject == subject and row.action in actions]
    return max(rows, key=lambda row: row.at, default=None)


def due_lanes(tx: Transaction, budget: Mapping[str, int]) -> list[tuple[UUID, str, str]]:
    found, left = [], dict(budget)
    rows = [row for row in tx.every("lane") if row.state in ("retrying", "ordering")]
    for row in sorted((row for row in rows if row.next_attempt_at is not None), key=lambda row: row.next_attempt_at):
        kind = _kind(tx, row)
        if row.next_attempt_at <= tx.now and left.get(kind, 0) > 0:
            left[kind] -= 1
            found.append((row.order_id, row.topic, kind))
    return found


def _kind(tx: Transaction, lane: Any) -> str:
    replaying = any(row.topic == lane.topic and row.status == "replaying" for row in tx.rows("dead_letter", lane.order_id))
    if lane.error_class not in ("BUG", "DEPENDENCY") or replaying:
        return "work"
    return "released" if lane.code.startswith("breaker:") else "failed"


def postpone(tx: Transaction, order_id: UUID, topic: str, wait: timedelta) -> None:
    tx.update("lane", (order_id, topic), lambda row: row._replace(next_attempt_at=tx.now + wait))


def suspect(tx: Transaction, places: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], int]:
    found: dict[tuple[UUID, str], int] = {}
    for place in sorted(places):
        if tx.database.locks.get(("lane", place)) in (None, tx):
            row = tx.update("lane", place, lambda row: row._replace(crash_suspect=row.crash_suspect + 1))
            found |= {place: row.crash_suspect} if row is not None else {}
    return found


def find(tx: Transaction, letter_id: UUID) -> Letter | None:
    return next((row for row in tx.every("dead_letter") if row.letter_id == letter_id), None)


def listing(tx: Transaction, status: str, limit: int) -> list[Letter]:
    rows = [row for row in tx.every("dead_letter") if status in (row.status, "all")]
    return sorted(rows, key=lambda row: (-row.score, row.first_failed_at))[:limit]


def set_letter(tx: Transaction, order_id: UUID, letter_id: UUID, status: str) -> None:
    ended = tx.now if status in ("resolved", "discarded", "resent") else None
    tx.update("dead_letter", (order_id, letter_id), lambda row: row._replace(status=status, resolved_at=ended))


def parked_at(tx: Transaction, order_id: UUID, topic: str, seq: int) -> Parked | None:
    row = tx.get("parked", order_id, topic, seq)
    return row if row is not None and row.status in HERE else None


def head_seq(tx: Transaction, order_id: UUID, topic: str) -> int | None:
    return min((row.seq for row in _lane(tx, order_id, topic)), default=None)


def replace_parked(tx: Transaction, order_id: UUID, topic: str, seq: int, value_sealed: bytes, actor: dict[str, Any]) -> None:
    tx.update("parked", (order_id, topic, seq), lambda row: row._replace(value_sealed=value_sealed, actor=actor))
