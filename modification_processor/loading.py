"""Everything a batch's decisions look at, loaded under the heads' locks: one statement for each kind of fact, whatever the batch's size.

What no message of the batch can need is not asked for.
"""

from collections.abc import Sequence
from uuid import UUID

from modification_processor.actions import pending_of, recalls_of
from modification_processor.incoming import Read
from modification_processor.transaction import Means
from modification_processor.work import OrderWork
from schemas.facts import ActionReported, FulfillmentFact, ReleaseRequested
from schemas.statement import ChangeStated, FetchNeeded, OrderStated
from schemas.ticket import ModificationTicket, TicketReviewed
from store import actions, fetches, heads, history, inbox, orders
from store.database import Cursor
from store.sealing import KeyVault, Unsealable

Works = dict[UUID, OrderWork]
Seen = dict[tuple[UUID, str], tuple[bytes, str]]
"""(order, message id) -> the SHA-256 it was first received with, and its outcome."""
_MOVING = ModificationTicket | ChangeStated | ActionReported | FulfillmentFact | ReleaseRequested | TicketReviewed
"""What may move money or goods."""


def load(cursor: Cursor, means: Means, batch: Sequence[Read]) -> tuple[Works, Seen]:
    """Lock the heads of a batch's orders, and load the orders and all that is known beside them."""
    works = _orders(cursor, means, list({read.order_id for read in batch}))
    _lanes(cursor, works)
    _recent(cursor, batch, works)
    _under_way(cursor, batch, works)
    _previous(cursor, means.vault, batch, works)
    _fetches(cursor, batch, works)
    # What waited under the id of its place may have come again under its own.
    fresh = [(read.order_id, read.message_id) for read in batch if read.seq is None or read.received_as not in (None, read.message_id)]
    return works, inbox.seen(cursor, fresh) if fresh else {}


def _orders(cursor: Cursor, means: Means, ids: Sequence[UUID]) -> Works:
    locked = means.heads(cursor, ids)
    stored = orders.load(cursor, ids)
    return {
        order_id: OrderWork(
            head,
            stored[order_id].order if order_id in stored else None,
            stored[order_id].statement_id if order_id in stored else "",
            {},
            edited=stored[order_id].edits if order_id in stored else 0,
        )
        for order_id, head in locked.items()
    }


def _lanes(cursor: Cursor, works: Works) -> None:
    """Load the closed lanes of orders of which anything waits."""
    closed = [order_id for order_id, work in works.items() if work.head.depth]
    for (order_id, topic), lane in (heads.lanes(cursor, closed) if closed else {}).items():
        works[order_id].lanes[topic] = lane


def _recent(cursor: Cursor, batch: Sequence[Read], works: Works) -> None:
    """Load what was changed since the oldest base version that a ticket names."""
    bases: dict[UUID, int] = {}
    for read in batch:
        body = read.body
        if isinstance(body, ModificationTicket) and body.base_version is not None and body.base_version < works[read.order_id].head.version:
            bases[read.order_id] = min(body.base_version, bases.get(read.order_id, body.base_version))
    if bases:
        for order_id, recent in history.requested_since(cursor, list(bases.items())).items():
            works[order_id].recent = recent


def _under_way(cursor: Cursor, batch: Sequence[Read], works: Works) -> None:
    """Load payment steps and recalls that are on their way, for orders whose money or goods may move."""
    wanted = {read.order_id for read in batch if isinstance(read.body, _MOVING)}
    if wanted:
        for order_id, rows in actions.pending(cursor, list(wanted)).items():
            works[order_id].pending, works[order_id].recalls = pending_of(rows), recalls_of(rows)
    paid = {read.order_id for read in batch if isinstance(read.body, FulfillmentFact) and read.body.payment is not None}
    for order_id in actions.with_requests_taken_back(cursor, list(paid)) if paid else ():
        works[order_id].taken_back = True


def _previous(cursor: Cursor, vault: KeyVault, batch: Sequence[Read], works: Works) -> None:
    """Load the channel's previous statement of orders that are stated again."""
    again = {read.order_id: works[read.order_id].statement_id for read in batch if isinstance(read.body, OrderStated | ChangeStated)}
    wanted = [(order_id, statement_id) for order_id, statement_id in again.items() if statement_id]
    if not wanted:
        return
    for order_id, (sealed, digest) in orders.load_statements(cursor, wanted).items():
        work = works[order_id]
        try:
            key = vault.unwrap(order_id, bytes(work.head.wrapped_key or b""))
            work.previous_raw = (key.open(sealed, f"statement:{work.statement_id}"), digest)
        except Unsealable:
            work.previous_raw = (b"", digest)


def _fetches(cursor: Cursor, batch: Sequence[Read], works: Works) -> None:
    """Load whether a fetch is planned, of orders that a document only names."""
    named = {read.order_id for read in batch if isinstance(read.body, FetchNeeded)}
    for order_id in fetches.planned(cursor, list(named)) if named else ():
        works[order_id].fetch_planned = True
