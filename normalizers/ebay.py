"""eBay Sell Fulfillment API answers -> canonical Order.

Input:   the JSON of getOrder (one order) or getOrders (`orders`), sell/fulfillment/v1; the Trading API's XML under its names
         (`normalizers.ebay_trading`). A notification only names an order; a cancellation (Post-Order API) asks for one.
Output:  Order in the currency its amounts are given in, integer minor units; where an amount comes twice (`value` and
         `convertedFromValue`), the one in the order's currency counts and the other stays in `extensions`.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer.ebay.com, Fulfillment API v1.20, types Order, PricingSummary, LineItem, PaymentSummary, CancelStatus; read
         2026-11-23. `lineItemCost` is for the row before discounts; discounts are negative; tax that eBay collects and
         remits may stand outside `pricingSummary.total`. What a payment states is what the seller gets of it (`totalDueSeller`), after
         eBay's fees (a tax eBay remits can stand in `taxes` as well: it is one tax): the buyer of a paid order paid its total. Notification API (metadata, notification), Post-Order API v2
         (cancellation: cancelId, cancelState, legacyOrderId); read 2026-11-28.
"""

from collections.abc import Mapping
from datetime import datetime

from normalizers.amounts import amount_of, currency_of, price_of, quotient_price
from normalizers.building import account_of, address_of, each, line_ids, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.ebay_trading import SALES, as_fulfillment
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
    walk,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import AmountError
from schemas.order import Address, Contact, DeliveryWindow, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "ebay"
MAPPING = 4

_PAYMENT: Mapping[str, PaymentState] = {
    "PAID": "paid",
    "PENDING": "unpaid",
    "FAILED": "unpaid",
    "FULLY_REFUNDED": "refunded",
    "PARTIALLY_REFUNDED": "partially_refunded",
}
_FULFILLMENT: Mapping[str, FulfillmentState] = {
    "NOT_STARTED": "unfulfilled",
    "IN_PROGRESS": "partially_fulfilled",
    "FULFILLED": "fulfilled",
}
_PAID = frozenset({"paid", "partially_refunded", "refunded"})
_CANCELLED = frozenset({"CANCELED", "CANCELLED"})
_MAPPED = names(
    "orderId creationDate lastModifiedDate orderFulfillmentStatus orderPaymentStatus sellerId buyer "
    "buyerCheckoutNotes fulfillmentStartInstructions lineItems"
)
_WRAPPINGS = (
    *("data", "order", "orders", "results", "payload", "cancellations", "cancelDetail"),
    *("members", "summary", "transactions", "paymentDisputeSummaries"),  # returns, money and disputes, each with its order's id
)
_LINE = names("lineItemId sku title quantity lineItemFulfillmentStatus")
_INSIDE = inside(
    """
    shippingStep: shipTo shippingServiceCode
    shipTo: companyName contactAddress fullName primaryPhone
    contactAddress: addressLine1 addressLine2 city countryCode county postalCode stateOrProvince
    primaryPhone: phoneNumber
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in messages(as_fulfillment(document), _WRAPPINGS, ("orderId", "cancelId"))]
    return each(found, _result)


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account, report = account_of(message.headers, text(body, "sellerId")), Report()
    if "cancelId" in body:
        return _cancellation(body, at, account, report)
    if "lineItems" not in body and isinstance(sold := body.get(SALES), dict):
        return _of_sales(sold, need_text(body, "orderId", at), at, account, report)
    if "notification" in body or ("orderId" in body and "lineItems" not in body):
        return StatedPart(channel_order_id=_named(body, at), event="notification", missing=("order",), account=account)
    order_id = need_text(body, "orderId", at)
    try:
        return _order(body, at, order_id, account, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)


def _named(body: Json, at: str) -> str:
    """Return the order that a notification names, wherever its data does."""
    found = (item for where, item in walk(body) if where.rpartition("/")[2] in {"orderId", "orderID", "legacyOrderId"})
    order_id = next((item for item in found if isinstance(item, str) and item), None)
    return order_id if order_id is not None else need_text(body, "orderId", at)


def _of_sales(sold: Json, order_id: str, at: str, account: str, report: Report) -> StatedPart:
    """Return what sales that came without their order say of it."""
    return StatedPart(
        channel_order_id=order_id,
        event="lines",
        missing=("order",),
        account=account,
        stated={
            "currency": sold["currency"],
            "lines": sold["lines"],
            "ship_to": {"country": sold["country"], "postal_code": sold["postal_code"]},
            "placed_at": moment_text(instant(sold, "creationDate", f"{at}/{SALES}", report)),
            "payment_status": "paid" if sold["paid"] else "unpaid",
            "fulfillment_status": sold["fulfillment_status"],
        },
        findings=tuple(report.findings),
    )


def _cancellation(body: Json, at: str, account: str, report: Report) -> Result:
    """Read a cancellation of the Post-Order API: done once it is closed, a request while it is not, nothing once it was refused."""
    order_id = need_text(body, "legacyOrderId", at)
    state = f"{text(body, 'cancelState') or ''} {text(body, 'cancelStatus') or ''}".upper()
    if any(word in state for word in ("REJECT", "DENIED", "FAILED", "WITHDRAWN", "CANCEL_CLOSED_UNKNOWN")):
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    closed = child(body, "cancelCloseDate", at) or {}
    asked = child(body, "cancelRequestDate", at) or {}
    done = "CLOSED" in state or "CANCEL_COMPLETE" in state
    moment = instant(closed if done else asked, "value", f"{at}/{'cancelCloseDate' if done else 'cancelRequestDate'}", report)
    return StatedChange(
        channel_order_id=order_id,
        event="cancel" if done else "cancel_request",
        account=account,
        changed_at=moment,
        findings=tuple(report.findings),
    )


def _order(body: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    summary = child(body, "pricingSummary", at) or {}
    prices = f"{at}/pricingSummary"
    items = rows(body, "lineItems", at)
    currency = currency_of(_currency(summary, items), f"{prices}/total/currency", report)
    cancel = child(body, "cancelStatus", at) or {}
    cancelled = text(cancel, "cancelState") in _CANCELLED
    draft = Draft(currency, report, cancelled=cancelled)
    extensions = report.kept
    _lines(draft, items, at, extensions, fulfilled=text(body, "orderFulfillmentStatus") == "FULFILLED")
    _charges(draft, summary, prices)
    discount = _discounts(draft, items, at, summary, prices)
    _taxes(draft, items, at, summary, prices)
    stated = stated_totals(
        subtotal=_money(summary, "priceSubtotal", prices, draft),
        discount=discount,
        shipping=_money(summary, "deliveryCost", prices, draft),
        tax=_money(summary, "tax", prices, draft),
        grand=_money(summary, "total", prices, draft),
    )
    totals = draft.totals(stated.grand_total_minor)
    payment = _payments(draft, body, at, totals.grand_total_minor)
    status = text(body, "orderFulfillmentStatus")
    if status is not None and status not in _FULFILLMENT:
        report.note(f"{at}/orderFulfillmentStatus", "unknown_status", "no documented fulfilment status", status)
    unmapped(body, _MAPPED, at, extensions)
    ship_to, method, window = _delivery(body, at, report, extensions)
    buyer = child(body, "buyer", at) or {}
    unmapped(buyer, frozenset({"username"}), f"{at}/buyer", extensions)
    contact = child(buyer, "buyerRegistrationAddress", f"{at}/buyer") or {}
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=next((text(row, "purchaseMarketplaceId") or text(row, "listingMarketplaceId") for row in items), None),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "lastModifiedDate", at, report),
            payment_status=text(body, "orderPaymentStatus"),
            fulfillment_status=status,
        ),
        currency=currency,
        placed_at=instant(body, "creationDate", at, report),
        lifecycle="cancelled" if cancelled else "received",
        contact=Contact(
            name=text(contact, "fullName") or (ship_to.name if ship_to else None),
            email=text(contact, "email"),
            phone=text(child(contact, "primaryPhone", "") or {}, "phoneNumber"),
            customer_ref=text(buyer, "username"),
        ),
        ship_to=ship_to,
        delivery_window=window,
        ship_method=method,
        note=text(body, "buyerCheckoutNotes"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated,
        extensions=extensions,
    )
    asked = not cancelled and text(cancel, "cancelState") == "IN_PROGRESS"
    return draft.stated_order(
        order,
        event=_event(cancelled=cancelled),
        payment=payment,
        fulfillment=_FULFILLMENT.get(status or ""),
        cancelled_at=_cancelled_at(cancel, f"{at}/cancelStatus", report) if cancelled else None,
        cancel_requested=asked,
        of=((body, at),),
        inside=_INSIDE,
    )


def _event(*, cancelled: bool) -> StatedEvent:
    return "cancel" if cancelled else "snapshot"


def _cancelled_at(cancel: Json, at: str, report: Report) -> datetime | None:
    stated = instant(cancel, "cancelledDate", at, report)
    requests = rows(cancel, "cancelRequests", at)
    done = (instant(row, "cancelCompletedDate", f"{at}/cancelRequests/{index}", report) for index, row in enumerate(requests))
    return stated or next((moment for moment in done if moment), None)


def _currency(summary: Json, items: list[Json]) -> str | None:
    for row, key in ((summary, "total"), (summary, "priceSubtotal"), *((item, "lineItemCost") for item in items)):
        pair = row.get(key)
        if isinstance(pair, dict) and (code := text(pair, "currency")):
            return code
    return None


def _money(row: Json, key: str, at: str, draft: Draft) -> int | None:
    """Read an amount in the order's currency, converted or not; an amount in neither fails."""
    pair = child(row, key, at)
    if not pair:
        return None
    return amount_of(pair, _side(pair, f"{at}/{key}", draft), f"{at}/{key}", draft.currency, draft.report)


def _side(pair: Json, at: str, draft: Draft) -> str:
    code = text(pair, "currency")
    if not draft.foreign(code):
        return "value"
    if text(pair, "convertedFromCurrency") != draft.currency:
        fail(at, "currency", "one_currency", code, f"{at} is in another currency than the order's {draft.currency}")
    return "convertedFromValue"


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str], *, fulfilled: bool) -> None:
    ids = line_ids([text(row, "lineItemId") for row in items])
    for index, (row, line_id) in enumerate(zip(items, ids, strict=True)):
        where = f"{at}/lineItems/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        gross = _money(row, "lineItemCost", where, draft)
        pair = child(row, "lineItemCost", where) or {}
        exact = price_of(pair, _side(pair, f"{where}/lineItemCost", draft), f"{where}/lineItemCost")
        done = fulfilled or text(row, "lineItemFulfillmentStatus") == "FULFILLED"
        draft.line(
            line_id,
            channel_line_id=text(row, "lineItemId"),
            sku=text(row, "sku"),
            name=text(row, "title") or "",
            unit_price=None if exact is None else quotient_price(exact.decimal, ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross or 0,
            shipped=ordered if done else 0,
        )
        unmapped(row, _LINE, where, extensions)


def _charges(draft: Draft, summary: Json, prices: str) -> None:
    if (delivery := _money(summary, "deliveryCost", prices, draft)) is not None:
        draft.charge("shipping", "shipping", delivery, label="deliveryCost")
    for key in ("adjustment", "fee"):
        if amount := _money(summary, key, prices, draft):
            draft.charge("fee", f"fee:{key}", amount, label=key)


def _discounts(draft: Draft, items: list[Json], at: str, summary: Json, prices: str) -> int | None:
    """Add the promotions of each line, the rest of the order's discount and the delivery's; return the stated sum."""
    known = 0
    for index, row in enumerate(items):
        where = f"{at}/lineItems/{index}"
        line_id, promoted = draft.lines[index].line_id, 0
        for number, promotion in enumerate(rows(row, "appliedPromotions", where)):
            amount = abs(_money(promotion, "discountAmount", f"{where}/appliedPromotions/{number}", draft) or 0)
            promoted += amount
            name = f"discount:{line_id}:{text(promotion, 'promotionId') or ''}:{number}"
            label = text(promotion, "description") or ""
            if amount:
                draft.discount(name, amount, shares={line_id: amount}, source="promotion", code=text(promotion, "promotionId"), label=label)
        after = _money(row, "discountedLineItemCost", where, draft)
        rest = 0 if after is None else (_money(row, "lineItemCost", where, draft) or 0) - after - promoted
        if rest > 0:
            draft.discount(f"discount:{line_id}", rest, shares={line_id: rest})
        known += promoted + max(rest, 0)
    price = _money(summary, "priceDiscount" if "priceDiscount" in summary else "priceDiscountSubtotal", prices, draft)
    if price is not None and abs(price) > known:
        draft.discount("discount:order", abs(price) - known)
    delivery = _money(summary, "deliveryDiscount", prices, draft)
    if delivery:
        draft.discount("discount:delivery", abs(delivery), spread=False, label="deliveryDiscount")
    return None if price is None and delivery is None else abs(price or 0) + abs(delivery or 0)


def _taxes(draft: Draft, items: list[Json], at: str, summary: Json, prices: str) -> None:
    """Add the seller's taxes, and those eBay collects where they are in the total (on top or inside the prices)."""
    stated, twice, feed = 0, set(), bool(_money(summary, "fee", prices, draft))
    for index, row in enumerate(items):
        where = f"{at}/lineItems/{index}"
        line_id = draft.lines[index].line_id
        remitted = _sum(draft, row, "ebayCollectAndRemitTaxes", where)
        same = bool(remitted) and remitted == _sum(draft, row, "taxes", where)
        twice |= {index} if same else set()
        for number, tax in enumerate(rows(row, "taxes", where)):
            if feed and (text(tax, "taxType") or "").endswith("_FEE"):  # a recycling fee, which the order states as its fee
                continue
            amount = _money(tax, "amount", f"{where}/taxes/{number}", draft) or 0
            stated += amount
            draft.tax(
                f"tax:{line_id}:{number}",
                amount,
                line_id=line_id,
                title=text(tax, "taxType") or "",
                liable="channel" if same else "seller",
            )
    order_tax = _money(summary, "tax", prices, draft)
    if order_tax is not None and order_tax != stated:
        draft.tax("tax:order", order_tax - stated)
    _collected(draft, items, at, _money(summary, "total", prices, draft), twice)


def _sum(draft: Draft, row: Json, key: str, at: str) -> int:
    return sum(_money(tax, "amount", f"{at}/{key}/{number}", draft) or 0 for number, tax in enumerate(rows(row, key, at)))


def _collected(draft: Draft, items: list[Json], at: str, total: int | None, twice: set[int]) -> None:
    """Add what eBay collects, but of the lines (`twice`) whose `taxes` have stated the same tax already."""
    remitted = [
        (
            draft.lines[index].line_id,
            number,
            tax,
            _money(tax, "amount", f"{at}/lineItems/{index}/ebayCollectAndRemitTaxes/{number}", draft) or 0,
        )
        for index, row in enumerate(items)
        if index not in twice
        for number, tax in enumerate(rows(row, "ebayCollectAndRemitTaxes", f"{at}/lineItems/{index}"))
    ]
    if not remitted:
        return
    rows_total = _sum_of(draft)
    on_top = total is not None and total == rows_total + sum(amount for *_, amount in remitted)
    for line_id, number, tax, amount in remitted:
        kind = text(tax, "taxType") or ""
        if on_top or kind in {"VAT", "GST"}:
            draft.tax(f"tax:ebay:{line_id}:{number}", amount, line_id=line_id, title=kind, included=not on_top, liable="channel")
        else:
            draft.report.note(f"{at}/lineItems", "tax_outside_total", "eBay collects and remits this tax outside the order's total", amount)


def _sum_of(draft: Draft) -> int:
    signed = sum([-row.amount_minor if row.kind == "discount" else row.amount_minor for row in draft.adjustments])
    return sum([line.gross_minor for line in draft.lines]) + signed + sum([row.amount_minor for row in draft.taxes])


def _payments(draft: Draft, body: Json, at: str, grand: int) -> PaymentState | None:
    word = text(body, "orderPaymentStatus")
    state = _PAYMENT.get(word or "")
    if word is not None and state is None:
        draft.report.note(f"{at}/orderPaymentStatus", "unknown_status", "no documented payment status", word)
    summary = child(body, "paymentSummary", at) or {}
    where = f"{at}/paymentSummary"
    payments = [(row, f"{where}/payments/{index}") for index, row in enumerate(rows(summary, "payments", where))]
    made = [(row, place) for row, place in payments if text(row, "paymentStatus") == "PAID"]
    whole = grand if len(made) == 1 and state in _PAID else None
    for row, place in made:
        _ledger(draft, row, place, "paymentReferenceId", "paymentDate", refund=False, whole=whole)
    paid = bool(draft.payments)
    for index, row in enumerate(rows(summary, "refunds", where)):
        if text(row, "refundStatus") in {None, "REFUNDED"}:
            _ledger(
                draft,
                row,
                f"{where}/refunds/{index}",
                "refundReferenceId" if row.get("refundReferenceId") else "refundId",
                "refundDate",
                refund=True,
            )
    if not paid:
        draft.stated_payment(state, "EBAY", grand)
    return state


def _ledger(draft: Draft, row: Json, at: str, id_key: str, date_key: str, *, refund: bool, whole: int | None = None) -> None:
    """Add a payment or a refund; `whole` is what the buyer of a paid order paid, whatever the seller gets of it."""
    try:
        amount = _money(row, "amount", at, draft)
    except (NormalizationFailed, AmountError):
        draft.report.note(f"{at}/amount", "other_currency", "a payment in another currency than the order's is kept as stated")
        return
    draft.payment(
        text(row, "paymentMethod") or "EBAY",
        "refund" if refund else "capture",
        amount or 0 if whole is None else whole,
        transaction=text(row, id_key) or "stated",
        method=text(row, "paymentMethod"),
        at=instant(row, date_key, at, draft.report),
    )


def _delivery(body: Json, at: str, report: Report, extensions: dict[str, str]) -> tuple[Address | None, str | None, DeliveryWindow | None]:
    """Return where, how and when to deliver, from the first instruction; further ones stay in `extensions`."""
    instructions = rows(body, "fulfillmentStartInstructions", at)
    if not instructions:
        return None, None, None
    first, where = instructions[0], f"{at}/fulfillmentStartInstructions/0"
    for index, row in enumerate(instructions[1:], 1):
        unmapped(row, frozenset(), f"{at}/fulfillmentStartInstructions/{index}", extensions)
    unmapped(first, frozenset({"shippingStep", "minEstimatedDeliveryDate", "maxEstimatedDeliveryDate"}), where, extensions)
    window = DeliveryWindow(
        earliest=instant(first, "minEstimatedDeliveryDate", where, report), latest=instant(first, "maxEstimatedDeliveryDate", where, report)
    )
    step = child(first, "shippingStep", where) or {}
    return _ship_to(step, f"{where}/shippingStep"), text(step, "shippingServiceCode"), window if window.earliest or window.latest else None


def _ship_to(step: Json, at: str) -> Address | None:
    to = child(step, "shipTo", at)
    if not to:
        return None
    place = child(to, "contactAddress", f"{at}/shipTo") or {}
    return address_of(
        name=text(to, "fullName"),
        company=text(to, "companyName"),
        lines=present((text(place, "addressLine1"), text(place, "addressLine2"))),
        city=text(place, "city"),
        region=text(place, "stateOrProvince") or text(place, "county"),
        postal_code=text(place, "postalCode"),
        country=text(place, "countryCode"),
        phone=text(child(to, "primaryPhone", f"{at}/shipTo") or {}, "phoneNumber"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.REFUND}),
    signature="none",
    account_field="sellerId",
    order_key="/orderId",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
