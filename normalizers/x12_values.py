"""What the segments of X12's purchase orders have in common, whatever the transaction set: loops, parties, dates, prices, product ids.

Input:   segments of one transaction set (`normalizers.x12_segments`).
Output:  addresses, moments (a date alone is its midnight, UTC), unit prices with all their digits, ids by qualifier, the summary's sums.
Fails:   NormalizationFailed naming segment number and element.
Source:  ASC X12 004010, data elements 235, 373, 639 and segments N1 to N4, PER, as published in trading partners' implementation
         guides; read 2026-11-23.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from normalizers.amounts import price_of
from normalizers.building import address_of
from normalizers.draft import Draft
from normalizers.wire import Report, json_text, present
from normalizers.x12_segments import Segment
from schemas.money import UnitPrice, to_text
from schemas.order import Address

NAME = "x12"
MAPPING = 3

_SKU = ("VN", "VP", "VA", "SK", "MG", "MF", "ST", "BP", "IN", "PI", "PN", "CB", "UP", "UI", "UK", "EN", "UA")
"""Which product id names the article to the seller (data element 235), best first."""
_PER = {"HP": 2, "HU": 2, "TP": 3, "PM": 3}
"""Prices per hundred and per thousand (data element 639): digits to move the point."""


def parts_of(segments: list[Segment], tag: str, ends: str = "CTT") -> tuple[list[Segment], list[list[Segment]], list[Segment]]:
    """Return the header's segments, one list per line (`tag` first), and the summary's from `ends` on."""
    header: list[Segment] = []
    lines: list[list[Segment]] = []
    tail: list[Segment] = []
    for segment in segments:
        if tail or segment.tag in {ends, "SE"}:
            tail.append(segment)
        elif segment.tag == tag:
            lines.append([segment])
        elif lines:
            lines[-1].append(segment)
        else:
            header.append(segment)
    return header, lines, tail


def sums_of(draft: Draft) -> dict[str, object]:
    """Return the sums the summary shows; a sum that nothing speaks of is null."""
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    kinds = {row.kind: 0 for row in draft.adjustments}
    for row in draft.adjustments:
        kinds[row.kind] += row.amount_minor
    sums = {
        "subtotal": sum(line.gross_minor for line in draft.lines) if priced else None,
        "discount_total": kinds.get("discount"),
        "shipping_total": kinds.get("shipping"),
        "tax_total": sum(row.amount_minor for row in draft.taxes) if draft.taxes else None,
    }
    return {name: None if amount is None else to_text(amount, draft.currency) for name, amount in sums.items()}


def price_in(row: Segment, price: int, basis: int) -> UnitPrice | None:
    """Return the price of one unit; a price per hundred or thousand is divided, exactly."""
    stated = row.at(price)
    found = price_of({f"{row.tag}{price:02d}": stated}, f"{row.tag}{price:02d}", f"/{row.number}")
    shift = _PER.get(row.at(basis) or "", 0)
    return UnitPrice(amount=found.amount, exponent=found.exponent + shift) if found and shift else found


def ids_of(row: Segment, first: int, last: int | None = None) -> dict[str, str]:
    """Return the product ids of a line, qualifier -> id; the first of a qualifier counts."""
    found: dict[str, str] = {}
    for index in range(first, min(last or len(row.elements), len(row.elements) - 1), 2):
        qualifier, value = row.at(index), row.at(index + 1)
        if qualifier and value:
            found.setdefault(qualifier, value)
    return found


def sku_of(ids: Mapping[str, str]) -> str | None:
    """Return the id that names the article to the seller, best first."""
    return next((ids[qualifier] for qualifier in _SKU if qualifier in ids), next(iter(ids.values()), None))


def keep(segment: Segment, extensions: dict[str, str]) -> None:
    """Keep a segment that has no canonical place."""
    extensions[f"/{segment.number}/{segment.tag}"] = json_text("*".join(segment.elements))


def is_named(segment: Segment, *parties: Address | None) -> bool:
    """Say whether an N1 became an address as it is: without an id code there is nothing else in it."""
    return segment.at(4) is None and any(party is not None and party.name == segment.at(2) for party in parties)


def party_of(header: list[Segment], codes: tuple[str, ...]) -> Address | None:
    """Return the address of the first party of one of `codes`; a code without an address is none."""
    start = next((index for code in codes for index, segment in enumerate(header) if segment.tag == "N1" and segment.at(1) == code), None)
    if start is None:
        return None
    loop: list[Segment] = []
    for segment in header[start + 1 :]:
        if segment.tag not in {"N2", "N3", "N4", "PER", "REF", "TD5", "FOB"}:
            break
        loop.append(segment)
    place = next((segment for segment in loop if segment.tag == "N4"), None)
    lines = present(segment.at(index) for segment in loop if segment.tag == "N3" for index in (1, 2))
    if place is None and not lines:
        return None
    phone = next(
        (segment.at(index + 1) for segment in loop if segment.tag == "PER" for index in (3, 5, 7) if segment.at(index) == "TE"), None
    )
    return address_of(
        name=header[start].at(2),
        company=next((segment.at(1) for segment in loop if segment.tag == "N2"), None),
        lines=lines,
        city=place.at(1) if place else None,
        region=place.at(2) if place else None,
        postal_code=place.at(3) if place else None,
        country=place.at(4) if place else None,
        phone=phone,
    )


def date_in(segment: Segment, index: int, report: Report) -> datetime | None:
    """Read CCYYMMDD (or YYMMDD) as its midnight, UTC."""
    stated = segment.at(index)
    if stated is None:
        return None
    try:
        moment = datetime.strptime(stated, "%Y%m%d" if len(stated) == 8 else "%y%m%d").replace(tzinfo=UTC)
    except ValueError:
        report.warn(segment.path(index), "date", "no date we can read", stated)
        return None
    report.note(segment.path(index), "date_without_time", "a date alone is read as its midnight, UTC", stated)
    return moment
