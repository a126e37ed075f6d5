"""What an edit may know, loaded without a lock: for previews and dry runs, as the commit would load it under its locks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from modification_processor import catalogue_facts
from modification_processor.edit import Call
from modification_processor.incoming import Read, by_the_clock
from modification_processor.operations.operation import Context
from modification_processor.transaction import looking_only
from schemas.order import Order
from store.database import Cursor, now


def context_of(cursor: Cursor, batch: Sequence[Read], orders: Mapping[UUID, Order | None], at: datetime) -> Context:
    """Return what the batch's operations may know beside these orders."""
    return catalogue_facts.load(looking_only(cursor), catalogue_facts.wanted_by(batch, orders), at)


def known_to(cursor: Cursor, order: Order, calls: tuple[Call, ...], ticket_id: UUID) -> Context:
    """Return what these operations may know now."""
    at = now(cursor)
    read = replace(by_the_clock(order.order_id, f"expire:{ticket_id}", at), calls=calls)
    return replace(context_of(cursor, [read], {order.order_id: order}, at), ticket_id=str(ticket_id))
