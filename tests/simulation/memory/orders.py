"""`store.orders` in memory, without the terms that orders are found by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import errors

from schemas.order import Order
from store.orders import Origin, Statement, StoredOrder, Written, document
from tests.simulation.memory.database import Transaction


class OrderRow(NamedTuple):
    """A row of `orders`: what the protocol reads of it. `order` is what the document says, read once."""

    order_id: UUID
    version: int
    statement_id: str
    edits: int
    doc: str
    order: Order


def load(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, StoredOrder]:
    rows = [row for order_id in order_ids if (row := tx.get("orders", order_id)) is not None]
    return {row.order_id: StoredOrder(row.order, row.version, row.statement_id, row.edits) for row in rows}


def insert(tx: Transaction, rows: Sequence[Written]) -> None:
    for order, version, statement_id, *_ in rows:
        _check(tx, order)
        tx.insert("orders", (order.order_id,), _row(order, version, statement_id, 0))


def update(tx: Transaction, rows: Sequence[Written]) -> None:
    for order, version, statement_id, edits, *_ in rows:
        _check(tx, order)
        new = _row(order, version, statement_id, edits)
        tx.update("orders", (order.order_id,), lambda old, new=new: new._replace(edits=old.edits + new.edits))


def _check(tx: Transaction, order: Order) -> None:
    if tx.database.refuses(order):
        raise errors.CheckViolation('new row for relation "orders" violates a check constraint')


def _row(order: Order, version: int, statement_id: str, edits: int) -> OrderRow:
    return OrderRow(order.order_id, version, statement_id, edits, document(order), order)


def insert_origins(tx: Transaction, rows: Sequence[Origin]) -> None:
    for row in rows:
        tx.insert("order_origin", (row.order_id,), row)


def insert_statements(tx: Transaction, rows: Sequence[Statement]) -> None:
    for row in rows:
        tx.insert("statement", (row.order_id, row.message_id), row)


def payment_kinds(tx: Transaction, order_id: UUID) -> list[str]:
    row = tx.get("orders", order_id)
    found: list[dict[str, Any]] = orjson.loads(row.doc).get("payments", []) if row is not None else []
    return [payment["kind"] for payment in found]


def load_statements(tx: Transaction, keys: Sequence[tuple[UUID, str]]) -> dict[UUID, tuple[bytes, str]]:
    rows = [row for key in keys if (row := tx.get("statement", *key)) is not None]
    return {row.order_id: (row.raw_sealed, row.raw_sha256) for row in rows}


def origin(tx: Transaction, order_id: UUID) -> tuple[Origin, bytes | None] | None:
    row = tx.get("order_origin", order_id)
    return None if row is None else (row, tx.get("order_key", order_id))


def forget_person(tx: Transaction, order_id: UUID, history_seq: int, at: datetime, actor: str, reason: str) -> None:
    tx.delete("order_key", order_id)
    tx.insert("erasure", (order_id,), (order_id, history_seq, at, actor, reason), or_nothing=True)
