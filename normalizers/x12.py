"""X12 purchase orders (850, grocery 875) and changes of them (860, 876) -> canonical Order, or a change.

Input:   one interchange; each 850 or 875 in it is an order, each 860 or 876 a change of one. The sender (ISA06) is the account.
Output:  Order in the currency of CUR (the header's, else the lines' common one), integer minor units; unit prices keep their digits.
Loses:   nothing; segments without a canonical place go to `extensions`, /segment number/tag -> JSON text.
Fails:   UndecodableMessage (no interchange). A set that is cut short, or whose counts say that segments are missing, is quarantined; where
         SE01 is right, a CTT01 that is too low, or is the sum of the quantities, says nothing of the kind.
         The grocery sets are read by `normalizers.x12_grocery`.
Source:  ASC X12 004010, transaction sets 850 and 860 and data elements 92, 235, 353, 355, 639, 670, 1300, as published in trading
         partners' implementation guides (element 1300: ws2.segment.co.il/Public/EDI-Segment/x12-4040/EDI_4010/el1300.htm); read 2026-11-29.
         SAC05 has two implied decimals; a date alone is its midnight, UTC.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from normalizers.amounts import currency_of, minor, rate_text
from normalizers.building import SHIPPING_WORDS, account_of, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder
from normalizers.draft import Draft
from normalizers.mime import unpacked
from normalizers.summary import moment_text
from normalizers.wire import MAX_ROWS, Report, captured_text, names, present, quantity
from normalizers.x12_grocery import adds_up, grocery_change, grocery_order
from normalizers.x12_segments import Segment, TransactionSet, read_sets
from normalizers.x12_values import (
    MAPPING,
    NAME,
    contract_price,
    date_in,
    ids_of,
    is_named,
    keep,
    parts_of,
    party_of,
    price_in,
    product_of,
    scheduled,
    ship_to_of,
    sku_of,
    sums_of,
    two_implied,
)
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError
from schemas.money import AmountError, decimal_of, exponent_of, to_text
from schemas.order import Contact, DeliveryWindow, Order, OrderLine, Source, order_id_of
from schemas.statement import LineAction, LineChange, StatedEvent

_ACTIONS: Mapping[str, LineAction] = {"AI": "add", "DI": "delete", "NC": "keep", "OA": "add"}
_CANCEL = frozenset({"01", "03"})
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_SHIPPING = names(
    "B140 C010 C030 C040 D180 D190 D200 D220 D230 D240 D242 D244 D245 D246 D750 D820 E022 E510 E890 F460 G450 G821 G830 G831 H040 I500"
)
"""Codes of a charge (data element 1300) for bringing the goods: freight, shipping, delivery, postage, courier."""
_TAX = names(
    "D360 F210 H610 H620 H625 H630 H640 H650 H660 H670 H680 H690 H700 H710 H720 H730 H740 H750 H760 H770 H780 H790 H800 H830 H840 H850"
)
"""Codes of a charge that is a tax."""
_HEADER = frozenset({"ST", "SE", "BEG", "CUR", "N2", "N3", "N4", "CTT", "PO1", "SAC", "TXI", "MSG"})
_CHARGED = frozenset({"SAC", "TXI"})
_OTHER = frozenset({None, "F050", "ZZZZ"})
"""Codes of a charge (data element 1300) that leave it to the description what it is."""
_ON_NET = frozenset({"2", "4", "7"})
"""What a percentage is of (data element 378): net cost, net, base price less previous discounts; all others are of the gross."""
_ORDERED = {"PO1": 2, "POC": 3, "G68": 1}
"""The element of a line that says how much is ordered."""


class _Kind(NamedTuple):
    """A transaction set that is read: where it begins, what a line is, what it means, and who reads it."""

    head: str
    line: str
    event: StatedEvent
    read: Callable[[TransactionSet, Segment, str, str, Report], Result]
    releases: bool = False
    """The segment it begins with has a release beside the order's number."""


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each transaction set says."""
    results: list[Result] = []
    for document in documents:
        captured = captured_text(document)
        body, headers = (document.body, document.headers) if captured is None else (captured[0].encode(), captured[1])
        sets = read_sets(unpacked(body))
        if not any(one.kind in _KINDS for one in sets):
            raise NormalizationFailed(
                "no purchase order and no change of one", field="/ST01", rule="transaction_set", value=",".join(one.kind for one in sets)
            )
        results.extend(_result(one, account_of(headers, one.sender)) for one in sets)
    return tuple(results)


def _result(one: TransactionSet, account: str) -> Result:
    kind = _KINDS.get(one.kind)
    if kind is None:
        return refused(None, NormalizationFailed("the transaction set is no order", field="/ST01", rule="transaction_set", value=one.kind))
    head = next((segment for segment in one.segments if segment.tag == kind.head), None)
    number = head.at(3) if head else None
    if head is None or number is None:
        return refused(
            None,
            NormalizationFailed("no purchase order number", field=head.path(3) if head else f"/{kind.head}03", rule="required"),
            account=account,
        )
    order_id = f"{number}-{head.at(4)}" if kind.releases and head.at(4) and not _is_dated_early(head) else number
    report = Report()
    for path, rule, message in one.problems:
        report.warn(path, rule, message)
    try:
        _whole(one, kind.line, report)
        return kind.read(one, head, order_id, account, report)
    except OrdermendError as error:
        cut = error.rule in {"truncated", "line_count", "segment_count"}
        return refused(order_id, error, account=account, event=kind.event, verdict="quarantine" if cut else "dead_letter", report=report)


def _is_dated_early(head: Segment) -> bool:
    """Say whether an 850's date stands where a release has its number: then there is none in its own place, which is mandatory."""
    return head.tag == "BEG" and head.at(5) is None and _DATE.fullmatch(head.at(4) or "") is not None


def _whole(one: TransactionSet, line: str, report: Report) -> None:
    """Refuse a set that lost segments: it ends early, or its own counts disagree with what is there."""
    if not one.ended:
        raise NormalizationFailed("the transaction set is cut short: it has no SE", field="/SE", rule="truncated")
    lines = sum(segment.tag == line for segment in one.segments)
    if line == "POC" and not lines:
        line, lines = "PO1", sum(segment.tag == "PO1" for segment in one.segments)
    if lines > MAX_ROWS:
        raise LimitExceeded(f"{lines} lines are more than {MAX_ROWS}", field=f"/{line}", rule="max_rows", value=str(lines))
    counted = next((segment for segment in one.segments if segment.tag == "CTT"), None)
    stated = counted.at(1) if counted else None
    if counted and stated and stated.isdecimal() and int(stated) != lines:
        message = f"CTT01 counts otherwise than the {lines} lines there are"
        if not one.count_right or not (int(stated) < lines or _counts_units(one, line, stated)):
            raise NormalizationFailed(message, field=counted.path(1), rule="line_count", value=stated)
        report.warn(counted.path(1), "line_count", message, stated)
    if not one.count_right and stated is None and not adds_up(one):
        raise NormalizationFailed(
            "SE01 counts other segments than there are, and no CTT01 (or G7601) vouches for the lines", field="/SE01", rule="segment_count"
        )


def _counts_units(one: TransactionSet, line: str, stated: str) -> bool:
    """Say whether CTT01 has what CTT02 is for: the sum of the quantities ordered."""
    try:
        return sum(decimal_of(row.at(_ORDERED[line]) or 0) for row in one.segments if row.tag == line) == decimal_of(stated)
    except AmountError:
        return False


def _order(one: TransactionSet, head: Segment, order_id: str, account: str, report: Report) -> StatedOrder:
    header, loops, tail = parts_of(one.segments, "PO1")
    currency = _currency(header, loops, report)
    cancelled = head.at(1) in _CANCEL
    draft = Draft(currency, report, cancelled=cancelled, agreed=True)
    extensions = report.kept
    ship_to, bill_to = ship_to_of(header, loops), party_of(header, ("BT", "BS"))
    _lines(draft, loops, extensions)
    for line, loop in zip(tuple(draft.lines), loops, strict=True):
        _charges(draft, loop, line)
    _charges(draft, [*header, *tail], None)
    for segment in header:
        if segment.tag not in _HEADER and not (segment.tag == "N1" and is_named(segment, ship_to, bill_to)):
            keep(segment, extensions)
    total = _total(draft, tail, loops)
    grand = None if total is not None and _is_of_goods(draft, total) else total
    totals = draft.totals(grand)
    moment = date_in(head, 4 if _is_dated_early(head) else 5, report) or next(
        (date_in(one, 2, report) for one in header if one.tag == "DTM" and one.at(1) == "004"), None
    )
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=head.at(3) or order_id,
        source=Source(channel=NAME, mapping_version=MAPPING, account=account, channel_order_id=order_id, status=head.at(1)),
        currency=currency,
        placed_at=moment,
        lifecycle="cancelled" if cancelled else "received",
        contact=_contact(header),
        ship_to=ship_to,
        bill_to=bill_to,
        delivery_window=_window(header, report),
        ship_method=next((segment.at(5) for segment in header if segment.tag == "TD5"), None),
        note="\n".join(present(segment.at(1) for segment in header if segment.tag == "MSG")) or None,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(subtotal=total if grand is None else None, grand=grand),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn("/PO1", "no_lines", "the order has no lines")
    summary = {**sums_of(draft), "source_order_id": head.at(3), "grand_total": None if total is None else to_text(total, currency)}
    return draft.stated_order(order, event="cancel" if cancelled else "create", payment=None, fulfillment=None, stated=summary)


def _currency(header: list[Segment], loops: list[list[Segment]], report: Report) -> str:
    stated = next((segment.at(2) for segment in header if segment.tag == "CUR"), None)
    if stated is None:
        of_lines = {segment.at(2) for loop in loops for segment in loop if segment.tag == "CUR"}
        if len(of_lines) > 1:
            raise NormalizationFailed(
                "the lines are in several currencies", field="/CUR02", rule="one_currency", value=",".join(map(str, of_lines))
            )
        stated = next(iter(of_lines), None)
    return currency_of(stated, "/CUR02", report)


def _lines(draft: Draft, loops: list[list[Segment]], extensions: dict[str, str]) -> None:
    numbers = [loop[0].at(1) for loop in loops]
    for loop, number, line_id in zip(loops, numbers, line_ids(numbers), strict=True):
        row = loop[0]
        ordered, exponent = quantity({"PO102": row.at(2) or scheduled(loop)}, "PO102", f"/{row.number}")
        price = price_in(row, 4, 5) or contract_price(loop)
        if price is None:
            draft.report.note(row.path(4), "price_missing", "the line states no price")
        ids = ids_of(row, 6)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=sku_of(ids),
            name=" ".join(present(segment.at(5) for segment in loop if segment.tag == "PID")) or "",
            unit_of_measure=row.at(3),
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, draft.currency, "half_up"),
        )
        if "" in ids or sum(row.at(index) is not None for index in range(5, len(row.elements))) > 2:
            keep(row, extensions)  # what is there beside one id and its qualifier has no place in the line
        for segment in loop[1:]:
            if segment.tag not in _CHARGED and segment.tag != "PID":
                keep(segment, extensions)


def _charges(draft: Draft, segments: list[Segment], line: OrderLine | None) -> None:
    """Add allowances, charges and taxes (SAC, TXI) of the order or of one line; what has no amount and no way to one is kept as stated."""
    line_id = line.line_id if line else None
    for segment in segments:
        name = f"{line_id or 'order'}:{segment.number}"
        if segment.tag == "SAC":
            _allowance(draft, segment, name, line)
        elif segment.tag == "TXI" and segment.at(2):
            amount = minor(segment.at(2), draft.currency, f"/{segment.number}", "TXI02", draft.report)
            rate = rate_text(segment.at(3), percent=True)
            draft.tax(f"tax:{name}", amount, line_id=line_id, title=segment.at(1) or "", rate=rate)
        elif segment.tag == "TXI":
            keep(segment, draft.report.kept)


def _allowance(draft: Draft, segment: Segment, name: str, line: OrderLine | None) -> None:
    amount = _amount(draft, segment, line)
    label, code, line_id = segment.at(15) or "", segment.at(2), line.line_id if line else None
    if amount is None or segment.at(1) not in {"A", "C"}:
        draft.report.note(segment.path(5), "allowance_without_amount", "an allowance or charge without an amount is not counted")
        keep(segment, draft.report.kept)
    elif segment.at(1) == "A":
        draft.discount(f"discount:{name}", amount, shares={line_id: amount} if line_id else None, code=code, label=label)
    elif code in _TAX:
        draft.tax(f"tax:{name}", amount, line_id=line_id, title=label)
    else:
        shipping = code in _SHIPPING or (code in _OTHER and SHIPPING_WORDS.search(label) is not None)
        shares = {line_id: amount} if line_id else None
        draft.charge("shipping" if shipping else "fee", f"charge:{name}", amount, label=label, code=code, shares=shares)


def _amount(draft: Draft, segment: Segment, line: OrderLine | None) -> int | None:
    """Return what a SAC comes to, without a sign: its amount (SAC05), else its percentage of the line or the order, else its rate a unit."""
    stated, percent, rate = segment.at(5), segment.at(7), segment.at(8)
    if stated is not None:
        return abs(minor(two_implied(segment, 5, stated), draft.currency, f"/{segment.number}", "SAC05", draft.report))
    if percent is not None:
        amounts = draft.stated_left if segment.at(6) in _ON_NET else {row.line_id: row.gross_minor for row in draft.lines}
        base = amounts[line.line_id] if line else sum(amounts.values())
        found = product_of(draft, segment, 7, percent, str(Decimal(base).scaleb(-exponent_of(draft.currency))), shift=-2)
    elif rate is not None and (units := segment.at(10) or (line and str(Decimal(line.ordered).scaleb(-line.quantity_exponent)))):
        found = product_of(draft, segment, 8, rate, units)
    else:
        return None
    draft.report.note(
        segment.path(5), "amount_worked_out", "the amount of an allowance or charge is worked out from its percentage or rate"
    )
    return found


def _total(draft: Draft, tail: list[Segment], loops: list[list[Segment]]) -> int | None:
    """Return the order's total (AMT+TT); without a CTT before it, it stands after the last line."""
    last = loops[-1] if loops and not any(segment.tag == "CTT" for segment in tail) else []
    total = next((segment for segment in [*tail, *last] if segment.tag == "AMT" and segment.at(1) == "TT" and segment.at(2)), None)
    return minor(total.at(2), draft.currency, f"/{total.number}", "AMT02", draft.report) if total else None


def _is_of_goods(draft: Draft, total: int) -> bool:
    """Say whether a total is what the lines come to, before the allowances, charges and taxes that the order states beside them."""
    if total == draft.totals(None).grand_total_minor or total != sum(line.gross_minor for line in draft.lines):
        return False
    draft.report.note("/AMT", "total_of_goods", "the total is the sum of the lines, without allowances, charges and taxes", total)
    return True


def _contact(header: list[Segment]) -> Contact:
    for segment in header:
        if segment.tag == "PER":
            ways = {segment.at(index): segment.at(index + 1) for index in (3, 5, 7)}
            return Contact(name=segment.at(2), phone=ways.get("TE"), email=ways.get("EM"))
    return Contact()


def _window(header: list[Segment], report: Report) -> DeliveryWindow | None:
    dates = {segment.at(1): segment for segment in header if segment.tag == "DTM"}
    earliest, latest = dates.get("064"), dates.get("063") or dates.get("002")
    if earliest is None and latest is None:
        return None
    return DeliveryWindow(
        earliest=date_in(earliest, 2, report) if earliest else None, latest=date_in(latest, 2, report) if latest else None
    )


# --- 860 ---


def _change(one: TransactionSet, head: Segment, order_id: str, account: str, report: Report) -> StatedChange:
    tag = "POC" if any(segment.tag == "POC" for segment in one.segments) else "PO1"
    header, loops, tail = parts_of(one.segments, tag)
    if tag == "PO1" and loops:
        report.warn("/POC", "line_segment", "the change has lines of an order (PO1): each is read as what its line shall be")
    party = ship_to_of(header, loops)
    currency = next((segment.at(2) for segment in header if segment.tag == "CUR"), None)
    draft = Draft(currency_of(currency, "", Report()), report)
    total = _total(draft, tail, loops)
    placed_at, changed_at = date_in(head, 6, report), date_in(head, 11, report)
    summary: dict[str, object] = {
        "source_order_id": head.at(3),
        "placed_at": moment_text(placed_at),
        "version": head.at(5),
        "currency": currency,
        "grand_total": None if total is None else to_text(total, draft.currency),
    }
    if party is not None:
        summary["ship_to"] = {"country": party.country, "postal_code": party.postal_code}
        report.note("/N1", "ship_to_stated", "the change document states a ship-to address")
    window = _window(header, report)
    if window is not None:
        report.note("/DTM", "delivery_stated", "the change document states when the goods are wanted")
    repeated = [number for number, times in Counter(loop[0].at(1) for loop in loops).items() if number and times > 1]
    if repeated:
        report.note("/POC01", "line_repeated", "several changes name the same line", ",".join(repeated))
    return StatedChange(
        channel_order_id=order_id,
        event="cancel" if head.at(1) in _CANCEL else "edit",
        account=account,
        changed_at=changed_at,
        line_changes=tuple([_line_change(loop[0], report) for loop in loops]),
        ship_to=party,
        delivery_window=window,
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated=summary,
    )


def _line_change(row: Segment, report: Report) -> LineChange:
    """Read one POC (or the PO1 of a sender that has none): what to do with the line, and what it is to be afterwards."""
    if row.tag == "PO1":
        price = price_in(row, 4, 5)
        return LineChange(
            action="change",
            line_id=row.at(1),
            line=row.at(1),
            sku=sku_of(ids_of(row, 6)),
            quantity_ordered=row.at(2),
            unit_price=None if price is None else format(price.decimal, "f"),
        )
    word = row.at(2)
    if word is None:
        report.warn(row.path(2), "required", "the change does not say what to do with the line")
    price = price_in(row, 6, 7)
    return LineChange(
        action=_ACTIONS.get(word or "", "change"),
        line_id=row.at(1),
        line=row.at(1),
        sku=sku_of(ids_of(row, 8)),
        quantity_ordered=row.at(3),
        quantity_left=row.at(4),
        unit_price=None if price is None else format(price.decimal, "f"),
    )


_KINDS: Mapping[str, _Kind] = {
    "850": _Kind("BEG", "PO1", "create", _order, releases=True),
    "860": _Kind("BCH", "POC", "edit", _change, releases=True),
    "875": _Kind("G50", "G68", "create", grocery_order),
    "876": _Kind("G92", "G68", "edit", grocery_change),
}
CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="none",
    account_field="ISA06",
    order_key="BEG03",
    normalize=normalize,
    mapping_version=MAPPING,
    currency_agreed=True,
)
