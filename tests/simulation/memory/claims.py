"""`store.claims` in memory."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from store.claims import Claim, Repair
from tests.simulation.memory.database import Transaction


def take(tx: Transaction, order_id: UUID, letter_id: UUID, actor: str, attempts: int, minutes: int) -> Claim:
    fresh = Claim(order_id, letter_id, actor, attempts, tx.now, tx.now + timedelta(minutes=minutes))
    if tx.insert("edit_claim", (order_id, letter_id), fresh, or_nothing=True):
        return fresh
    tx.update("edit_claim", (order_id, letter_id), lambda old: _taken(old, fresh, tx))
    standing: Claim = tx.get("edit_claim", order_id, letter_id)
    return standing


def _taken(old: Claim, fresh: Claim, tx: Transaction) -> Claim | None:
    if old.actor != fresh.actor and old.expires_at > tx.now and old.attempts == fresh.attempts:
        return None
    mine = old.actor == fresh.actor
    kept = old if mine and old.attempts == fresh.attempts else fresh
    return kept._replace(
        actor=fresh.actor, attempts=fresh.attempts, expires_at=fresh.expires_at,
        claimed_at=old.claimed_at if mine and old.expires_at > tx.now else tx.now,
    )  # fmt: skip


def find(tx: Transaction, order_id: UUID, letter_id: UUID) -> Claim | None:
    row = tx.get("edit_claim", order_id, letter_id)
    return row if row is not None and row.expires_at > tx.now else None


def drop(tx: Transaction, order_id: UUID, letter_id: UUID) -> None:
    tx.delete("edit_claim", order_id, letter_id)


def set_patch(tx: Transaction, claim: Claim, patch_sealed: bytes, sha256: str) -> None:
    tx.update(
        "edit_claim", claim[:2],
        lambda row: row._replace(patch_sealed=patch_sealed, patch_sha256=sha256, approved_by=None, approved_act=None),
    )  # fmt: skip


def approve(tx: Transaction, claim: Claim, approver: str, act: str) -> None:
    tx.update("edit_claim", claim[:2], lambda row: row._replace(approved_by=approver, approved_act=act))


def keep(tx: Transaction, repairs: Sequence[Repair]) -> None:
    for row in repairs:
        tx.insert("repair", row[:2], row, or_nothing=True)
