"""What an order's change does to stock, as rows: its reservations, what an inventory outside is told of them, and what a person is.

Whatever changed the order, this is asked once for each message that did: units are promised, moved and given back in the
transaction that changed the order. An inventory outside hears of each reservation that moved as a request of its own, with the
reservation's revision as its key: what comes late or twice changes nothing there.
"""

from uuid import UUID

from modification_processor.actions import INVENTORY, request_row
from modification_processor.incoming import Read
from modification_processor.outcomes import WorkItem
from modification_processor.reservations import Shortage, plan, take
from modification_processor.rows import open_items
from modification_processor.work import OrderWork, Writes
from schemas.order import Order, id_of
from schemas.stock import Reservation
from schemas.ticket import ModificationTicket
from store.actions import ActionRow

RESERVE, ADJUST, RELEASE = "reserve", "adjust", "release"


def reserve(work: OrderWork, read: Read, before: Order | None, writes: Writes, topic: str) -> None:
    """Let stock follow an order that changed from `before`; a shortage nobody could refuse is a person's work."""
    assert work.order is not None
    planned = plan(before, work.order, writes.stock)
    if not (planned.rows or planned.left):
        return
    was = dict(writes.stock.held.get(work.head.order_id, {}))
    take(writes.stock, planned)
    cause = read.body.ticket_id if isinstance(read.body, ModificationTicket) else id_of(f"{work.head.order_id}:{read.message_id}")
    writes.actions += [_told(work, row, was.get(row.line_id), cause, writes) for row in planned.rows]
    short = [one for one in planned.short if not one.backorder]
    if short:
        open_items(work, read, (WorkItem("stock_short", "; ".join(map(_said, short))[:500]),), writes, topic)


def _told(work: OrderWork, row: Reservation, was: Reservation | None, cause: UUID, writes: Writes) -> ActionRow:
    kind = RELEASE if not row.units else ADJUST if was is not None and was.units else RESERVE
    return request_row(work, cause, row.revision, INVENTORY, kind, row.units, writes)._replace(
        action_id=id_of(f"{row.reservation_id}:{row.revision}"), provider=row.location, transaction=row.line_id, method=row.sku
    )


def _said(short: Shortage) -> str:
    return f"line {short.line_id} is to have {short.wanted} of SKU {short.sku[:80]}, of which {short.possible} can be had"
