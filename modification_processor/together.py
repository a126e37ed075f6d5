"""Tickets of different orders, applied all at once or none: what a bulk edit asks for as a whole.

An order in whose lane something waits refuses the whole; so does a ticket that would do anything but apply.
"""

from collections.abc import Sequence
from uuid import UUID

from modification_processor.deciding import decided
from modification_processor.incoming import Read
from modification_processor.loading import load
from modification_processor.outcomes import Applied
from modification_processor.transaction import Means, Transaction
from store.database import Cursor


def apply_together(cursor: Cursor, means: Means, batch: Sequence[Read]) -> dict[UUID, str]:
    """Apply tickets of different orders, or return by order why not; the caller then rolls back. What was received before is done."""
    works, seen = load(cursor, means, batch)
    if seen:
        return {}
    refused = {order_id: "lane_closed" for order_id, work in works.items() if work.head.depth}
    if refused:
        return refused
    tx = Transaction.begin(cursor, means)
    tx.look_up(batch, works.values())
    for read in batch:
        outcome = decided(tx, works[read.order_id], read)
        if isinstance(outcome, Applied):
            tx.settler.settle(works[read.order_id], read, outcome)
        else:
            refused[read.order_id] = getattr(outcome, "code", type(outcome).__name__.lower())
    if not refused:
        tx.writes.flush(cursor, works)
    return refused
