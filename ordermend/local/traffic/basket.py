"""A seeded basket: what one order buys, with money that adds up to the unit.

Amounts are integer minor units. A discount is cut over the lines by their gross (largest remainder); tax is
computed per row on the amount after discount and rounded half up once, inside the price where the storefront's
prices include tax, on top of it where they do not. Shipping is a row of its own with its own tax.
"""

import random
from dataclasses import dataclass

from ordermend.local.traffic.catalogue import PRODUCTS, Product, Recipient, recipient
from schemas.money import allocate

VAT = {"GB": ("VAT", 2000), "DE": ("MwSt.", 1900), "FR": ("TVA", 2000), "JP": ("CT", 1000)}
"""Country -> what the tax is called, and its rate in basis points."""
SALES_TAX = {"CA": 725, "NY": 400, "TX": 625, "WA": 650, "IL": 625, "OR": 0}
"""State -> rate in basis points, the state's part only."""

_CODES = (("WELCOME10", 10), ("HERBST15", 15), ("MERCI20", 20))
_FIXED = {"GBP": ("TAKE5", 500), "EUR": ("FÜNF-FREI", 500), "USD": ("FIVEOFF", 500), "JPY": ("GO500", 500)}
_SHIPPING = {"GBP": (395, 595), "EUR": (490, 790), "USD": (599, 995), "JPY": (600, 1100)}
_LINE_COUNTS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5)
_QUANTITIES = (1, 1, 1, 1, 1, 2, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Storefront:
    """A seller's account on a channel: one currency, one tax habit."""

    account: str
    currency: str
    countries: tuple[str, ...]
    tax_included: bool
    utc_offset_hours: int = 0


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One position: `discount` is its share of the order's discount, `tax` is on gross less discount."""

    product: Product
    quantity: int
    unit: int
    gross: int
    discount: int
    tax: int


@dataclass(frozen=True, slots=True)
class Discount:
    """A code; `percent` is None where the code takes a fixed amount off."""

    code: str
    percent: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Basket:
    """The purchase. `total` is what the customer pays."""

    storefront: Storefront
    recipient: Recipient
    tax_title: str
    rate_bp: int
    lines: tuple[BasketLine, ...]
    discount: Discount | None
    subtotal: int
    discount_total: int
    shipping: int
    shipping_tax: int
    tax: int
    total: int

    @property
    def rate(self) -> str:
        """The tax rate as an exact decimal: "0.2", "0.0725"."""
        return rate_text(self.rate_bp)


def rate_text(basis_points: int) -> str:
    """Show basis points as a decimal fraction.

    >>> rate_text(2000), rate_text(725), rate_text(0)
    ('0.2', '0.0725', '0.0')
    """
    return f"0.{basis_points:04d}".rstrip("0") if basis_points else "0.0"


def tax_on(amount: int, basis_points: int, *, included: bool) -> int:
    """Return the tax in (or on) `amount`, rounded half up."""
    divisor = 10_000 + basis_points if included else 10_000
    return (2 * amount * basis_points + divisor) // (2 * divisor)


def fill(rng: random.Random, storefront: Storefront, *, taxed: bool = True) -> Basket:
    """Fill a basket at `storefront`: 1-5 lines of 1-4 units, a discount on one in four."""
    who = recipient(rng, rng.choice(storefront.countries))
    title, rate = _tax(who) if taxed else ("", 0)
    rows = _rows(rng, storefront.currency)
    grosses = [quantity * unit for _, quantity, unit in rows]
    subtotal = sum(grosses)
    discount = _discount(rng, storefront.currency, subtotal)
    off = discount.amount if discount else 0
    shares = allocate(off, grosses)
    shipping = 0 if subtotal > 15_000 or rng.random() < 0.15 else rng.choice(_SHIPPING[storefront.currency])
    included = storefront.tax_included
    lines = tuple(
        BasketLine(product, quantity, unit, gross, share, tax_on(gross - share, rate, included=included))
        for (product, quantity, unit), gross, share in zip(rows, grosses, shares, strict=True)
    )
    shipping_tax = tax_on(shipping, rate, included=included)
    tax = sum(line.tax for line in lines) + shipping_tax
    total = subtotal - off + shipping + (0 if included else tax)
    return Basket(storefront, who, title, rate, lines, discount, subtotal, off, shipping, shipping_tax, tax, total)


def _tax(who: Recipient) -> tuple[str, int]:
    if who.country == "US":
        return f"{who.town.region} State Tax", SALES_TAX[who.town.region_code]
    return VAT[who.country]


def _rows(rng: random.Random, currency: str) -> list[tuple[Product, int, int]]:
    products = rng.sample(PRODUCTS, rng.choice(_LINE_COUNTS))
    return [(product, rng.choice(_QUANTITIES), product.prices[currency]) for product in products]


def _discount(rng: random.Random, currency: str, subtotal: int) -> Discount | None:
    roll = rng.random()
    if roll >= 0.25:
        return None
    if roll < 0.07:
        code, amount = _FIXED[currency]
        return Discount(code, None, min(amount, subtotal))
    code, percent = rng.choice(_CODES)
    return Discount(code, percent, (2 * subtotal * percent + 100) // 200)
