"""Facts from the warehouse, the payment side and our own settlement worker, on `orders.fulfillment.v1`.

A fact has happened: it is never refused for contradicting the book. Quantities are what moved in this
fact (not running totals), in the line's own units. Line ids are ours, as `OrderAccepted` published them.
"""

from typing import Literal
from uuid import UUID

from schemas.model import Instant, Model
from schemas.order import PaymentKind

FactKind = Literal["payment", "allocated", "released", "packed", "shipped", "cancelled"]


class FactLine(Model):
    """How many units of one line moved."""

    line_id: str
    quantity: int


class FactPayment(Model):
    """One ledger movement: unique by (provider, transaction, kind)."""

    provider: str
    transaction: str
    kind: PaymentKind
    amount_minor: int
    currency: str
    method: str | None = None
    parent: str | None = None
    """The transaction it captures, gives back or releases, where that is another."""


class FulfillmentFact(Model):
    """Something happened to the order outside the book. `lines` empty: the whole open order."""

    fact_id: str
    order_id: UUID
    kind: FactKind
    lines: tuple[FactLine, ...] = ()
    payment: FactPayment | None = None
    warehouse: str | None = None
    at: Instant


class ReleaseRequested(Model):
    """The warehouse asks whether it may pick, before it does. `lines` empty: whatever is open and not released.

    It is answered by `ReleaseGranted` or `ReleaseRefused`, whole: what was granted no edit takes away again.
    """

    request_id: str
    order_id: UUID
    lines: tuple[FactLine, ...] = ()
    at: Instant


class ActionReported(Model):
    """What became of something we asked of a gateway, a channel or a notifier after an edit.

    `done` carries the ledger movement where money moved. `declined` and `failed` are final answers, `expired` means that
    no answer came before the deadline; whoever was asked may still have done it, so a person has to look.
    """

    report_id: str
    order_id: UUID
    action_id: UUID
    outcome: Literal["done", "declined", "failed", "expired"]
    code: str | None = None
    detail: str | None = None
    payment: FactPayment | None = None
    at: Instant
