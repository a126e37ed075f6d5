"""Mercado Libre order resources, searches, packs and notifications -> canonical Order.

Input:   the JSON of GET /orders/{id} or /orders/search (`results`); a notification (`resource`, `topic`), or those that were missed (`messages`); a
         pack, which names its orders, as a claim and a payment do theirs; the JSON of GET /shipments/{id} (either shape) as a further part: where
         the order goes, and what that costs.
Output:  Order in currency_id, integer minor units. `unit_price` is what the buyer pays, after the seller's discount. `total_amount` is
         the goods without shipping, which is added where a payment or the shipment states it. A notification is a part.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developers.mercadolibre.com: orders, payments, packs, notifications (topics orders_v2, orders); read 2026-11-24; shipments; 2026-11-28; missed
         feeds, claims, payments (`order_id`, `order.id`); 2026-11-29. `item.id` is the
         listing, not a sku; a coupon is Mercado Libre's own money.
"""

import re
from collections.abc import Mapping, Sequence

from normalizers.amounts import amount_of, currency_of, price_of
from normalizers.building import account_of, address_of, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import moment_text
from normalizers.wire import (
    Broken,
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
    said_otherwise,
    text,
    unmapped,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of

NAME = "mercadolibre"
MAPPING = 5

_WRAPPINGS = ("data", "orders", "results", "payload", "messages", "collection")
_ORDER_OF = re.compile(r"/(?:orders|packs)/(\d{1,20})(?:[/?#]|$)")
_PAYMENT: Mapping[str, PaymentState | None] = {
    "confirmed": "unpaid",
    "payment_required": "unpaid",
    "payment_in_process": "unpaid",
    "partially_paid": "partially_paid",
    "paid": "paid",
    "partially_refunded": "partially_refunded",
    "pending_cancel": None,
    "cancelled": None,
    "invalid": None,
}
_SHIPPED = frozenset({"shipped", "delivered"})
_CAPTURED = frozenset({"approved", "refunded", "charged_back", "in_mediation"})
_MAPPED = names(
    "id status date_created last_updated date_last_updated order_items total_amount currency_id payments seller cancel_detail comment comments"
)
_LINE = names("quantity unit_price currency_id item")
_ITEM = names("title seller_sku seller_custom_field")
_INSIDE = inside(
    """
    payments: date_approved id payment_method_id shipping_cost status transaction_amount transaction_amount_refunded
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in messages(document, _WRAPPINGS)]
    if len(found) == 1:
        return _results(found[0])
    shipments = [_as_shipment(message.value) for message in found if not isinstance(message, Broken) and _is_shipment(message.value)]
    orders = [message for message in found if isinstance(message, Broken) or not _is_shipment(message.value)]
    return tuple([result for message in orders or found for result in _guarded(message, shipments)])


def _is_shipment(value: object) -> bool:
    if not isinstance(value, dict) or "order_items" in value:
        return False
    place = value.get("destination")
    return "receiver_address" in value or (isinstance(place, dict) and "shipping_address" in place)


def _as_shipment(body: Json) -> Json:
    """Return a shipment in its older shape: what the newer one keeps under `destination` and `lead_time`."""
    option = body.get("shipping_option")
    lead = body.get("lead_time")
    cost = next((part.get("cost") for part in (option, lead) if isinstance(part, dict)), None)
    found = {**body, "cost": body.get("cost", cost)}
    if isinstance(place := body.get("destination"), dict):
        found["receiver_address"] = {**place, **(child(place, "shipping_address", "/destination") or {})}
    return found


def _with_shipment(body: Json, shipments: Sequence[Json]) -> Json:
    """Return the order with the shipment that came along: the one it names, or the one that names it."""
    stated = body.get("shipping")
    number = text(stated, "id") if isinstance(stated, dict) else None
    order_id = text(body, "id")
    mine = next((row for row in shipments if text(row, "id") == number or (order_id and text(row, "order_id") == order_id)), None)
    if mine is None:
        return body
    own = stated if isinstance(stated, dict) and not stated.items() <= mine.items() else None
    return {"shipping_of_the_order": own, **body, "shipping": mine}  # what the order itself says of it is kept beside


def _guarded(message: Message, shipments: Sequence[Json]) -> tuple[Result, ...]:
    try:
        return _results(message, shipments)
    except OrdermendError as error:
        return (refused(None, error),)


def _results(message: Message, shipments: Sequence[Json] = ()) -> tuple[Result, ...]:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    if "order_items" not in body and (of := _of_order(body, at)) is not None:
        return (StatedPart(channel_order_id=of, event="notification", missing=("order",), account=account_of(message.headers)),)
    if "resource" in body and "order_items" not in body:
        return (_notification(body, at, account_of(message.headers, text(body, "user_id"))),)
    seller = text(child(body, "seller", at) or {}, "id")
    account = account_of(message.headers, seller)
    if "order_items" not in body and "orders" in body:
        return tuple(_part(row, f"{at}/orders/{index}", account) for index, row in enumerate(rows(body, "orders", at)))
    if _is_shipment(body):
        return (_shipment(_as_shipment(body), at, account),)
    order_id = need_text(body, "id", at)
    if "order_items" not in body and "total_amount" not in body:
        return (_part(body, at, account),)
    body = _with_shipment(body, shipments)
    report = Report()
    try:
        return (_order(body, at, order_id, account, report),)
    except OrdermendError as error:
        return (refused(order_id, error, account=account, event="snapshot", report=report),)


def _of_order(body: Json, at: str) -> str | None:
    """Return the order that a payment or a claim is of; None where `body` is neither."""
    if "resource_id" in body and body.get("resource") == "order":
        return need_text(body, "resource_id", at)
    if "transaction_amount" not in body:
        return None
    named = text(body, "order_id") or text(child(body, "order", at) or {}, "id")
    if named is None:
        fail(at, "order_id", "names_an_order", text(body, "id"), "a payment of no order")
    return named


def _notification(body: Json, at: str, account: str) -> StatedPart:
    """Return the order a notification names; what changed has to be fetched."""
    resource = need_text(body, "resource", at)
    found = _ORDER_OF.search(resource)
    if found is None:
        fail(at, "resource", "order", resource, "the notification is of no order")
    sent = instant(body, "sent", at, Report())
    return StatedPart(
        channel_order_id=found[1],
        event="notification",
        missing=("pack",) if "/packs/" in resource else ("order",),
        account=account,
        stated={"changed_at": moment_text(sent)} if sent else {},
    )


def _shipment(body: Json, at: str, account: str) -> StatedPart:
    """Return the order that a shipment without it is of, and where it goes."""
    order_id = text(body, "order_id")
    if order_id is None:
        fail(at, "order_id", "names_an_order", text(body, "id"), "a shipment that names no order")
    place = _ship_to(body, at)
    to = {"country": place.country if place else None, "postal_code": place.postal_code if place else None}
    return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account, stated={"ship_to": to})


def _part(row: Json, at: str, account: str) -> StatedPart:
    return StatedPart(channel_order_id=need_text(row, "id", at), event="notification", missing=("order",), account=account)


def _order(body: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    items = rows(body, "order_items", at)
    stated_currency = text(body, "currency_id") or next((text(row, "currency_id") for row in items), None)
    currency = currency_of(stated_currency, f"{at}/currency_id", report)
    status = text(body, "status")
    if status is not None and status not in _PAYMENT:
        report.note(f"{at}/status", "unknown_status", "no documented order status", status)
    shipment = child(body, "shipping", at) or {}
    state = _fulfillment(body, shipment, status)
    draft = Draft(currency, report, cancelled=status == "cancelled")
    extensions = report.kept
    _lines(draft, items, at, extensions, shipped=state == "fulfilled")
    goods = sum(line.gross_minor for line in draft.lines)
    payments = rows(body, "payments", at)
    shipping = _shipping(draft, shipment, payments, at)
    total = amount_of(body, "total_amount", at, currency, report)
    tax = _tax(draft, body, at, goods, total)
    grand = None if total is None else total + (shipping or 0)
    totals = draft.totals(grand)
    payment = _payments(draft, payments, at, status, totals.grand_total_minor)
    coupon = amount_of(child(body, "coupon", at) or {}, "amount", f"{at}/coupon", currency, report)
    if coupon:
        report.note(f"{at}/coupon", "coupon_of_the_channel", "a coupon that the channel pays lowers no price", coupon)
    unmapped(body, _MAPPED - said_otherwise(body, "last_updated", "date_last_updated"), at, extensions)
    seller = child(body, "seller", at) or {}
    unmapped(seller, frozenset({"id"}), f"{at}/seller", extensions)
    buyer = child(body, "buyer", at) or {}
    cancel = child(body, "cancel_detail", at) or {}
    unmapped(cancel, frozenset({"date"}), f"{at}/cancel_detail", extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "pack_id") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=text(child(body, "context", at) or {}, "site"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "last_updated" if "last_updated" in body else "date_last_updated", at, report),
            status=status,
            payment_status=status if _PAYMENT.get(status or "") else None,
        ),
        currency=currency,
        placed_at=instant(body, "date_created", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=_contact(buyer),
        ship_to=_ship_to(shipment, f"{at}/shipping"),
        payment_method=next((method for row in payments if (method := text(row, "payment_method_id"))), None),
        note=text(body, "comment") or (text(body, "comments") if isinstance(body.get("comments"), str) else None),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(shipping=shipping, tax=tax, grand=grand),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/order_items", "no_lines", "the order has no items")
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    summary: dict[str, object] = {
        "subtotal": to_text(goods, currency) if priced else None,
        "grand_total": None if total is None else to_text(total, currency),
        "discount_total": to_text(coupon, currency) if coupon else None,
    }
    return draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=payment,
        fulfillment=state,
        cancelled_at=instant(cancel, "date", f"{at}/cancel_detail", report) if draft.cancelled else None,
        cancel_requested=status == "pending_cancel",
        stated=summary,
        of=((body, at),),
        inside=_INSIDE,
    )


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str], *, shipped: bool) -> None:
    products = [child(row, "item", f"{at}/order_items/{index}") or {} for index, row in enumerate(items)]
    ids = [
        text(row, "element_id") or ":".join(present((text(one, "id"), text(one, "variation_id"))))
        for row, one in zip(items, products, strict=True)
    ]
    for index, (row, product, number, line_id) in enumerate(zip(items, products, ids, line_ids(ids), strict=True)):
        where = f"{at}/order_items/{index}"
        code = text(row, "currency_id")
        if draft.foreign(code):
            fail(where, "currency_id", "one_currency", code, f"{where} is in another currency than the order's {draft.currency}")
        ordered, exponent = quantity(row, "quantity", where)
        price = price_of(row, "unit_price", where)
        draft.line(
            line_id,
            channel_line_id=number or None,
            sku=text(product, "seller_sku") or text(product, "seller_custom_field"),
            name=text(product, "title") or "",
            unit_price=price,
            tax_included=True,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, draft.currency, "half_up"),
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _LINE, where, extensions)
        unmapped(product, _ITEM - said_otherwise(product, "seller_sku", "seller_custom_field"), f"{where}/item", extensions)


def _shipping(draft: Draft, shipment: Json, payments: list[Json], at: str) -> int | None:
    """Add what the buyer pays for shipping: what the accepted payments say, else the shipment."""
    told = None
    for index, row in enumerate(payments):
        amount = amount_of(row, "shipping_cost", f"{at}/payments/{index}", draft.currency, draft.report)
        if amount is not None and text(row, "status") in _CAPTURED:
            told = (told or 0) + amount
    if told is None:
        told = amount_of(shipment, "cost", f"{at}/shipping", draft.currency, draft.report)
    if told is not None:
        draft.charge("shipping", "shipping", told, label="shipping_cost")
    return told


def _tax(draft: Draft, body: Json, at: str, goods: int, total: int | None) -> int | None:
    """Add the order's tax where the total has it on top; else it is in the prices."""
    amount = amount_of(child(body, "taxes", at) or {}, "amount", f"{at}/taxes", draft.currency, draft.report)
    if amount:
        draft.tax("tax:order", amount, title="taxes", included=total != goods + amount, liable="channel")
    return amount


def _payments(draft: Draft, payments: list[Json], at: str, status: str | None, grand: int) -> PaymentState | None:
    """Add the ledger of accepted payments and refunds; return the state the order's word or, without one, the ledger means."""
    captured = refunded = authorized = 0
    for index, row in enumerate(payments):
        where, word, number = f"{at}/payments/{index}", text(row, "status"), text(row, "id") or f"payment:{index}"
        amount = amount_of(row, "transaction_amount", where, draft.currency, draft.report) or 0
        amount += amount_of(row, "shipping_cost", where, draft.currency, draft.report) or 0
        method, moment = text(row, "payment_method_id"), instant(row, "date_approved", where, draft.report)
        if word == "authorized":
            authorized += amount
            draft.payment("MERCADOPAGO", "authorization", amount, transaction=number, method=method, at=moment)
        elif word in _CAPTURED:
            captured += amount
            draft.payment("MERCADOPAGO", "capture", amount, transaction=number, method=method, at=moment)
            back = amount_of(row, "transaction_amount_refunded", where, draft.currency, draft.report) or 0
            back = back or (amount if word in {"refunded", "charged_back"} else 0)
            if back:
                refunded += back
                draft.payment("MERCADOPAGO", "refund", back, transaction=number, method=method)
    state = _PAYMENT.get(status or "")
    if state is None or (state == "paid" and refunded):
        state = _of_ledger(captured, refunded, authorized, grand) or state
    if not draft.payments:
        draft.stated_payment(state, "MERCADOPAGO", grand)
    return state


def _of_ledger(captured: int, refunded: int, authorized: int, grand: int) -> PaymentState | None:
    if captured:
        if refunded:
            return "refunded" if refunded >= captured else "partially_refunded"
        return "paid" if captured >= grand else "partially_paid"
    return "authorized" if authorized else None


def _fulfillment(body: Json, shipment: Json, status: str | None) -> FulfillmentState | None:
    if status == "cancelled":
        return "cancelled"
    tags = body.get("tags")
    delivered = isinstance(tags, list) and "delivered" in tags
    if body.get("fulfilled") is True or delivered or text(shipment, "status") in _SHIPPED:
        return "fulfilled"
    return None


def _contact(buyer: Json) -> Contact:
    phone = buyer.get("phone")
    digits = present((text(phone, "area_code"), text(phone, "number"))) if isinstance(phone, dict) else ()
    return Contact(
        name=" ".join(present((text(buyer, "first_name"), text(buyer, "last_name")))) or None,
        email=text(buyer, "email"),
        phone=" ".join(digits) or None,
        customer_ref=text(buyer, "id"),
    )


def _ship_to(shipment: Json, at: str) -> Address | None:
    """Return the address an order of the older shape has with it; else it is another resource's."""
    place = child(shipment, "receiver_address", at)
    if not place:
        return None
    where = f"{at}/receiver_address"
    street = " ".join(present((text(place, "street_name"), text(place, "street_number"))))
    named = {key: child(place, key, where) or {} for key in ("city", "state", "country") if not isinstance(place.get(key), str)}
    return address_of(
        name=text(place, "receiver_name"),
        lines=present((text(place, "address_line") or street, text(place, "comment"))),
        city=text(named.get("city", {}), "name") or (text(place, "city") if "city" not in named else None),
        region=text(named.get("state", {}), "name") or (text(place, "state") if "state" not in named else None),
        postal_code=text(place, "zip_code"),
        country=text(named.get("country", {}), "id") or (text(place, "country") if "country" not in named else None),
        phone=text(place, "receiver_phone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.NOTE}),
    signature="none",
    account_field="/seller/id",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    counts_pieces=True,
)
