"""EDIFACT purchase orders (ORDERS) and purchase order changes (ORDCHG) -> canonical Order, or a change.

Input:   one interchange; each ORDERS in it is an order, each ORDCHG a change of one. The sender (UNB S002) is the account.
Output:  Order in the currency of CUX, integer minor units; a price is for its basis quantity (PRI 5284). A change names the order in
         RFF+ON; its own number (BGM) is not it. An order whose BGM has no number is known by its RFF+ON.
Loses:   nothing; segments without a canonical place go to `extensions`, /segment number/tag -> JSON text.
Fails:   UndecodableMessage (no interchange). A message that is cut short, or whose counts say that segments are missing, is a dead
         letter; a CNT+2 that is the sum of the quantities says nothing of the kind where UNT is right.
Source:  UN/EDIFACT D.96A to D.01B, ORDERS and ORDCHG, and code lists 1225, 1229, 2005, 2379, 3035, 5025, 5125, 6063, 7143, 7161; EANCOM
         2002 guidelines; read 2026-11-24. PRI+AAA is net of the line's allowances, PRI+AAB is not; a time without a zone is UTC.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from normalizers.amounts import currency_of, decimal_in, priced_row, quotient_price
from normalizers.building import account_of, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder
from normalizers.draft import Draft
from normalizers.edifact_money import add_charges, add_taxes, allowances_in, groups_of
from normalizers.edifact_parties import contact_of, moment_of, party_of, ship_to_of, window_of
from normalizers.edifact_reader import Reader
from normalizers.edifact_segments import Message, Segment, read_messages
from normalizers.mime import unpacked
from normalizers.summary import changes_to, moment_text
from normalizers.wire import MAX_ROWS, Report, captured_text, quantity
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError
from schemas.money import NO_CURRENCY, AmountError, UnitPrice, decimal_of, exponent_of, scaled_text, to_text
from schemas.order import Order, Source, order_id_of
from schemas.statement import LineAction, LineChange, StatedEvent

NAME = "edifact"
MAPPING = 3
_SKU = ("SA", "VN", "VP", "MF", "MP", "EN", "SRV", "UP", "EU", "UA", "IB", "GD", "BP", "IN")
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
_ORDERED = ("21", "1", "113", "119")


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each message says."""
    results: list[Result] = []
    for document in documents:
        captured = captured_text(document)
        body, headers = (document.body, document.headers) if captured is None else (captured[0].encode(), captured[1])
        messages = read_messages(unpacked(body))
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
        reader = Reader(one, report)
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
    """Return the order's number: BGM's own, else the order it refers to; a change is the other way round."""
    own, referred = head.at(2) if head else None, None
    for segment in one.segments:
        if segment.tag == "LIN" or referred is not None:
            break
        if segment.tag == "RFF" and segment.at(1) == "ON":
            referred = segment.at(1, 2)
    return (referred or own) if one.kind == "ORDCHG" else (own or referred)


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
        if int(stated) > lines and not _counts_units(one, int(stated)):
            raise NormalizationFailed(message, field=counted.path(1, 2), rule="line_count", value=stated)
        report.warn(counted.path(1, 2), "line_count", message, stated)
    if one.lost and stated is None:
        raise NormalizationFailed(
            "UNT counts more segments than there are, and no CNT+2 vouches for the lines", field="/UNT01", rule="segment_count"
        )


def _counts_units(one: Message, stated: int) -> bool:
    """Say whether no segment is missing (UNT) and CNT+2 has what CNT+1 is for: the sum of the quantities ordered."""
    if any(rule == "segment_count" for _, rule, _ in one.problems):
        return False
    told = [(segment.at(1, 2) or "").replace(",", ".") for segment in one.segments if segment.tag == "QTY" and segment.at(1) in _ORDERED]
    try:
        return sum(map(decimal_of, told)) == stated
    except AmountError:
        return False


def _order(reader: Reader, head: Segment, number: str, account: str, event: StatedEvent) -> StatedOrder:
    report, cancelled = reader.report, event == "cancel"
    draft = Draft(
        currency_of(_currency(reader), "/CUX01.2", report if _priced(reader) else Report()), report, cancelled=cancelled, agreed=True
    )
    _lines(reader, draft)
    add_charges(reader, draft, [*reader.header, *reader.tail], None)
    subtotal = reader.amount(draft, reader.pick(reader.tail, "MOA", "79"))
    grand = reader.amount(draft, reader.pick(reader.tail, "MOA", "86", "128", "39", "77", "9"))
    tax = add_taxes(reader, draft, grand)
    totals = draft.totals(grand)
    ship_to, bill_to = ship_to_of(reader), party_of(reader, "IV", "BY")
    moment = moment_of(reader, reader.pick(reader.header, "DTM", "137", "4"))
    order = Order(
        order_id=order_id_of(NAME, account, number),
        order_number=number,
        source=Source(channel=NAME, mapping_version=MAPPING, account=account, channel_order_id=number, status=head.at(3)),
        currency=draft.currency,
        placed_at=moment,
        lifecycle="cancelled" if cancelled else "received",
        contact=contact_of(reader),
        ship_to=ship_to,
        bill_to=bill_to,
        delivery_window=window_of(reader),
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


def _currency(reader: Reader) -> str | None:
    found = next((one for one in reader.header if one.tag == "CUX" and one.at(1, 2)), None)
    if found is not None:
        return reader.use(found).at(1, 2) if len(found.elements) == 2 else found.at(1, 2)
    stated = {one.at(1, 3) for loop in reader.lines for one in [*loop, *reader.tail] if one.tag == "MOA"} - {None}
    return next(iter(stated)) if len(stated) == 1 else None


def _priced(reader: Reader) -> bool:
    """Say whether the message states any money: without, it needs no currency."""
    return any(one.tag in {"PRI", "MOA"} for loop in [reader.header, *reader.lines, reader.tail] for one in loop)


def _lines(reader: Reader, draft: Draft) -> None:
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
            add_charges(reader, draft, loop, line_id, Fraction(ordered, 10**exponent))


def _quantity(reader: Reader, loop: list[Segment]) -> tuple[int, int, str | None]:
    found = reader.pick(loop, "QTY", *_ORDERED) or reader.pick(loop, "QTY")
    if found is None:
        raise NormalizationFailed("the line states no quantity", field=f"{loop[0].path(1)}/QTY", rule="required")
    stated = reader.number(found, 1, 2)
    ordered, exponent = quantity({"QTY01.2": stated}, "QTY01.2", f"/{found.number}")
    return ordered, exponent, found.at(1, 3)


def _price(reader: Reader, draft: Draft, loop: list[Segment], ordered: int, exponent: int) -> tuple[bool, UnitPrice | None, int]:
    """Return (whether the line's allowances are in its price, the price of one unit, the row's amount before allowances)."""
    segment = _price_segment(reader, loop)
    row = reader.amount(draft, reader.pick(loop, "MOA", "203", "66"))
    price, computed = _unit_price(reader, draft.currency, segment, ordered, exponent)
    net = segment is not None and segment.at(1) in {"AAA", "NTP"}
    if segment is None:
        reader.report.note(loop[0].path(1), "price_missing", "the line states no price")
    if row is None:
        return net, price, computed or 0
    before = row
    if not net and row != computed:
        before -= sum(amount for _, amount in allowances_in(reader, draft, loop, computed, Fraction(ordered, 10**exponent)))
    if computed is not None and before != computed:
        say = reader.report.warn if abs(before - computed) > 10 ** exponent_of(draft.currency) else reader.report.note
        say(loop[0].path(1), "row_amount", f"the row says {before}, price and quantity come to {computed} (minor units)")
    exact = Decimal(before).scaleb(-exponent_of(draft.currency))
    return net, price or quotient_price(exact, ordered, exponent), before


def _price_segment(reader: Reader, loop: list[Segment]) -> Segment | None:
    """Return the PRI that says what one costs: the best that is not nothing, else MOA+146, else the best PRI.

    Senders fill a price they do not know with zeros.
    """
    told = [one for one in loop if one.tag == "PRI" and (one.at(1, 2) or "").strip("0.,")]
    best = reader.pick(told, "PRI", *_PRICES) or reader.pick(told, "PRI") or reader.pick(loop, "MOA", "146")
    return best or reader.pick(loop, "PRI", *_PRICES) or reader.pick(loop, "PRI")


def _unit_price(reader: Reader, currency: str, segment: Segment | None, ordered: int, exponent: int) -> tuple[UnitPrice | None, int | None]:
    stated = reader.number(segment, 1, 2) if segment else None
    if segment is None or stated is None:
        return None, None
    at, key = f"/{segment.number}", f"{segment.tag}01.2"
    value = decimal_in({key: stated}, key, at)
    basis = _basis(reader, segment) if segment.tag == "PRI" else Decimal(1)
    return (None, None) if value is None else priced_row(value, basis, ordered, exponent, currency, at, key)


def _basis(reader: Reader, segment: Segment) -> Decimal:
    """Return how many units a price is for (PRI 5284); a word that stands there is no number of them."""
    stated = reader.number(segment, 1, 5)
    if stated is not None and not any(mark.isdecimal() for mark in stated):
        reader.report.note(segment.path(1, 5), "price_basis", "no number of units the price is for: it is read as for one", stated)
        return Decimal(1)
    return decimal_in({"PRI01.5": stated}, "PRI01.5", f"/{segment.number}") or Decimal(1)


def _sku(reader: Reader, loop: list[Segment]) -> str | None:
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


def _name(reader: Reader, loop: list[Segment]) -> str:
    """Return the article's name; a description by code alone stays as stated."""
    told = [one for one in loop if one.tag == "IMD" and (one.at(3, 4) or one.at(3, 5))]
    return " ".join("".join(reader.use(one).elements[3][3:5]).strip() for one in told)


def _change(reader: Reader, head: Segment, number: str, account: str, event: StatedEvent) -> StatedChange:
    report = reader.report
    changed_at = moment_of(reader, reader.pick(reader.header, "DTM", "137"))
    referred = next((group for group in groups_of(reader.header, "RFF", frozenset({"DTM"})) if group[0].at(1) == "ON"), [])
    placed_at = moment_of(reader, next((one for code in ("171", "4", "137") for one in referred[1:] if one.at(1) == code), None))
    placed_at = placed_at or moment_of(reader, reader.pick(reader.header, "DTM", "4"))
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
    place = ship_to_of(reader)
    if place is not None:
        summary["ship_to"] = {"country": place.country, "postal_code": place.postal_code}
        report.note("/NAD", "ship_to_stated", "the change document states a delivery address")
    window = window_of(reader)
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


def _line_change(reader: Reader, loop: list[Segment]) -> LineChange:
    """Read one line of a change: what to do with it, and what it is to be afterwards."""
    line = loop[0]
    word = line.at(2)
    action = _ACTIONS.get(word or "3")
    if action is None:
        reader.report.warn(line.path(2), "unknown_action", "no documented action: read as a change", word)
    amount = _quantity(reader, loop) if any(one.tag == "QTY" for one in loop) else None
    price, _ = _unit_price(reader, NO_CURRENCY, _price_segment(reader, loop), 1, 0)
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
