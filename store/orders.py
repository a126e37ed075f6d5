"""Orders, their first version, and what channels stated, read and written in sets."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from schemas.leaves import PERSONAL
from schemas.order import Order, without_person
from store import search
from store.database import Cursor
from store.sealing import OrderKey, Unsealable

_PERSONAL = set(PERSONAL)


class StoredOrder(NamedTuple):
    """An order as loaded for change."""

    order: Order
    version: int
    statement_id: str
    edits: int


class Written(NamedTuple):
    """An order to insert (version 1) or to replace."""

    order: Order
    version: int
    statement_id: str
    edits: int
    refind: bool = True
    """Whether what it is found by may have changed."""
    document: str | None = None
    """What `document` would return, where it is at hand."""


class Statement(NamedTuple):
    """What a channel said, kept as it came."""

    order_id: UUID
    message_id: str
    kind: str
    event: str | None
    outcome: str
    channel: str
    stated_at: datetime | None
    raw_sealed: bytes
    raw_sha256: str
    raw_topic: str
    raw_part: int
    raw_offset: int
    mapping_version: int
    said_sealed: bytes | None = None
    """What the mapping made of a restatement; of a first statement, that is the first version."""


def document(order: Order) -> str:
    """Return the order as the book stores it: JSON without what is at its default."""
    return order.model_dump_json(exclude_defaults=True)


def load(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, StoredOrder]:
    """Return the orders of locked heads."""
    cursor.execute(
        "select order_id, doc::text, version, statement_id, edits from orders where order_id = any(%b)", (list(order_ids),), binary=True
    )
    return {row[0]: StoredOrder(Order.model_validate_json(row[1]), row[2], row[3], row[4]) for row in cursor.fetchall()}


def newest_open(cursor: Cursor, limit: int, among: int) -> list[Order]:
    """Return orders that are neither closed nor cancelled, newest arrival first, of the newest `among`."""
    cursor.execute(
        """select doc::text from (select doc, lifecycle, created_at, order_id from orders order by created_at desc, order_id desc limit %s) o
            where lifecycle not in ('closed', 'cancelled') order by created_at desc, order_id desc limit %s""",
        (among, limit),
    )
    return [Order.model_validate_json(row[0]) for row in cursor.fetchall()]


def insert(cursor: Cursor, rows: Sequence[Written]) -> None:
    """Store first versions."""
    columns = (
        "order_id, version, channel, account, channel_order_id, order_number, lifecycle, currency, grand_total_minor,"
        " placed_at, channel_updated_at, statement_id, doc"
    )
    with cursor.copy(f"copy orders ({columns}) from stdin (format binary)") as copy:
        copy.set_types(
            ("uuid", "int4", "text", "text", "text", "text", "text", "text", "int8", "timestamptz", "timestamptz", "text", "text")
        )
        for order, version, statement_id, _, _, text in rows:
            source = order.source
            copy.write_row(
                (
                    order.order_id,
                    version,
                    source.channel,
                    source.account,
                    source.channel_order_id,
                    order.order_number,
                    order.lifecycle,
                    order.currency,
                    order.totals.grand_total_minor,
                    order.placed_at,
                    source.channel_updated_at,
                    statement_id,
                    text or document(order),
                )
            )
    search.insert(cursor, (row.order for row in rows))


def update(cursor: Cursor, rows: Sequence[Written]) -> None:
    """Replace orders whose heads are locked."""
    cursor.execute(
        """update orders o set version = u.version, lifecycle = u.lifecycle, grand_total_minor = u.total, channel_updated_at = u.stated,
                  statement_id = u.statement_id, edits = o.edits + u.edits, doc = u.doc::json, updated_at = now()
             from unnest(%b::uuid[], %b::int[], %b::text[], %b::bigint[], %b::timestamptz[], %b::text[], %b::int[], %b::text[])
                  u(order_id, version, lifecycle, total, stated, statement_id, edits, doc)
            where o.order_id = u.order_id""",
        (
            [r.order.order_id for r in rows],
            [r.version for r in rows],
            [r.order.lifecycle for r in rows],
            [r.order.totals.grand_total_minor for r in rows],
            [r.order.source.channel_updated_at for r in rows],
            [r.statement_id for r in rows],
            [r.edits for r in rows],
            [r.document or document(r.order) for r in rows],
        ),
    )
    refound = [row.order for row in rows if row.refind]
    if refound:
        search.update(cursor, refound)


class Origin(NamedTuple):
    """Version 1 as it was placed: the personal part sealed, the rest in clear, and the hash the chain starts with.

    `doc` None: a row of the first release, whose whole document is sealed.
    """

    order_id: UUID
    doc: str | None
    doc_sealed: bytes
    sha256: bytes
    accepted_at: datetime


def origin_of(order: Order, key: OrderKey, at: datetime) -> tuple[Origin, str]:
    """Return the row that remembers how `order` was placed, and its document, of which that row has both halves."""
    clear = order.model_dump_json(exclude_defaults=True, exclude=_PERSONAL)
    personal = order.model_dump_json(exclude_defaults=True, include=_PERSONAL)
    sealed = key.seal(personal.encode(), "order_origin")
    whole = clear if personal == "{}" else f"{clear[:-1]},{personal[1:]}"
    return Origin(order.order_id, clear, sealed, origin_hash(clear, sealed), at), whole


def origin_hash(doc: str | None, sealed: bytes) -> bytes:
    """Return the hash that the order's chain starts with."""
    return sha256((doc or "").encode() + sealed).digest()


def first_version(row: Origin, key: OrderKey | None) -> Order:
    """Return version 1; without its personal leaves where their key was erased."""
    document: dict[str, Any] = orjson.loads(row.doc) if row.doc is not None else {}
    opened = False
    if key is not None:
        try:
            document |= orjson.loads(key.open(bytes(row.doc_sealed), "order_origin"))
            opened = True
        except Unsealable:
            if row.doc is None:
                raise
    elif row.doc is None:
        raise Unsealable("order_origin")
    found = Order.model_validate_json(orjson.dumps(document))
    return found if opened else without_person(found)


def origin(cursor: Cursor, order_id: UUID) -> tuple[Origin, bytes | None] | None:
    """Return how an order was placed, and its wrapped key (None once erased)."""
    cursor.execute(
        f"""select {", ".join(f"g.{name}" for name in Origin._fields)}, k.wrapped from order_origin g left join order_key k using (order_id)
             where g.order_id = %s""",
        (order_id,),
    )
    row = cursor.fetchone()
    return (Origin(*row[:-1]), None if row[-1] is None else bytes(row[-1])) if row else None


def forget_person(cursor: Cursor, order_id: UUID, history_seq: int, at: datetime, actor: str, reason: str) -> None:
    """Delete the order's key, and remember up to which history row its values are unreadable."""
    cursor.execute("delete from order_key where order_id = %s", (order_id,))
    cursor.execute(
        "insert into erasure (order_id, history_seq, at, actor, reason) values (%s, %s, %s, %s, %s) on conflict do nothing",
        (order_id, history_seq, at, actor, reason),
    )


def insert_origins(cursor: Cursor, rows: Sequence[Origin]) -> None:
    """Store first versions as they were placed."""
    with cursor.copy(f"copy order_origin ({', '.join(Origin._fields)}) from stdin (format binary)") as copy:
        copy.set_types(("uuid", "text", "bytea", "bytea", "timestamptz"))
        for row in rows:
            copy.write_row(row)


def insert_statements(cursor: Cursor, rows: Sequence[Statement]) -> None:
    """Keep what channels said."""
    columns = ", ".join(Statement._fields)
    with cursor.copy(f"copy statement ({columns}) from stdin (format binary)") as copy:
        copy.set_types(
            ("uuid", "text", "text", "text", "text", "text", "timestamptz", "bytea", "text", "text", "int4", "int8", "int4", "bytea")
        )
        for row in rows:
            copy.write_row(row)


def payment_kinds(cursor: Cursor, order_id: UUID) -> list[str]:
    """Return the kinds of an order's ledger rows."""
    row = cursor.execute("select doc -> 'payments' from orders where order_id = %s", (order_id,)).fetchone()
    return [payment["kind"] for payment in (row[0] if row else None) or ()]


def load_statements(cursor: Cursor, keys: Sequence[tuple[UUID, str]]) -> dict[UUID, tuple[bytes, str]]:
    """Return (sealed raw bytes, their hash) of the named statements."""
    cursor.execute(
        """select s.order_id, s.raw_sealed, s.raw_sha256
             from unnest(%b::uuid[], %b::text[]) u(order_id, message_id) join statement s using (order_id, message_id)""",
        ([k[0] for k in keys], [k[1] for k in keys]),
        binary=True,
    )
    return {row[0]: (bytes(row[1]), row[2]) for row in cursor.fetchall()}
