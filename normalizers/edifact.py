"""EDIFACT purchase orders (ORDERS) and purchase order changes (ORDCHG) -> canonical Order, or a change.

Input:   one interchange; each ORDERS in it is an order, each ORDCHG a change of one. The sender (UNB S002) is the account.
Output:  Order in the currency of CUX, integer minor units; a price is for its basis quantity (PRI 5284). A change names the order in
         RFF+ON; its own number (BGM) is not it.
Loses:   nothing; segments without a canonical place go to `extensions`, /segment number/tag -> JSON text.
Fails:   UndecodableMessage (no interchange). A message that is cut short, or whose counts say that segments are missing, is a dead
         letter.
Source:  UN/EDIFACT D.96A to D.01B, ORDERS and ORDCHG, and code lists 1225, 1229, 2005, 2379, 3035, 5025, 5125, 6063, 7143, 7161; EANCOM
         2002 guidelines; read 2026-11-24. PRI+AAA is net of the line's allowances, PRI+AAB is not; a time without a zone is UTC.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from normalizers.building import (
    Draft,
    account_of,
    address_of,
    currency_of,
    decimal_in,
    line_ids,
    minor,
    priced_row,
    quotient_price,
    rate_text,
    refused,
    stated_totals,
)
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder
from normalizers.edifact_segments import Message, Segment, read_messages
from normalizers.summary import changes_to, moment_text
from normalizers.wire import MAX_ROWS, Report, captured_text, json_text, quantity
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, exponent_of, round_ratio, scaled_text, to_text
from schemas.order import Address, Contact, DeliveryWindow, Order, Source, order_id_of
from schemas.statement import LineAction, LineChange, StatedEvent

NAME = "edifact"
MAPPING = 2

_SKU = ("SA", "VN", "MF", "MP", "EN", "SRV", "UP", "EU", "UA", "GD", "BP", "IN")
"""Which item number names the article to the seller (code list 7143), best first."""
_ACTIONS: Mapping[str, LineAction] = {
    "1": "add",
    "2": "delete",
    "3": "change",
    "4": "keep",
    "5": "keep",
    "6": "change",
    "7": "cancel",
    "11": "keep",
}
_CANCEL = frozenset({"1", "3"})
_RESTATED = frozenset({"4", "5"})
_PRICES = ("AAA", "NTP", "CAL", "AAB", "GRP", "CT", "AAE", "AAF")
_SHIPPING = frozenset({"FC", "DL", "SH", "FI", "FA", "SAA", "AEP", "64"})
_ORDERED = ("21", "1", "113", "119")
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


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each message says."""
    results: list[Result] = []
    for document in documents:
        captured = captured_text(document)
        body, headers = (document.body, document.headers) if captured is None else (captured[0].encode(), captured[1])
        messages = read_messages(body)
        if not any(one.kind in {"ORDERS", "ORDCHG"} for one in messages):
            kinds = ",".join(one.kind for one in messages)
            raise NormalizationFailed("no purchase order and no change of one", field="/UNH02", rule="message_type", value=kinds)
        results.extend(_result(one, account_of(headers, one.sender)) for one in messages)
    return tuple(results)


def _result(one: Message, account: str) -> Result:
    report = Report()
    if one.kind not in {"ORDERS", "ORDCHG"}:
        return refused(None, NormalizationFailed("the message is no order", field="/UNH02", rule="message_type", value=one.kind))
    head = next((segment for segment in one.segments if segment.tag == "BGM"), None)
    number = _order_number(one, head)
    event = _event(one.kind, head.at(3) if head else None)
    if head is None or number is None:
        missing = NormalizationFailed("no purchase order number", field=head.path(2) if head else "/BGM02", rule="required")
        return refused(None, missing, account=account, event=event)
    for finding in one.notes:
        report.note(*finding)
    for finding in one.problems:
        report.warn(*finding)
    try:
        _whole(one, report)
        reader = _Reader(one, report)
        stated = one.kind == "ORDERS" and (bool(reader.lines) or event != "cancel")  # without lines it only says which order is to go
        return _order(reader, head, number, account, event) if stated else _change(reader, head, number, account, event)
    except OrdermendError as error:
        return refused(number, error, account=account, event=event, report=report)


def _event(kind: str, function: str | None) -> StatedEvent:
    if function in _CANCEL:
        return "cancel"
    if kind == "ORDCHG":
        return "edit"
    return "update" if function in _RESTATED else "create"


def _order_number(one: Message, head: Segment | None) -> str | None:
    """Return the order's number: BGM's own, and in a change the one it refers to."""
    if one.kind == "ORDCHG":
        for segment in one.segments:
            if segment.tag == "LIN":
                break
            if segment.tag == "RFF" and segment.at(1) == "ON" and segment.at(1, 2):
                return segment.at(1, 2)
    return head.at(2) if head else None


def _whole(one: Message, report: Report) -> None:
    """Refuse a message that lost segments: it ends early, or its own counts are above what is there; too low a count harms nobody."""
    if not one.ended:
        raise NormalizationFailed("the message is cut short: it has no UNT", field="/UNT", rule="truncated")
    lines = sum(segment.tag == "LIN" for segment in one.segments)
    if lines > MAX_ROWS:
        raise LimitExceeded(f"{lines} lines are more than {MAX_ROWS}", field="/LIN", rule="max_rows", value=str(lines))
    counted = next((segment for segment in one.segments if segment.tag == "CNT" and segment.at(1) == "2"), None)
    stated = counted.at(1, 2) if counted else None
    if counted and stated and stated.isdecimal() and len(stated) < 10 and int(stated) != lines:
        message = f"CNT+2 counts {stated} lines, there are {lines}"
        if int(stated) > lines:
            raise NormalizationFailed(message, field=counted.path(1, 2), rule="line_count", value=stated)
        report.warn(counted.path(1, 2), "line_count", message, stated)
    if one.lost and stated is None:
        raise NormalizationFailed(
            "UNT counts more segments than there are, and no CNT+2 vouches for the lines", field="/UNT01", rule="segment_count"
        )


class _Reader:
    """The segments of one message by section, and which of them have found a place in the order."""

    def __init__(self, one: Message, report: Report) -> None:
        self.decimal = one.decimal
        self.report = report
        self.header: list[Segment] = []
        self.lines: list[list[Segment]] = []
        self.tail: list[Segment] = []
        self.placed: set[int] = set()
        for segment in one.segments:
            if segment.tag in {"UNH", "UNT", "CNT", "BGM"} or (segment.tag == "UNS" and len(segment.elements) < 3):
                self.placed.add(segment.number)
            if self.tail or segment.tag in {"CNT", "UNT"} or (segment.tag == "UNS" and segment.at(1) == "S"):
                self.tail.append(segment)
            elif segment.tag == "LIN":
                self.lines.append([segment])
            elif self.lines:
                self.lines[-1].append(segment)
            else:
                self.header.append(segment)

    def use(self, segment: Segment) -> Segment:
        """Say that all of a segment has found its place."""
        self.placed.add(segment.number)
        return segment

    def pick(self, segments: Iterable[Segment], tag: str, *qualifiers: str) -> Segment | None:
        """Return the first `tag` of the first of `qualifiers` there is (of any, without one); it counts as placed."""
        found = [segment for segment in segments if segment.tag == tag]
        for qualifier in qualifiers:
            for segment in found:
                if segment.at(1) == qualifier:
                    return self.use(segment)
        return self.use(found[0]) if found and not qualifiers else None

    def number(self, segment: Segment, element: int, component: int) -> str | None:
        """Return a number with a point; its mark is the interchange's, or the other one where only that stands."""
        stated = segment.at(element, component)
        if stated is None or "," not in stated:
            return stated
        if self.decimal != "," and "." not in stated:
            self.report.note(segment.path(element, component), "decimal_mark", "a comma is read as the decimal mark", stated)
        return stated.replace(",", ".") if "." not in stated else stated

    def amount(self, draft: Draft, segment: Segment | None) -> int | None:
        """Read the amount of a MOA in minor units."""
        stated = self.number(segment, 1, 2) if segment else None
        if segment is None or stated is None:
            return None
        code = segment.at(1, 3)
        if code is not None and len(code) == 3 and draft.foreign(code):
            raise NormalizationFailed(
                f"{segment.path(1, 3)} is in another currency than the order's {draft.currency}",
                field=segment.path(1, 3),
                rule="one_currency",
                value=code,
            )
        return minor(stated, draft.currency, f"/{segment.number}", "MOA01.2", self.report)

    def left(self) -> dict[str, str]:
        """Return the segments that have no place: path -> JSON text."""
        every = [*self.header, *(segment for loop in self.lines for segment in loop), *self.tail]
        return {f"/{one.number}/{one.tag}": json_text(str(one)) for one in every if one.number not in self.placed}


# --- ORDERS ---


def _order(reader: _Reader, head: Segment, number: str, account: str, event: StatedEvent) -> StatedOrder:
    report, cancelled = reader.report, event == "cancel"
    draft = Draft(currency_of(_currency(reader), "/CUX01.2", report if _priced(reader) else Report()), report, cancelled=cancelled)
    _lines(reader, draft)
    _charges(reader, draft, [*reader.header, *reader.tail], None)
    subtotal = reader.amount(draft, reader.pick(reader.tail, "MOA", "79"))
    grand = reader.amount(draft, reader.pick(reader.tail, "MOA", "86", "128", "39", "77", "9"))
    tax = _taxes(reader, draft, grand)
    totals = draft.totals(grand)
    ship_to, bill_to = _party(reader, "DP", "ST", "CN", "UC"), _party(reader, "IV", "BY")
    moment = _moment(reader, reader.pick(reader.header, "DTM", "137", "4"))
    order = Order(
        order_id=order_id_of(NAME, account, number),
        order_number=number,
        source=Source(channel=NAME, mapping_version=MAPPING, account=account, channel_order_id=number, status=head.at(3)),
        currency=draft.currency,
        placed_at=moment,
        lifecycle="cancelled" if cancelled else "received",
        contact=_contact(reader),
        ship_to=ship_to,
        bill_to=bill_to,
        delivery_window=_window(reader),
        note="\n".join(" ".join(reader.use(one).all(4)) for one in reader.header if one.tag == "FTX" and one.all(4)) or None,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(subtotal=subtotal, tax=tax, grand=grand),
        extensions=reader.left(),
    )
    if not draft.lines:
        report.warn("/LIN", "no_lines", "the order has no lines")
    summary = _sums(draft, subtotal, tax)
    return draft.stated_order(order, event=event, payment=None, fulfillment="cancelled" if cancelled else None, stated=summary)


def _sums(draft: Draft, subtotal: int | None, tax: int | None) -> dict[str, object]:
    """Return the sums the summary shows; a sum that nothing speaks of is null."""
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    rows = sum(line.gross_basis.amount_minor for line in draft.lines if line.gross_basis)
    kinds: dict[str, int] = {}
    for row in draft.adjustments:
        kinds[row.kind] = kinds.get(row.kind, 0) + row.amount_minor
    sums = {
        "subtotal": subtotal if subtotal is not None else rows if priced else None,
        "discount_total": kinds.get("discount"),
        "shipping_total": kinds.get("shipping"),
        "tax_total": tax,
    }
    return {name: None if amount is None else to_text(amount, draft.currency) for name, amount in sums.items()}


def _currency(reader: _Reader) -> str | None:
    found = next((one for one in reader.header if one.tag == "CUX" and one.at(1, 2)), None)
    if found is not None:
        return reader.use(found).at(1, 2) if len(found.elements) == 2 else found.at(1, 2)
    stated = {one.at(1, 3) for loop in reader.lines for one in [*loop, *reader.tail] if one.tag == "MOA"} - {None}
    return next(iter(stated)) if len(stated) == 1 else None


def _priced(reader: _Reader) -> bool:
    """Say whether the message states any money: without, it needs no currency."""
    return any(one.tag in {"PRI", "MOA"} for loop in [reader.header, *reader.lines, reader.tail] for one in loop)


def _lines(reader: _Reader, draft: Draft) -> None:
    numbers = [loop[0].at(1) for loop in reader.lines]
    for loop, number, line_id in zip(reader.lines, numbers, line_ids(numbers), strict=True):
        ordered, exponent, unit = _quantity(reader, loop)
        net, price, gross = _price(reader, draft, loop, ordered, exponent)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=_sku(reader, loop),
            name=_name(reader, loop),
            unit_of_measure=unit,
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
        )
        if not net:
            _charges(reader, draft, loop, line_id)


def _quantity(reader: _Reader, loop: list[Segment]) -> tuple[int, int, str | None]:
    found = reader.pick(loop, "QTY", *_ORDERED) or reader.pick(loop, "QTY")
    if found is None:
        raise NormalizationFailed("the line states no quantity", field=f"{loop[0].path(1)}/QTY", rule="required")
    stated = reader.number(found, 1, 2)
    ordered, exponent = quantity({"QTY01.2": stated}, "QTY01.2", f"/{found.number}")
    return ordered, exponent, found.at(1, 3)


def _price(reader: _Reader, draft: Draft, loop: list[Segment], ordered: int, exponent: int) -> tuple[bool, UnitPrice | None, int]:
    """Return (whether the line's allowances are in its price, the price of one unit, the row's amount before allowances)."""
    segment = reader.pick(loop, "PRI", *_PRICES) or reader.pick(loop, "PRI")
    row = reader.amount(draft, reader.pick(loop, "MOA", "203", "66"))
    price, computed = _unit_price(reader, draft.currency, segment, ordered, exponent)
    net = segment is not None and segment.at(1) in {"AAA", "NTP"}
    if segment is None:
        reader.report.note(loop[0].path(1), "price_missing", "the line states no price")
    if row is None:
        return net, price, computed or 0
    before = row if net or row == computed else row - sum(amount for _, amount in _allowances(reader, draft, loop))
    if computed is not None and before != computed:
        say = reader.report.warn if abs(before - computed) > 10 ** exponent_of(draft.currency) else reader.report.note
        say(loop[0].path(1), "row_amount", f"the row says {before}, price and quantity come to {computed} (minor units)")
    exact = Decimal(before).scaleb(-exponent_of(draft.currency))
    return net, price or quotient_price(exact, ordered, exponent), before


def _unit_price(
    reader: _Reader, currency: str, segment: Segment | None, ordered: int, exponent: int
) -> tuple[UnitPrice | None, int | None]:
    stated = reader.number(segment, 1, 2) if segment else None
    if segment is None or stated is None:
        return None, None
    at = f"/{segment.number}"
    value = decimal_in({"PRI01.2": stated}, "PRI01.2", at)
    basis = decimal_in({"PRI01.5": reader.number(segment, 1, 5)}, "PRI01.5", at) or Decimal(1)
    return (None, None) if value is None else priced_row(value, basis, ordered, exponent, currency, at, "PRI01.2")


def _sku(reader: _Reader, loop: list[Segment]) -> str | None:
    """Return the article's number: the supplier's before the common one before the buyer's."""
    line, found = loop[0], {}
    if line.at(3):
        found[line.at(3, 2) or ""] = line.at(3)
    extra = [one for one in loop[1:] if one.tag == "PIA"]
    for segment in extra:
        for index in range(2, len(segment.elements)):
            if segment.at(index):
                found.setdefault(segment.at(index, 2) or "", segment.at(index))
    sku = next((found[kind] for kind in _SKU if kind in found), next(iter(found.values()), None))
    if len(found) <= 1 and len(line.elements) <= 4:
        reader.use(line)
    return sku


def _name(reader: _Reader, loop: list[Segment]) -> str:
    """Return the article's name; a description by code alone stays as stated."""
    told = [one for one in loop if one.tag == "IMD" and (one.at(3, 4) or one.at(3, 5))]
    return " ".join("".join(reader.use(one).elements[3][3:5]).strip() for one in told)


def _groups(segments: list[Segment], tag: str, members: frozenset[str]) -> list[list[Segment]]:
    """Return each `tag` with the segments that follow it and belong to it."""
    found: list[list[Segment]] = []
    is_open = False
    for segment in segments:
        if segment.tag == tag:
            found.append([segment])
            is_open = True
        elif is_open and segment.tag in members:
            found[-1].append(segment)
        else:
            is_open = False
    return found


_OF_ALC = frozenset({"ALI", "DTM", "QTY", "RNG", "PCD", "MOA", "RTE", "TAX"})


def _allowances(reader: _Reader, draft: Draft, segments: list[Segment]) -> list[tuple[list[Segment], int]]:
    """Return each ALC group that states an amount, and the amount: negative for an allowance."""
    found = []
    for group in _groups(segments, "ALC", _OF_ALC):
        moa = next((one for code in ("8", "23", "204", "131") for one in group if one.tag == "MOA" and one.at(1) == code), None)
        amount = reader.amount(draft, moa)
        if amount is not None and group[0].at(1) in {"A", "C"}:
            found.append((group, -abs(amount) if group[0].at(1) == "A" else abs(amount)))
    return found


def _charges(reader: _Reader, draft: Draft, segments: list[Segment], line_id: str | None) -> None:
    """Add the allowances and charges of the order or of one line; one without an amount is noted and kept as stated."""
    told = _allowances(reader, draft, segments)
    if len(told) < sum(one.tag == "ALC" for one in segments):
        reader.report.note("/ALC", "allowance_without_amount", "an allowance or charge without an amount is not counted")
    for group, amount in told:
        segment, name = group[0], f"{line_id or 'order'}:{group[0].number}"
        code, label = segment.at(5) or segment.at(2), segment.at(5, 4) or ""
        if amount < 0:
            draft.discount(f"discount:{name}", -amount, shares={line_id: -amount} if line_id else None, code=code, label=label)
        else:
            kind = "shipping" if code in _SHIPPING else "fee"
            shares = {line_id: amount} if line_id else None
            draft.charge("shipping" if kind == "shipping" else "fee", f"charge:{name}", amount, code=code, label=label, shares=shares)
        for one in group:
            if one.tag == "MOA" or one is segment:
                reader.use(one)


_OF_TAX = frozenset({"MOA", "LOC"})


def _taxes(reader: _Reader, draft: Draft, grand: int | None) -> int | None:
    """Add the taxes that are in the total and return what the message says the tax is; rates without amounts stay as stated."""
    rows: list[tuple[str, str | None, int, Segment, list[Segment]]] = []
    for segments, line_id in [
        *((loop, line.line_id) for loop, line in zip(reader.lines, draft.lines, strict=True)),
        ([*reader.header, *reader.tail], None),
    ]:
        for group in _groups(segments, "TAX", _OF_TAX):
            moa = next((one for one in group if one.tag == "MOA" and one.at(1) in {"124", "150"}), None)
            amount = reader.amount(draft, moa)
            if amount is not None:
                rows.append((f"{line_id or 'order'}:{group[0].number}", line_id, amount, group[0], [one for one in group if one is moa]))
    of_order = [row for row in rows if row[1] is None]
    bare = reader.amount(draft, next((one for one in reader.tail if one.tag == "MOA" and one.at(1) in {"176", "150"}), None))
    stated = sum(row[2] for row in of_order) if of_order else bare if bare is not None else sum(row[2] for row in rows) if rows else None
    if stated is None:
        _rated(reader, draft, grand)
        return None
    if grand is not None and stated and grand == draft.totals(None).grand_total_minor:
        reader.report.note("/TAX", "tax_outside_total", "the stated tax is not in the order's total", stated)
        return stated
    used = [row for row in rows if row[1] is not None] if sum(row[2] for row in rows if row[1] is not None) == stated else of_order
    for name, line_id, amount, segment, moas in used:
        draft.tax(f"tax:{name}", amount, line_id=line_id, title=segment.at(2) or "", rate=rate_text(segment.at(5, 4), percent=True))
        for one in (segment, *moas):
            reader.use(one)
    if not used:
        draft.tax("tax:order", stated)
        reader.pick(reader.tail, "MOA", "176", "150")
    return stated


def _rated(reader: _Reader, draft: Draft, grand: int | None) -> None:
    """Add what the total has beyond the rows as tax, line by line, where it is what the stated rates come to; else add nothing."""
    rest = 0 if grand is None else grand - draft.totals(None).grand_total_minor
    of_order = _rate([*reader.header, *reader.tail])
    rates = [_rate(loop) or of_order for loop in reader.lines]
    if rest <= 0 or not rates or None in rates:
        return
    amounts = [_taxed(draft.left[line.line_id], rate or "0") for line, rate in zip(draft.lines, rates, strict=True)]
    if abs(sum(amounts) - rest) > len(amounts):
        return
    amounts[0] += rest - sum(amounts)
    for line, rate, amount in zip(list(draft.lines), rates, amounts, strict=True):
        draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id, rate=rate)
    reader.report.note("/TAX", "tax_from_rates", "the total has the tax of the stated rates in it, which no amount states", rest)


def _rate(segments: list[Segment]) -> str | None:
    found = next((one for one in segments if one.tag == "TAX" and one.at(5, 4)), None)
    return rate_text(found.at(5, 4), percent=True) if found else None


def _taxed(base: int, rate: str) -> int:
    exact = base * Fraction(Decimal(rate))
    return round_ratio(exact.numerator, 1, exact.denominator, "half_up")


# --- parties and dates ---


def _party(reader: _Reader, *codes: str) -> Address | None:
    """Return the address of the first party of one of `codes`; a code without an address is none."""
    for code in codes:
        for segment in reader.header:
            if segment.tag == "NAD" and segment.at(1) == code and any(segment.at(index) for index in (3, 5, 6, 8, 9)):
                return _address(reader, segment)
    return None


def _address(reader: _Reader, segment: Segment) -> Address:
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


def _contact(reader: _Reader) -> Contact:
    """Return whom to write to: the buyer's contact, else the first there is."""
    groups = _groups(reader.header, "NAD", _PARTS)
    told = [group for group in groups if any(one.tag in {"CTA", "COM"} for one in group)]
    group = next((one for one in told if one[0].at(1) == "BY"), told[0] if told else [])
    ways = {one.at(1, 2): one.at(1) for one in reversed(group) if one.tag == "COM"}
    name = next((one.at(2, 2) or one.at(2) for one in group if one.tag == "CTA"), None)
    return Contact(name=name, email=ways.get("EM"), phone=ways.get("TE") or ways.get("AL"))


def _window(reader: _Reader) -> DeliveryWindow | None:
    wanted = reader.pick(reader.header, "DTM", "2")
    if wanted is not None and wanted.at(1, 3) == "718":  # from day to day
        first, _, last = (wanted.at(1, 2) or "").partition("-")
        earliest, latest = (_day(reader, wanted, text, "102", needed=False) for text in (first, last))
    else:
        earliest = _moment(reader, reader.pick(reader.header, "DTM", "64"), needed=False)
        latest = _moment(reader, reader.pick(reader.header, "DTM", "63") or wanted, needed=False)
        if wanted is not None and latest is None:
            reader.placed.discard(wanted.number)
    return DeliveryWindow(earliest=earliest, latest=latest) if earliest or latest else None


def _moment(reader: _Reader, segment: Segment | None, *, needed: bool = True) -> datetime | None:
    """Read a DTM in one of the formats of code list 2379; a date alone is its midnight, UTC."""
    stated = segment.at(1, 2) if segment else None
    if segment is None or stated is None:
        return None
    return _day(reader, segment, stated, segment.at(1, 3) or _BY_LENGTH.get(len(stated), ""), needed=needed)


def _day(reader: _Reader, segment: Segment, stated: str, code: str, *, needed: bool) -> datetime | None:
    """Read one moment; what cannot be read is a warning only where the order needs it."""
    shape, found = _FORMATS.get(code), _ZONED.fullmatch(stated)
    text, zone = (found[1], found[2]) if found and code in _WITH_ZONE else (stated, None)
    try:
        if shape is None or not stated.isascii():
            raise ValueError  # noqa: TRY301  # one place says what is wrong
        offset = f"{zone}00" if zone and zone[0] in "+-" else "+0000"
        moment = datetime.strptime(text if code == "205" else text + offset, shape if code == "205" else f"{shape}%z").astimezone(UTC)
    except (ValueError, OverflowError):
        say = reader.report.warn if needed else reader.report.note
        say(segment.path(1, 2), "date", f"no date we can read (format {code})", stated)
        return None
    if code in {"2", "3", "101", "102"}:
        reader.report.note(segment.path(1, 2), "date_without_time", "a date alone is read as its midnight, UTC", stated)
    elif code != "205" and (zone is None or (zone[0] not in "+-Z" and zone not in {"UTC", "GMT"})):
        reader.report.note(segment.path(1, 2), "instant_without_zone", "a time without a zone we know is read as UTC", stated)
    return moment


# --- ORDCHG ---


def _change(reader: _Reader, head: Segment, number: str, account: str, event: StatedEvent) -> StatedChange:
    report = reader.report
    changed_at = _moment(reader, reader.pick(reader.header, "DTM", "137"))
    referred = next((group for group in _groups(reader.header, "RFF", frozenset({"DTM"})) if group[0].at(1) == "ON"), [])
    placed_at = _moment(reader, next((one for code in ("171", "4", "137") for one in referred[1:] if one.at(1) == code), None))
    placed_at = placed_at or _moment(reader, reader.pick(reader.header, "DTM", "4"))
    changes = tuple([_line_change(reader, loop) for loop in reader.lines])
    currency = _currency(reader)
    draft = Draft(currency_of(currency, "", Report()), report)
    grand = reader.amount(draft, reader.pick(reader.tail, "MOA", "86", "128", "39", "77", "9"))
    summary: dict[str, object] = {
        "currency": currency,
        "placed_at": moment_text(placed_at),
        "line_changes": changes_to(changes),
        "grand_total": None if grand is None else to_text(grand, draft.currency),
        "version": head.at(2) if head.at(2) != number else None,
    }
    place = _party(reader, "DP", "ST", "CN", "UC")
    if place is not None:
        summary["ship_to"] = {"country": place.country, "postal_code": place.postal_code}
        report.note("/NAD", "ship_to_stated", "the change document states a delivery address")
    window = _window(reader)
    if window is not None:
        report.note("/DTM", "delivery_stated", "the change document states when the goods are wanted")
    if event == "cancel":
        summary["cancelled_at"] = moment_text(changed_at)
    return StatedChange(
        channel_order_id=number,
        event=event,
        account=account,
        changed_at=changed_at,
        line_changes=changes,
        ship_to=place,
        delivery_window=window,
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated=summary,
    )


def _line_change(reader: _Reader, loop: list[Segment]) -> LineChange:
    """Read one line of a change: what to do with it, and what it is to be afterwards."""
    line = loop[0]
    word = line.at(2)
    action = _ACTIONS.get(word or "3")
    if action is None:
        reader.report.warn(line.path(2), "unknown_action", "no documented action: read as a change", word)
    amount = _quantity(reader, loop) if any(one.tag == "QTY" for one in loop) else None
    price, _ = _unit_price(reader, "XXX", reader.pick(loop, "PRI", *_PRICES) or reader.pick(loop, "PRI"), 1, 0)
    return LineChange(
        action=action or "change",
        line_id=line.at(1),
        line=line.at(1),
        sku=_sku(reader, loop),
        quantity_ordered=None if amount is None else scaled_text(amount[0], amount[1]),
        unit_price=None if price is None else format(price.decimal, "f"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="none",
    account_field="UNB02.1",
    order_key="BGM02",
    normalize=normalize,
    mapping_version=MAPPING,
    currency_agreed=True,
)
