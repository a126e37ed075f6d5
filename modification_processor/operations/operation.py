"""What an operation's file declares.

An operation is one file with one name `OPERATION`. `apply` is pure: it returns a *new* order and never
touches money that `totals.recalculate` derives (the engine calls that after every operation). It raises
`OperationRefused` for what may not be done; it never clamps, guesses or half-does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from modification_processor.reservations import Stock
from normalizers.channel import Verb
from schemas.catalogue import STANDARD, ProductEntry, Promotion, PromotionPolicy, TaxRates
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
    category: str = ""
    tax_category: str = STANDARD


@dataclass(frozen=True)
class Context:
    """What an operation may know beside the order. `ticket_id` seeds the ids of rows it makes."""

    at: datetime
    ticket_id: str
    op_index: int = 0
    products: Mapping[tuple[str, str], Product] = field(default_factory=dict)
    """By (sku, currency)."""
    promotions: Mapping[tuple[str, str], Promotion] = field(default_factory=dict)
    """The versions in force, by (code, currency); the currency is "*" where the promotion has none."""
    terms: Mapping[tuple[str, str, int], Promotion] = field(default_factory=dict)
    """The versions that orders carry, by (code, currency, version)."""
    uses: Mapping[str, int] = field(default_factory=dict)
    """How often each promotion with a limit is used in the whole book, locked for this transaction; by code."""
    moved: Mapping[str, int] = field(default_factory=dict)
    """What this transaction has added to those uses so far."""
    entries: Mapping[str, ProductEntry] = field(default_factory=dict)
    """What SKUs are, whatever they cost; by SKU."""
    taxes: Mapping[tuple[str, str], TaxRates] = field(default_factory=dict)
    """By (area, tax category)."""
    stock: Stock | None = None
    """What is known of stock, as this transaction left it so far; None: nothing is."""
    former: Order | None = None
    """The order before the ticket that this one takes back, read from its history; None for a ticket that takes none back."""

    def category_of(self, sku: str, currency: str) -> str:
        """Return the category that promotions name; "" where the catalogue says nothing of the SKU."""
        if sku in self.entries:
            return self.entries[sku].category
        product = self.products.get((sku, currency))
        return product.category if product is not None else ""


class LineEdit(Model):
    """What every edit of lines may say beside its own arguments."""

    promotions: PromotionPolicy | None = None
    """What becomes of the promotions the order carries; null: what each promotion says itself (`on_edit`)."""


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
    tax_area: tuple[str, str | None] | None = None
    """(country, region) the order would go to."""
    own_lines: bool = False
    """Also what the catalogue says of the SKUs the order has."""


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
    undo_only: bool = False
    """Whether it puts back what was there before, so that only a ticket that takes another back may ask for it."""

    @property
    def moves_units(self) -> bool:
        """Whether it may change how many units of what are to be sent."""
        return self.money == "lines"

    @property
    def recalculates(self) -> bool:
        """Whether derived money follows it; tax alone moves where the whole edit leaves the tax area."""
        return self.money in ("lines", "adjustments")
