"""What was already received: one row per (order, message id), with the hash first seen and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor


class Received(NamedTuple):
    """A first receipt and its outcome."""

    order_id: UUID
    message_id: str
    sha256: bytes
    topic: str
    part: int
    off: int
    message: str
    outcome: str
    at: datetime


class Repeat(NamedTuple):
    """A message that had been received before; it did nothing."""

    order_id: UUID
    topic: str
    part: int
    off: int
    message_id: str
    message: str
    at: datetime


def goes_by(name: str) -> str:
    """Return SQL for whether inbox row `i` is the message of this id: its own, or that of its place, which it had until it could be read."""
    return f"(i.message_id = {name} or i.topic || ':' || i.part || ':' || i.off = {name})"


def seen(cursor: Cursor, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], tuple[bytes, str]]:
    """Return (hash, outcome) of the messages already received; their orders' heads are locked."""
    cursor.execute(
        """select i.order_id, i.message_id, i.sha256, i.outcome
             from unnest(%b::uuid[], %b::text[]) u(order_id, message_id) join inbox i using (order_id, message_id)""",
        ([k[0] for k in keys], [k[1] for k in keys]),
        binary=True,
    )
    return {(row[0], row[1]): (bytes(row[2]), row[3]) for row in cursor.fetchall()}


def add(cursor: Cursor, rows: Sequence[Received]) -> None:
    """Insert first receipts. A conflict is a broken lock, so it fails loudly."""
    with cursor.copy(
        "copy inbox (order_id, message_id, sha256, topic, part, off, message, outcome, at) from stdin (format binary)"
    ) as copy:
        copy.set_types(("uuid", "text", "bytea", "text", "int4", "int8", "text", "text", "timestamptz"))
        for row in rows:
            copy.write_row(row)


def settle(cursor: Cursor, outcomes: Sequence[tuple[UUID, str, str]]) -> None:
    """Set the final outcome of messages that had waited: (order id, message id, outcome)."""
    cursor.execute(
        """update inbox i set outcome = u.outcome from unnest(%b::uuid[], %b::text[], %b::text[]) u(order_id, message_id, outcome)
            where i.order_id = u.order_id and i.message_id = u.message_id""",
        ([o[0] for o in outcomes], [o[1] for o in outcomes], [o[2] for o in outcomes]),
    )


def rename(cursor: Cursor, names: Sequence[tuple[UUID, str, str]]) -> None:
    """Let messages that were received under the id of their place go by their own: (order id, id it has, its own).

    One whose own id belongs to another receipt keeps the one it has.
    """
    cursor.execute(
        """update inbox i set message_id = u.own from unnest(%b::uuid[], %b::text[], %b::text[]) u(order_id, message_id, own)
            where i.order_id = u.order_id and i.message_id = u.message_id
              and not exists (select 1 from inbox o where o.order_id = u.order_id and o.message_id = u.own)""",
        ([n[0] for n in names], [n[1] for n in names], [n[2] for n in names]),
    )


def add_repeats(cursor: Cursor, rows: Sequence[Repeat]) -> None:
    """Record repeats, one row per offset, so that every consumed offset has its row."""
    cursor.executemany(
        """insert into repeat (order_id, topic, part, off, message_id, message, at) values (%s, %s, %s, %s, %s, %s, %s)
           on conflict do nothing""",
        rows,
    )
