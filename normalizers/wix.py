"""Wix orders -> canonical Order.

Input:   JSON of an order of the eCommerce API v1 or of the older Stores API v2, also as Velo's backend events write it (`_id`); one, a search's list, or a webhook: the signed token as it
         comes (a JWT, whose payload is read here and whose signature the door has checked), its payload, or the event inside it.
Output:  Order in the order's currency, integer minor units. Amounts are decimal texts, in v1 within `{"amount": …}`. A line's price is
         per unit before discounts. Whether tax is in the prices is told by the stated sums first, by the flag where they say neither.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; UndecodableMessage for a token that is none.
Source:  dev.wix.com: eCommerce Orders (order, price summary, webhooks), Wix Stores Orders v2, "Process webhooks" (JWT); read 2026-11-24;
         Automations, "Send via webhook" (an order placed), Checkout, Cart; read 2026-11-28: neither is an order, and what is ordered of it has an id of its own.
"""

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from normalizers.amounts import amount_of, currency_of, decimal_in, priced_row, quotient_price, rate_text
from normalizers.building import account_of, address_of, each, line_ids, not_placed, refused, split_by_line, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
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
    read_json,
    rows,
    said_otherwise,
    text,
    unmapped,
)
from normalizers.wire import whole as count
from schemas.failures import NormalizationFailed, OrdermendError, UndecodableMessage
from schemas.money import UnitPrice
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "wix"
MAPPING = 4

_PAYMENT: Mapping[str, PaymentState] = {
    "NOT_PAID": "unpaid",
    "UNPAID": "unpaid",
    "PENDING": "unpaid",
    "PENDING_MERCHANT": "unpaid",
    "DECLINED": "unpaid",
    "AUTHORIZED": "authorized",
    "PARTIALLY_PAID": "partially_paid",
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "FULLY_REFUNDED": "refunded",
    "CANCELED": "voided",
}
_FULFILLMENT: Mapping[str, FulfillmentState] = {
    "NOT_FULFILLED": "unfulfilled",
    "PARTIALLY_FULFILLED": "partially_fulfilled",
    "FULFILLED": "fulfilled",
    "CANCELED": "cancelled",
}
_SLUGS: Mapping[str, StatedEvent] = {
    "created": "create",
    "approved": "create",
    "updated": "update",
    "canceled": "cancel",
    "payment_status_updated": "update",
}
_CANCELLED = frozenset({"CANCELED", "REJECTED"})
_PLACED = ("purchasedDate", "createdDate", "dateCreated", "_dateCreated")
_UPDATED = ("updatedDate", "lastUpdated", "_updatedDate")
"""Names of one moment, the first that says something is read."""
_OF_AUTOMATION: Mapping[str, str] = {"orderNumber": "number"}
_UNPLACED = ("cartId", "checkoutUrl", "completed", "calculationErrors", "overrideCheckoutUrl")
"""What only a checkout or a cart has: an order names its checkout by `checkoutId`."""
_MAPPED = names(
    "id _id number currency dateCreated _dateCreated createdDate purchasedDate lastUpdated updatedDate _updatedDate totals priceSummary paymentStatus fulfillmentStatus "
    "status lineItems buyerNote taxIncludedInPrices additionalFees refunds appliedDiscounts"
)
_LINE = names("id index quantity price priceBeforeDiscounts name productName sku tax taxDetails totalDiscount discount")
_TOKEN = re.compile(rb"[\w-]+\.([\w-]+)\.[\w-]*")
_INSIDE = inside(
    """
    additionalFees: code name price
    appliedDiscounts: coupon
    coupon: code
    discount price priceBeforeDiscounts shipping subtotal tax total totalDiscount totalPrice totalTax: amount
    priceSummary totals: discount shipping subtotal tax total totalPrice
    productName: original
    taxDetails: taxRate totalTax
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in _messages(document)]
    return each(found, _result)


def _messages(document: Document) -> list[Message]:
    """Take off the token, the event's own wrapping, and a search's list."""
    token = _TOKEN.fullmatch(document.body.strip().strip(b'"'))
    if token is not None:
        document = replace(document, body=_payload(token[1]))
    return [inner for message in messages(document, ("orders", "results", "payload", "order")) for inner in _opened(message)]


def _payload(part: bytes) -> bytes:
    try:
        return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise UndecodableMessage("the token's payload is no base64", field="@0", rule="jwt") from None


def _opened(message: Message) -> list[Message]:
    """Return the order in an event, with what happened as the header `topic`."""
    for _ in range(0 if isinstance(message, Broken) else 4):
        value = message.value
        if not isinstance(value, dict) or "lineItems" in value:
            break
        if isinstance(value.get("data"), str):
            message = replace(message, value=read_json(value["data"].encode("utf-8", "replace")), at=f"{message.at}/data")
        elif (key := next((key for key in ("data", "order", "entity") if isinstance(value.get(key), dict)), None)) is not None:
            message = replace(message, value=value[key], at=f"{message.at}/{key}")
        else:
            inner = _entity(value, message)
            if inner is None:
                break
            message = inner
    return [message]


def _entity(value: Json, message: Message) -> Message | None:
    for outer, middle, inner in (("createdEvent", "", "entity"), ("updatedEvent", "", "currentEntity"), ("actionEvent", "body", "order")):
        found = value.get(outer)
        if middle and isinstance(found, dict):
            found = found.get(middle)
        if isinstance(found, str):
            found = read_json(found.encode("utf-8", "replace"))
        if isinstance(found, dict) and isinstance(found.get(inner), dict):
            where = "/".join(name for name in (message.at, outer, middle, inner) if name)
            headers = {**message.headers, "topic": text(value, "slug") or message.headers.get("topic", "")}
            return Message(found[inner], where if where.startswith("/") else f"/{where}", headers)
    return None


def _as_order(body: Json, at: str) -> Json:
    """Return what an automation sends under the names of an order: rows by their totals, amounts under `value`."""
    if "orderNumber" not in body or not any("itemName" in row for row in rows(body, "lineItems", at)):
        return body
    found: Json = {_OF_AUTOMATION.get(key, key): _amounts(value) for key, value in body.items() if key != "lineItems"}
    items = []
    for index, row in enumerate(rows(body, "lineItems", at)):
        where = f"{at}/lineItems/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        total = decimal_in(child(row, "totalPrice", where) or {}, "value", f"{where}/totalPrice")
        each = None if total is None else quotient_price(total, ordered, exponent)
        price = None if each is None else {"amount": format(each.decimal, "f")}
        items.append({**row, "name": row.get("name") or row.get("itemName"), "price": _amounts(row.get("price")) or price})
    return {**found, "lineItems": items}


def _amounts(value: Any) -> Any:
    """Return an object in which an amount stands under `amount`, as an order's does."""
    if isinstance(value, dict):
        return (
            {"amount" if k == "value" else k: v for k, v in value.items()}
            if "value" in value and "currency" in value
            else {k: _amounts(v) for k, v in value.items()}
        )
    return value


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers, message.headers.get("x-wix-instance-id"))
    about = text(body, "entityFqdn") or "wix.ecom.v1.order"
    if "order" not in about.lower():
        fail(at, "entityFqdn", "names_an_order", about, "an event of this entity names no order")
    if "lineItems" not in body:
        named = "id" if body.get("entityFqdn") is None and "id" in body else "entityId" if "entityId" in body else "orderId"
        return StatedPart(channel_order_id=need_text(body, named, at), event="notification", missing=("order",), account=account)
    body = _as_order(body, at)
    order_id, report = need_text(body, "id" if body.get("id") is not None else "_id", at), Report()
    unplaced = "paymentStatus" not in body and any(key in body for key in _UNPLACED)
    event = "draft" if unplaced else _event(body, message.headers)
    try:
        result = _order(body, at, order_id, account, event, report)
        return not_placed(result) if unplaced else result
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=event, report=report)


def _event(body: Json, headers: Mapping[str, str]) -> StatedEvent:
    status = text(body, "status")
    if status == "INITIALIZED":
        return "draft"
    if status in _CANCELLED or text(body, "fulfillmentStatus") == "CANCELED":
        return "cancel"
    slug = (headers.get("topic") or "").rpartition("order_")[2]
    return _SLUGS.get(slug, "create")


def _first(body: Json, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if body.get(key)), keys[-1])


def _cash(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read an amount in minor units, from a text or from `{"amount": …}`."""
    if isinstance(row.get(key), dict):
        return amount_of(row[key], "amount", f"{at}/{key}", draft.currency, draft.report)
    return amount_of(row, key, at, draft.currency, draft.report)


def _order(body: Json, at: str, order_id: str, account: str, event: StatedEvent, report: Report) -> StatedOrder:
    sums_at = "priceSummary" if isinstance(body.get("priceSummary"), dict) else "totals"
    sums, where = child(body, sums_at, at) or {}, f"{at}/{sums_at}"
    draft = Draft(currency_of(text(body, "currency"), f"{at}/currency", report), report, cancelled=event == "cancel")
    subtotal, shipping, tax, discount, grand = (
        _cash(sums, key, where, draft)
        for key in ("subtotal", "shipping", "tax", "discount", "totalPrice" if "totalPrice" in sums else "total")
    )
    discount = None if discount is None else abs(discount)
    extensions = report.kept
    fees = [_cash(row, "price", f"{at}/additionalFees/{index}", draft) or 0 for index, row in enumerate(rows(body, "additionalFees", at))]
    included = _included(body, draft, (subtotal, shipping, tax, discount, grand), sum(fees))
    shipped = text(body, "fulfillmentStatus") == "FULFILLED"
    _lines(draft, body, at, subtotal, extensions, included=included, shipped=shipped)
    _discounts(draft, body, at, discount or 0)
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping, label=text(child(body, "shippingInfo", at) or {}, "title") or "")
    for index, (row, amount) in enumerate(zip(rows(body, "additionalFees", at), fees, strict=True)):
        draft.charge("fee", f"fee:{index}", amount, label=text(row, "name") or "", code=text(row, "code"))
    _taxes(draft, body, at, tax or 0, included=included)
    whole = _cash(sums, "totalWithoutGiftCard", where, draft)
    if whole is not None and grand is not None:
        draft.credit(grand, [("credit:gift_card", "gift card", max(whole - grand, 0))])
    totals = draft.totals(grand)
    payment = _payments(draft, body, at, totals.grand_total_minor)
    again = [said_otherwise(body, *keys) for keys in (("id", "_id"), _PLACED, _UPDATED)]
    unmapped(body, _MAPPED.difference(*again), at, extensions)
    buyer = child(body, "buyerInfo", at) or {}
    billing = child(body, "billingInfo", at) or {}
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "number") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(body, _first(body, _UPDATED), at, report),
            status=text(body, "status"),
            payment_status=text(body, "paymentStatus"),
            fulfillment_status=text(body, "fulfillmentStatus"),
        ),
        currency=draft.currency,
        placed_at=instant(body, _first(body, _PLACED), at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=_contact(buyer, billing, at),
        ship_to=_ship_to(body, at),
        bill_to=_address(billing, f"{at}/billingInfo"),
        ship_method=text(child(body, "shippingInfo", at) or {}, "title") or text(child(body, "shippingInfo", at) or {}, "deliveryOption"),
        payment_method=text(billing, "paymentMethod"),
        note=text(body, "buyerNote"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(subtotal=subtotal, discount=discount, shipping=shipping, tax=tax, grand=grand),
        extensions=extensions,
    )
    fulfillment = "cancelled" if draft.cancelled else _FULFILLMENT.get(text(body, "fulfillmentStatus") or "")
    return draft.stated_order(order, event=event, payment=payment, fulfillment=fulfillment, of=((body, at),), inside=_INSIDE)


def _included(body: Json, draft: Draft, sums: tuple[int | None, ...], fees: int) -> bool:
    """Say whether the prices have the tax in them: as the sums that are stated decide, else as the flag says."""
    subtotal, shipping, tax, discount, grand = sums
    if subtotal is not None and grand is not None and tax:
        net = subtotal + (shipping or 0) - (discount or 0) + fees
        if grand in (net, net + tax):
            return grand == net
        draft.report.note("", "tax_side", "the sums do not say whether tax is in the prices", tax)
    flags = [body.get("taxIncludedInPrices"), *(row.get("taxIncludedInPrice") for row in rows(body, "lineItems", ""))]
    return any(flag is True for flag in flags)


def _lines(draft: Draft, body: Json, at: str, subtotal: int | None, extensions: dict[str, str], *, included: bool, shipped: bool) -> None:
    items = rows(body, "lineItems", at)
    ids = [text(row, "id") or text(row, "index") for row in items]
    read = [_priced(draft, row, f"{at}/lineItems/{index}", "priceBeforeDiscounts") for index, row in enumerate(items)]
    after = [_priced(draft, row, f"{at}/lineItems/{index}", "price") for index, row in enumerate(items)]
    if subtotal is not None and sum(row[1] for row in read) != subtotal == sum(row[1] for row in after):
        read = after
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/lineItems/{index}"
        price, gross, ordered, exponent = read[index]
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "sku") or text(child(row, "physicalProperties", where) or {}, "sku"),
            name=text(row, "name") or text(child(row, "productName", where) or {}, "original") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=included,
            shipped=ordered if shipped else min(count(row, "fulfilledQuantity"), ordered),
        )
        unmapped(row, _LINE, where, extensions)


def _priced(draft: Draft, row: Json, at: str, key: str) -> tuple[UnitPrice | None, int, int, int]:
    """Return (unit price, gross, quantity, exponent) by the price under `key`, else under `price`."""
    name = key if row.get(key) not in (None, "", {}) else "price"
    ordered, exponent = quantity(row, "quantity", at)
    inner = row.get(name)
    exact = decimal_in(inner, "amount", f"{at}/{name}") if isinstance(inner, dict) else decimal_in(row, name, at)
    if exact is None:
        return None, 0, ordered, exponent
    price, gross = priced_row(exact, Decimal(1), ordered, exponent, draft.currency, at, name)
    return price, gross, ordered, exponent


def _discounts(draft: Draft, body: Json, at: str, stated: int) -> None:
    """Add what each line was discounted, and the rest of the stated discount over all lines."""
    found: dict[str, int] = {}
    for index, row in enumerate(rows(body, "lineItems", at)):
        key = "totalDiscount" if "totalDiscount" in row else "discount"
        amount = abs(_cash(row, key, f"{at}/lineItems/{index}", draft) or 0)
        if amount:
            found[draft.lines[index].line_id] = amount
    code = _coupon(body, at)
    if found and stated and sum(found.values()) > stated:
        found = split_by_line(stated, found)
    if found:
        draft.discount(
            "discount:lines", sum(found.values()), shares=found, source="code" if code else "channel", code=code, label=code or ""
        )
    rest = stated - sum(found.values())
    if rest > 0:
        draft.discount("discount:order", rest, source="code" if code else "channel", code=code, label=code or "")


def _coupon(body: Json, at: str) -> str | None:
    for index, row in enumerate(rows(body, "appliedDiscounts", at)):
        coupon = child(row, "coupon", f"{at}/appliedDiscounts/{index}")
        if coupon and (code := text(coupon, "code")):
            return code
    discount = body.get("discount")
    applied = discount.get("appliedCoupon") if isinstance(discount, dict) else None
    return text(applied, "code") if isinstance(applied, dict) else None


def _taxes(draft: Draft, body: Json, at: str, stated: int, *, included: bool) -> None:
    """Add each line's tax, then shipping's, then what the order's tax has beyond them."""
    rest = stated
    for index, row in enumerate(rows(body, "lineItems", at)):
        where, line_id = f"{at}/lineItems/{index}", draft.lines[index].line_id
        details = child(row, "taxDetails", where) or {}
        amount = _cash(details, "totalTax", f"{where}/taxDetails", draft) if details else _cash(row, "tax", where, draft)
        if amount:
            draft.tax(f"tax:{line_id}", amount, line_id=line_id, rate=rate_text(details.get("taxRate")), included=included)
            rest -= amount
    shipping = child(child(body, "shippingInfo", at) or {}, "cost", f"{at}/shippingInfo") or {}
    details = child(shipping, "taxDetails", f"{at}/shippingInfo/cost") or {}
    amount = _cash(details, "totalTax", f"{at}/shippingInfo/cost/taxDetails", draft)
    if amount and "shipping" in draft.tax_base:
        draft.tax("tax:shipping", amount, adjustment_id="shipping", rate=rate_text(details.get("taxRate")), included=included)
        rest -= amount
    if rest:
        draft.tax("tax:order", rest, included=included)


def _payments(draft: Draft, body: Json, at: str, grand: int) -> PaymentState | None:
    word = text(body, "paymentStatus")
    state = _PAYMENT.get(word or "")
    if word is not None and state is None and word not in {"UNSPECIFIED", "UNKNOWN"}:
        draft.report.note(f"{at}/paymentStatus", "unknown_status", "no documented payment status", word)
    balance = child(body, "balanceSummary", at) or {}
    paid = _cash(balance, "paid", f"{at}/balanceSummary", draft)
    returned = _cash(balance, "refunded", f"{at}/balanceSummary", draft)
    refunds = [
        (text(row, "id") or f"refund:{index}", abs(_cash(row, "total", f"{at}/refunds/{index}", draft) or 0))
        for index, row in enumerate(rows(body, "refunds", at))
    ] or ([("refunded", returned)] if returned else [])
    if state in {"paid", "partially_refunded", "refunded"} and refunds:
        draft.payment("WIX", "capture", paid or grand)
        for name, amount in refunds:
            draft.payment("WIX", "refund", amount, transaction=name)
    else:
        draft.stated_payment(state, "WIX", grand, paid=paid if state == "partially_paid" else None)
    return state


def _contact(buyer: Json, billing: Json, at: str) -> Contact:
    details = child(billing, "contactDetails", f"{at}/billingInfo") or {}
    name = " ".join(present(text(buyer, key) or text(details, key) for key in ("firstName", "lastName")))
    return Contact(
        name=name or None,
        email=text(buyer, "email"),
        phone=text(buyer, "phone") or text(details, "phone"),
        customer_ref=text(buyer, "contactId") or text(buyer, "id") or text(buyer, "memberId"),
    )


def _ship_to(body: Json, at: str) -> Address | None:
    """Return where the goods go; a pick-up point is no delivery address."""
    info, where = child(body, "shippingInfo", at) or {}, f"{at}/shippingInfo"
    logistics = child(info, "logistics", where) or {}
    place = child(logistics, "shippingDestination", f"{where}/logistics")
    if place is not None:
        return _address(place, f"{where}/logistics/shippingDestination")
    details = child(info, "shipmentDetails", where)
    return None if details is None else _address(details, f"{where}/shipmentDetails")


def _address(row: Json, at: str) -> Address | None:
    place, where = child(row, "address", at) or {}, f"{at}/address"
    who = {**(child(place, "fullName", where) or {}), **(child(row, "contactDetails", at) or {})}
    street = child(place, "streetAddress", where) or child(place, "street", where) or {}
    first = text(place, "addressLine") or text(place, "addressLine1") or " ".join(present((text(street, "number"), text(street, "name"))))
    lines = present((first, text(place, "addressLine2")))
    city, region, country = (text(place, key) for key in ("city", "subdivision", "country"))
    postal_code = text(place, "postalCode") or text(place, "zipCode")
    if not (lines or city or region or postal_code or country):
        return None
    return address_of(
        name=" ".join(present((text(who, "firstName"), text(who, "lastName")))) or None,
        company=text(place, "company") or text(who, "company"),
        phone=text(place, "phone") or text(who, "phone"),
        lines=lines,
        city=city,
        region=region,
        postal_code=postal_code,
        country=country,
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_ADDRESS, Verb.REFUND}),
    signature="wix_jwt",
    account_field="x-wix-instance-id",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
