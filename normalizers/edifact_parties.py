"""Who an EDIFACT order names and when: parties with their addresses, contacts, the delivery window, moments.

Output:  addresses; moments in UTC (one without a zone is read as UTC, a date alone as its midnight, both noted).
Source:  UN/EDIFACT D.96A to D.01B, segments NAD, CTA, COM, DTM, code lists 2005, 2379, 3035; read 2026-11-24.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from normalizers.building import address_of
from normalizers.edifact_money import groups_of
from normalizers.edifact_reader import Reader
from normalizers.edifact_segments import Segment
from schemas.order import Address, Contact, DeliveryWindow

_FORMATS: Mapping[str, str] = {
    "2": "%d%m%y",
    "3": "%m%d%y",
    "101": "%y%m%d",
    "102": "%Y%m%d",
    "201": "%y%m%d%H%M",
    "202": "%y%m%d%H%M%S",
    "203": "%Y%m%d%H%M",
    "204": "%Y%m%d%H%M%S",
    "205": "%Y%m%d%H%M%z",
    "301": "%y%m%d%H%M",
    "303": "%Y%m%d%H%M",
    "304": "%Y%m%d%H%M%S",
}
_WITH_ZONE = frozenset({"301", "303", "304"})
_ZONED = re.compile(r"(\d+)([A-Z]{1,3}|[+-]\d\d)?")
_BY_LENGTH: Mapping[int, str] = {6: "101", 8: "102", 10: "201", 12: "203", 14: "204"}
_PARTS = frozenset({"LOC", "FII", "RFF", "DOC", "DTM", "CTA", "COM"})
"""What may follow a NAD in its group."""


_DELIVERY = ("DP", "ST", "CN", "UC")
"""Whose address is the delivery's (code list 3035), best first."""


def ship_to_of(reader: Reader) -> Address | None:
    """Return where the order goes: the header's address, else the lines' where all go to the same."""
    stated = party_of(reader, *_DELIVERY)
    found = [_named(loop, _DELIVERY) for loop in reader.lines] if stated is None else []
    if not found or found[0] is None:
        return stated
    first = found[0]
    return _address(reader, first) if all(one is not None and one.elements == first.elements for one in found) else None


def party_of(reader: Reader, *codes: str) -> Address | None:
    """Return the address of the first party of one of `codes`; a code without an address is none."""
    found = _named(reader.header, codes)
    return None if found is None else _address(reader, found)


def _named(segments: list[Segment], codes: tuple[str, ...]) -> Segment | None:
    """Return the first NAD of one of `codes` that has an address."""
    told = [one for one in segments if one.tag == "NAD" and any(one.at(index) for index in (3, 5, 6, 8, 9))]
    return next((one for code in codes for one in told if one.at(1) == code), None)


def _address(reader: Reader, segment: Segment) -> Address:
    names, lines = segment.all(4), segment.all(5)
    if not names and not lines:
        names, lines = segment.all(3)[:1], segment.all(3)[1:]
    elif segment.at(3):
        lines = [*lines, *segment.all(3)]
    if segment.at(2) is None:
        reader.use(segment)
    return address_of(
        name=names[0] if names else None,
        company=" ".join(names[1:]) or None,
        lines=tuple(lines),
        city=segment.at(6),
        region=segment.at(7, 4) or segment.at(7),
        postal_code=segment.at(8),
        country=segment.at(9),
    )


def contact_of(reader: Reader) -> Contact:
    """Return whom to write to: the buyer's contact, else the first there is."""
    groups = groups_of(reader.header, "NAD", _PARTS)
    told = [group for group in groups if any(one.tag in {"CTA", "COM"} for one in group)]
    group = next((one for one in told if one[0].at(1) == "BY"), told[0] if told else [])
    ways = {one.at(1, 2): one.at(1) for one in reversed(group) if one.tag == "COM"}
    name = next((one.at(2, 2) or one.at(2) for one in group if one.tag == "CTA"), None)
    return Contact(name=name, email=ways.get("EM"), phone=ways.get("TE") or ways.get("AL"))


def window_of(reader: Reader) -> DeliveryWindow | None:
    """Return when the goods are wanted."""
    wanted = reader.pick(reader.header, "DTM", "2")
    if wanted is not None and wanted.at(1, 3) == "718":  # from day to day
        first, _, last = (wanted.at(1, 2) or "").partition("-")
        earliest, latest = (_day(reader, wanted, text, "102", needed=False) for text in (first, last))
    else:
        earliest = moment_of(reader, reader.pick(reader.header, "DTM", "64"), needed=False)
        latest = moment_of(reader, reader.pick(reader.header, "DTM", "63") or wanted, needed=False)
        if wanted is not None and latest is None:
            reader.placed.discard(wanted.number)
    return DeliveryWindow(earliest=earliest, latest=latest) if earliest or latest else None


def moment_of(reader: Reader, segment: Segment | None, *, needed: bool = True) -> datetime | None:
    """Read a DTM in one of the formats of code list 2379; a date alone is its midnight, UTC."""
    stated = segment.at(1, 2) if segment else None
    if segment is None or stated is None:
        return None
    return _day(reader, segment, stated, segment.at(1, 3) or _BY_LENGTH.get(len(stated), ""), needed=needed)


def _day(reader: Reader, segment: Segment, stated: str, code: str, *, needed: bool) -> datetime | None:
    """Read one moment; what cannot be read is a warning only where the order needs it."""
    shape, found = _FORMATS.get(code), _ZONED.fullmatch(stated)
    text, zone = (found[1], found[2]) if found and code in _WITH_ZONE else (stated, None)
    moment = None
    if shape is not None and stated.isascii():
        offset = f"{zone}00" if zone and zone[0] in "+-" else "+0000"
        with suppress(ValueError, OverflowError):
            moment = datetime.strptime(text if code == "205" else text + offset, shape if code == "205" else f"{shape}%z").astimezone(UTC)
    if moment is None:
        say = reader.report.warn if needed else reader.report.note
        say(segment.path(1, 2), "date", f"no date we can read (format {code})", stated)
        return None
    if code in {"2", "3", "101", "102"}:
        reader.report.note(segment.path(1, 2), "date_without_time", "a date alone is read as its midnight, UTC", stated)
    elif code != "205" and (zone is None or (zone[0] not in "+-Z" and zone not in {"UTC", "GMT"})):
        reader.report.note(segment.path(1, 2), "instant_without_zone", "a time without a zone we know is read as UTC", stated)
    return moment
