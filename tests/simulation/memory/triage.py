"""What of `store.triage` the desk asks for before an act: what a letter's score rests on."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from store.triage import Facts
from tests.simulation.memory.database import Transaction


def facts_of(tx: Transaction, letter_id: UUID) -> Facts | None:
    letter = next((row for row in tx.every("dead_letter") if row.letter_id == letter_id), None)
    if letter is None:
        return None
    found, lane = tx.get("orders", letter.order_id), tx.get("lane", letter.order_id, letter.topic) if letter.seq is not None else None
    order = found.order if found is not None else None
    value = None if order is None else 0 if order.lifecycle in ("closed", "cancelled") else order.totals.grand_total_minor
    latest = order.delivery_window.latest if order is not None and order.delivery_window is not None else None
    return Facts(
        letter.order_id, letter_id, letter.fingerprint, letter.channel, letter.score, value, order.currency if order else None,
        order.placed_at if order else None, latest, list(order.tags) if order else [], max(lane.depth - 1, 0) if lane else 0,
    )  # fmt: skip


def group_sizes(tx: Transaction, fingerprints: Sequence[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for row in tx.every("dead_letter"):
        if row.status == "unresolved" and row.fingerprint in fingerprints:
            all_of_them, newest = found.get(row.fingerprint, (0, 0))
            found[row.fingerprint] = (all_of_them + 1, newest + (row.first_failed_at > tx.now - timedelta(hours=1)))
    return found
