"""What an operation's file declares.

An operation is one file with one name `OPERATION`. `apply` is pure: it returns a *new* order and never
touches money that `totals.recalculate` derives (the engine calls that after every operation). It raises
`OperationRefused` for what may not be done; it never clamps, guesses or half-does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from normalizers.channel import Verb
from schemas.failures import OrdermendError
from schemas.model import Model
from schemas.money import UnitPrice
from schemas.order import Order
from schemas.ticket import Operation

MoneyEffect = Literal["none", "lines", "adjustments", "tax"]


class OperationRefused(OrdermendError):
    """The operation may not be done on this order."""

    code = "operation_refused"
    error_class = "BUSINESS_REJECT"

    def __init__(self, code: str, message: str, *, field: str, rule: str | None = None, value: str | None = None) -> None:
        """`code` is the stable reason code of this refusal."""
        super().__init__(message, field=field, rule=rule or code, value=value)
        self.reason_code = code


@dataclass(frozen=True)
class Product:
    """What the catalogue says of a SKU in the order's currency."""

    sku: str
    name: str
    price: UnitPrice


@dataclass(frozen=True)
class Promotion:
    """A promotion as the catalogue has it: `percent` in basis points, or `amount_minor` of the order's currency."""

    code: str
    version: int
    label: str
    percent_bp: int | None = None
    amount_minor: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    active: bool = True


@dataclass(frozen=True)
class Context:
    """What an operation may know beside the order. `ticket_id` seeds the ids of rows it makes."""

    at: datetime
    ticket_id: str
    op_index: int = 0
    products: Mapping[tuple[str, str], Product] = field(default_factory=dict)
    """By (sku, currency)."""
    promotions: Mapping[tuple[str, str], Promotion] = field(default_factory=dict)
    """By (code, currency)."""


@dataclass(frozen=True)
class Touch:
    """A field an operation writes: its lock class and where it is. `line_id` narrows the state to that line's."""

    field_class: str
    path: str
    line_id: str | None = None


@dataclass(frozen=True)
class Needs:
    """Which catalogue entries have to be loaded before `apply`."""

    skus: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()


def _needs_nothing(_arguments: Any) -> Needs:
    return Needs()


@dataclass(frozen=True)
class OperationSpec:
    """An operation. Paths are leaf paths of the order (`/lines/L1/ordered`); a path covers all below it."""

    name: str
    version: int
    arguments: type[Model]
    reasons: frozenset[str]
    touches: Callable[[Order, Any], tuple[Touch, ...]]
    """What it writes: the lock evaluator and the merge of concurrent edits both read this."""
    reads: Callable[[Order, Any], frozenset[str]]
    """What its result depends on beside what it writes; derived totals never belong here."""
    money: MoneyEffect
    bulk_safe: bool
    apply: Callable[[Order, Any, Context], Order]
    inverse: Callable[[Order, Any, Context], tuple[Operation, ...]]
    """From the order *before*: the operations that undo it; empty where it cannot be undone."""
    verb: Verb | None
    """What a channel that owns the order must accept."""
    needs: Callable[[Any], Needs] = _needs_nothing
