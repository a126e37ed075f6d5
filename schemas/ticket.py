"""The modification ticket: one act of changing one order, and the messages that drive it.

An operation travels as (name, version, arguments as JSON), so that its one file in
`modification_processor/operations/` owns its model. The client chooses `ticket_id`; sending it twice does
nothing twice. Who acts is never in the body: it comes from the verified assertion in header `actor`.
"""

from typing import Literal
from uuid import UUID

from schemas.model import Instant, Model

TicketState = Literal[
    "submitted",
    "waiting",
    "awaiting_approval",
    "approved",
    "compensating",
    "declined",
    "applied",
    "settling",
    "settled",
    "settlement_failed",
    "refused",
    "conflicted",
    "expired",
    "cancelled",
    "dead",
    "undone",
]

APPLIED_STATES: tuple[TicketState, ...] = ("applied", "settling", "settled", "settlement_failed")
"""The states of a ticket whose edit is in the order; where money has to move, it is being settled or was."""

REASON_CODES: tuple[str, ...] = (
    "customer_request",
    "address_correction",
    "entry_error",
    "wrong_sku",
    "out_of_stock",
    "reschedule",
    "goodwill",
    "fraud_review",
    "duplicate_order",
    "channel_change",
)
"""The active reason codes; each operation says which of them fit it."""


class Operation(Model):
    """One thing to do to the order. `arguments` is a JSON object whose model the operation's file owns."""

    name: str
    version: int = 1
    arguments: str


class ModificationTicket(Model):
    """Asks for a change of one order. `base_version` is the version the author looked at (null: any)."""

    ticket_id: UUID
    order_id: UUID
    base_version: int | None = None
    operations: tuple[Operation, ...]
    reason_code: str
    comment: str | None = None
    on_behalf_of: str | None = None
    preview_hash: str | None = None
    undoes: UUID | None = None
    """The applied ticket of the same order that this one takes back."""
    opened_at: Instant


class TicketCancelled(Model):
    """Withdraws a ticket that waits, awaits approval, or is dead; its followers go on.

    `cancel_id` is chosen by the sender: a refused withdrawal must not stand in the way of a rightful one.
    """

    cancel_id: UUID
    ticket_id: UUID
    order_id: UUID
    reason: str | None = None
    at: Instant


class TicketReviewed(Model):
    """Approves or declines a ticket that awaits approval.

    `preview_hash` is the hash of the effects the reviewer saw (null: those the ticket waits with). A review of
    other effects than the ticket would have now changes nothing but asks again.
    """

    review_id: UUID
    ticket_id: UUID
    order_id: UUID
    decision: Literal["approve", "decline"]
    preview_hash: str | None = None
    comment: str | None = None
    at: Instant


TicketMessage = ModificationTicket | TicketCancelled | TicketReviewed
