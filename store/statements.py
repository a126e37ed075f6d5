"""What channels said last, with the mapping that read it: pages for those who read it again. Takes no lock.

Of each order the statement that the book stands on: raw bytes as ciphertext with their hash, and what the mapping of its time made of
them (the first version, or `said_sealed` of a restatement; nothing where the release before did not keep it).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Connection

PAGE = 200


class Standing(NamedTuple):
    """An order and the statement it stands on. `wrapped` None: its person was erased, and nothing of it can be read."""

    order_id: UUID
    message_id: str
    outcome: str
    mapping_version: int
    raw_sealed: bytes
    raw_sha256: str
    raw_topic: str
    raw_part: int
    raw_offset: int
    said_sealed: bytes | None
    doc: str
    version: int
    wrapped: bytes | None
    origin_doc: str | None
    origin_sealed: bytes
    origin_sha256: bytes
    accepted_at: datetime


_COLUMNS = """s.order_id, s.message_id, s.outcome, s.mapping_version, s.raw_sealed, s.raw_sha256, s.raw_topic, s.raw_part, s.raw_offset, s.said_sealed,
    o.doc::text, o.version, k.wrapped, g.doc, g.doc_sealed, g.sha256, g.accepted_at"""
_FROM = """orders o join statement s on s.order_id = o.order_id and s.message_id = o.statement_id
    join order_origin g on g.order_id = o.order_id left join order_key k on k.order_id = o.order_id
    where o.channel = %s and s.received_at >= %s and (%s::timestamptz is null or s.received_at < %s)"""

_NEXT = "select order_id from orders where channel = %s and order_id > %s order by order_id limit %s"
_PAGE = f"select {_COLUMNS} from {_FROM} and o.order_id = any(%s) order by o.order_id"


def count(connection: Connection, channel: str, since: datetime, until: datetime | None) -> int:
    """Return how many orders of a channel stand on a statement received in that time."""
    row = connection.execute(f"select count(*) from {_FROM}", (channel, since, until, until)).fetchone()
    return int(row[0]) if row else 0


def standing(connection: Connection, channel: str, since: datetime, until: datetime | None) -> Iterator[list[Standing]]:
    """Yield pages of them, in order of their ids; each page is read in a transaction of its own.

    First the page's ids, then what belongs to them: asked for at once, the whole book is joined and sorted for every page of it.
    """
    last = UUID(int=0)
    while True:
        with connection.transaction():
            ids = [row[0] for row in connection.execute(_NEXT, (channel, last, PAGE)).fetchall()]
            rows = connection.execute(_PAGE, (channel, since, until, until, ids)).fetchall() if ids else []
        if not ids:
            return
        if rows:
            yield [Standing(*row) for row in rows]
        last = ids[-1]
