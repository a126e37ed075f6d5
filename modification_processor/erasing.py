"""Erases what names a person in an order: the leaves are cleared, the key is deleted.

History, raw documents and letters of the order become unreadable where they were sealed; chain and fold go on to verify.
Fails: `NotErasable` for an unknown order, and while messages of it wait: they could not be read.
"""

from dataclasses import replace
from uuid import UUID

from modification_processor.incoming import by_the_clock
from modification_processor.rows import ERASURE, audit, change, emit
from modification_processor.transaction import Means, Transaction
from modification_processor.work import OrderWork
from schemas import events
from schemas.assertion import Actor
from schemas.failures import OrdermendError
from schemas.order import without_person
from store import heads, orders
from store.database import Cursor


class NotErasable(OrdermendError):
    """The order cannot be erased now."""

    code = "not_erasable"
    error_class = "BUSINESS_REJECT"


def erase(cursor: Cursor, means: Means, order_id: UUID, actor: str, reason: str) -> tuple[str, ...]:
    """Erase what names a person; return the paths that were cleared. The caller commits."""
    head = heads.lock(cursor, [order_id])[order_id]
    stored = orders.load(cursor, [order_id]).get(order_id)
    if stored is None:
        raise NotErasable(f"the book has no order {order_id}")
    if head.depth:
        raise NotErasable(f"{head.depth} messages of order {order_id} wait; settle or withdraw them first")
    work, tx = OrderWork(head, stored.order, stored.statement_id, {}), Transaction.begin(cursor, means)
    read = by_the_clock(order_id, f"erase:{head.version}", tx.at)
    read = replace(read, message=ERASURE, actor=Actor(actor, frozenset(), "cli"))
    changes = change(work, without_person(stored.order), read, tx.writes)
    paths = tuple(leaf.path for leaf in changes)
    emit(work, read, tx.writes, means.topics.events, events.PersonErased, paths=paths)
    audit(work, read, "person_erased", reason, tx.writes)
    tx.writes.flush(cursor, {order_id: work})
    orders.forget_person(cursor, order_id, head.history_seq, tx.at, actor, reason)
    return paths
