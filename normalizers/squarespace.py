"""Squarespace Commerce orders -> canonical Order.

Input:   JSON of the Orders API 1.0: one order, a list's `result`; webhooks order.create and order.update, which name an order.
Output:  Order in the order's currency, integer minor units; amounts are decimal texts within `{"value": …, "currency": …}`.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; an amount in another currency is refused.
Source:  developers.squarespace.com: Commerce APIs, Orders API (order, line item, discount line, shipping line, fulfillment status), Webhook
         Subscriptions API (notifications); read 2026-11-24. `unitPricePaid` is before order discounts; `priceTaxInterpretation` says whether
         prices have tax in them; taxes stand with the order, not with its lines.
"""

from collections.abc import Mapping
from decimal import Decimal

from normalizers.amounts import amount_of, currency_of, currency_within, decimal_in, priced_row
from normalizers.building import account_of, address_of, each, line_ids, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedPart
from normalizers.draft import Draft
from normalizers.leftovers import inside
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
    truth,
    unmapped,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "squarespace"
MAPPING = 4

_FULFILLMENT: Mapping[str, FulfillmentState] = {"PENDING": "unfulfilled", "FULFILLED": "fulfilled", "CANCELED": "cancelled"}
_MAPPED = names(
    "id orderNumber createdOn modifiedOn customerEmail customerId billingAddress shippingAddress fulfillmentStatus lineItems shippingLines "
    "discountLines subtotal shippingTotal discountTotal taxTotal refundedTotal grandTotal priceTaxInterpretation"
)
_LINE = names("id sku productName quantity unitPricePaid")
_ADDRESS = names("firstName lastName address1 address2 city state countryCode postalCode phone")
_INSIDE = inside(
    """
    amount discountTotal grandTotal refundedTotal shippingTotal subtotal taxTotal unitPricePaid: currency value
    discountLines: amount name promoCode
    shippingLines: method
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in messages(document, ("result", "orders"))]
    return each(found, _result)


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers, text(body, "websiteId"))
    if isinstance(body.get("data"), dict) and "orderId" in body["data"]:
        order_id = need_text(body["data"], "orderId", f"{at}/data")
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    topic = text(body, "topic")
    if topic is not None:
        fail(at, "topic", "names_an_order", topic, "a notification that names no order in its data")
    order_id, report = need_text(body, "id", at), Report()
    if "lineItems" not in body:
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    event = _event(body)
    try:
        return _order(body, at, order_id, account, event, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=event, report=report)


def _event(body: Json) -> StatedEvent:
    """Return what happened; an order nobody has touched since it was placed is new."""
    if text(body, "fulfillmentStatus") == "CANCELED":
        return "cancel"
    return "create" if text(body, "modifiedOn") in {None, text(body, "createdOn")} else "snapshot"


def _check_currency(row: Json, key: str, at: str, draft: Draft) -> Json:
    pair = child(row, key, at) or {}
    code = text(pair, "currency")
    if draft.foreign(code):
        fail(f"{at}/{key}", "currency", "one_currency", code, f"{at}/{key} is in another currency than the order's {draft.currency}")
    return pair


def _money(row: Json, key: str, at: str, draft: Draft) -> int | None:
    return amount_of(_check_currency(row, key, at, draft), "value", f"{at}/{key}", draft.currency, draft.report)


def _order(body: Json, at: str, order_id: str, account: str, event: StatedEvent, report: Report) -> Result:
    total = child(body, "grandTotal", at) or {}
    draft = Draft(
        currency_of(text(total, "currency") or currency_within(body, "currency"), f"{at}/grandTotal/currency", report),
        report,
        cancelled=event == "cancel",
    )
    subtotal, shipping, discount, tax, returned, grand = (
        _money(body, key, at, draft) for key in ("subtotal", "shippingTotal", "discountTotal", "taxTotal", "refundedTotal", "grandTotal")
    )
    status = text(body, "fulfillmentStatus")
    if status is not None and status not in _FULFILLMENT:
        report.note(f"{at}/fulfillmentStatus", "unknown_status", "no documented fulfilment status", status)
    included = text(body, "priceTaxInterpretation") == "INCLUSIVE"
    extensions = report.kept
    _lines(draft, body, at, extensions, included=included, shipped=status == "FULFILLED")
    _discounts(draft, body, at, abs(discount or 0))
    if shipping is not None:
        method = next((text(row, "method") for row in rows(body, "shippingLines", at)), None)
        draft.charge("shipping", "shipping", shipping, label=method or "")
    if tax:
        draft.tax("tax:order", tax, included=included)
    totals = draft.totals(grand)
    payment = _payments(draft, body, returned or 0, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    ship_to = _address(child(body, "shippingAddress", at), f"{at}/shippingAddress", extensions)
    bill_to = _address(child(body, "billingAddress", at), f"{at}/billingAddress", extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "orderNumber") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(body, "modifiedOn", at, report),
            fulfillment_status=status,
        ),
        currency=draft.currency,
        placed_at=instant(body, "createdOn", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=next((place.name for place in (bill_to, ship_to) if place is not None and place.name), None),
            email=text(body, "customerEmail"),
            phone=next((place.phone for place in (bill_to, ship_to) if place is not None and place.phone), None),
            customer_ref=text(body, "customerId"),
        ),
        ship_to=ship_to,
        bill_to=bill_to,
        ship_method=next((text(row, "method") for row in rows(body, "shippingLines", at)), None),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(
            subtotal=subtotal, discount=None if discount is None else abs(discount), shipping=shipping, tax=tax, grand=grand
        ),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/lineItems", "no_lines", "the order has no line items")
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=_FULFILLMENT.get(status or ""), of=((body, at),), inside=_INSIDE
    )


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, included: bool, shipped: bool) -> None:
    items = rows(body, "lineItems", at)
    ids = [text(row, "id") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/lineItems/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        pair = _check_currency(row, "unitPricePaid", where, draft)
        exact = decimal_in(pair, "value", f"{where}/unitPricePaid")
        price, gross = None, 0
        if exact is not None:
            price, gross = priced_row(exact, Decimal(1), ordered, exponent, draft.currency, f"{where}/unitPricePaid", "value")
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "sku"),
            name=text(row, "productName") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=included,
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _LINE, where, extensions)


def _discounts(draft: Draft, body: Json, at: str, stated: int) -> None:
    """Add a row per discount line; what the order's discount has beyond them is one more."""
    rest = stated
    for index, row in enumerate(rows(body, "discountLines", at)):
        amount = abs(_money(row, "amount", f"{at}/discountLines/{index}", draft) or 0)
        amount = min(amount, rest) if stated else amount
        if not amount:
            continue
        code = text(row, "promoCode")
        draft.discount(f"discount:{index}", amount, source="code" if code else "channel", code=code, label=text(row, "name") or "")
        rest -= amount
    if rest > 0:
        draft.discount("discount:order", rest)


def _payments(draft: Draft, body: Json, returned: int, grand: int) -> PaymentState:
    """Add what was paid: Squarespace takes an order's money when it is placed, but for tests."""
    if (truth(body, "testmode") or text(body, "paymentState") in {"UNPAID", "PENDING"}) and not returned:
        return "unpaid"
    if grand > 0:
        draft.payment("SQUARESPACE", "capture", grand)
    if returned > 0:
        draft.payment("SQUARESPACE", "refund", returned)
        return "refunded" if returned >= grand else "partially_refunded"
    return "paid"


def _address(row: Json | None, at: str, extensions: dict[str, str]) -> Address | None:
    if not row or not any(row.values()):
        return None
    unmapped(row, _ADDRESS, at, extensions)
    return address_of(
        name=" ".join(present((text(row, "firstName"), text(row, "lastName")))) or None,
        lines=present((text(row, "address1"), text(row, "address2"))),
        city=text(row, "city"),
        region=text(row, "state"),
        postal_code=text(row, "postalCode"),
        country=text(row, "countryCode"),
        phone=text(row, "phone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="squarespace_hmac_sha256",
    account_field="/websiteId",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
