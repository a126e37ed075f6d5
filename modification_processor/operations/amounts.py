"""Amounts that people type into an order: plain decimals, never below 0, and small enough for every sum to be exact.

9 digits before the point keep a line of a million units within 64 bits in a currency of three decimals.
"""

import re

from modification_processor.operations.operation import OperationRefused
from schemas.money import AmountError, UnitPrice, to_minor

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def price_of(text: str, path: str) -> UnitPrice:
    """Return the price with every digit as typed, or refuse it (`bad_price`); 0 is a price."""
    if not _DECIMAL.fullmatch(text):
        message = f"{text[:24]!r} is no price: up to 9 digits, and behind a point up to 6; never below 0"
        raise OperationRefused("bad_price", message, field=path, value=text[:24])
    return UnitPrice.parse(text)


def amount_of(text: str, currency: str, path: str) -> int:
    """Return the minor units, or refuse what the currency cannot carry (`bad_amount`) or 0 (`amount_not_positive`)."""
    if not _DECIMAL.fullmatch(text):
        message = f"{text[:24]!r} is no amount: up to 9 digits, and behind a point those of {currency}"
        raise OperationRefused("bad_amount", message, field=path, value=text[:24])
    try:
        minor = to_minor(text, currency)
    except AmountError as error:
        raise OperationRefused("bad_amount", str(error), field=path, value=text) from None
    if minor == 0:
        raise OperationRefused("amount_not_positive", f"amount {text} {currency} is not above 0", field=path, value=text)
    return minor
