"""A review from the command line: a signed message, put into the outbox like one of any door."""

import uuid
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from modification_processor.settle import Topics
from schemas.assertion import HEADER, Signer
from schemas.codec import encode
from schemas.failures import OrdermendError
from schemas.ticket import TicketReviewed
from store import outbox
from store.database import Connection
from store.outbox import Outgoing


class NoSuchTicket(OrdermendError):
    """The book has no such ticket."""

    code = "no_such_ticket"
    error_class = "BUSINESS_REJECT"


def send_review(
    connection: Connection, signer: Signer, topics: Topics, ticket_id: UUID, user: str, role: str, decision: Literal["approve", "decline"]
) -> UUID:
    """Send a review of exactly the effects the ticket waits with; return its order's id."""
    with connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute("select order_id, effects_hash from ticket where ticket_id = %s", (ticket_id,)).fetchone()
        if row is None:
            raise NoSuchTicket(f"the book has no ticket {ticket_id}", field="ticket", rule="ticket_exists")
        order_id: UUID = row[0]
        review = TicketReviewed(
            review_id=uuid.uuid4(),
            ticket_id=ticket_id,
            order_id=order_id,
            decision=decision,
            preview_hash=row[1],
            at=datetime.now(UTC),
        )
        value = encode(review)
        token = signer.sign(value, message_id=f"review:{review.review_id}", order_id=str(order_id), sub=user, roles=(role,))
        headers = {HEADER: token.decode()}
        outbox.add(cursor, [Outgoing(order_id, None, review.review_id, topics.modifications, str(order_id).encode(), value, headers)])
    return order_id
