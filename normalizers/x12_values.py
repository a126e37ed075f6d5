"""What the segments of X12's purchase orders have in common, whatever the transaction set: loops, parties, dates, prices, product ids.

Input:   segments of one transaction set (`normalizers.x12_segments`).
Output:  addresses, moments (a date alone is its midnight, UTC), unit prices with all their digits, ids by qualifier, the summary's sums.
Fails:   NormalizationFailed naming segment number and element.
Source:  ASC X12 004010, data elements 98, 235, 236, 373, 639 and segments N1 to N4, PER, as published in trading partners' implementation
         guides; read 2026-11-29.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from normalizers.amounts import minor, price_of
from normalizers.building import address_of
from normalizers.draft import Draft
from normalizers.wire import Report, fail, json_text, present
from normalizers.x12_segments import Segment
from schemas.money import AmountError, UnitPrice, decimal_of, to_text
from schemas.order import Address

NAME = "x12"
MAPPING = 4

_SKU = ("VN", "VP", "VA", "SK", "MG", "MF", "ST", "BP", "IN", "PI", "PN", "CB", "UP", "UI", "UK", "EN", "UA")
"""Which product id names the article to the seller (data element 235), best first."""
_OF_PARTY = frozenset({"IN2", "N2", "N3", "N4", "NX2", "REF", "PER", "SI", "FOB", "TD1", "TD5", "TD3", "TD4", "PKG"})
"""What may follow an N1 in its loop."""
_QUALIFIER = 2
"""Characters of a product id's qualifier (data element 235)."""
_PURCHASE_PRICES = ("UCP", "NET", "CON", "PUR", "INV", "CUP")
"""Price identifiers (data element 236) of a CTP that say what the buyer pays, best first; others are for resale, or lists."""
_ONE_A_SEGMENT = 100
"""A step beyond any segment's end."""
_SHIP_TO = ("ST", "BS", "DA")
"""Whose address is the delivery's (data element 98): ship to, bill and ship to, delivery address."""
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


def contract_price(loop: list[Segment]) -> UnitPrice | None:
    """Return the purchase price that a line's CTP states, for a line whose own price is left out."""
    told = {segment.at(2): segment for segment in reversed(loop) if segment.tag == "CTP" and segment.at(3)}
    found = next((told[code] for code in _PURCHASE_PRICES if code in told), None)
    return None if found is None else price_in(found, 3, 0)


def scheduled(loop: list[Segment]) -> str | None:
    """Return what a line's places (SDQ) or its dates (SCH) are to get together, for a line that does not say how much is ordered."""
    for tag, first, step in (("SDQ", 4, 2), ("SCH", 1, _ONE_A_SEGMENT)):
        told = [
            value
            for segment in loop
            if segment.tag == tag
            for index in range(first, len(segment.elements), step)
            if (value := segment.at(index))
        ]
        if told:
            try:
                return format(sum((decimal_of(value) for value in told), Decimal(0)), "f")
            except AmountError:
                return told[0]  # which whoever reads it refuses
    return None


def ship_to_of(header: list[Segment], loops: list[list[Segment]]) -> Address | None:
    """Return where the order goes: the header's address, else the lines' where all go to the same."""
    stated = party_of(header, _SHIP_TO)
    if stated is not None or not loops:
        return stated
    first, *others = [party_of(loop, _SHIP_TO) for loop in loops]
    return first if all(one == first for one in others) else None


def product_of(draft: Draft, segment: Segment, index: int, one: str, other: str, *, shift: int = 0) -> int:
    """Return the product of two numbers as an amount without a sign; `shift` -2 where one of them is a percentage."""
    at, key = f"/{segment.number}", f"{segment.tag}{index:02d}"
    try:
        exact = (decimal_of(one) * decimal_of(other)).scaleb(shift)
    except (AmountError, ArithmeticError):
        fail(at, key, "amount", one)
    return abs(minor(exact, draft.currency, at, key, draft.report))


def two_implied(segment: Segment, index: int, stated: str) -> str:
    """Return an amount of two implied decimals as a decimal (one that has a point is taken as written)."""
    if "." in stated:
        return stated
    try:
        return str(decimal_of(stated).scaleb(-2))
    except (AmountError, ArithmeticError):
        fail(f"/{segment.number}", f"{segment.tag}{index:02d}", "amount", stated)


def ids_of(row: Segment, first: int, last: int | None = None) -> dict[str, str]:
    """Return the product ids of a line, qualifier -> id; the first of a qualifier counts.

    Pairs that stand one element too far on are read as well, and an id whose qualifier was left out has "" for it.
    """
    end = min(last or len(row.elements), len(row.elements) - 1)
    for start in (first, first + 1):
        found: dict[str, str] = {}
        for index in range(start, end, 2):
            qualifier, value = row.at(index), row.at(index + 1)
            if qualifier and value and len(qualifier) == _QUALIFIER:
                found.setdefault(qualifier, value)
        if found or last is not None:
            return found
    bare = (value for index in range(first, len(row.elements)) if (value := row.at(index)) and len(value) > _QUALIFIER)
    return {"": value} if (value := next(bare, None)) else {}


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
        if segment.tag not in _OF_PARTY:
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
