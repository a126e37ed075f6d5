"""Money, names and places as Stripe's objects write them, whatever the object.

Output:  an amount in minor units of the order's currency; a SKU; an `Address`, or None where nothing of a place is stated.
Fails:   NormalizationFailed with the JSON pointer of what is no whole number.
Source:  docs.stripe.com/api: Prices, Products, "Supported currencies" (zero-decimal and three-decimal; ISK and UGX are written with two decimals);
         read 2026-11-24.
"""

from normalizers.building import address_of
from normalizers.channel import StatedOrder, StatedPart
from normalizers.draft import Draft
from normalizers.summary import order_values
from normalizers.wire import Json, child, fail, present, text
from schemas.money import exponent_of, round_ratio
from schemas.order import Address

NAME = "stripe"
MAPPING = 5

_TWO_DECIMALS = frozenset({"ISK", "UGX"})
"""Currencies that ISO 4217 gives no decimals, and Stripe writes with two zeros."""


def amount_in(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read whole units of the smallest denomination as minor units of the currency."""
    value = row.get(key)
    if value is None:
        return None
    if type(value) is not int or abs(value) >= 10**17:
        fail(at, key, "whole number", value)
    if draft.currency not in _TWO_DECIMALS or exponent_of(draft.currency) == 2:
        return value
    if value % 100:
        draft.report.note(f"{at}/{key}", "amount_rounded", f"finer than {draft.currency} carries: rounded half up", value)
    return round_ratio(value, 1, 100, "half_up")


def sku_of(price: Json) -> str | None:
    """Return a price's SKU: Stripe's own ids are none."""
    product = price.get("product")
    for row in (price, product if isinstance(product, dict) else {}):
        metadata = row.get("metadata")
        if isinstance(metadata, dict) and (sku := text(metadata, "sku")):
            return sku
    return text(price, "lookup_key")


def address_in(row: Json | None, at: str) -> Address | None:
    """Read `{"name": …, "phone": …, "address": {…}}`."""
    place = child(row or {}, "address", at)
    if row is None or not place or not any(place.values()):
        return None
    return address_of(
        name=text(row, "name"),
        lines=present((text(place, "line1"), text(place, "line2"))),
        city=text(place, "city"),
        region=text(place, "state"),
        postal_code=text(place, "postal_code"),
        country=text(place, "country"),
        phone=text(row, "phone"),
    )


def without_lines(stated: StatedOrder) -> StatedPart:
    """Return what is known of an order of which not all lines came; of what nobody placed there is nothing to fetch."""
    source = stated.order.source
    return StatedPart(
        channel_order_id=source.channel_order_id,
        event=stated.event,
        missing=() if stated.event == "cancel" else ("line items",),
        account=source.account,
        findings=stated.findings,
        stated={**order_values(stated), "lines": None, "source_status": None},
    )
