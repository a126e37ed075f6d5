"""The approver's queue: each ticket with all it takes to decide, worked out as the commit would, in one transaction a page."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from console.access import User
from console.api import models as m
from console.api.problems import Problem
from console.queries import tickets as ticket_lists
from console.services import Services, preview_view, ticket_view
from modification_processor import Refused, RequestLost, effects_of, look, request_of, review_right
from schemas.failures import OrdermendError
from store import tickets
from store.database import Cursor
from store.tickets import TicketRow


class Waiting(NamedTuple):
    """A ticket that awaits approval. `why_not`: why this person cannot review it; empty where they can. `lent`: whose right they use."""

    number: str
    ticket: m.TicketView
    roles: str
    comment: str | None
    view: m.OrderView
    effects: m.PreviewView
    why_not: str
    lent: tuple[str, ...]


class Queue(NamedTuple):
    """A page of the queue, and where the next one begins."""

    items: tuple[Waiting, ...]
    next: str | None


@dataclass(frozen=True)
class Reviewing:
    """The approvals' part of the services."""

    services: Services

    def queue(self, user: User, after: str | None, limit: int) -> Queue:
        """Return tickets that await approval, the longest waiting first."""
        with self.services.book.read() as cursor:
            rows, more = ticket_lists.awaiting(cursor, after, limit)
            return Queue(tuple(self._waiting(cursor, user, row) for _, _, row in rows), more)

    def one(self, user: User, order_id: UUID, ticket_id: UUID) -> Waiting:
        """Return a ticket as it is now."""
        with self.services.book.read() as cursor:
            row = tickets.find(cursor, order_id, ticket_id)
            if row is None:
                raise Problem("no_such_ticket")
            return self._waiting(cursor, user, row)

    def _waiting(self, cursor: Cursor, user: User, row: TicketRow) -> Waiting:
        looked = look(cursor, row.order_id)
        if looked is None:
            raise Problem("no_such_order")
        right = review_right(cursor, row, user.sub, user.roles, looked.order.currency)
        comment, found = None, None
        try:
            comment = request_of(cursor, self.services.vault, row).comment
            found = effects_of(cursor, self.services.vault, looked, row)
        except (RequestLost, OrdermendError) as lost:
            found = Refused(lost.code, lost.message)
        return Waiting(
            looked.order.order_number,
            ticket_view(row, looked.order.currency),
            row.roles,
            comment,
            m.OrderView(version=looked.version, newest=looked.version, order=looked.order),
            preview_view(looked, found),
            right.refusal.message if right.refusal else "",
            tuple(f"{d.role} of {d.giver} until {d.until:%d %b %Y, %H:%M} UTC" for d in right.lent),
        )
