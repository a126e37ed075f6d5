"""What has to reach Kafka, written in the transaction that made it true.

`id` rises in commit order within an order, because the order's head is locked until commit. The relay picks rows
by the `sent_at is null` flag and never by a cursor over `id`: ids of other orders may commit late. Events of an order keep their order, and so do
its other messages; there is none between the two.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from schemas.topics import MAX_VALUE_BYTES
from store.database import Cursor


class Outgoing(NamedTuple):
    """A message to send. `event_seq` is null for copies (dead letters), which have no place in the order's events."""

    order_id: UUID
    event_seq: int | None
    event_id: UUID
    topic: str
    key: bytes | None
    value: bytes
    headers: dict[str, str]


class Unsent(NamedTuple):
    """A row the relay has to send."""

    id: int
    order_id: UUID
    topic: str
    key: bytes | None
    value: bytes
    headers: dict[str, str]


class OutputTooLarge(Exception):
    """A message is larger than Kafka would take: nothing of its transaction may be committed, for it could never be sent."""

    def __init__(self, row: Outgoing, size: int) -> None:
        super().__init__(f"a record for {row.topic} of {size} bytes; {MAX_VALUE_BYTES} are possible")
        self.size = size


def add(cursor: Cursor, rows: Sequence[Outgoing]) -> None:
    """Append messages; wakes the relay at commit. Raises `OutputTooLarge`."""
    for row in rows:
        size = len(row.key or b"") + len(row.value)
        if size > MAX_VALUE_BYTES:
            raise OutputTooLarge(row, size)
    columns = ", ".join(Outgoing._fields)
    with cursor.copy(f"copy outbox ({columns}) from stdin (format binary)") as copy:
        copy.set_types(("uuid", "int8", "uuid", "text", "bytea", "bytea", "jsonb"))
        for row in rows:
            copy.write_row((*row[:6], Jsonb(row.headers, dumps=orjson.dumps)))
    cursor.execute("notify outbox")


def lead(cursor: Cursor) -> bool:
    """Become the one relay of this schema; the lock goes with the session. False where another is."""
    row = cursor.execute("select pg_try_advisory_lock(hashtext('relay:' || current_schema()))").fetchone()
    return bool(row and row[0])


def listen(cursor: Cursor) -> None:
    """Be told of new rows: the connection's `notifies` then yields."""
    cursor.execute("listen outbox")


def unsent(cursor: Cursor, limit: int, but: Collection[UUID] = ()) -> list[Unsent]:
    """Return the oldest unsent rows, at most `limit` that are no events and then at most as many events, each in id order, but for those of the orders named.

    What is no event first: somebody waits for what a ticket comes to, and it is in no order with events, which go to another topic.
    """
    cursor.execute(
        """(select id, order_id, topic, key, value, headers from outbox
             where sent_at is null and event_seq is null and order_id <> all(%(but)b::uuid[]) order by id limit %(limit)s)
           union all
           (select id, order_id, topic, key, value, headers from outbox
             where sent_at is null and event_seq is not null and order_id <> all(%(but)b::uuid[]) order by id limit %(limit)s)""",
        {"but": list(but), "limit": limit},
        binary=True,
    )
    return [Unsent(*row) for row in cursor.fetchall()]


def mark_sent(cursor: Cursor, rows: Sequence[Unsent]) -> None:
    """Flag rows whose delivery Kafka confirmed. What is no event may name people and has its home elsewhere: its value is blanked, and no assertion is kept."""
    cursor.execute(
        "update outbox o set sent_at = now(), value = case when o.event_seq is null then ''::bytea else o.value end,"
        " headers = o.headers - 'actor' from unnest(%b::bigint[], %b::uuid[]) u(id, order_id) where o.id = u.id and o.order_id = u.order_id",
        ([r.id for r in rows], [r.order_id for r in rows]),
    )
