"""What a door took in: one row per message, so that the same request sent twice is one message.

The row and the message in the outbox are one transaction; a second request with the same id waits for the first and then
sees its row. The request itself is not kept, only its hash.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor


class Submission(NamedTuple):
    """A message a door put into the outbox. `sha256` is over the request as it was sent."""

    order_id: UUID
    message_id: str
    user_id: str
    sha256: bytes
    at: datetime


def add(cursor: Cursor, row: Submission) -> Submission | None:
    """Remember a submission; return the earlier one of the same id, if there is one."""
    cursor.execute(
        """insert into submission (order_id, message_id, user_id, sha256, at) values (%s, %s, %s, %s, %s)
           on conflict do nothing returning 1""",
        row,
    )
    return None if cursor.fetchone() else find(cursor, row.order_id, row.message_id)


def add_new(cursor: Cursor, rows: Sequence[Submission]) -> set[UUID]:
    """Remember many submissions, one an order; return the orders whose message was not there before."""
    cursor.execute(
        """insert into submission (order_id, message_id, user_id, sha256, at)
           select * from unnest(%b::uuid[], %b::text[], %b::text[], %b::bytea[], %b::timestamptz[]) on conflict do nothing returning order_id""",
        [list(column) for column in zip(*rows, strict=True)],
    )
    return {row[0] for row in cursor.fetchall()}


def find(cursor: Cursor, order_id: UUID, message_id: str) -> Submission | None:
    """Return what was submitted under an id."""
    cursor.execute(
        f"select {', '.join(Submission._fields)} from submission where order_id = %s and message_id = %s", (order_id, message_id)
    )
    row = cursor.fetchone()
    return Submission(row[0], row[1], row[2], bytes(row[3]), row[4]) if row else None
