"""What is known around an order: what its channel sent, what was asked of others for it, and what a person has to look at."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor


class Sent(NamedTuple):
    """A message of the channel: what it was, what became of it, and where it lies. Its bytes stay sealed."""

    message_id: str
    kind: str
    event: str | None
    outcome: str
    received_at: datetime
    raw_sha256: str
    raw_topic: str
    raw_part: int
    raw_offset: int
    mapping_version: int


class Asked(NamedTuple):
    """A thing asked of a gateway, the channel, the warehouse or a notifier for a ticket."""

    at: datetime
    port: str
    kind: str
    amount_minor: int
    currency: str
    state: str
    result: str | None
    ended_at: datetime | None


class Item(NamedTuple):
    """Something a person has to look at."""

    at: datetime
    kind: str
    detail: str
    status: str


def sent(cursor: Cursor, order_id: UUID) -> list[Sent]:
    """Return the channel's messages, newest first."""
    cursor.execute(
        f"select {', '.join(Sent._fields)} from statement where order_id = %s order by received_at desc, message_id limit 100", (order_id,)
    )
    return [Sent(*row) for row in cursor.fetchall()]


def asked(cursor: Cursor, order_id: UUID) -> list[Asked]:
    """Return what was asked for the order, newest first."""
    cursor.execute(
        """select created_at, port, kind, amount_minor, currency, state, result, ended_at from action
            where order_id = %s order by created_at desc, step limit 200""",
        (order_id,),
    )
    return [Asked(*row) for row in cursor.fetchall()]


def items(cursor: Cursor, order_id: UUID) -> list[Item]:
    """Return the order's work items, open ones first."""
    cursor.execute(
        "select opened_at, kind, detail, status from work_item where order_id = %s order by status = 'open' desc, opened_at desc limit 100",
        (order_id,),
    )
    return [Item(*row) for row in cursor.fetchall()]
