"""Stripe Checkout sessions and invoices -> canonical Order.

Input:   a Checkout Session, as the API gives it or in an event: checkout.session.completed, async_payment_succeeded, async_payment_failed,
         expired; an invoice (`normalizers.stripe_invoice`). Payment intents, charges, refunds and credit notes, and their events, name a payment or an
         invoice, and the order by its metadata where it has one; of an intent and a charge it is told what was to be paid, and where it goes.
Output:  Order in the session's currency; amounts are whole units of the smallest denomination. A line's SKU is its price's or product's
         metadata `sku`, else the price's lookup key: Stripe's own ids are no SKUs.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text. Events carry no line items: such an order is incomplete
         until they are fetched, as is a list of line items without its session.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  docs.stripe.com/api: Checkout Sessions (object, line items), Events; read 2026-11-24. `amount_subtotal` is before discounts and exclusive
         taxes, `amount_total` is paid. PaymentIntents and Charges (status, captured, refunded, shipping); read 2026-11-29.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from normalizers.amounts import currency_of, quotient_price
from normalizers.building import account_of, line_ids, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.stripe_invoice import invoice_order
from normalizers.stripe_values import MAPPING, NAME, address_in, amount_in, sku_of, without_lines
from normalizers.summary import moment_text
from normalizers.wire import (
    Broken,
    Json,
    Message,
    Report,
    child,
    epoch,
    fail,
    messages,
    names,
    need_text,
    quantity,
    rows,
    text,
    unmapped,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import exponent_of, to_text
from schemas.order import Address, Contact, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

_PAYMENT: Mapping[str, PaymentState] = {"paid": "paid", "unpaid": "unpaid", "no_payment_required": "paid"}
_OF_A_PAYMENT = frozenset({"checkout.session", "payment_intent", "charge", "refund", "dispute", "credit_note"})
_INTENT: Mapping[str, PaymentState] = {"succeeded": "paid", "requires_capture": "authorized", "canceled": "voided"}
_EVENTS: Mapping[str, StatedEvent] = {
    "checkout.session.completed": "create",
    "checkout.session.async_payment_succeeded": "update",
    "checkout.session.async_payment_failed": "update",
    "checkout.session.expired": "cancel",
}
_MAPPED = names(
    "id object created currency amount_subtotal amount_total total_details customer customer_details customer_email shipping_details "
    "shipping_cost payment_status payment_intent status line_items"
)
_LINE = names("id object description quantity amount_subtotal amount_discount amount_tax currency price")
_INSIDE = inside(
    """
    customer_details: email name phone
    line_items: data
    shipping_cost: shipping_rate
    shipping_rate: display_name
    shipping_details: address name phone
    address: city country line1 line2 postal_code state
    total_details: amount_discount amount_shipping amount_tax
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what the session says; its line items may come as a document of their own."""
    found: list[Message] = []
    lines: list[Json] = []
    for document in documents:
        for message in messages(document, ()):
            listed = _line_items(message)
            found += [] if listed is not None else _listed(message)
            lines += listed or []
    if not found and lines:
        raise NormalizationFailed("line items without their session", field="", rule="names_an_order")
    if len(found) == 1:
        return (_result(found[0], lines),)
    return tuple([_guarded(message) for message in found])


def _line_items(message: Message) -> list[Json] | None:
    if isinstance(message, Broken):
        return None
    value = message.value
    if not isinstance(value, dict) or value.get("object") != "list":
        return None
    items = rows(value, "data", message.at)
    return items if items and all(row.get("object") == "item" for row in items) else None


def _listed(message: Message) -> list[Message]:
    """Return what a list of the API holds; anything else as it is."""
    if isinstance(message, Broken) or not isinstance(message.value, dict) or text(message.value, "object") not in {"list", "search_result"}:
        return [message]
    at = f"{message.at}/data"
    return [replace(message, value=row, at=f"{at}/{index}") for index, row in enumerate(rows(message.value, "data", message.at))]


def _guarded(message: Message) -> Result:
    try:
        return _result(message, [])
    except OrdermendError as error:
        return refused(None, error)


def _result(message: Message, lines: list[Json]) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    kind, account = "", account_of(message.headers, text(body, "account"))
    if body.get("object") == "event" or (isinstance(body.get("data"), dict) and "related_object" not in body):
        kind = text(body, "type") or ""
        inner = child(child(body, "data", at) or {}, "object", f"{at}/data")
        if inner is None:
            fail(at, "data", "object", body.get("data"), "the event has no object")
        body, at = inner, f"{at}/data/object"
    elif isinstance(body.get("related_object"), dict):  # an event of v2 names its object, and does not have it in it
        kind, named, at = text(body, "type") or "", body["related_object"], f"{at}/related_object"
        body = {"id": named.get("id"), "object": text(named, "type")}
    session = need_text(body, "id", at)
    if text(body, "object") == "invoice":
        return _invoice(body, at, session, account, kind)
    if "amount_total" not in body or text(body, "object") not in {None, "checkout.session"}:
        return _payment_event(body, session, account, at)
    if text(body, "mode") == "setup":
        fail(at, "mode", "names_an_order", "setup", "a session that only saves a way to pay orders nothing")
    report = Report()
    event = _EVENTS.get(kind) or (
        "cancel" if text(body, "status") == "expired" else "draft" if text(body, "status") == "open" else "create"
    )
    try:
        return _order(body, at, session, account, event, lines, report)
    except OrdermendError as error:
        return refused(session, error, account=account, event=event, report=report)


def _invoice(body: Json, at: str, invoice: str, account: str, kind: str) -> Result:
    report = Report()
    try:
        return invoice_order(body, at, invoice, account, kind, report)
    except OrdermendError as error:
        return refused(invoice, error, account=account, event="snapshot", report=report)


def _payment_event(body: Json, name: str, account: str, at: str) -> StatedPart:
    """Return the order that a payment, a charge or a refund is about: the session in its metadata, else by the payment's own id."""
    kind = text(body, "object")
    if kind not in _OF_A_PAYMENT:
        fail(at, "object", "names_an_order", kind, "an object that is no session, no invoice and no payment of one")
    metadata = body.get("metadata")
    named = (text(metadata, "checkout_session") or text(metadata, "order_id")) if isinstance(metadata, dict) else None
    about = _id_in(body, "invoice") if kind == "credit_note" else _id_in(body, "payment_intent") or _id_in(body, "charge")
    report = Report()
    told = _to_be_paid(body, at, report) if kind in {"payment_intent", "charge"} else {}
    return StatedPart(
        channel_order_id=named or about or name,
        event="notification",
        missing=("session",),
        account=account,
        findings=tuple(report.findings),
        stated=told,
    )


def _id_in(body: Json, key: str) -> str | None:
    """Return the id of another object, which may have been expanded."""
    value = body.get(key)
    return text(value, "id") if isinstance(value, dict) else text(body, key)


def _to_be_paid(body: Json, at: str, report: Report) -> dict[str, object]:
    """Return what an intent or a charge says of the order it pays: how much, since when, how far it is, and where the goods go."""
    currency = text(body, "currency")
    told: dict[str, object] = {
        "placed_at": moment_text(epoch(body, "created", at, report)),
        "payment_status": _intent_state(body) if text(body, "object") == "payment_intent" else _charge_state(body),
    }
    if currency is not None and type(body.get("amount")) is int:  # a notification: what it tells beside the id refuses nothing
        draft = Draft(currency_of(currency, f"{at}/currency", report), report)
        told |= {"currency": draft.currency, "grand_total": to_text(amount_in(body, "amount", at, draft) or 0, draft.currency)}
    shipping = body.get("shipping")
    place = address_in(shipping, f"{at}/shipping") if isinstance(shipping, dict) else None
    return told | {"ship_to": {"country": place.country if place else None, "postal_code": place.postal_code if place else None}}


def _intent_state(body: Json) -> PaymentState | None:
    charge = body.get("latest_charge")
    paid = _charge_state(charge) if isinstance(charge, dict) else None
    word = text(body, "status")
    return paid if paid in {"refunded", "partially_refunded"} else None if word is None else _INTENT.get(word, "unpaid")


def _charge_state(body: Json) -> PaymentState | None:
    if body.get("refunded") is True:
        return "refunded"
    if body.get("amount_refunded"):
        return "partially_refunded"
    if text(body, "status") != "succeeded" and body.get("paid") is not True:
        return None if text(body, "status") is None and "paid" not in body else "unpaid"
    return "authorized" if body.get("captured") is False else "paid"


def _order(body: Json, at: str, session: str, account: str, event: StatedEvent, lines: list[Json], report: Report) -> Result:
    draft = Draft(currency_of(text(body, "currency"), f"{at}/currency", report), report, cancelled=event == "cancel")
    details, where = child(body, "total_details", at) or {}, f"{at}/total_details"
    extensions = report.kept
    expanded = child(body, "line_items", at) or {}
    items = lines or rows(expanded, "data", f"{at}/line_items")
    whole = bool(items) and (bool(lines) or expanded.get("has_more") is not True)
    discount, shipping, tax = (amount_in(details, key, where, draft) for key in ("amount_discount", "amount_shipping", "amount_tax"))
    subtotal, grand = amount_in(body, "amount_subtotal", at, draft), amount_in(body, "amount_total", at, draft)
    included = None not in (subtotal, grand) and bool(tax) and grand == (subtotal or 0) - (discount or 0) + (shipping or 0)
    shares = _lines(draft, items, f"{at}/line_items/data", extensions, included=included)
    if items:
        if discount:
            draft.discount("discount:session", discount, shares=shares if sum(shares.values()) == discount else None)
        if shipping is not None:
            draft.charge("shipping", "shipping", shipping)
        _taxes(draft, items, tax or 0, at, included=included)
    totals = draft.totals(grand if whole else None)
    word = text(body, "payment_status")
    payment = _PAYMENT.get(word or "")
    if items:
        intent = text(body, "payment_intent") or "stated"
        if payment == "paid" and (grand or 0) > 0:
            draft.payment("STRIPE", "capture", grand or 0, transaction=intent if intent.isascii() and len(intent) < 100 else "stated")
    who = child(body, "customer_details", at) or {}
    unmapped(
        body, _MAPPED - {"customer_email"} if text(who, "email") not in {None, text(body, "customer_email")} else _MAPPED, at, extensions
    )
    ship_to, method = _ship_to(body, at)
    order = Order(
        order_id=order_id_of(NAME, account, session),
        order_number=text(body, "client_reference_id") or session,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=session,
            status=text(body, "status"),
            payment_status=word,
        ),
        currency=draft.currency,
        placed_at=epoch(body, "created", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=text(who, "name"),
            email=text(who, "email") or text(body, "customer_email"),
            phone=text(who, "phone"),
            customer_ref=text(body, "customer"),
        ),
        ship_to=ship_to,
        ship_method=method,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(subtotal=subtotal, discount=discount, shipping=shipping, tax=tax, grand=grand),
        extensions=extensions,
    )
    stated = draft.stated_order(
        order, event=event, payment=payment, fulfillment="cancelled" if draft.cancelled else None, of=((body, at),), inside=_INSIDE
    )
    return stated if whole else without_lines(stated)


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str], *, included: bool) -> dict[str, int]:
    """Add the lines; return what each was discounted."""
    shares: dict[str, int] = {}
    ids = [text(row, "id") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        gross = amount_in(row, "amount_subtotal", where, draft) or 0
        price = row.get("price")
        price = price if isinstance(price, dict) else {}
        draft.line(
            line_id,
            channel_line_id=number,
            sku=sku_of(price),
            name=text(row, "description") or "",
            unit_price=quotient_price(Decimal(gross).scaleb(-exponent_of(draft.currency)), ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=included,
        )
        if amount := amount_in(row, "amount_discount", where, draft):
            shares[line_id] = abs(amount)
        unmapped(row, _LINE, where, extensions)
        unmapped(price, frozenset(), f"{where}/price", extensions)
    return shares


def _taxes(draft: Draft, items: list[Json], stated: int, at: str, *, included: bool) -> None:
    rest = stated
    for index, row in enumerate(items):
        amount = amount_in(row, "amount_tax", f"{at}/line_items/data/{index}", draft)
        if amount:
            draft.tax(f"tax:{draft.lines[index].line_id}", amount, line_id=draft.lines[index].line_id, included=included)
            rest -= amount
    if rest:
        draft.tax("tax:session", rest, included=included)


def _ship_to(body: Json, at: str) -> tuple[Address | None, str | None]:
    """Return where the goods go and how: in the session itself, since 2025-03-31 in what it collected; the customer's address is neither."""
    cost = child(body, "shipping_cost", at) or {}
    rate = cost.get("shipping_rate")
    method = text(rate, "display_name") if isinstance(rate, dict) else None
    row, where = child(body, "shipping_details", at), f"{at}/shipping_details"
    if row is None:
        collected = child(body, "collected_information", at) or {}
        row, where = child(collected, "shipping_details", f"{at}/collected_information"), f"{at}/collected_information/shipping_details"
    return address_in(row, where), method


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.REFUND}),
    signature="stripe_signature",
    account_field="/account",
    order_key="/data/object/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
