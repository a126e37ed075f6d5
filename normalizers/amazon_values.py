"""Money and addresses as Amazon's answers write them, whatever the API: names differ in their first letter and in a few words.

Output:  an amount in minor units of the order's currency; an `Address`, or None where nothing of a place is stated.
Fails:   NormalizationFailed with the JSON pointer of an amount in another currency than the order's.
Source:  developer-docs.amazon.com/sp-api: Orders v0 and 2026-01-01, Vendor Orders v1, Direct Fulfillment Orders; read 2026-11-28.
"""

from normalizers.amounts import amount_of
from normalizers.building import address_of
from normalizers.draft import Draft
from normalizers.wire import Json, child, fail, present, text
from schemas.order import Address

MAPPING = 5
_ADDRESS = "name companyName addressLine1 addressLine2 addressLine3 city stateOrRegion postalCode countryCode phone"
ADDRESS = " ".join(f"{name} {name[:1].upper()}{name[1:]}" for name in _ADDRESS.split())
"""The fields of an address, in either spelling; those that only stand in for another are kept too."""


def money_in(row: Json | None, key: str, at: str, draft: Draft) -> int | None:
    """Read `{"CurrencyCode": …, "Amount": …}` (or `currencyCode`, `amount`); another currency than the order's fails."""
    pair = child(row, key, at) if row else None
    if not pair:
        return None
    code = text(pair, "CurrencyCode") or text(pair, "currencyCode")
    if draft.foreign(code):
        fail(f"{at}/{key}", "CurrencyCode", "one_currency", code, f"{at}/{key} is in another currency than the order's {draft.currency}")
    return amount_of(pair, "Amount" if "Amount" in pair else "amount", f"{at}/{key}", draft.currency, draft.report)


def address_in(row: Json | None) -> Address | None:
    """Read an address of either version: the field names differ in their first letter and in a few words."""
    if not row:
        return None
    low = {key[:1].lower() + key[1:]: value for key, value in row.items()}
    found = address_of(
        name=text(low, "name"),
        company=text(low, "companyName"),
        lines=present((text(low, "addressLine1"), text(low, "addressLine2"), text(low, "addressLine3"))),
        city=text(low, "city") or text(low, "municipality"),
        region=text(low, "stateOrRegion") or text(low, "county") or text(low, "districtOrCounty"),
        postal_code=text(low, "postalCode"),
        country=text(low, "countryCode"),
        phone=text(low, "phone"),
    )
    return found if found.country or found.postal_code or found.lines or found.name else None
