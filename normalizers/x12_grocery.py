"""X12 grocery products purchase orders (875) and changes of them (876) -> canonical Order, or a change; `normalizers.x12` reads the interchange.

Input:   a transaction set and its first segment (G50, G92). Neither has a number for a line: a line is known by its product.
Output:  Order, integer minor units; the currency is what the partners agreed on, for there is no segment that states it. A change restates:
         its quantity is what shall be ordered, and 0 takes the line off. An 875 for information or for a trial makes no order.
Loses:   nothing; segments without a canonical place go to `extensions`, /segment number/tag -> JSON text. An allowance that is not taken off the
         invoice (billed back, paid by cheque) lowers nothing: it is kept and noted.
Fails:   NormalizationFailed naming segment number and element.
Source:  ASC X12 004010, transaction sets 875 and 876, segments G50, G61, G62, G68, G69, G72, G76, G92, elements 331, 340, 432, 473, 670:
         kasoftware.com/schema/edi/x12/00401 (segments, element 340), stedi.com/edi/x12-008040/element/473,
         ecomgx17.ecomtoday.com/edi/EDI_4010/el432.htm, internal.dcsnewyork.com/tech/edi/x12/EDI_4010/el670.htm,
         doc.chinlinktech.com/x12/005050/segment/G76; read 2026-11-29. G7208 and G7608 have two implied decimals, G6803 has its point.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from normalizers.amounts import currency_of, minor
from normalizers.building import line_ids, not_placed, stated_totals
from normalizers.channel import Result, StatedChange
from normalizers.draft import Draft
from normalizers.summary import changes_to, moment_text
from normalizers.wire import Report, present, quantity
from normalizers.x12_segments import Segment, TransactionSet
from normalizers.x12_values import (
    MAPPING,
    NAME,
    date_in,
    ids_of,
    is_named,
    keep,
    parts_of,
    party_of,
    price_in,
    product_of,
    ship_to_of,
    sku_of,
    sums_of,
    two_implied,
)
from schemas.money import AmountError, decimal_of, exponent_of
from schemas.order import Address, Contact, DeliveryWindow, Order, OrderLine, Source, order_id_of
from schemas.statement import LineAction, LineChange, StatedEvent

_EVENTS: Mapping[str, StatedEvent] = {"A": "draft", "X": "draft", "D": "cancel", "F": "cancel", "G": "update", "L": "update", "R": "update"}
"""Order status codes (element 473): informational, simulation; delete, cancel; changes. All others place an order."""
_CHANGES: Mapping[str, LineAction] = {"AI": "add", "DI": "delete", "NC": "keep"}
"""Change codes (element 670) that say one thing of all lines; what else there is restates them."""
_CANCEL = "CF"
_EARLIEST, _LATEST = ("53", "37"), ("54", "02", "68", "38")
"""Date qualifiers (element 432): deliver or ship not before; deliver no later than, on, requested on; ship not later than."""
_TAKEN_OFF, _TO_PAY = frozenset({"02", "08"}), frozenset({"06", "CA"})
"""Methods of handling (element 331): off invoice, off gross quantity invoiced; paid by the customer, added to the invoice."""
_FIRST_CHARGE = 500
"""Codes of element 340: allowances are below, charges above."""
_SHIPPING, _TAX = frozenset({"502", "504", "516"}), frozenset({"501", "526", "537"})
_READ = frozenset({"ST", "SE", "G50", "G61", "N2", "N3", "N4", "NTE", "G72", "G73"})


def adds_up(one: TransactionSet) -> bool:
    """Say whether the total quantity (G7601) vouches for the lines: it is the sum of theirs."""
    total = next((segment.at(1) for segment in one.segments if segment.tag == "G76"), None)
    try:
        return total is not None and decimal_of(total) == sum(decimal_of(row.at(1) or 0) for row in one.segments if row.tag == "G68")
    except AmountError:
        return False


def grocery_order(one: TransactionSet, head: Segment, order_id: str, account: str, report: Report) -> Result:
    """Return what an 875 says."""
    header, loops, tail = parts_of(one.segments, "G68", "G76")
    event = _EVENTS.get(head.at(1) or "", "create")
    draft = Draft(currency_of(None, "/CUR02", report), report, cancelled=event == "cancel", agreed=True)
    extensions = report.kept
    _lines(draft, loops)
    for line, loop in zip(tuple(draft.lines), loops, strict=True):
        _allowances(draft, loop, line)
    _allowances(draft, [*header, *tail], None)
    ship_to, bill_to = ship_to_of(header, loops), party_of(header, ("BT", "BS"))
    for segment in header:
        if segment.tag not in _READ and not (segment.tag == "N1" and is_named(segment, ship_to, bill_to)):
            keep(segment, extensions)
    for segment in tail:
        if segment.tag == "G76":
            keep(segment, extensions)
    grand = _total(draft, tail)
    totals = draft.totals(grand)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=order_id,
        source=Source(channel=NAME, mapping_version=MAPPING, account=account, channel_order_id=order_id, status=head.at(1)),
        currency=draft.currency,
        placed_at=date_in(head, 2, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=_contact(header),
        ship_to=ship_to,
        bill_to=bill_to,
        delivery_window=_window(header, report),
        note="\n".join(present(segment.at(2) for segment in header if segment.tag == "NTE")) or None,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(grand=grand),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn("/G68", "no_lines", "the order has no lines")
    elif not adds_up(one):
        report.note("/G7601", "quantity_total", "the total quantity is not the sum of the lines'")
    result = draft.stated_order(order, event=event, payment=None, fulfillment=None, stated=sums_of(draft))
    return not_placed(result) if event == "draft" else result


def _lines(draft: Draft, loops: list[list[Segment]]) -> None:
    products = [_products(loop[0]) for loop in loops]
    skus = [sku_of(ids) for ids in products]
    for loop, ids, sku, line_id in zip(loops, products, skus, line_ids(skus), strict=True):
        row = loop[0]
        ordered, exponent = quantity({"G6801": row.at(1)}, "G6801", f"/{row.number}")
        price = price_in(row, 3, 0)
        if price is None:
            draft.report.note(row.path(3), "price_missing", "the line states no price")
        draft.line(
            line_id,
            sku=sku,
            name=" ".join(present(segment.at(1) for segment in loop if segment.tag == "G69")),
            unit_of_measure=row.at(2),
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, draft.currency, "half_up"),
        )
        if len(ids) > 1 or any(row.at(index) for index in range(9, len(row.elements))):
            keep(row, draft.report.kept)
        for segment in loop[1:]:
            if segment.tag not in {"G69", "G72", "G73"}:
                keep(segment, draft.report.kept)


def _products(row: Segment) -> dict[str, str]:
    """Return the ids of a G68's product by qualifier; its case code is one of U.P.C.'s (UA)."""
    found = ids_of(row, 5, 8)
    if case := row.at(4):
        found.setdefault("UA", case)
    return found


def _described(segments: list[Segment]) -> Iterator[tuple[Segment, str]]:
    """Yield each allowance or charge with the description that follows it."""
    for index, segment in enumerate(segments):
        if segment.tag == "G72":
            after = segments[index + 1] if index + 1 < len(segments) else None
            yield segment, (after.at(1) or "") if after and after.tag == "G73" else ""


def _allowances(draft: Draft, segments: list[Segment], line: OrderLine | None) -> None:
    for segment, label in _described(segments):
        code, handling = segment.at(1) or "", segment.at(2) or ""
        is_charge = code.isdecimal() and int(code) > _FIRST_CHARGE
        amount = _amount(draft, segment, line)
        if amount is None or handling not in (_TO_PAY if is_charge else _TAKEN_OFF):
            draft.report.note(segment.path(2), "allowance_outside_total", "an allowance or charge that the invoice does not have", handling)
            keep(segment, draft.report.kept)
            continue
        name = f"{line.line_id if line else 'order'}:{segment.number}"
        shares = {line.line_id: amount} if line else None
        if not is_charge:
            draft.discount(f"discount:{name}", amount, shares=shares, code=code, label=label)
        elif code in _TAX:
            draft.tax(f"tax:{name}", amount, line_id=line.line_id if line else None, title=label)
        else:
            draft.charge("shipping" if code in _SHIPPING else "fee", f"charge:{name}", amount, label=label, code=code, shares=shares)


def _amount(draft: Draft, segment: Segment, line: OrderLine | None) -> int | None:
    """Return what it comes to: as stated, else by its rate a unit, else by its percentage; without a sign."""
    stated, rate, percent = segment.at(8), segment.at(5), segment.at(9)
    if stated is not None:
        return abs(minor(two_implied(segment, 8, stated), draft.currency, f"/{segment.number}", "G7208", draft.report))
    if rate is not None:
        units = segment.at(6) or (str(Decimal(line.ordered).scaleb(-line.quantity_exponent)) if line else None)
        return None if units is None else product_of(draft, segment, 5, rate, units)
    if percent is None:
        return None
    gross = Decimal(line.gross_minor if line else sum(row.gross_minor for row in draft.lines)).scaleb(-exponent_of(draft.currency))
    return product_of(draft, segment, 9, percent, segment.at(10) or str(gross), shift=-2)


def _total(draft: Draft, tail: list[Segment]) -> int | None:
    total = next((segment for segment in tail if segment.tag == "G76" and segment.at(8)), None)
    if total is None:
        return None
    return minor(two_implied(total, 8, total.at(8) or ""), draft.currency, f"/{total.number}", "G7608", draft.report)


def _contact(header: list[Segment]) -> Contact:
    found = next((segment for segment in header if segment.tag == "G61"), None)
    if found is None:
        return Contact()
    way, number = found.at(3), found.at(4)
    return Contact(name=found.at(2), phone=number if way == "TE" else None, email=number if way == "EM" else None)


def _window(header: list[Segment], report: Report) -> DeliveryWindow | None:
    dates = {segment.at(1): segment for segment in header if segment.tag == "G62"}
    earliest = next((dates[code] for code in _EARLIEST if code in dates), None)
    latest = next((dates[code] for code in _LATEST if code in dates), None)
    if earliest is None and latest is None:
        return None
    return DeliveryWindow(
        earliest=date_in(earliest, 2, report) if earliest else None, latest=date_in(latest, 2, report) if latest else None
    )


def grocery_change(one: TransactionSet, head: Segment, order_id: str, account: str, report: Report) -> Result:
    """Return what an 876 says."""
    header, loops, _ = parts_of(one.segments, "G68", "G76")
    word = head.at(1) or ""
    party: Address | None = ship_to_of(header, loops)
    window = _window(header, report)
    if party is not None:
        report.note("/N1", "ship_to_stated", "the change document states a ship-to address")
    if window is not None:
        report.note("/G62", "delivery_stated", "the change document states when the goods are wanted")
    if any(segment.tag == "G72" for loop in (header, *loops) for segment in loop):
        report.note("/G72", "action_not_read", "allowances or charges, which no operation carries")
    changes = [_change(loop[0], word) for loop in loops]
    stated: dict[str, object] = {"placed_at": moment_text(date_in(head, 2, report)), "line_changes": changes_to(changes)}
    if party is not None:
        stated["ship_to"] = {"country": party.country, "postal_code": party.postal_code}
    return StatedChange(
        channel_order_id=order_id,
        event="cancel" if word == _CANCEL else "edit",
        account=account,
        line_changes=tuple(changes),
        ship_to=party,
        delivery_window=window,
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated=stated,
    )


def _change(row: Segment, word: str) -> LineChange:
    """Read a restated line: nothing ordered any more takes it off."""
    ordered, exponent = quantity({"G6801": row.at(1)}, "G6801", f"/{row.number}")
    price = price_in(row, 3, 0)
    action: LineAction = _CHANGES.get(word, "change") if ordered else "delete"
    return LineChange(
        action=action,
        sku=sku_of(_products(row)),
        quantity_ordered=format(Decimal(ordered).scaleb(-exponent), "f"),
        unit_price=None if price is None else format(price.decimal, "f"),
    )
