"""`store.breakers` in memory."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from store.breakers import BreakerRow
from tests.simulation.memory.database import Transaction

CODE = "breaker:"


def standing(tx: Transaction) -> dict[str, datetime]:
    return {row.key: row.probe_at for row in _open(tx)}


def _open(tx: Transaction) -> list[BreakerRow]:
    return [row for row in tx.every("breaker") if row.closed_at is None]


def trip(tx: Transaction, tripped: Mapping[str, int], wait: timedelta) -> None:
    for key, failures in tripped.items():
        # One open breaker a key: the unique index over open ones, as a row of its own.
        if tx.lock("breaker_open", key) is None:
            tx.write("breaker_open", (key,), True)
            tx.insert("breaker", (key, tx.now), BreakerRow(key, tx.now, tx.now + wait, failures, None, None))


def postpone(tx: Transaction, keys: Iterable[str], wait: timedelta) -> None:
    for row in _open(tx):
        if row.key in keys:
            tx.update("breaker", row[:2], lambda now: now._replace(probe_at=tx.now + wait) if now.closed_at is None else None)


def close(tx: Transaction, keys: Iterable[str], by: str) -> int:
    wanted, closed = set(keys), 0
    for row in _open(tx):
        if row.key in wanted:
            new = tx.update("breaker", row[:2], lambda now: now._replace(closed_at=tx.now, closed_by=by) if now.closed_at is None else None)
            if new is not None:
                tx.lock("breaker_open", row.key)
                tx.write("breaker_open", (row.key,), None)
                closed += 1
    return closed


def wake(tx: Transaction) -> None:
    paused = sorted((row for row in tx.every("lane") if row.state == "paused"), key=lambda row: row.blocked_since)
    standing_now = {CODE + row.key: row for row in _open(tx)}
    probing: set[str] = set()
    for lane in paused:
        breaker = standing_now.get(lane.code)
        probes = breaker is not None and breaker.probe_at <= tx.now and lane.code not in probing
        if probes:
            probing.add(lane.code)
        if breaker is None or probes:
            tx.update(
                "lane", lane[:2], lambda row: row._replace(state="retrying", next_attempt_at=tx.now) if row.state == "paused" else None
            )
