"""The history: one row per changed leaf, append-only, chained by hash per order.

A row's hash is SHA-256 over the previous row's hash and the row's own fields, written so that no two rows read the
same (see `chain`). The chain starts at the hash of the order as placed. It is over ciphertext: erasing a
person's key breaks nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from schemas.leaves import SETS, members
from store.database import Cursor


class HistoryRow(NamedTuple):
    """One changed leaf, as stored."""

    order_id: UUID
    seq: int
    version: int
    cause_kind: str
    cause_id: str
    path: str
    old: bytes | None
    new: bytes | None
    sealed: bool
    derived: bool
    user_id: str
    role: str
    on_behalf_of: str | None
    reason_code: str | None
    at: datetime
    hash: bytes


class RecentChange(NamedTuple):
    """A requested change since some version: what a merge has to respect."""

    path: str
    version: int
    user_id: str


def chain(previous: bytes, row: Sequence[Any]) -> bytes:
    """Return the hash of a row (its fields up to `at`) that follows `previous`.

    The fields are one JSON array, in which the two values stand with their lengths (null where absent); the values'
    bytes follow. So no two different rows give the same bytes.
    """
    order_id, seq, version, cause_kind, cause_id, path, old, new, sealed, derived, user_id, role, behalf, reason, at = row[:15]
    old_size, new_size = None if old is None else len(old), None if new is None else len(new)
    fields = (
        order_id.hex, seq, version, cause_kind, cause_id, path, old_size, new_size, sealed, derived,
        user_id, role, behalf, reason, round(at.timestamp() * 1_000_000),
    )  # fmt: skip
    return sha256(b"".join((previous, orjson.dumps(fields), old or b"", new or b""))).digest()


def insert(cursor: Cursor, rows: Iterable[HistoryRow]) -> None:
    """Append rows."""
    columns = ", ".join(HistoryRow._fields)
    with cursor.copy(f"copy history ({columns}) from stdin (format binary)") as copy:
        copy.set_types(
            (
                "uuid", "int8", "int4", "text", "text", "text", "bytea", "bytea", "bool", "bool",
                "text", "text", "text", "text", "timestamptz", "bytea",
            )
        )  # fmt: skip
        for row in rows:
            copy.write_row(row)


def requested_since(cursor: Cursor, bases: Sequence[tuple[UUID, int]]) -> dict[UUID, list[RecentChange]]:
    """Return, per order, the requested changes after a base version. Derived totals never count as overlap."""
    sets = sorted(SETS)
    cursor.execute(
        """select h.order_id, h.path, h.version, h.user_id, case when h.path = any(%b) then h.old end, case when h.path = any(%b) then h.new end
             from unnest(%b::uuid[], %b::int[]) u(order_id, base) join history h using (order_id)
            where h.version > u.base and not h.derived order by h.order_id, h.seq""",
        (sets, sets, [b[0] for b in bases], [b[1] for b in bases]),
    )
    found: dict[UUID, list[RecentChange]] = {}
    for order_id, path, version, user_id, old, new in cursor.fetchall():
        found.setdefault(order_id, []).extend(recent(path, _text(old), _text(new), version, user_id))
    return found


def recent(path: str, old: str | None, new: str | None, version: int, user_id: str) -> list[RecentChange]:
    """Return what a merge has to respect of one changed leaf: of a set, each member by itself."""
    return [RecentChange(member, version, user_id) for member in members(path, old, new)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()


def read(cursor: Cursor, order_id: UUID) -> list[HistoryRow]:
    """Return an order's whole history, oldest first."""
    cursor.execute(f"select {', '.join(HistoryRow._fields)} from history where order_id = %s order by seq", (order_id,))
    return [HistoryRow(*row) for row in cursor.fetchall()]
