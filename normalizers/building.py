"""What channels share in saying what they read, beside amounts and rows: addresses, ids, the channel's own totals, orders that are none yet.

Output:  values of the canonical order; `Unreadable` and `StatedPart`, which stand for an order that could not be taken.
Source:  ISO 3166-1 through pycountry; read 2026-11-23.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from normalizers.channel import Result, StatedOrder, StatedPart, Unreadable
from normalizers.summary import order_values
from normalizers.wire import Message, Report
from schemas.failures import OrdermendError
from schemas.money import allocate, to_text
from schemas.order import Address, StatedTotals
from schemas.statement import Finding, StatedEvent, Verdict

_OTHER_CODES = {"UK": "GB", "EL": "GR"}
"""Codes of two letters that the European Union's offices write for a country instead of ISO 3166-1's."""
SHIPPING_WORDS = re.compile(
    r"\b(?:freight|shipping|shipment|delivery|carriage|postage|fracht|versand|porto|frakt|livraison)\b", re.IGNORECASE
)
"""What a charge that no code tells is called where it is for bringing the goods."""
_NOT_ALNUM = re.compile(r"[\W_]+")


_OF_ALL_LINES = frozenset({"totals_mismatch", "channel_rounding", "no_lines"})
"""Rules of an order that is there with all its lines."""


def address_of(
    *,
    name: str | None,
    company: str | None = None,
    lines: tuple[str, ...],
    city: str | None = None,
    region: str | None = None,
    postal_code: str | None = None,
    country: str | None = None,
    phone: str | None = None,
) -> Address:
    """Build an address; the country is kept as alpha-2 and, where it was written otherwise, as stated."""
    written = country is not None and len(country) == 2 and country.isupper() and country not in _OTHER_CODES
    code = country if written else country_code(country)
    key = _NOT_ALNUM.sub("", f"{''.join(lines)}{postal_code or ''}{code or country or ''}".casefold())
    return Address.of(
        name=name,
        company=company,
        lines=lines,
        city=city,
        region=region,
        postal_code=postal_code,
        country=code,
        stated_country=None if code == country else country,
        phone=phone,
        normalized=key,
    )


@lru_cache(maxsize=1024)
def country_code(stated: str | None) -> str | None:
    """Return the alpha-2 code of a country written as code or name, or None where we cannot name it."""
    if not stated:
        return None
    if (other := _OTHER_CODES.get(stated.strip().upper())) is not None:
        return other
    import pycountry  # noqa: PLC0415  # slow to load, and most channels write alpha-2

    try:
        found = pycountry.countries.lookup(stated.strip())
    except LookupError:
        return None
    return str(found.alpha_2)


def stated_totals(
    *,
    subtotal: int | None = None,
    discount: int | None = None,
    shipping: int | None = None,
    tax: int | None = None,
    grand: int | None = None,
) -> StatedTotals:
    """Return the channel's own totals."""
    return StatedTotals.of(
        subtotal_minor=subtotal, discount_minor=discount, shipping_minor=shipping, tax_minor=tax, grand_total_minor=grand
    )


def told_totals(stated: StatedTotals, currency: str) -> dict[str, object]:
    """Return the summary's totals where what the document's fields say is not what the order comes to now (something was cancelled since)."""
    amounts = {
        "subtotal": stated.subtotal_minor,
        "discount_total": stated.discount_minor,
        "shipping_total": stated.shipping_minor,
        "tax_total": stated.tax_minor,
        "grand_total": stated.grand_total_minor,
    }
    return {name: None if amount is None else to_text(amount, currency) for name, amount in amounts.items()}


def split_by_line(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Cut `amount` over lines by weight, largest remainder, in the order of the line ids; lines with no share are left out."""
    ids = sorted(weights)
    return {line_id: part for line_id, part in zip(ids, allocate(amount, [weights[line_id] for line_id in ids]), strict=True) if part}


def line_ids(stated: Sequence[str | None]) -> list[str]:
    """Return a stable id for each line: from the channel's own where it has one that is its own, else from the position."""
    if None not in stated and "" not in stated and len(set(stated)) == len(stated):
        return [f"L{value}" for value in stated]
    times = Counter(stated)
    return [f"L{value}" if value and times[value] == 1 else f"P{index}" for index, value in enumerate(stated, 1)]


def refused(
    channel_order_id: str | None,
    error: OrdermendError,
    *,
    account: str = "default",
    event: StatedEvent | None = None,
    verdict: Verdict = "dead_letter",
    report: Report | None = None,
    stated: Mapping[str, object] | None = None,
) -> Unreadable:
    """Return what becomes of an order that can be named and not read."""
    finding = Finding(path=error.field or "", rule=error.rule or error.code, message=error.message, value=error.value)
    return Unreadable(
        channel_order_id=channel_order_id,
        verdict=verdict,
        code=error.code,
        findings=(finding, *(report.findings if report else ())),
        account=account,
        error_class=error.error_class,
        event=event,
        stated=stated or {},
    )


def each(found: Sequence[Message], read: Callable[[Message], Result]) -> tuple[Result, ...]:
    """Read each message; one of several that cannot be read takes no other with it, and a lone one raises."""
    if len(found) == 1:
        return (read(found[0]),)
    return tuple([_guarded(message, read) for message in found])


def _guarded(message: Message, read: Callable[[Message], Result]) -> Result:
    try:
        return read(message)
    except OrdermendError as error:
        return refused(None, error)


def part_of(
    result: StatedOrder, missing: tuple[str, ...], *, event: StatedEvent | None = None, verdict: Verdict = "incomplete"
) -> StatedPart:
    """Return what is known of an order whose rest (`missing`) has to be fetched; lines nobody stated are null."""
    values: dict[str, Any] = {**order_values(result), **result.stated}
    if "items" in missing and not result.order.lines:
        values |= {"lines": None}
    findings = result.findings
    if "items" in missing:  # what is there is not to come to the total
        findings = tuple([one for one in findings if one.rule not in _OF_ALL_LINES])
    source = result.order.source
    return StatedPart(
        channel_order_id=source.channel_order_id,
        event=event or result.event,
        missing=missing,
        account=source.account,
        findings=findings,
        verdict=verdict,
        stated=values,
    )


def not_placed(result: StatedOrder) -> StatedPart:
    """Return a cart or checkout that nobody placed: said whole, nothing to fetch, and no order of the book.

    What is placed in the end has an id of its own, so that keeping this one would make a second order beside it.
    """
    return part_of(result, (), event="draft", verdict="accept_with_warning" if result.verdict == "accept_with_hold" else result.verdict)


def account_of(headers: Mapping[str, str], *fallback: str | None) -> str:
    """Return whose order it is: the record's header `account`, else the channel's own word, else `default`."""
    return headers.get("account") or next((value for value in fallback if value), "default")
