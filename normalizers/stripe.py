"""Stripe Checkout sessions -> canonical Order.

Input:   a Checkout Session, as the API gives it or in an event: checkout.session.completed, async_payment_succeeded, async_payment_failed,
         expired. Events of payment intents, charges and refunds name a payment, and the order by its metadata where it has one.
Output:  Order in the session's currency; amounts are whole units of the smallest denomination. A line's SKU is its price's or product's
         metadata `sku`, else the price's lookup key: Stripe's own ids are no SKUs.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text. Events carry no line items: such an order is incomplete
         until they are fetched, as is a list of line items without its session.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  docs.stripe.com/api: Checkout Sessions (object, line items), Events, "Supported currencies" (zero-decimal and three-decimal; ISK and UGX
         are written with two decimals); read 2026-11-24. `amount_subtotal` is before discounts and exclusive taxes, `amount_total` is paid.
"""

from collections.abc import Mapping
from decimal import Decimal

from normalizers.amounts import currency_of, quotient_price
from normalizers.building import account_of, address_of, line_ids, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import order_values
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
    present,
    quantity,
    rows,
    text,
    unmapped,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import exponent_of, round_ratio
from schemas.order import Address, Contact, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "stripe"
MAPPING = 4

_TWO_DECIMALS = frozenset({"ISK", "UGX"})
"""Currencies that ISO 4217 gives no decimals, and Stripe writes with two zeros."""
_PAYMENT: Mapping[str, PaymentState] = {"paid": "paid", "unpaid": "unpaid", "no_payment_required": "paid"}
_OF_A_PAYMENT = frozenset({"checkout.session", "payment_intent", "charge", "refund", "dispute"})
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
            found += [] if listed is not None else [message]
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
    if body.get("object") == "event" or isinstance(body.get("data"), dict):
        kind = text(body, "type") or ""
        inner = child(child(body, "data", at) or {}, "object", f"{at}/data")
        if inner is None:
            fail(at, "data", "object", body.get("data"), "the event has no object")
        body, at = inner, f"{at}/data/object"
    session = need_text(body, "id", at)
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


def _payment_event(body: Json, name: str, account: str, at: str) -> StatedPart:
    """Return the order that a payment, a charge or a refund is about: the session in its metadata, else by the payment's own id."""
    kind = text(body, "object")
    if kind not in _OF_A_PAYMENT:
        fail(at, "object", "names_an_order", kind, "an object that is no session and no payment of one")
    metadata = body.get("metadata")
    named = (text(metadata, "checkout_session") or text(metadata, "order_id")) if isinstance(metadata, dict) else None
    order_id = named or text(body, "payment_intent") or name
    return StatedPart(channel_order_id=order_id, event="notification", missing=("session",), account=account)


def _amount(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read whole units of the smallest denomination as minor units of the currency."""
    value = row.get(key)
    if value is None:
        return None
    if type(value) is not int or abs(value) >= 10**17:
        fail(at, key, "whole number", value)
    if draft.currency not in _TWO_DECIMALS or exponent_of(draft.currency) == 2:
        return value
    if value % 100:
        draft.report.note(f"{at}/{key}", "amount_rounded", f"finer than {draft.currency} carries: rounded half up", value)
    return round_ratio(value, 1, 100, "half_up")


def _order(body: Json, at: str, session: str, account: str, event: StatedEvent, lines: list[Json], report: Report) -> Result:
    draft = Draft(currency_of(text(body, "currency"), f"{at}/currency", report), report, cancelled=event == "cancel")
    details, where = child(body, "total_details", at) or {}, f"{at}/total_details"
    extensions = report.kept
    expanded = child(body, "line_items", at) or {}
    items = lines or rows(expanded, "data", f"{at}/line_items")
    discount, shipping, tax = (_amount(details, key, where, draft) for key in ("amount_discount", "amount_shipping", "amount_tax"))
    subtotal, grand = _amount(body, "amount_subtotal", at, draft), _amount(body, "amount_total", at, draft)
    included = None not in (subtotal, grand) and bool(tax) and grand == (subtotal or 0) - (discount or 0) + (shipping or 0)
    shares = _lines(draft, items, f"{at}/line_items/data", extensions, included=included)
    if items:
        if discount:
            draft.discount("discount:session", discount, shares=shares if sum(shares.values()) == discount else None)
        if shipping is not None:
            draft.charge("shipping", "shipping", shipping)
        _taxes(draft, items, tax or 0, at, included=included)
    totals = draft.totals(grand if items else None)
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
    return stated if items else _without_lines(stated)


def _without_lines(stated: StatedOrder) -> StatedPart:
    source = stated.order.source
    return StatedPart(
        channel_order_id=source.channel_order_id,
        event=stated.event,
        missing=() if stated.event == "cancel" else ("line items",),  # of what nobody placed there is nothing to fetch
        account=source.account,
        findings=stated.findings,
        stated={**order_values(stated), "lines": None, "source_status": None},
    )


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str], *, included: bool) -> dict[str, int]:
    """Add the lines; return what each was discounted."""
    shares: dict[str, int] = {}
    ids = [text(row, "id") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        gross = _amount(row, "amount_subtotal", where, draft) or 0
        price = row.get("price")
        price = price if isinstance(price, dict) else {}
        draft.line(
            line_id,
            channel_line_id=number,
            sku=_sku(price),
            name=text(row, "description") or "",
            unit_price=quotient_price(Decimal(gross).scaleb(-exponent_of(draft.currency)), ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=included,
        )
        if amount := _amount(row, "amount_discount", where, draft):
            shares[line_id] = abs(amount)
        unmapped(row, _LINE, where, extensions)
        unmapped(price, frozenset(), f"{where}/price", extensions)
    return shares


def _sku(price: Json) -> str | None:
    product = price.get("product")
    for row in (price, product if isinstance(product, dict) else {}):
        metadata = row.get("metadata")
        if isinstance(metadata, dict) and (sku := text(metadata, "sku")):
            return sku
    return text(price, "lookup_key")


def _taxes(draft: Draft, items: list[Json], stated: int, at: str, *, included: bool) -> None:
    rest = stated
    for index, row in enumerate(items):
        amount = _amount(row, "amount_tax", f"{at}/line_items/data/{index}", draft)
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
    place = child(row or {}, "address", where)
    if row is None or not place or not any(place.values()):
        return None, method
    return address_of(
        name=text(row, "name"),
        lines=present((text(place, "line1"), text(place, "line2"))),
        city=text(place, "city"),
        region=text(place, "state"),
        postal_code=text(place, "postal_code"),
        country=text(place, "country"),
        phone=text(row, "phone"),
    ), method


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
