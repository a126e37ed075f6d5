"""Amounts, prices and rates as channels write them -> exact values; the currency they are in.

Output:  minor units of the order's currency; prices per unit with all their digits; rates as the text of an exact decimal.
Keeps:   no float; what is finer than the currency is rounded half up, once, and noted.
Fails:   NormalizationFailed with the JSON pointer of the amount that could not be read.
Source:  ISO 4217: codes are three letters; read 2026-11-23.
"""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from normalizers.wire import Json, Report, fail, walk
from schemas.money import NO_CURRENCY, AmountError, Rounding, UnitPrice, decimal_of, exponent_of, round_ratio, to_minor

ROUNDING: Rounding = "half_up"
"""How every channel's amounts are rounded; pinned on the order."""


def currency_of(value: str | None, at: str, report: Report) -> str:
    """Return the ISO 4217 code, or `NO_CURRENCY` and a warning."""
    if value is not None and len(value) == 3 and value.isascii() and value.isalpha() and (code := value.upper()) != NO_CURRENCY:
        return code
    if value is None:
        report.warn(at, "currency_missing", "the channel states no currency")
    else:
        report.warn(at, "currency_unreadable", "no ISO 4217 code", value)
    return NO_CURRENCY


def currency_within(row: Json, *names: str) -> str | None:
    """Return the first currency that an amount anywhere in `row` states: for a document without the field that says the order's."""
    return next((value for where, value in walk(row) if where.rpartition("/")[2] in names and isinstance(value, str) and value), None)


def minor(value: Any, currency: str, at: str, key: str, report: Report) -> int:
    """Read an amount that must be there; what is finer than the currency is rounded half up and noted."""
    if (hundredths := _hundredths(value)) is not None and exponent_of(currency) == 2:
        return hundredths
    try:
        return to_minor(value, currency)
    except AmountError:
        return _rounded(value, currency, at, key, report)


def _hundredths(value: Any) -> int | None:
    """Read a text of digits with two behind the point, as nearly every amount is written, without the detour over `Decimal`; None for any other."""
    if type(value) is str and value[-3:-2] == "." and len(value) < 16:
        digits = value[:-3] + value[-2:]
        if digits.isdecimal() and digits.isascii():
            return int(digits)
    return None


def _rounded(value: Any, currency: str, at: str, key: str, report: Report) -> int:
    try:
        exact = decimal_of(value).scaleb(exponent_of(currency))
        amount = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    except (AmountError, ArithmeticError):
        fail(at, key, "amount", value)
    if abs(amount) >= 10**18:
        fail(at, key, "amount", value)
    report.note(f"{at}/{key}", "amount_rounded", f"finer than {currency} carries: rounded half up", value)
    return amount


def amount_of(row: Json, key: str, at: str, currency: str, report: Report) -> int | None:
    """Read an amount in minor units, or None where it is absent, null or empty."""
    value = row.get(key)
    if value is None or value == "":  # 0 is an amount
        return None
    return minor(value, currency, at, key, report)


def price_of(row: Json, key: str, at: str) -> UnitPrice | None:
    """Read a price per unit with all its digits, or None where there is none.

    No price is remembered: looking one up costs what reading it does, and forgetting the oldest touches memory that is long out of the processor's cache.
    """
    value = row.get(key)
    if value is None or value == "":  # 0 is a price
        return None
    if isinstance(value, bool | dict | list):
        fail(at, key, "amount", value)
    if (hundredths := _hundredths(value)) is not None:
        return UnitPrice.of(amount=hundredths, exponent=2)
    try:
        return UnitPrice.parse(value)
    except AmountError:
        fail(at, key, "amount", value)


def quotient_price(amount: Decimal, units: int, quantity_exponent: int) -> UnitPrice | None:
    """Return the price per unit that a row amount comes from, to six digits after the point; None without units.

    None too where the quotient has more digits than a price may: the row's own amount stands.
    """
    if not units:
        return None
    exact = amount.scaleb(quantity_exponent) / units
    try:
        plain = exact.quantize(Decimal("0.000001"), ROUND_HALF_UP).normalize()
        return UnitPrice.parse(plain.quantize(amount) if plain == plain.quantize(amount) else plain)
    except (AmountError, ArithmeticError):
        return None


def decimal_in(row: Json, key: str, at: str) -> Decimal | None:
    """Read an exact decimal, or None where there is none."""
    value = row.get(key)
    if value is None or value == "":  # 0 is a number
        return None
    try:
        return decimal_of(value)
    except AmountError:
        fail(at, key, "amount", value)


def rate_text(value: Any, *, percent: bool = False) -> str | None:
    """Return a tax rate as the text of an exact decimal, or None where it is no number."""
    if value is None or isinstance(value, bool):
        return None
    if type(value) is Decimal and not percent:
        return format(value, "f")
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    try:
        rate = decimal_of(value)
    except AmountError:
        return None
    return format(rate.scaleb(-2) if percent else rate, "f")


def priced_row(
    price: Decimal, basis: Decimal, units: int, quantity_exponent: int, currency: str, at: str, key: str
) -> tuple[UnitPrice, int]:
    """Return (price of one unit, to six digits where it does not come out even; amount of the row in minor units, rounded once).

    `price` is for `basis` units, as UBL and EDIFACT state it (3.00 for 100); the row is computed from both, not from the quotient.
    """
    if basis <= 0:
        fail(at, key, "price basis", basis)
    one = Fraction(price) / Fraction(basis)
    row = one * units / 10**quantity_exponent * 10 ** exponent_of(currency)
    gross = round_ratio(row.numerator, 1, row.denominator, ROUNDING)
    if abs(gross) >= 10**18:
        fail(at, key, "amount", price)
    try:
        return UnitPrice.parse(price if basis == 1 else _decimal(one, price)), gross
    except AmountError:
        fail(at, key, "amount", price)


def _decimal(number: Fraction, like: Decimal) -> Decimal:
    """Return `number` exactly where twelve digits after the point do, else to six; with at least the digits `like` has."""
    digits = max(-int(like.as_tuple().exponent), 0)
    for places in (digits, 12):
        scaled = number * 10**places
        if scaled.denominator == 1:
            return _short(Decimal(scaled.numerator).scaleb(-places), digits)
    return _short(Decimal(round_ratio(number.numerator * 10**6, 1, number.denominator, ROUNDING)).scaleb(-6), digits)


def _short(number: Decimal, digits: int) -> Decimal:
    plain = number.normalize()
    exponent = plain.as_tuple().exponent
    return plain if isinstance(exponent, int) and -exponent > digits else plain.quantize(Decimal(1).scaleb(-digits))
