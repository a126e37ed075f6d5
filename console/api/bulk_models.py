"""What the API takes and gives of one edit of many orders. Money is text in major units beside its currency; times are UTC."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from console.api.models import Amount, Body, Operations, Reason, Text, View
from schemas.model import Instant

MOST_IDS: Final = 5000
AFTER: Final = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
"""The state that each act leads to."""
CSV_HEADER: Final = ("order_id", "ticket_id", "outcome", "code", "money_moved", "currency", "new_version")
Mode = Literal["skip_failed", "stop_after", "all_or_nothing"]
State = Literal["running", "paused", "done", "stopped", "cancelled"]


class Selection(Body):
    """Which orders: these, or those that fit. Frozen when the job is started."""

    order_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_IDS)] | None = None
    channel: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")] | None = None
    sku: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")] | None = None
    lifecycle: (
        Annotated[list[Literal["received", "held", "confirmed", "closed", "cancelled"]], Field(min_length=1, max_length=5)] | None
    ) = None
    limit: int = Field(1000, ge=1, le=100_000, description="At most so many orders that fit.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        fits = self.channel is not None or self.sku is not None or self.lifecycle is not None
        if (self.order_ids is not None) == fits:
            raise ValueError("a selection names order_ids, or channel, sku or lifecycle to fit, and not both")
        return self


class BulkBody(Body):
    """What to do to many orders."""

    selection: Selection
    operations: Operations
    reason_code: Reason
    mode: Mode = "skip_failed"
    stop_after: int = Field(10, ge=1, le=100_000, description="Failures after which a stop_after job stops.")
    comment: Text | None = None


class DryRunView(View):
    """What a job would do: orders by outcome, money by currency, what would want approval. Nothing was changed."""

    selected: int
    tried: int = Field(description="How many of them were looked at.")
    outcomes: dict[str, int] = Field(description="Orders by outcome: applied, awaiting_approval, or why not.")
    money_moves: list[Amount]
    approvals: dict[str, int]


class BulkView(View):
    """A job and how far it is."""

    bulk_id: UUID
    state: State
    operations: list[str]
    reason_code: str
    comment: str | None
    mode: Mode
    stop_after: int
    user_id: str
    undoes: UUID | None
    orders: int
    outcomes: dict[str, int] = Field(description="Orders by outcome: planned, sent, skipped, or their ticket's state.")
    created_at: Instant
    ended_at: Instant | None


class BulkPage(View):
    """Jobs, newest first."""

    items: list[BulkView]
    next: str | None


class OutcomeView(View):
    """What became of one order of a job."""

    order_id: UUID
    ticket_id: UUID
    outcome: str
    code: str | None
    money_moved: Amount | None
    new_version: int | None


class OutcomePage(View):
    """Outcomes by order id."""

    items: list[OutcomeView]
    next: str | None


def number(found: Amount | None) -> Decimal | None:
    """Return an amount as a number."""
    return None if found is None else Decimal(found.amount)
