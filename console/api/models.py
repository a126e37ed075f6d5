"""What the API takes and gives. Money is text in major units beside its currency; times are UTC."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from schemas.model import Instant
from schemas.order import Order
from schemas.ticket import REASON_CODES, TicketState

MAX_INT: int = 2**31 - 1
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class View(BaseModel):
    """What the API gives."""


class Body(BaseModel):
    """What the API takes: nothing it does not know."""

    model_config = ConfigDict(extra="forbid")


class Amount(View):
    """An amount in major units, exact."""

    amount: str = Field(examples=["25.50"])
    currency: str = Field(examples=["GBP"])


class OrderRow(View):
    """An order in a list."""

    order_id: UUID
    order_number: str
    channel: str
    account: str
    channel_order_id: str
    lifecycle: str
    grand_total: Amount
    placed_at: Instant | None
    arrived_at: Instant
    version: int
    edits: int


class OrderPage(View):
    """Orders, newest arrival first."""

    items: list[OrderRow]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class OrderView(View):
    """An order as of a version."""

    version: int
    newest: int
    order: Order


class ModeView(View):
    """What may be done to a field, by which rule, and why not."""

    path: str
    field_class: str
    mode: Literal["editable", "compensation", "approval", "locked", "hidden"]
    rule_id: str
    message: str
    until: str | None
    unlock_action: str | None
    compensates: bool
    cost: int


class ModesView(View):
    """The mode of each field of a form, for whoever asks."""

    version: int
    editable: bool = Field(description="Whether any field can be changed.")
    modes: list[ModeView]


class HistoryRowView(View):
    """One changed leaf. `old` and `new` are JSON texts, null where absent; both null where `erased`."""

    seq: int
    version: int
    path: str
    old: str | None
    new: str | None
    erased: bool
    derived: bool
    cause: str
    user_id: str
    role: str
    on_behalf_of: str | None
    reason_code: str | None
    at: Instant


class HistoryPage(View):
    """Changed leaves, newest first."""

    items: list[HistoryRowView]
    next: str | None


class VersionView(View):
    """What made a version."""

    version: int
    cause: str
    user_id: str
    role: str
    reason_code: str | None
    at: Instant
    leaves: int


class VersionsView(View):
    """Every version after the first, oldest first."""

    placed_at: Instant
    versions: list[VersionView]


class ChangeView(View):
    """A leaf that differs; JSON texts."""

    path: str
    old: str | None
    new: str | None
    derived: bool = False
    changed_by: str | None = None
    changed_in_version: int | None = None


class MoveView(View):
    """How much one stored row moves the grand total."""

    path: str
    what: str
    amount: Amount


class DiffView(View):
    """What differs between two versions, and why the total moved; the moves sum to it."""

    older: int
    newer: int
    changes: list[ChangeView]
    total_moved: Amount
    moves: list[MoveView]


class OperationBody(Body):
    """One thing to do to the order; `arguments` are those of the operation's page in the reference."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] = Field(examples=["set_delivery_window"])
    version: int = Field(1, ge=1, le=1000)
    arguments: dict[str, Any]


Operations = Annotated[list[OperationBody], Field(min_length=1, max_length=50)]
Reason = Annotated[str, Field(json_schema_extra={"enum": list(REASON_CODES)})]


class PreviewBody(Body):
    """Operations to look at."""

    operations: Operations
    reason_code: Reason


class WarningView(View):
    """What the author should know and nothing forbids."""

    code: str
    message: str
    path: str


class RefusalView(View):
    """Why it would not be done."""

    code: str
    message: str
    path: str | None
    rule_id: str | None
    alternatives: list[WarningView] = Field(default_factory=list, description="What could be done instead.")


class StepView(View):
    """A movement of money that would be asked for after the edit; `cancels` an earlier one that was not sent yet."""

    kind: str
    method: str | None
    provider: str
    amount: Amount
    cancels: bool = False


class PreviewView(View):
    """What a ticket would do to the order at `version`; or `refusal`."""

    version: int
    preview_hash: str | None = Field(description="Send it with the ticket, and only these very effects are applied.")
    changes: list[ChangeView]
    total_moves: Amount
    total_after: Amount
    moves: list[MoveView]
    approvals: list[str] = Field(description="Rules that want somebody's approval.")
    recalls: list[str] = Field(default_factory=list, description="What the warehouse has to give back before the ticket is applied.")
    refusal: RefusalView | None
    payments: list[StepView] = Field(default_factory=list, description="The payment plan, in the order it would be carried out.")
    stays_open: Amount | None = Field(
        None, description="Above 0: collected with the rest of the order; below 0: owed, and no tender takes it back."
    )
    channel_settles: Amount | None = Field(None, description="What a channel that collects the money itself is told.")
    warnings: list[WarningView] = Field(default_factory=list)
    notice: str | None = Field(None, description="The one notice the customer would get; null: none.")
    channel_verbs: list[str] = Field(default_factory=list, description="What the sales channel would be told.")


class TicketBody(Body):
    """Asks for a change. `base_version` is the version its author looked at; If-Match may say it instead."""

    operations: Operations
    reason_code: Reason
    base_version: int | None = Field(None, ge=1, le=MAX_INT)
    comment: Text | None = None
    on_behalf_of: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")] | None = None
    preview_hash: Hash | None = None
    opened_at: AwareDatetime | None = Field(None, description="When its author began; null or later than now: now.")


class CancelBody(Body):
    """Withdraws a ticket."""

    reason: Text | None = None


class ReviewBody(Body):
    """Approves or declines a ticket, for the effects with this hash."""

    decision: Literal["approve", "decline"]
    preview_hash: Hash | None = Field(None, description="The effects that were seen; null: those the ticket waits with.")
    comment: Text | None = None


class UndoBody(Body):
    """Takes an applied ticket back."""

    reason_code: Reason
    comment: Text | None = None


class Accepted(View):
    """The message is in the outbox and survives anything; what becomes of it is said at `status_url`."""

    message_id: str
    ticket_id: UUID
    status_url: str
    replayed: bool = Field(description="Whether the same request was taken before; nothing happened twice.")


class TicketView(View):
    """A ticket and where it stands."""

    ticket_id: UUID
    order_id: UUID
    state: TicketState
    user_id: str
    on_behalf_of: str | None
    reason_code: str | None
    operations: list[str]
    base_version: int | None
    new_version: int | None
    money_moved: Amount | None
    code: str | None
    message: str | None
    path: str | None
    rule_id: str | None
    effects_hash: str | None
    approved_by: str | None
    undoes: UUID | None
    submitted_at: Instant
    decided_at: Instant | None
    due_at: Instant | None


class TicketsView(View):
    """The tickets of an order, newest first."""

    items: list[TicketView]


class ApprovalRow(View):
    """A ticket that awaits approval."""

    order_number: str
    ticket: TicketView


class ApprovalPage(View):
    """Tickets that await approval, longest waiting first."""

    items: list[ApprovalRow]
    next: str | None


class LetterView(View):
    """A dead letter without its payload."""

    letter_id: UUID
    order_id: UUID
    topic: str
    message: str
    message_id: str
    channel: str | None
    error_class: str
    code: str
    stage: str
    field: str | None
    rule: str | None
    detail: str
    fingerprint: str
    score: int
    attempts: int
    status: str
    first_failed_at: Instant
    last_failed_at: Instant
    resolved_at: Instant | None


class LetterPage(View):
    """Dead letters, those that cost most first."""

    items: list[LetterView]
    next: str | None


class KpisView(View):
    """How the house does, over the orders that arrived within `days`. Rates are parts of a thousand."""

    days: int
    orders: int
    orders_edited: int
    modification_rate_permille: int | None = Field(description="Orders edited among orders arrived; the goal is below 50.")
    edits_decided: int
    edits_applied: int
    edit_resolution_seconds_mean: int | None = Field(description="From opening a ticket to its outcome, waiting included; the goal is 120.")
    edit_resolution_seconds_p95: int | None
    tickets_by_state: dict[str, int]
    letters_open: int
    lanes_closed: int
    work_items_open: int
    outbox_oldest_seconds: int | None


class OperationView(View):
    """An operation a ticket can have."""

    name: str
    version: int
    reasons: list[str]
    bulk_safe: bool = Field(False, description="Whether a job over many orders may carry it.")
    arguments: dict[str, Any] = Field(description="JSON Schema of the arguments.")


class OperationsView(View):
    """Every operation, by name."""

    items: list[OperationView]
