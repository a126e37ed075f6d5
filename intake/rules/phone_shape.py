"""A phone that nobody can dial as it stands, or that has an extension, delays no order: at most a warning, with the digits there are.

In shadow as shipped: channels mask phones, and people write what they like.
Source: ITU-T E.164 (at most 15 digits), RFC 3966 section 3 (extension), read 2026-11-28.
"""

import re

from intake.rules.rule import Rule
from normalizers.channel import StatedOrder
from schemas.statement import Finding

_EXTENSION = re.compile(r"(?:ext|x|#)[^0-9]{0,4}([0-9]{1,7})\s*$", re.IGNORECASE)
_NOT_DIGITS = re.compile(r"[^0-9]+")


def check(stated: StatedOrder) -> Finding | None:
    """Complain about the first phone that is no number of 7 to 15 digits."""
    order = stated.order
    for path, phone in (("/ship_to/phone", order.ship_to.phone if order.ship_to else None), ("/contact/phone", order.contact.phone)):
        if phone is not None and (said := _amiss(phone[:64])) is not None:
            message, value = said
            return Finding(path=path, rule="phone_shape", message=message, value=value)
    return None


def _amiss(phone: str) -> tuple[str, str | None] | None:
    extension = _EXTENSION.search(phone) if "x" in phone or "X" in phone or "#" in phone else None
    digits = _NOT_DIGITS.sub("", phone[: extension.start()] if extension else phone)
    if not 7 <= len(digits) <= 15:
        return "the phone is no number of 7 to 15 digits", digits or None
    return ("the phone has an extension", f"{digits};ext={extension[1]}") if extension else None


RULE = Rule(name="phone_shape", mode="shadow", verdict="accept_with_warning", owner="customer-service", check=check)
