"""Walmart Marketplace order answers and notifications (US, CA, MX) -> canonical Order, or a change.

Input:   the JSON (in the CA market: the XML) of an order (`order`), a list of orders (`list`/`elements`/`order`, or `order` as a list), the answer of an
         acknowledgement, shipment, cancellation or refund (the order again), an event (`source`, `payload`), or the lines to cancel
         (`orderCancellation`). Lists stand under a key of their own in the US and CA, and by themselves in MX. Returns (`returnOrders`) and what
         asks to ship or to refund lines (`orderShipment`, `orderRefund`) only name orders.
Output:  Order in the charges' currency, integer minor units: charges are signed rows of a line. In the US and CA tax is on top and
         Walmart remits it; in MX it is in the price of the goods, and on top of shipping. An `orderTotal` that is only the goods' is said to be so.
         One that does not say at all how it is shipped has to be fetched. `orderSummary` is what the customer was shown, which may be of several
         sellers' goods: it is told, and the charges count.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer.walmart.com, Marketplace Orders API v3 (US, CA, MX): Order, OrderLine, Charge, OrderLineStatus, and the notification
         events PO_CREATED, PO_LINE_AUTOCANCELLED, INTENT_TO_CANCEL; read 2026-11-24. A charge is for the line, as its tax is.
         Orders API v2 (a refund has its charges by itself), Returns API v3 (ReturnOrder); read 2026-11-29.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from normalizers.amounts import amount_of, currency_of, currency_within, price_of, quotient_price
from normalizers.building import account_of, address_of, each, line_ids, part_of, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import moment_text
from normalizers.wire import (
    Broken,
    Json,
    Message,
    Report,
    child,
    epoch,
    fail,
    instant,
    json_text,
    messages,
    names,
    need_text,
    present,
    quantity,
    rows,
    said_otherwise,
    text,
    truth,
    unmapped,
)
from normalizers.xml_tree import plain, read_document
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, exponent_of, to_text
from schemas.order import Address, Contact, DeliveryWindow, FulfillmentState, Liable, Order, PaymentState, Source, order_id_of
from schemas.statement import LineChange

NAME = "walmart"
MAPPING = 5

_WRAPPINGS = ("data", "results", "list", "elements", "order", "orders", "returnOrders", "orderRefund", "orderShipment")
_INCLUSIVE = frozenset({"MXN", "CLP"})
_GONE, _SENT = frozenset({"cancelled", "canceled"}), frozenset({"shipped", "delivered"})
_WAITING = frozenset({"created", "acknowledged", "pending", "ready", "hold"})
_KNOWN = _GONE | _SENT | _WAITING | {"refund", "refunded", "returned"}
_MAPPED = names("purchaseOrderId customerOrderId customerEmailId orderDate shippingInfo billingInfo orderLines orderTotal paymentMethod")
_LINE = names("lineNumber primeLineNumber item charges orderLineQuantity")
_PLACE = names("name city state postalCode country address1 address2 address3 address4 address5 address6")
_INSIDE = inside(
    """
    charges: charge
    charges[] charge: chargeAmount chargeName chargeType tax
    chargeAmount orderTotal taxAmount unitPrice: amount currency
    orderLineQuantity: amount unitOfMeasurement
    orderLines: orderLine
    tax: taxAmount taxName
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [one for document in documents for message in messages(_as_json(document), _WRAPPINGS) for one in _named(message)]
    return each(found, _result)


def _named(message: Message) -> list[Message]:
    """Return of a return the orders that its lines are of; anything else as it is."""
    if isinstance(message, Broken) or not isinstance(message.value, dict) or "returnOrderId" not in message.value:
        return [message]
    lines = rows(message.value, "returnOrderLines", message.at)
    numbers = dict.fromkeys(number for row in lines if (number := text(row, "purchaseOrderId")))
    whole = [{"customerOrderId": text(message.value, "customerOrderId")}]
    return [replace(message, value=order) for order in [{"purchaseOrderId": number} for number in numbers] or whole]


def _as_json(document: Document) -> Document:
    """Return the document, the XML that the CA market answers in as the JSON of the others."""
    if not document.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return document
    root, headers = read_document(document)
    name = "list" if root.first("elements") is not None else root.name  # a list's own name differs between versions
    return Document(json_text({name: plain(root)}).encode(), headers)


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers)
    if "source" in body and isinstance(body.get("payload"), dict):
        return _event(body, at, account)
    if isinstance(body.get("orderCancellation"), dict):
        return _cancellation(body["orderCancellation"], f"{at}/orderCancellation", message, account)
    order_id = text(body, "customerOrderId") if "purchaseOrderId" not in body else None  # orders that Walmart fulfils have only that
    order_id = order_id or need_text(body, "purchaseOrderId", at)
    return _one(body, at, order_id, account)


def _one(body: Json, at: str, order_id: str, account: str) -> Result:
    report = Report()
    try:
        lines, _ = _listed(body, "orderLines", "orderLine", at)
        if "orderLines" not in body or (lines and not any("orderLineQuantity" in row for row in lines)):
            return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
        return _order(body, at, order_id, account, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)


def _listed(row: Json, key: str, inner: str, at: str) -> tuple[list[Json], str]:
    """Return (rows, their pointer) of a list that stands by itself or under a key of its own."""
    value = row.get(key)
    if isinstance(value, dict):
        if isinstance(value.get(inner), dict):  # one alone
            return [value[inner]], f"{at}/{key}/{inner}"
        return rows(value, inner, f"{at}/{key}"), f"{at}/{key}/{inner}"
    return rows(row, key, at), f"{at}/{key}"


def _statuses(row: Json, at: str) -> tuple[list[Json], str]:
    """Return a line's states: under a key of their own in the US and CA, by themselves in MX."""
    return _listed(row, "orderLineStatus" if "orderLineStatus" in row else "orderLineStatuses", "orderLineStatus", at)


def _moment(row: Json, key: str, at: str, report: Report) -> datetime | None:
    """Read a moment written as milliseconds since 1970 or as ISO 8601."""
    value = row.get(key)
    if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdecimal()):
        return epoch(row, key, at, report, per_second=1000)
    return instant(row, key, at, report)


def _money(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read `{"currency": …, "amount": …}` in minor units; another currency than the order's fails."""
    pair = child(row, key, at)
    if not pair:
        return None
    code = text(pair, "currency")
    if draft.foreign(code):
        fail(f"{at}/{key}", "currency", "one_currency", code, f"{at}/{key} is in another currency than the order's {draft.currency}")
    return amount_of(pair, "amount", f"{at}/{key}", draft.currency, draft.report)


def _currency(body: Json, lines: list[Json], at: str) -> str | None:
    pairs: list[Any] = [body.get("orderTotal")]
    for index, row in enumerate(lines):
        charges, _ = _listed(row, "charges", "charge", f"{at}/{index}")
        pairs += [one.get("chargeAmount") for one in charges] + [(child(row, "item", at) or {}).get("unitPrice")]
    return next((code for pair in pairs if isinstance(pair, dict) and (code := text(pair, "currency"))), None)


# --- the order ---


def _order(body: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    lines, where = _listed(body, "orderLines", "orderLine", at)
    currency = currency_of(_currency(body, lines, where) or currency_within(body, "currency"), f"{where}/0/charges", report)
    counts = [_counts(row, f"{where}/{index}", report) for index, row in enumerate(lines)]
    state = _fulfillment(counts)
    draft = Draft(currency, report, cancelled=state == "cancelled")
    extensions = report.kept
    charged = [_listed(row, "charges", "charge", f"{where}/{index}") for index, row in enumerate(lines)]
    _lines(draft, lines, where, charged, counts, extensions)
    goods = sum(draft.stated_left.values())
    sums = _charges(draft, charged)
    tax = _taxes(draft, charged)
    stated = _money(body, "orderTotal", at, draft)
    whole = goods + (sums.pop("charged") or 0) + sum(row.basis.amount_minor for row in draft.taxes if row.basis and not row.included)
    if stated is not None and stated == goods != whole:
        report.warn(
            f"{at}/orderTotal", "total_is_of_goods", "orderTotal is the goods' alone: shipping, discounts and tax are beside it", stated
        )
    partly = not draft.cancelled and any(line.cancelled for line in draft.lines)
    grand = None if stated == goods or partly else stated  # the stated one still has in it what was cancelled since
    totals = draft.totals(grand)
    payment = _refunds(draft, lines, where, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    shipping, billing = child(body, "shippingInfo", at) or {}, child(body, "billingInfo", at) or {}
    ship_to, bill_to = _address(shipping, f"{at}/shippingInfo", extensions), _address(billing, f"{at}/billingInfo", extensions)
    word = _word(lines, where)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "customerOrderId") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=max(
                (moment for index, row in enumerate(lines) if (moment := _moment(row, "statusDate", f"{where}/{index}", report))),
                default=None,
            ),
            fulfillment_status=word,
        ),
        currency=currency,
        placed_at=_moment(body, "orderDate", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(name=ship_to.name if ship_to else None, email=text(body, "customerEmailId"), phone=text(shipping, "phone")),
        ship_to=ship_to,
        bill_to=bill_to,
        delivery_window=_window(shipping, f"{at}/shippingInfo", report),
        ship_method=text(shipping, "methodCode"),
        payment_method=text(body, "paymentMethod"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(tax=tax, grand=grand),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(where, "no_lines", "the order has no lines")
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    shown = {
        "subtotal": goods if priced else None,
        **sums,
        "tax_total": tax,
        "grand_total": next((amount for amount in (stated, _summed(draft, body, at)) if amount is not None), whole if priced else None),
    }
    result = draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=payment,
        fulfillment=state,
        cancel_requested=not draft.cancelled and any(_wished(row) for row in lines),
        stated={key: None if amount is None else to_text(amount, currency) for key, amount in shown.items()} | _replaces(body),
        of=((body, at),),
        inside=_INSIDE,
    )
    return result if "shippingInfo" in body or draft.cancelled else part_of(result, ("order",))


def _replaces(body: Json) -> dict[str, str | None]:
    """Return for the summary which customer's order this one was sent instead of."""
    original = text(body, "originalCustomerOrderID") or text(body, "originalCustomerOrderId")
    return {"replaces": original} if original and (text(body, "orderType") or "").upper() == "REPLACEMENT" else {}


def _summed(draft: Draft, body: Json, at: str) -> int | None:
    """Return what the customer was shown as the total; in another currency it is not this order's."""
    pair = child(child(body, "orderSummary", at) or {}, "totalAmount", f"{at}/orderSummary") or {}
    key = "amount" if "amount" in pair else "currencyAmount"
    if draft.foreign(text(pair, "currency") or text(pair, "currencyUnit")):
        return None
    return amount_of(pair, key, f"{at}/orderSummary/totalAmount", draft.currency, draft.report)


def _updated(lines: list[Json], at: str, report: Report) -> datetime | None:
    """Return when a line last changed its state."""
    dated = [(row, f"{at}/{index}") for index, row in enumerate(lines)]
    dated += [
        (one, f"{where}/{number}") for row, place in dated for found, where in [_statuses(row, place)] for number, one in enumerate(found)
    ]
    return max((moment for row, place in dated if (moment := _moment(row, "statusDate", place, report))), default=None)


def _wished(row: Json) -> bool:
    return truth(row, "intentToCancel") or (text(row, "intentToCancel") or "").upper() in {"Y", "YES"}


def _counts(row: Json, at: str, report: Report) -> dict[str, int]:
    """Return units by state of one line: ordered, cancelled, sent; and whether any state is stated."""
    found = {"ordered": _units(child(row, "orderLineQuantity", at)), "cancelled": 0, "sent": 0, "stated": 0}
    statuses, where = _statuses(row, at)
    for index, one in enumerate(statuses):
        word = (text(one, "status") or "").lower()
        units = _units(child(one, "statusQuantity", f"{where}/{index}"))
        found["stated"] = 1
        if word in _GONE:
            found["cancelled"] += units
        elif word in _SENT:
            found["sent"] += units
        if word not in _KNOWN:
            report.note(f"{where}/{index}/status", "unknown_status", "no documented line status", word)
    return found


def _units(pair: Json | None) -> int:
    """Return a whole quantity, a part of a unit as one more; 0 where there is none that can be counted."""
    digits, _, part = ((text(pair, "amount") if pair else None) or "").partition(".")
    return int(digits) + bool(part.strip("0")) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else 0


def _fulfillment(counts: list[dict[str, int]]) -> FulfillmentState | None:
    if not any(row["stated"] for row in counts):
        return None
    ordered, cancelled, sent = (sum(row[key] for row in counts) for key in ("ordered", "cancelled", "sent"))
    if cancelled and cancelled >= ordered:
        return "cancelled"
    if sent and sent + cancelled >= ordered:
        return "fulfilled"
    return "partially_fulfilled" if sent else "unfulfilled"


def _word(lines: list[Json], at: str) -> str | None:
    """Return the channel's own word where all lines have the same."""
    words = {text(one, "status") for index, row in enumerate(lines) for one in _statuses(row, f"{at}/{index}")[0]}
    return words.pop() if len(words) == 1 else None


def _lines(
    draft: Draft,
    lines: list[Json],
    at: str,
    charged: list[tuple[list[Json], str]],
    counts: list[dict[str, int]],
    extensions: dict[str, str],
) -> None:
    numbers = [text(row, "lineNumber") or text(row, "primeLineNumber") for row in lines]
    for index, (row, number, line_id) in enumerate(zip(lines, numbers, line_ids(numbers), strict=True)):
        where = f"{at}/{index}"
        item = child(row, "item", where) or {}
        count = child(row, "orderLineQuantity", where) or {}
        ordered, exponent = quantity(count, "amount", f"{where}/orderLineQuantity")
        price, gross = _price(draft, item, *charged[index], ordered, exponent, where)
        one = 10**exponent
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(item, "sku"),
            name=text(item, "productName") or "",
            unit_of_measure=text(count, "unitOfMeasurement"),
            unit_price=price,
            tax_included=draft.currency in _INCLUSIVE,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            cancelled=0 if draft.cancelled else min(counts[index]["cancelled"] * one, ordered),
            shipped=counts[index]["sent"] * one,
        )
        unmapped(row, _LINE - said_otherwise(row, "lineNumber", "primeLineNumber"), where, extensions)
        unmapped(item, names("sku productName unitPrice"), f"{where}/item", extensions)


def _price(draft: Draft, item: Json, charges: list[Json], at: str, ordered: int, exponent: int, where: str) -> tuple[UnitPrice | None, int]:
    """Return (price of one unit, the row's amount): the item's own price, else what is charged for the product."""
    charged = [
        amount
        for index, row in enumerate(charges)
        if (text(row, "chargeType") or "").upper() == "PRODUCT"
        and (amount := _money(row, "chargeAmount", f"{at}/{index}", draft)) is not None
    ]
    _money(item, "unitPrice", f"{where}/item", draft)  # refuses another currency
    unit = price_of(child(item, "unitPrice", f"{where}/item") or {}, "amount", f"{where}/item/unitPrice")
    if charged:
        exact = Decimal(sum(charged)).scaleb(-exponent_of(draft.currency))
        return unit or quotient_price(exact, ordered, exponent), sum(charged)
    return unit, 0 if unit is None else unit.times(ordered, exponent, draft.currency, "half_up")


def _charges(draft: Draft, charged: list[tuple[list[Json], str]]) -> dict[str, int | None]:
    """Add every charge but the product's; return the sums of discounts and shipping, null where there is no such row, and of all."""
    sums: dict[str, int | None] = {"discount_total": None, "shipping_total": None, "charged": None}
    for line, (charges, at) in zip(list(draft.lines), charged, strict=True):
        for index, row in enumerate(charges):
            kind, label = (text(row, "chargeType") or "").upper(), text(row, "chargeName") or ""
            amount = _money(row, "chargeAmount", f"{at}/{index}", draft)
            name = f"{line.line_id}:{index}"
            if amount is None or kind == "PRODUCT":
                continue
            signed = -abs(amount) if kind == "DISCOUNT" else amount
            sums["charged"] = (sums["charged"] or 0) + signed
            if signed < 0:
                sums["discount_total"] = (sums["discount_total"] or 0) - signed
                shares = None if _of_shipping(label) else {line.line_id: abs(amount)}
                draft.discount(
                    f"discount:{name}", abs(amount), shares=shares, spread=False, source="promotion", code=label or None, label=label
                )
            elif kind == "SHIPPING":
                sums["shipping_total"] = (sums["shipping_total"] or 0) + amount
                draft.charge("shipping", f"charge:{name}", amount, label=label, shares={line.line_id: amount})
            else:
                draft.charge("fee", f"charge:{name}", amount, label=label, code=kind or None, shares={line.line_id: amount})
    return sums


def _refunds(draft: Draft, lines: list[Json], at: str, grand: int) -> PaymentState | None:
    """Add what was given back of each line; Walmart takes the customer's money itself, so nothing else is said of payment."""
    returned = 0
    for index, row in enumerate(lines):
        refund = child(row, "refund", f"{at}/{index}") or {}
        for number, (charge, place) in enumerate(_refunded(refund, f"{at}/{index}/refund")):
            tax = charge.get("tax")
            amount = abs(_money(charge, "chargeAmount", place, draft) or 0)
            amount += abs(_money(tax, "taxAmount", f"{place}/tax", draft) or 0) if isinstance(tax, dict) else 0
            if amount:
                name = text(refund, "refundId") or f"refund:{index}"
                draft.payment("WALMART", "refund", amount, transaction=f"{name}:{number}")
                returned += amount
    if not returned:
        return None
    draft.payment("WALMART", "capture", grand)
    return "refunded" if returned >= grand else "partially_refunded"


def _refunded(refund: Json, at: str) -> list[tuple[Json, str]]:
    """Return the charges that were given back, each with its pointer: one for each reason, and in v2 all for one."""
    if "refundCharges" not in refund:
        charges, where = _listed(refund, "charges", "charge", at)
        return [(charge, f"{where}/{number}") for number, charge in enumerate(charges)]
    reasons, where = _listed(refund, "refundCharges", "refundCharge", at)
    return [(child(one, "charge", f"{where}/{number}") or {}, f"{where}/{number}/charge") for number, one in enumerate(reasons)]


def _of_shipping(label: str) -> bool:
    return "SHIP" in label.upper()


def _taxes(draft: Draft, charged: list[tuple[list[Json], str]]) -> int | None:
    """Add each charge's tax: Walmart's own where it is on top; in the goods' prices where the market has them so."""
    total = None
    market = draft.currency in _INCLUSIVE
    liable: Liable = "seller" if market else "channel"
    known = {row.adjustment_id for row in draft.adjustments if row.kind in {"shipping", "fee"}}
    for line, (charges, at) in zip(list(draft.lines), charged, strict=True):
        for index, row in enumerate(charges):
            where = f"{at}/{index}"
            one = row.get("tax")
            taxes = (
                [(one, f"{where}/tax")]
                if isinstance(one, dict)
                else [(tax, f"{where}/tax/{n}") for n, tax in enumerate(rows(row, "tax", where))]
            )
            charge = f"charge:{line.line_id}:{index}"
            for number, (tax, place) in enumerate(taxes):
                amount = _money(tax, "taxAmount", place, draft)
                if amount is None:
                    continue
                total = (total or 0) + amount
                of_charge = charge in known
                draft.tax(
                    f"tax:{line.line_id}:{index}:{number}",
                    amount,
                    line_id=None if of_charge else line.line_id,
                    adjustment_id=charge if of_charge else None,
                    title=text(tax, "taxName") or "",
                    included=market and not of_charge,
                    liable=liable,
                )
    return total


def _address(info: Json, at: str, extensions: dict[str, str]) -> Address | None:
    place = child(info, "postalAddress", at)
    unmapped(info, names("postalAddress phone methodCode estimatedDeliveryDate"), at, extensions)
    if not place:
        return None
    unmapped(
        place,
        _PLACE,
        f"{at}/postalAddress",
        extensions,
    )
    return address_of(
        name=text(place, "name"),
        lines=present(text(place, f"address{number}") for number in range(1, 7)),
        city=text(place, "city"),
        region=text(place, "state"),
        postal_code=text(place, "postalCode"),
        country=text(place, "country"),
        phone=text(info, "phone"),
    )


def _window(info: Json, at: str, report: Report) -> DeliveryWindow | None:
    latest = _moment(info, "estimatedDeliveryDate", at, report)
    return None if latest is None else DeliveryWindow(latest=latest)


# --- changes and notifications ---


def _event(body: Json, at: str, account: str) -> Result:
    """Return what a notification says: a line's cancellation, a buyer's wish to cancel, or only that there is something to fetch."""
    source = child(body, "source", at) or {}
    payload, where = body["payload"], f"{at}/payload"
    kind = (text(source, "eventType") or "").upper()
    order_id = need_text(payload, "purchaseOrderId", where)
    report = Report()
    sent = _moment(source, "eventTime", f"{at}/source", report)
    if "CANCEL" not in kind:
        lines, _ = _listed(payload, "orderLines", "orderLine", where)
        if lines and any("charges" in row for row in lines):
            return _one(payload, where, order_id, account)
        return StatedPart(
            channel_order_id=order_id,
            event="notification",
            missing=("order",),
            account=account,
            findings=tuple(report.findings),
            stated={"changed_at": moment_text(sent)},
        )
    return _lines_cancelled(payload, where, order_id, account, sent, report, wished="INTENT" in kind)


def _cancellation(body: Json, at: str, message: Message, account: str) -> Result:
    """Return the lines a cancellation names; the order's id is beside it, or in the record's header."""
    number = text(body, "purchaseOrderId") or text(message.value, "purchaseOrderId") or message.headers.get("purchaseorderid")
    if number is None:
        raise NormalizationFailed("the cancellation names no order", field=f"{at}/purchaseOrderId", rule="required")
    return _lines_cancelled(body, at, number, account, None, Report(), wished=False)


def _lines_cancelled(
    body: Json, at: str, order_id: str, account: str, sent: datetime | None, report: Report, *, wished: bool
) -> StatedChange:
    lines, where = _listed(body, "orderLines", "orderLine", at)
    return StatedChange(
        channel_order_id=order_id,
        event="cancel_request" if wished else "edit" if lines else "cancel",
        account=account,
        changed_at=sent,
        line_changes=tuple([_cancelled(row, f"{where}/{index}") for index, row in enumerate(lines)]),
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated={"cancel_requested": True} if wished else {"cancelled_at": moment_text(sent)},
    )


def _cancelled(row: Json, at: str) -> LineChange:
    statuses, where = _statuses(row, at)
    gone = sum(_units(child(one, "statusQuantity", f"{where}/{index}")) for index, one in enumerate(statuses))
    number = text(row, "lineNumber") or text(row, "primeLineNumber")
    return LineChange(
        action="cancel",
        line_id=number,
        line=number,
        sku=text(child(row, "item", at) or {}, "sku") or text(row, "sku"),
        quantity_delta=str(-gone) if gone else None,
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.CANCEL_LINE, Verb.REFUND}),
    signature="none",
    account_field="",
    order_key="/purchaseOrderId",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.ALWAYS,
)
