"""What happened to orders, in the past tense, on `orders.events.v1`.

Events carry no personal data: a changed personal leaf is named by its path, its values stay in the book.
`event_seq` rises by one per order and is never reset; a consumer drops what it has seen.
"""

from typing import Literal
from uuid import UUID

from schemas.model import Instant, Model


class Change(Model):
    """One changed leaf: typed JSON texts, null where the leaf was or became absent, or is personal (`sealed`)."""

    path: str
    old: str | None = None
    new: str | None = None
    sealed: bool = False


class AcceptedLine(Model):
    """A line as accepted."""

    line_id: str
    sku: str | None
    quantity: int


class Conflict(Model):
    """A leaf somebody else changed since the author looked: both values (null where personal) and the other author."""

    path: str
    theirs: str | None = None
    yours: str | None = None
    changed_by: str
    changed_in_version: int


class StalePreview(Model):
    """What a ticket would do now, where its preview no longer holds; sending it with this hash asks for just that."""

    version: int
    preview_hash: str
    changes: tuple[Change, ...]
    money_delta_minor: int
    approvals: tuple[str, ...] = ()


class OrderEvent(Model):
    """What every event says."""

    event_id: UUID
    order_id: UUID
    event_seq: int
    version: int
    caused_by: str
    """The message id that caused it."""
    at: Instant


class OrderAccepted(OrderEvent):
    """A channel's order entered the book as version 1."""

    channel: str
    account: str
    order_number: str
    currency: str
    grand_total_minor: int
    lifecycle: str
    lines: tuple[AcceptedLine, ...]
    holds: tuple[str, ...] = ()


class OrderRestated(OrderEvent):
    """The channel stated the order again and the book took over what had changed."""

    channel: str
    changes: tuple[Change, ...]
    grand_total_minor: int


class PlannedPayment(Model):
    """A movement of money that settles an edit, carried out after it."""

    kind: str
    provider: str
    amount_minor: int


class OrderModified(OrderEvent):
    """A ticket was applied. `payments` are asked for after the commit; `notice` is what the customer is told, if anything."""

    ticket_id: UUID
    user_id: str
    reason_code: str
    changes: tuple[Change, ...]
    money_delta_minor: int
    grand_total_minor: int
    approved_by: str | None = None
    undoes: UUID | None = None
    payments: tuple[PlannedPayment, ...] = ()
    notice: str | None = None


class ModificationRefused(OrderEvent):
    """A ticket was refused; the order is as it was. `rule_id` names the rule, `path` the field."""

    ticket_id: UUID
    user_id: str | None
    reason_code: str
    code: str
    rule_id: str | None = None
    path: str | None = None
    message: str
    preview: StalePreview | None = None


class ModificationConflicted(OrderEvent):
    """A ticket touched what somebody else had changed since its base version."""

    ticket_id: UUID
    user_id: str
    conflicts: tuple[Conflict, ...]


class ModificationAwaitsApproval(OrderEvent):
    """A ticket needs somebody's approval before it is applied."""

    ticket_id: UUID
    user_id: str
    rule_ids: tuple[str, ...]
    preview_hash: str | None = None
    """The effects that want approval; an approval of others does nothing."""
    due_at: Instant | None = None
    """When the ticket expires by itself."""


class RecallAsked(Model):
    """A line that the warehouse was asked to give back: out of picking, or out of a parcel."""

    kind: str
    line_id: str


class ModificationCompensating(OrderEvent):
    """A ticket waits until the warehouse has given back what it changes."""

    ticket_id: UUID
    user_id: str
    recalls: tuple[RecallAsked, ...]
    preview_hash: str | None = None
    due_at: Instant | None = None
    """When the ticket expires by itself."""


class TicketClosed(OrderEvent):
    """A ticket ended without effect: cancelled, expired or declined."""

    ticket_id: UUID
    state: str


class TicketSettled(OrderEvent):
    """The money of an applied ticket has moved (`settled`), or could not (`settlement_failed`)."""

    ticket_id: UUID
    state: str


class FactRecorded(OrderEvent):
    """The book took over a fact."""

    fact_id: str
    kind: str
    changes: tuple[Change, ...]


class GrantedLine(Model):
    """How many units of a line may be picked now."""

    line_id: str
    quantity: int


class ReleaseGranted(OrderEvent):
    """The warehouse may pick these units; from here on the lines' fields are locked as released."""

    request_id: str
    lines: tuple[GrantedLine, ...]


class ReleaseRefused(OrderEvent):
    """The warehouse may not pick what it asked for; `message` says what holds it. Nothing was released."""

    request_id: str
    code: str
    message: str


class PersonErased(OrderEvent):
    """What named a person in the order is gone for good; whoever copied it deletes the copy."""

    paths: tuple[str, ...]


class WorkItemOpened(OrderEvent):
    """Something needs a person."""

    kind: str
    detail: str


Event = (
    OrderAccepted
    | OrderRestated
    | OrderModified
    | ModificationRefused
    | ModificationConflicted
    | ModificationAwaitsApproval
    | ModificationCompensating
    | TicketClosed
    | TicketSettled
    | FactRecorded
    | ReleaseGranted
    | ReleaseRefused
    | PersonErased
    | WorkItemOpened
)
OutcomeKind = Literal["applied", "refused", "conflicted", "awaiting_approval", "compensating", "waiting", "dead", "duplicate"]
