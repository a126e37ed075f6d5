"""Money in integer minor units, exact from the wire to the ledger.

No float enters: amounts are read from text (or an exact `Decimal`), carried as `int` minor units of an
ISO 4217 currency and shown as text. A share of an amount is cut by largest remainder, so shares always
sum to the amount. Adding two currencies is a `TypeError`.

Source: ISO 4217 (minor unit column; only codes whose exponent is not 2 are listed), read 2026-11-23.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from schemas.model import Model

Rounding = Literal["half_up", "half_even"]

NO_CURRENCY = "XXX"
"""ISO 4217's code for "no currency": what stands when a channel states none."""

_EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

MAX_DIGITS = 18
"""The longest amount we read, in digits: it fits a signed 64-bit integer."""


class AmountError(ValueError):
    """The text is no amount we can carry exactly."""


def exponent_of(currency: str) -> int:
    """Return how many digits follow the point in `currency` (2 unless ISO 4217 says otherwise)."""
    return _EXPONENTS.get(currency, 2)


def decimal_of(value: str | int | Decimal) -> Decimal:
    """Read an exact decimal; refuse floats, exponents beyond reason, NaN, `1_0` and over 18 digits."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, str | int):
        message = f"{type(value).__name__} is no amount"
        raise AmountError(message)
    else:
        text = str(value).strip()
        if "_" in text or len(text) > 2 * MAX_DIGITS:
            message = f"{text[:24]!r} is no amount"
            raise AmountError(message)
        try:
            number = Decimal(text)
        except InvalidOperation:
            message = f"{text[:24]!r} is no amount"
            raise AmountError(message) from None
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or len(digits) > MAX_DIGITS or not -MAX_DIGITS <= exponent <= MAX_DIGITS:
        message = f"{str(value)[:24]!r} has more than {MAX_DIGITS} digits"
        raise AmountError(message)
    return number


def to_minor(value: str | int | Decimal, currency: str) -> int:
    """Read `value` (major units) as minor units of `currency`; refuse what would need rounding.

    >>> to_minor("12.30", "EUR"), to_minor("12", "JPY"), to_minor("1.234", "KWD")
    (1230, 12, 1234)
    """
    scaled = decimal_of(value).scaleb(exponent_of(currency))
    minor = int(scaled)
    if minor != scaled:
        message = f"{value} has more digits than {currency} carries"
        raise AmountError(message)
    if abs(minor) >= 10**MAX_DIGITS:
        message = f"{value} is beyond {MAX_DIGITS} digits"
        raise AmountError(message)
    return minor


def to_text(amount_minor: int, currency: str) -> str:
    """Show minor units as a decimal text.

    >>> to_text(1230, "EUR"), to_text(-5, "EUR"), to_text(12, "JPY")
    ('12.30', '-0.05', '12')
    """
    return scaled_text(amount_minor, exponent_of(currency))


def scaled_text(amount: int, exponent: int) -> str:
    """Show `amount × 10^-exponent` with exactly `exponent` digits after the point."""
    if exponent <= 0:
        return str(amount * 10**-exponent)
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def round_ratio(amount: int, numerator: int, denominator: int, rounding: Rounding) -> int:
    """Return `amount × numerator / denominator` rounded once, away from zero or to even on a tie."""
    if denominator <= 0:
        message = "a share needs a positive denominator"
        raise ValueError(message)
    product = amount * numerator
    sign = -1 if product < 0 else 1
    whole, rest = divmod(abs(product), denominator)
    up = 2 * rest > denominator or (2 * rest == denominator and (rounding == "half_up" or whole % 2 == 1))
    return sign * (whole + up)


def round_decimal(value: Decimal, rounding: Rounding) -> int:
    """Round an exact decimal of minor units to an integer under the pinned mode."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP if rounding == "half_up" else ROUND_HALF_EVEN))


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Cut `amount` into shares in proportion to `weights`; the shares sum to `amount` exactly.

    Largest remainder; equal remainders go to the earlier weight, so callers order by line id. All-zero
    weights share evenly. Weights are never negative.

    >>> allocate(4, [1] * 7)
    [1, 1, 1, 1, 0, 0, 0]
    """
    if any(weight < 0 for weight in weights):
        message = "weights are never negative"
        raise ValueError(message)
    if not weights:
        if amount:
            message = "an amount needs somebody to carry it"
            raise ValueError(message)
        return []
    total = sum(weights)
    parts = list(weights) if total else [1] * len(weights)
    total = total or len(parts)
    sign = -1 if amount < 0 else 1
    shares, rests = [], []
    for index, weight in enumerate(parts):
        whole, rest = divmod(abs(amount) * weight, total)
        shares.append(whole)
        rests.append((-rest, index))
    for _, index in sorted(rests)[: abs(amount) - sum(shares)]:
        shares[index] += 1
    return [sign * share for share in shares]


class Money(Model):
    """An amount in minor units of one currency, at the edges of the system (events, API, reports)."""

    amount_minor: int
    currency: str

    @classmethod
    def parse(cls, value: str | int | Decimal, currency: str) -> "Money":
        """Read major units; refuse what the currency cannot carry (`AmountError`)."""
        return cls(amount_minor=to_minor(value, currency), currency=currency)

    def __add__(self, other: "Money") -> "Money":
        if not isinstance(other, Money) or other.currency != self.currency:
            message = f"cannot add {other!s} to {self.currency}"
            raise TypeError(message)
        return Money(amount_minor=self.amount_minor + other.amount_minor, currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(amount_minor=-self.amount_minor, currency=self.currency)

    def __str__(self) -> str:
        return f"{to_text(self.amount_minor, self.currency)} {self.currency}"


class UnitPrice(Model):
    """A price per unit that may carry more digits than the currency: `amount × 10^-exponent` major units."""

    amount: int
    exponent: int

    @classmethod
    def parse(cls, value: str | int | Decimal) -> "UnitPrice":
        """Read a price without losing a digit (`0.00001` is (1, 5))."""
        number = decimal_of(value)
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        places = max(-exponent, 0)
        return cls.of(amount=int(number.scaleb(places)), exponent=places)

    @property
    def decimal(self) -> Decimal:
        """The price in major units, exact."""
        return Decimal(self.amount).scaleb(-self.exponent)

    def times(self, quantity: int, quantity_exponent: int, currency: str, rounding: Rounding) -> int:
        """Return the row amount in minor units for `quantity × 10^-quantity_exponent` units, rounded once."""
        shift = exponent_of(currency) - self.exponent - quantity_exponent
        product = self.amount * quantity
        return product * 10**shift if shift >= 0 else round_ratio(product, 1, 10**-shift, rounding)
