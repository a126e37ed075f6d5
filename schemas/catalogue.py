"""The catalogue: products, prices, promotions and tax rates as versioned data.

An entry is frozen; a change is a new version under the same key, and an order names the version it was sold under.
Amounts and rates are exact decimals as text, in major units. What a file or a service states is read here and
nowhere else: an entry that breaks a rule does not exist (`pydantic.ValidationError` names column, rule and value).
"""

import re
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from schemas.model import Instant, Model
from schemas.money import AmountError, UnitPrice, to_minor

ANY = "*"
"""Stands for every currency: a promotion without an amount has no currency of its own."""

Kind = Literal["product", "price", "promotion", "tax"]
PromotionKind = Literal["percent", "amount", "buy_x_get_y", "free_shipping"]
PromotionPolicy = Literal["pinned", "warn", "revalidate", "drop", "reapply"]
"""What a later edit of the lines does to a promotion the order carries.

pinned: it stands, its shares follow the units. warn: the same, and the edit says where it no longer qualifies.
revalidate: such an edit is refused. drop: the promotion leaves. reapply: it is cut anew by the version in force.
"""

STANDARD = "standard"
SHIPPING = "shipping"
"""Tax categories: that of a product that names none, and that of shipping."""
MAX_RATES = 3

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_KEY = re.compile(r"[^\s|](?:[^|\x00-\x1f\x7f]{0,78}[^\s|])?")


def broken(rule: str, column: str, message: str) -> PydanticCustomError:
    """Return the error of a rule that looks at more than one column; `column` is the one to blame."""
    return PydanticCustomError(rule, "{message}", {"column": column, "message": message})


def _decimal(text: str) -> str:
    if not _DECIMAL.fullmatch(text):
        raise PydanticCustomError("plain_decimal", "a plain decimal: up to 9 digits, and behind a point up to 6; never below 0")
    return text


def _above_zero(text: str) -> str:
    if not Decimal(_decimal(text)):
        raise PydanticCustomError("above_zero", "above 0")
    return text


def _percent(text: str) -> str:
    if Decimal(_above_zero(text)) > 100:
        raise PydanticCustomError("percent", "at most 100")
    return text


def _rate(text: str) -> str:
    if Decimal(_decimal(text)) >= 1:
        raise PydanticCustomError("rate", 'below 1: twenty per cent is "0.2"')
    return text


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise PydanticCustomError("key", "1 to 80 characters, none of them a control character or |, no blank at either end")
    return text


def _currency(text: str) -> str:
    if text != ANY and not _CURRENCY.fullmatch(text):
        raise PydanticCustomError("currency", "three capital letters (ISO 4217), or * for every currency")
    return text


def _country(text: str) -> str:
    if not _COUNTRY.fullmatch(text):
        raise PydanticCustomError("country", "two capital letters (ISO 3166-1)")
    return text


def _count(number: int) -> int:
    if not 1 <= number <= 1_000_000_000:
        raise PydanticCustomError("count", "from 1 to 1000000000")
    return number


Key = Annotated[str, AfterValidator(_key)]
Currency = Annotated[str, AfterValidator(_currency)]
Country = Annotated[str, AfterValidator(_country)]
Price = Annotated[str, AfterValidator(_decimal)]
Amount = Annotated[str, AfterValidator(_above_zero)]
Percent = Annotated[str, AfterValidator(_percent)]
Rate = Annotated[str, AfterValidator(_rate)]
Count = Annotated[int, AfterValidator(_count)]


class ProductEntry(Model):
    """What a SKU is. `category` is what promotions name, `tax_category` what tax rates name."""

    sku: Key
    name: str
    category: str = ""
    tax_category: str = STANDARD
    substitutes: tuple[Key, ...] = ()
    """SKUs that may be offered in its place."""


class PriceEntry(Model):
    """What one unit of a SKU costs in one currency; it may carry more digits than the currency. 0 is a price."""

    sku: Key
    currency: Currency
    unit_price: Price

    @model_validator(mode="after")
    def _in_one_currency(self) -> Self:
        if self.currency == ANY:
            raise broken("one_currency", "currency", "a price is in one currency")
        return self

    @property
    def price(self) -> UnitPrice:
        """The price as money reads it."""
        return UnitPrice.parse(self.unit_price)


class Promotion(Model):
    """What takes something off an order, under which conditions, and what becomes of it in later edits.

    `percent` off what its lines cost; or `amount` off them; or of every `buy` + `get` units the cheapest `get` at
    `percent` off; or the shipping. Its lines are those of `skus` and `categories`; all where it names none.
    """

    code: Key
    currency: Currency = ANY
    version: int = 0
    """0 until it is stored."""
    label: str = ""
    kind: PromotionKind
    percent: Percent | None = None
    amount: Amount | None = None
    threshold: Amount | None = None
    """The least its lines have to cost, after the order's other discounts."""
    buy: Count | None = None
    get: Count | None = None
    skus: tuple[Key, ...] = ()
    categories: tuple[Key, ...] = ()
    exclusive: bool = False
    """Takes no other promotion or code beside it."""
    limit: Count | None = None
    """How often it may be used in all, over every currency of its code."""
    limit_per_order: Count = 1
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    """The first moment at which it is over."""
    active: bool = True
    on_edit: PromotionPolicy = "pinned"

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        needed = {"percent": {"percent"}, "amount": {"amount"}, "buy_x_get_y": {"buy", "get"}, "free_shipping": set()}[self.kind]
        allowed = needed | ({"percent"} if self.kind == "buy_x_get_y" else set())
        for column in ("percent", "amount", "buy", "get"):
            given = getattr(self, column) is not None
            if column in needed and not given:
                raise broken("needed", column, f"kind {self.kind} needs it")
            if given and column not in allowed:
                raise broken("not_needed", column, f"kind {self.kind} has none")
        self._amounts_fit_the_currency()
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise broken("ends_after_start", "ends_at", "after starts_at")
        return self

    def _amounts_fit_the_currency(self) -> None:
        for column in ("amount", "threshold"):
            value = getattr(self, column)
            if value is None:
                continue
            if self.currency == ANY:
                raise broken("one_currency", "currency", f"{column} {value} needs a currency")
            try:
                to_minor(value, self.currency)
            except AmountError as error:
                raise broken("digits", column, str(error)) from None

    def minor(self, column: Literal["amount", "threshold"]) -> int | None:
        """Return an amount in minor units of the promotion's currency; None where it has none."""
        value = getattr(self, column)
        return None if value is None else to_minor(value, self.currency)


class TaxRate(Model):
    """One of an area's taxes: `rate` of the net amount, or, `compound`, of the net amount and the taxes before it."""

    title: str
    rate: Rate
    compound: bool = False


class TaxRates(Model):
    """All taxes on goods of one category in one area, first to last; a region of "" is the whole country."""

    country: Country
    region: str = ""
    category: Key = STANDARD
    rates: tuple[TaxRate, ...]

    @model_validator(mode="after")
    def _few(self) -> Self:
        if not 1 <= len(self.rates) <= MAX_RATES:
            raise broken("rates_of_area", "rate", f"1 to {MAX_RATES} rates an area and category, not {len(self.rates)}")
        return self

    def effective(self) -> tuple[tuple[str, str], ...]:
        """Return (title, rate on the net amount) of each tax: a compound one takes in those before it, exactly.

        >>> TaxRates(country="CA", rates=(TaxRate(title="GST", rate="0.05"), TaxRate(title="QST", rate="0.095", compound=True))).effective()
        (('GST', '0.05'), ('QST', '0.09975'))
        """
        found: list[tuple[str, str]] = []
        total = Decimal(0)
        for tax in self.rates:
            rate = Decimal(tax.rate) * (1 + total) if tax.compound else Decimal(tax.rate)
            total += rate
            found.append((tax.title, format(rate.normalize(), "f")))
        return tuple(found)


Entry = ProductEntry | PriceEntry | Promotion | TaxRates
EntryKey = tuple[str, str]
"""The key of an entry within its kind: (SKU, "*"), (SKU, currency), (code, currency) or (area, tax category)."""


def area_of(country: str, region: str) -> str:
    """Return the name of a tax area: "FR/", "US/NY"."""
    return f"{country}/{region}"


def key_of(entry: Entry) -> EntryKey:
    """Return under which key an entry is kept."""
    match entry:
        case ProductEntry():
            return entry.sku, ANY
        case PriceEntry():
            return entry.sku, entry.currency
        case Promotion():
            return entry.code, entry.currency
        case TaxRates():
            return area_of(entry.country, entry.region), entry.category


KIND_OF: dict[type[Entry], Kind] = {ProductEntry: "product", PriceEntry: "price", Promotion: "promotion", TaxRates: "tax"}
"""What the book calls each kind of entry."""
MODEL_OF: dict[Kind, type[Entry]] = {kind: model for model, kind in KIND_OF.items()}
