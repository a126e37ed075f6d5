"""Square orders -> canonical Order.

Input:   JSON of the Orders API: one order, a batch's or a search's `orders`, order entries; webhooks order.created, order.updated and
         order.fulfillment.updated, which name an order and do not state it, and those of a payment, a refund or an invoice of one; the same
         resources, payment links and checkouts as their own APIs answer with them, one or a list.
Output:  Order in the order's currency; amounts are whole minor units on the wire. A line's price is its gross sales by its quantity, so it
         has the modifiers in it. A line has no SKU: catalogue ids are Square's own.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; an amount in another currency is refused.
Source:  developer.squareup.com: Orders API reference (Order, OrderLineItem, OrderLineItemTax, OrderServiceCharge, Fulfillment, Tender, Refund),
         webhooks; read 2026-11-24; Payments, Refunds, Invoices, Checkout (`order_id` of each); read 2026-11-29. `quantity` is a decimal text; taxes are ADDITIVE or INCLUSIVE; `total_money` is what is to be collected.
"""

from collections.abc import Mapping
from decimal import Decimal

from normalizers.amounts import currency_of, currency_within, quotient_price, rate_text
from normalizers.building import account_of, address_of, each, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import moment_text
from normalizers.wire import (
    Json,
    Message,
    Report,
    child,
    fail,
    instant,
    messages,
    names,
    need_text,
    present,
    quantity,
    rows,
    text,
    unmapped,
    whole,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import exponent_of, round_ratio, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "square"
MAPPING = 4

_NOTICES = ("order_created", "order_updated", "order_fulfillment_updated")
_PAYING_FOR = ("payment", "refund", "invoice", "payment_link", "checkout")
_WRAPPINGS = ("order", "orders", "order_entries", *_PAYING_FOR, *(f"{name}s" for name in _PAYING_FOR))
_DELIVERIES = (("SHIPMENT", "shipment_details"), ("DELIVERY", "delivery_details"))
_DONE, _GONE = "COMPLETED", frozenset({"CANCELED", "FAILED"})
_PAYING: Mapping[str, str] = {"CAPTURED": "capture", "AUTHORIZED": "authorization", "VOIDED": "void"}
_MAPPED = names(
    "id created_at updated_at state version location_id line_items taxes discounts service_charges total_money total_tax_money "
    "total_discount_money total_tip_money tenders refunds customer_id note rounding_adjustment"
)
_LINE = names(
    "uid name quantity gross_sales_money total_money applied_taxes applied_discounts variation_total_price_money base_price_money"
)
_INSIDE = inside(
    """
    amount_money applied_money base_price_money gross_sales_money total_discount_money total_money total_tax_money total_tip_money: amount currency
    applied_discounts: applied_money discount_uid
    applied_taxes: applied_money tax_uid
    card_details: status
    discounts: applied_money name uid
    refunds: amount_money id status
    service_charges: applied_money name total_tax_money uid
    taxes: name percentage type uid
    tenders: amount_money card_details payment_id type
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in messages(document, _WRAPPINGS)]
    return each(found, _result)


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    notice = _notice(body, at)
    if notice is not None:
        return notice
    account = account_of(message.headers, text(body, "location_id"))
    if "line_items" not in body and ("total_money" not in body or body.keys() & {"order_id", "amount_money"}):
        if "amount_money" in body and "order_id" not in body:
            fail(at, "order_id", "names_an_order", text(body, "id"), "a payment of no order")
        if "merchant_id" in body and "type" in body:
            fail(at, "type", "names_an_order", text(body, "type"), "an event of this type names no order")
        key = "order_id" if "order_id" in body else "id"
        return StatedPart(channel_order_id=need_text(body, key, at), event="notification", missing=("order",), account=account)
    if not body.get("line_items") and (of := _returned(body, at)) is not None:
        return StatedPart(channel_order_id=of, event="notification", missing=("order",), account=account)
    order_id, report = need_text(body, "id", at), Report()
    try:
        return _order(body, at, order_id, account, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=_event(body), report=report)


def _notice(body: Json, at: str) -> StatedPart | None:
    """Return what a webhook names: ids, state and version; of a payment, a refund or an invoice only the order it is of."""
    about_orders = _NOTICES
    for key in ("data", "object"):
        if isinstance(body.get(key), dict):
            at, body, about_orders = f"{at}/{key}", body[key], tuple(body[key])
    for name in about_orders:
        row = body.get(name)
        if not isinstance(row, dict) or (name not in _NOTICES and "order_id" not in row):
            continue
        report = Report()
        where = f"{at}/{name}"
        values = (
            {
                "placed_at": moment_text(instant(row, "created_at", where, report)),
                "changed_at": moment_text(instant(row, "updated_at", where, report)),
                "version": text(row, "version"),
                "source_status": text(row, "state"),
            }
            if name in _NOTICES
            else {}
        )
        return StatedPart(
            channel_order_id=need_text(row, "order_id", where),
            event="notification",
            missing=("order",),
            account=text(row, "location_id") or "default",
            findings=tuple(report.findings),
            stated=values,
        )
    return None


def _returned(body: Json, at: str) -> str | None:
    """Return the order that an order of nothing but returned goods is of: it sells nothing, that one's state says what came back."""
    return next((text(row, "source_order_id") for row in rows(body, "returns", at) if text(row, "source_order_id")), None)


def _event(body: Json) -> StatedEvent:
    state = text(body, "state")
    if state == "CANCELED":
        return "cancel"
    return "draft" if state == "DRAFT" else "create" if text(body, "version") in {None, "1"} else "update"


def _money(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read `{"amount": whole minor units, "currency": …}`; another currency than the order's fails."""
    pair = child(row, key, at)
    if not pair or pair.get("amount") is None:
        return None
    where, amount, code = f"{at}/{key}", pair["amount"], text(pair, "currency")
    if draft.foreign(code):
        fail(where, "currency", "one_currency", code, f"{where} is in another currency than the order's {draft.currency}")
    if isinstance(amount, str) and amount.removeprefix("-").isdecimal() and amount.isascii() and len(amount) < 19:
        amount = int(amount)
    if type(amount) is not int or abs(amount) >= 10**18:
        fail(where, "amount", "whole number of minor units", amount)
    return amount


def _order(body: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    total = child(body, "total_money", at) or {}
    event = _event(body)
    draft = Draft(
        currency_of(text(total, "currency") or currency_within(body, "currency"), f"{at}/total_money/currency", report),
        report,
        cancelled=event == "cancel",
    )
    extensions = report.kept
    state = text(body, "state")
    fulfillment = _fulfillment(body, at, state, draft)
    _lines(draft, body, at, extensions, shipped=fulfillment == "fulfilled")
    goods = sum(draft.stated_left.values())
    _discounts(draft, body, at)
    _charges(draft, body, at)
    _taxes(draft, body, at)
    grand, tax, discount = (_money(body, key, at, draft) for key in ("total_money", "total_tax_money", "total_discount_money"))
    _tip(draft, body, at, grand)
    totals = draft.totals(grand)
    payment = _payments(draft, body, at, state, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    who, ship_to = _recipient(body, at)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "ticket_name") or text(body, "reference_id") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(body, "updated_at", at, report),
            status=state,
        ),
        currency=draft.currency,
        placed_at=instant(body, "created_at", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=text(who, "display_name"),
            email=text(who, "email_address"),
            phone=text(who, "phone_number"),
            customer_ref=text(body, "customer_id") or text(who, "customer_id"),
        ),
        ship_to=ship_to,
        note=text(body, "note"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(discount=discount, tax=tax, grand=grand),
        extensions=extensions,
    )
    summary: dict[str, object] = {"subtotal": to_text(goods, draft.currency)} if draft.lines else {}
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=fulfillment, stated=summary, of=((body, at),), inside=_INSIDE
    )


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, shipped: bool) -> None:
    items = rows(body, "line_items", at)
    ids = [text(row, "uid") for row in items]
    inclusive = {text(row, "uid") for row in rows(body, "taxes", at) if text(row, "type") == "INCLUSIVE"}
    for index, (row, uid, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/line_items/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        gross = _money(row, "gross_sales_money", where, draft)
        if gross is None:
            gross = _money(row, "variation_total_price_money", where, draft) or _money(row, "total_money", where, draft)
        if gross is None:
            each = _money(row, "base_price_money", where, draft) or 0
            gross = round_ratio(each, ordered, 10**exponent, "half_up")
        exact = Decimal(gross).scaleb(-exponent_of(draft.currency))
        taxes = {text(tax, "tax_uid") for tax in rows(row, "applied_taxes", where)}
        name = " ".join(present((text(row, "name"), text(row, "variation_name"))))
        draft.line(
            line_id,
            channel_line_id=uid,
            name=name,
            unit_price=quotient_price(exact, ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            unit_of_measure=_unit(row, where),
            gross=gross,
            tax_included=bool(taxes & inclusive),
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _LINE, where, extensions)


def _unit(row: Json, at: str) -> str | None:
    """Return what a line is measured in; None is pieces. A measure without a name is at least divisible, which pieces are not."""
    measured = child(row, "quantity_unit", at)
    if measured is None:
        return None
    unit = child(measured, "measurement_unit", f"{at}/quantity_unit") or {}
    custom = child(unit, "custom_unit", f"{at}/quantity_unit/measurement_unit") or {}
    name = text(custom, "abbreviation") or next(
        (text(unit, key) for key in unit if key.endswith("_unit") and isinstance(unit[key], str)), None
    )
    return name or ("divisible" if whole(measured, "precision") else None)


def _discounts(draft: Draft, body: Json, at: str) -> None:
    """Add a row per discount with what each line carries of it; one that no line names is spread."""
    shares: dict[str, dict[str, int]] = {}
    for index, row in enumerate(rows(body, "line_items", at)):
        where = f"{at}/line_items/{index}"
        for part, applied in enumerate(rows(row, "applied_discounts", where)):
            amount = _money(applied, "applied_money", f"{where}/applied_discounts/{part}", draft)
            if amount and amount > 0:
                lines = shares.setdefault(text(applied, "discount_uid") or "", {})
                line_id = draft.lines[index].line_id
                lines[line_id] = lines.get(line_id, 0) + amount
    known: set[str] = set()
    for index, row in enumerate(rows(body, "discounts", at)):
        uid = text(row, "uid") or ""
        amount = _money(row, "applied_money", f"{at}/discounts/{index}", draft) or 0
        mine = shares.get(uid) if uid not in known else None
        if not mine and amount <= 0:
            continue
        draft.discount(
            f"discount:{uid or index}" if uid not in known else f"discount:{index}", amount, shares=mine, label=text(row, "name") or ""
        )
        known.add(uid)
    for uid, lines in shares.items():
        if uid not in known:
            draft.discount(f"discount:{uid}:lines", sum(lines.values()), shares=lines)


def _charges(draft: Draft, body: Json, at: str) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows(body, "service_charges", at)):
        where = f"{at}/service_charges/{index}"
        amount = _money(row, "applied_money", where, draft)
        if amount is None:
            amount = _money(row, "amount_money", where, draft) or 0
        uid = text(row, "uid") or str(index)
        charge = f"fee:{uid}" if uid not in seen else f"fee:{uid}:{index}"
        seen.add(uid)
        draft.charge("fee", charge, amount, label=text(row, "name") or "")
        tax = _money(row, "total_tax_money", where, draft)
        if tax:
            draft.tax(f"tax:{charge}", tax, adjustment_id=charge)
    rounding = child(body, "rounding_adjustment", at) or {}
    if amount := _money(rounding, "amount_money", f"{at}/rounding_adjustment", draft):
        draft.charge("channel_rounding", "rounding", amount, label=text(rounding, "name") or "")


def _taxes(draft: Draft, body: Json, at: str) -> None:
    """Add a row per tax of each line."""
    known = {text(row, "uid"): row for row in rows(body, "taxes", at)}
    for index, row in enumerate(rows(body, "line_items", at)):
        where, line_id = f"{at}/line_items/{index}", draft.lines[index].line_id
        for part, applied in enumerate(rows(row, "applied_taxes", where)):
            amount = _money(applied, "applied_money", f"{where}/applied_taxes/{part}", draft)
            if not amount:
                continue
            named = known.get(text(applied, "tax_uid"), {})
            draft.tax(
                f"tax:{line_id}:{part}",
                amount,
                line_id=line_id,
                title=text(named, "name") or "",
                rate=rate_text(named.get("percentage"), percent=True),
                included=text(named, "type") == "INCLUSIVE",
            )


def _tip(draft: Draft, body: Json, at: str, grand: int | None) -> None:
    """Add the tip where the total has it in it: with it the rows come nearer to the total than without."""
    tip = _money(body, "total_tip_money", at, draft)
    if not tip or grand is None:
        return
    missing = grand - draft.totals(None).grand_total_minor
    if abs(missing - tip) < abs(missing):
        draft.charge("fee", "fee:tip", tip, label="tip")


def _payments(draft: Draft, body: Json, at: str, state: str | None, grand: int) -> PaymentState | None:
    sums = {"capture": 0, "authorization": 0, "void": 0, "refund": 0}
    for index, row in enumerate(rows(body, "tenders", at)):
        where = f"{at}/tenders/{index}"
        amount = _money(row, "amount_money", where, draft) or 0
        card = child(row, "card_details", where) or {}
        kind = _PAYING.get(text(card, "status") or "CAPTURED")
        if kind is None or amount <= 0:  # FAILED moved nothing
            continue
        sums[kind] += amount
        name = text(row, "payment_id") or text(row, "id") or f"tender:{index}"
        draft.payment("SQUARE", kind, amount, transaction=name, method=text(row, "type"))  # type: ignore[arg-type]  # a value of _PAYING
    for index, row in enumerate(rows(body, "refunds", at)):
        if text(row, "status") in {"REJECTED", "FAILED"}:
            continue
        amount = abs(_money(row, "amount_money", f"{at}/refunds/{index}", draft) or 0)
        sums["refund"] += amount
        draft.payment("SQUARE", "refund", amount, transaction=text(row, "id") or f"refund:{index}")
    if sums["refund"] and sums["capture"]:
        return "refunded" if sums["refund"] >= sums["capture"] else "partially_refunded"
    if sums["capture"]:
        return "paid" if sums["capture"] >= grand else "partially_paid"
    if sums["authorization"]:
        return "authorized"
    if sums["void"]:
        return "voided"
    return None if state == _DONE or draft.cancelled else "unpaid"


def _fulfillment(body: Json, at: str, state: str | None, draft: Draft) -> FulfillmentState | None:
    if draft.cancelled:
        return "cancelled"
    states = [text(row, "state") for row in rows(body, "fulfillments", at)]
    live = [one for one in states if one not in _GONE]
    if not live:
        return "fulfilled" if state == _DONE else None if not states else "unfulfilled"
    done = sum(1 for one in live if one == _DONE)
    return "fulfilled" if done == len(live) else "partially_fulfilled" if done else "unfulfilled"


def _recipient(body: Json, at: str) -> tuple[Json, Address | None]:
    """Return who gets the goods, and where they are sent; who picks them up has no delivery address."""
    found: Json = {}
    for index, row in enumerate(rows(body, "fulfillments", at)):
        where = f"{at}/fulfillments/{index}"
        for kind, key in (*_DELIVERIES, ("PICKUP", "pickup_details")):
            details = child(row, key, where) or {}
            who = child(details, "recipient", f"{where}/{key}")
            if who is None:
                continue
            found = found or who
            place = child(who, "address", f"{where}/{key}/recipient")
            if kind != "PICKUP" and place:
                return who, _address(who, place)
    return found, None


def _address(who: Json, row: Json) -> Address:
    named = " ".join(present((text(row, "first_name"), text(row, "last_name"))))
    return address_of(
        name=text(who, "display_name") or named or None,
        company=text(row, "organization"),
        lines=present(text(row, f"address_line_{number}") for number in (1, 2, 3)),
        city=text(row, "locality"),
        region=text(row, "administrative_district_level_1"),
        postal_code=text(row, "postal_code"),
        country=text(row, "country"),
        phone=text(who, "phone_number"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_QUANTITY, Verb.CHANGE_LINES, Verb.CHANGE_ADDRESS, Verb.REFUND, Verb.NOTE}),
    signature="square_hmac_sha256",
    account_field="/location_id",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    counts_pieces=True,
)
