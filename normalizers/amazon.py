"""Amazon Selling Partner API answers and notifications -> canonical Order.

Input:   Vendor Orders v1 and Direct Fulfillment Orders (purchase orders, `normalizers.amazon_vendor`);
         Orders v0: getOrder / getOrders and getOrderItems (and getOrderAddress, getOrderBuyerInfo, getOrderItemsBuyerInfo) as parts of one order;
         the same from the Marketplace Web Service, in XML (`normalizers.amazon_mws`);
         Orders 2026-01-01: getOrder / searchOrders, whole in one answer where the proceeds were asked for;
         the notifications ORDER_CHANGE and, before it, ORDER_STATUS_CHANGE.
Output:  Order in the order's currency, integer minor units. An order without its items, or items without their order,
         is a part that says what to fetch; a buyer's wish to cancel is a change, nothing is cancelled yet.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; so do parts of several orders that make none.
Source:  developer-docs.amazon.com/sp-api: Orders API v0 reference (Order, OrderItem), Orders API 2026-01-01 model,
         Notifications API ORDER_CHANGE and ORDER_STATUS_CHANGE; read 2026-11-23. `ItemPrice` is for the row, not per unit; whether it includes
         tax follows from `OrderTotal`, else from the marketplace; `DefaultShipFromLocationAddress` is the seller's.
         In 2026-01-01 `breakdowns` of the order are sums over its items, but for DELIVERY_TIP, which is the order's alone; read 2026-11-28.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from normalizers.amazon_mws import as_v0
from normalizers.amazon_values import ADDRESS, MAPPING, address_in, money_in
from normalizers.amazon_vendor import vendor_order
from normalizers.amounts import currency_of, currency_within, price_of, quotient_price
from normalizers.building import account_of, line_ids, part_of, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import moment_text
from normalizers.wire import (
    Json,
    Message,
    Report,
    child,
    epoch,
    instant,
    messages,
    names,
    need_text,
    quantity,
    rows,
    said_otherwise,
    text,
    truth,
    unmapped,
    whole,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import NO_CURRENCY, to_text
from schemas.order import Contact, DeliveryWindow, FulfillmentState, Liable, Order, Source, order_id_of
from schemas.statement import LineChange

NAME = "amazon"

_FULFILLMENT: Mapping[str, FulfillmentState] = {
    "PENDING": "unfulfilled",
    "PENDINGAVAILABILITY": "unfulfilled",
    "UPCOMING": "unfulfilled",
    "UNSHIPPED": "unfulfilled",
    "UNFULFILLABLE": "unfulfilled",
    "INVOICEUNCONFIRMED": "unfulfilled",
    "PARTIALLYSHIPPED": "partially_fulfilled",
    "SHIPPED": "fulfilled",
    "CANCELED": "cancelled",
    "CANCELLED": "cancelled",
}
_INSTEAD_OF = frozenset({"REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID"})
_NET_MARKETS = ("amazon.com", "amazon.ca", "amazon.com.mx", "non-amazon us", "non-amazon ca")
_WRAPPINGS = ("detail", "payload", "Payload", "order", "orders", "Orders", "ordersStatus", "data", "results")

_V0_CHARGES = (
    # kind, price, its tax, its discount
    ("shipping", "ShippingPrice", "ShippingTax", "ShippingDiscount"),
    ("fee", "GiftWrapPrice", "GiftWrapTax", None),
    ("fee", "CODFee", None, "CODFeeDiscount"),
)
_V0_MAPPED = names(
    "AmazonOrderId SellerOrderId PurchaseDate LastUpdateDate OrderStatus SalesChannel MarketplaceId ShipServiceLevel "
    "OrderTotal PaymentMethod ShippingAddress BuyerInfo BuyerEmail BuyerName PurchaseOrderNumber EarliestDeliveryDate "
    "LatestDeliveryDate OrderItems NextToken"
)
_V0_LINE = names(
    "OrderItemId SellerSKU Title QuantityOrdered QuantityShipped ItemPrice ItemTax PromotionDiscount "
    "PromotionIds ShippingPrice ShippingTax ShippingDiscount GiftWrapPrice GiftWrapTax CODFee CODFeeDiscount TaxCollection "
    "BuyerRequestedCancel"
)
_MAPPED = names("orderId orderAliases createdTime lastUpdatedTime salesChannel buyer recipient proceeds orderItems")
_LINE = names("orderItemId quantityOrdered product proceeds cancellation")
_INSIDE = inside(
    f"""
    ShippingAddress deliveryAddress: {ADDRESS}
    BuyerInfo: BuyerEmail BuyerName PurchaseOrderNumber
    BuyerRequestedCancel: IsBuyerRequestedCancel
    OrderTotal ItemPrice ItemTax PromotionDiscount ShippingPrice ShippingTax ShippingDiscount GiftWrapPrice GiftWrapTax: Amount CurrencyCode
    CODFee CODFeeDiscount: Amount CurrencyCode
    TaxCollection: Model ResponsibleParty
    buyer: buyerEmail buyerName buyerPurchaseOrderNumber
    orderAliases: aliasId aliasType
    price: unitPrice
    unitPrice: amount
    proceeds: breakdowns grandTotal
    breakdowns: detailedBreakdowns subtotal type
    detailedBreakdowns: subtype value
    grandTotal subtotal value: amount currencyCode
    recipient: deliveryAddress
    salesChannel: marketplaceName
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says; documents that name the same order are its parts."""
    results: list[Result] = []
    parts: dict[str, list[tuple[Json, str]]] = {}
    account = "default"
    for document in documents:
        listed = messages(as_v0(document), _WRAPPINGS)
        for message in listed:
            account = account_of(message.headers)
            try:
                whole = _whole(message, account, parts)
            except OrdermendError as error:
                if len(listed) == 1:
                    raise
                whole = refused(None, error, account=account)
            if whole is not None:
                results.append(whole)
    if len(documents) > 1 and len(parts) > 1 and any(len(found) == 1 for found in parts.values()):
        raise NormalizationFailed(
            "the parts are of several orders", field="/payload/AmazonOrderId", rule="one_order", value=", ".join(parts)
        )
    for order_id, found in parts.items():
        body = {key: value for part, _ in found for key, value in part.items()}
        if any("OrderItems" in part for part, _ in found):
            body["OrderItems"] = _joined([item for part, at in found for item in rows(part, "OrderItems", at)])
            body["NextToken"] = None if any("OrderItems" in part and not part.get("NextToken") for part, _ in found) else "more"
        results.append(_one(order_id, account, body, found[-1][1], _order_v0))
    return tuple(results)


def _joined(items: list[Json]) -> list[Json]:
    """Return each item once: what further answers say of it (who wraps it as a gift, how it was made for the buyer) stands with it."""
    found: dict[str, Json] = {}
    for index, item in enumerate(items):
        name = text(item, "OrderItemId") or f"item:{index}"
        found[name] = {**found.get(name, {}), **item}
    return list(found.values())


def _whole(message: Message, account: str, parts: dict[str, list[tuple[Json, str]]]) -> Result | None:
    """Return what a message says by itself; one that is a part of an order of v0 goes to `parts`."""
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    if "OrderChangeNotification" in body:
        return _notification(body["OrderChangeNotification"], f"{at}/OrderChangeNotification", account)
    if "OrderStatusChangeNotification" in body:
        return _status_change(body["OrderStatusChangeNotification"], f"{at}/OrderStatusChangeNotification", account)
    if "OrderChangeType" in body:
        return _notification(body, at, account)
    if "AmazonOrderId" in body:
        parts.setdefault(need_text(body, "AmazonOrderId", at), []).append((body, at))
        return None
    if "purchaseOrderNumber" in body:
        return _one(need_text(body, "purchaseOrderNumber", at), account, body, at, vendor_order)
    if "orderId" in body:
        return _one(need_text(body, "orderId", at), account, body, at, _order_2026)
    raise NormalizationFailed("nothing in it names an order", field=f"{at}/AmazonOrderId", rule="names_an_order")


def _one(order_id: str, account: str, body: Json, at: str, read: Callable[[str, str, Json, str, Report], Result]) -> Result:
    report = Report()
    try:
        return read(order_id, account, body, at, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)


def _first_currency(body: Json, items: list[Json], keys: tuple[str, ...]) -> str | None:
    for row in (body, *items):
        for key in keys:
            pair = row.get(key)
            if isinstance(pair, dict) and (code := text(pair, "CurrencyCode") or text(pair, "currencyCode")):
                return code
    return None


def _state(word: str | None, at: str, report: Report) -> FulfillmentState | None:
    if word is None:
        return None
    found = _FULFILLMENT.get(word.replace("_", "").upper())
    if found is None:
        report.note(at, "unknown_status", "no documented order status", word)
    return found


# --- Orders v0 ---


def _order_v0(order_id: str, account: str, body: Json, at: str, report: Report) -> Result:
    items = [row for row in rows(body, "OrderItems", at) if "QuantityOrdered" in row]  # else only their buyer's wishes were asked for
    whole_list = bool(body.get("OrderItems") == [] or items) and not body.get("NextToken")
    missing = [name for name, absent in (("order", "OrderStatus" not in body), ("items", not whole_list)) if absent]
    stated_currency = _first_currency(body, items, ("OrderTotal", "ItemPrice", "ItemTax")) or currency_within(body, "CurrencyCode")
    currency = currency_of(stated_currency, f"{at}/OrderTotal/CurrencyCode", Report() if missing else report)
    status = text(body, "OrderStatus")
    state = _state(status, f"{at}/OrderStatus", report)
    draft = Draft(currency, report, cancelled=state == "cancelled")
    extensions = report.kept
    included = _tax_included(draft, body, items, at)
    summary = _lines_v0(draft, items, at, included, extensions)
    grand = money_in(body, "OrderTotal", at, draft)
    totals = draft.totals(None if "items" in missing else grand)
    unmapped(body, _V0_MAPPED - said_otherwise(body, "SalesChannel", "MarketplaceId"), at, extensions)
    buyer = child(body, "BuyerInfo", at) or body
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "SellerOrderId") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=text(body, "SalesChannel") or text(body, "MarketplaceId"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "LastUpdateDate", at, report),
            fulfillment_status=status,
        ),
        currency=currency,
        placed_at=instant(body, "PurchaseDate", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(name=text(buyer, "BuyerName"), email=text(buyer, "BuyerEmail"), customer_ref=text(buyer, "PurchaseOrderNumber")),
        ship_to=address_in(child(body, "ShippingAddress", at)),
        delivery_window=_window(body, "EarliestDeliveryDate", "LatestDeliveryDate", at, report),
        ship_method=text(body, "ShipServiceLevel"),
        payment_method=text(body, "PaymentMethod"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(grand=grand),
        extensions=extensions,
    )
    wish = any(
        truth(child(row, "BuyerRequestedCancel", f"{at}/OrderItems/{index}") or {}, "IsBuyerRequestedCancel")
        for index, row in enumerate(items)
    )
    result = draft.stated_order(
        order, event="snapshot", payment=None, fulfillment=state, cancel_requested=wish, stated=summary, of=((body, at),), inside=_INSIDE
    )
    return (
        part_of(result, tuple(missing), event="lines" if "order" in missing and "OrderItems" in body else "snapshot") if missing else result
    )


def _replaces(order_id: str | None) -> dict[str, object]:
    """Return for the summary which order this one was sent instead of."""
    return {"replaces": order_id} if order_id else {}


def _window(body: Json, earliest: str, latest: str, at: str, report: Report) -> DeliveryWindow | None:
    window = DeliveryWindow(earliest=instant(body, earliest, at, report), latest=instant(body, latest, at, report))
    return window if window.earliest or window.latest else None


def _tax_included(draft: Draft, body: Json, items: list[Json], at: str) -> bool:
    """Say whether prices include tax: the order's total decides; where it cannot, the marketplace does."""
    total = money_in(body, "OrderTotal", at, draft)
    net = tax = 0
    for index, row in enumerate(items):
        where = f"{at}/OrderItems/{index}"
        amounts = {
            key: money_in(row, key, where, draft) or 0 for key in _V0_LINE if isinstance(row.get(key), dict) and "Amount" in row[key]
        }
        net += sum(amount for key, amount in amounts.items() if key in {"ItemPrice", "ShippingPrice", "GiftWrapPrice", "CODFee"})
        net -= sum(amount for key, amount in amounts.items() if key.endswith("Discount"))
        tax += sum(amount for key, amount in amounts.items() if key in {"ItemTax", "ShippingTax", "GiftWrapTax"})
    if total is not None and tax and total in {net, net + tax}:
        return total == net
    market = (text(body, "SalesChannel") or "").lower()
    return bool(market) and market not in _NET_MARKETS


def _lines_v0(draft: Draft, items: list[Json], at: str, included: bool, extensions: dict[str, str]) -> dict[str, object]:
    """Add each item's rows and return the sums the summary shows; a sum no item speaks of is null."""
    sums: dict[str, int | None] = dict.fromkeys(("subtotal", "discount_total", "shipping_total", "tax_total"))

    def add(name: str, amount: int | None) -> int:
        if amount is not None:
            sums[name] = (sums[name] or 0) + amount
        return amount or 0

    ids = line_ids([text(row, "OrderItemId") for row in items])
    for index, (row, line_id) in enumerate(zip(items, ids, strict=True)):
        where = f"{at}/OrderItems/{index}"
        ordered, exponent = quantity(row, "QuantityOrdered", where)
        gross = money_in(row, "ItemPrice", where, draft)
        add("subtotal", gross)
        pair = child(row, "ItemPrice", where) or {}
        exact = price_of(pair, "Amount", f"{where}/ItemPrice")
        draft.line(
            line_id,
            channel_line_id=text(row, "OrderItemId"),
            sku=text(row, "SellerSKU"),
            name=text(row, "Title") or "",
            unit_price=None if exact is None else quotient_price(exact.decimal, ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross or 0,
            tax_included=included,
            shipped=whole(row, "QuantityShipped") * 10**exponent,
        )
        if discount := add("discount_total", money_in(row, "PromotionDiscount", where, draft)):
            named = row.get("PromotionIds")
            code = next((item for item in named if isinstance(item, str)), None) if isinstance(named, list) else None
            draft.discount(f"discount:{line_id}", abs(discount), shares={line_id: abs(discount)}, source="promotion", code=code)
        _charges_v0(draft, row, where, line_id, included=included, add=add)
        unmapped(row, _V0_LINE, where, extensions)
    return {name: None if amount is None else to_text(amount, draft.currency) for name, amount in sums.items()}


def _charges_v0(draft: Draft, row: Json, where: str, line_id: str, *, included: bool, add: Callable[[str, int | None], int]) -> None:
    collected = child(row, "TaxCollection", where) or {}
    liable: Liable = "channel" if text(collected, "Model") == "MarketplaceFacilitator" else "seller"
    title = text(collected, "ResponsibleParty") or ""
    tax = money_in(row, "ItemTax", where, draft)
    if tax is not None:
        add("tax_total", tax)
        draft.tax(f"tax:{line_id}", tax, line_id=line_id, title=title, included=included, liable=liable)
    for kind, price_key, tax_key, discount_key in _V0_CHARGES:
        amount = money_in(row, price_key, where, draft)
        name = f"{price_key}:{line_id}"
        if amount is not None:
            if kind == "shipping":
                add("shipping_total", amount)
            draft.charge("shipping" if kind == "shipping" else "fee", name, amount, label=price_key)
        elif tax_key and row.get(tax_key):
            draft.charge("shipping" if kind == "shipping" else "fee", name, 0, label=price_key)
        if tax_key and (charge_tax := add("tax_total", money_in(row, tax_key, where, draft))):
            draft.tax(f"tax:{name}", charge_tax, adjustment_id=name, title=title, included=included, liable=liable)
        if discount_key and (off := add("discount_total", money_in(row, discount_key, where, draft))):
            draft.discount(f"discount:{name}", abs(off), spread=False, source="promotion", label=discount_key)


# --- Orders 2026-01-01 ---


def _order_2026(order_id: str, account: str, body: Json, at: str, report: Report) -> Result:
    items = rows(body, "orderItems", at)
    proceeds = child(body, "proceeds", at) or {}
    products = [child(child(row, "product", at) or {}, "price", at) or {} for row in items]
    currency = currency_of(
        _first_currency(proceeds, products, ("grandTotal", "unitPrice")) or currency_within(body, "currencyCode"),
        f"{at}/proceeds/grandTotal/currencyCode",
        report,
    )
    fulfillment = child(body, "fulfillment", at) or {}
    status = text(fulfillment, "fulfillmentStatus")
    state = _state(status, f"{at}/fulfillment/fulfillmentStatus", report)
    draft = Draft(currency, report, cancelled=state == "cancelled")
    extensions = report.kept
    breakdown = _breakdown(draft, proceeds, f"{at}/proceeds")
    _lines_2026(draft, items, at, extensions)
    _charges_2026(draft, items, at, breakdown)
    grand = money_in(proceeds, "grandTotal", f"{at}/proceeds", draft)
    totals = draft.totals(grand)
    unmapped(body, _MAPPED, at, extensions)
    buyer = child(body, "buyer", at) or {}
    sales = child(body, "salesChannel", at) or {}
    alias = next((text(row, "aliasId") for row in rows(body, "orderAliases", at) if text(row, "aliasType") == "SELLER_ORDER_ID"), None)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=alias or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=text(sales, "marketplaceName") or text(sales, "marketplaceId"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "lastUpdatedTime", at, report),
            fulfillment_status=status,
        ),
        currency=currency,
        placed_at=instant(body, "createdTime", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=text(buyer, "buyerName"), email=text(buyer, "buyerEmail"), customer_ref=text(buyer, "buyerPurchaseOrderNumber")
        ),
        ship_to=address_in(child(child(body, "recipient", at) or {}, "deliveryAddress", f"{at}/recipient")),
        delivery_window=_window(child(fulfillment, "deliverByWindow", at) or {}, "earliestDateTime", "latestDateTime", at, report),
        ship_method=text(fulfillment, "fulfillmentServiceLevel"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(
            subtotal=breakdown.get("ITEM"),
            discount=breakdown.get("DISCOUNT"),
            shipping=breakdown.get("SHIPPING"),
            tax=breakdown.get("TAX"),
            grand=grand,
        ),
        extensions=extensions,
    )
    wish = any(_wished(child(row, "cancellation", f"{at}/orderItems/{index}") or {}) for index, row in enumerate(items))
    replaced = (text(row, "orderId") for row in rows(body, "associatedOrders", at) if text(row, "associationType") in _INSTEAD_OF)
    result = draft.stated_order(
        order,
        event="snapshot",
        payment=None,
        fulfillment=state,
        cancel_requested=wish,
        stated=_replaces(next(replaced, None)),
        of=((body, at),),
        inside=_INSIDE,
    )
    missing = ("items",) if "orderItems" not in body else () if _priced(draft, body, state) else ("proceeds",)
    return part_of(result, missing) if missing else result


def _priced(draft: Draft, body: Json, state: FulfillmentState | None) -> bool:
    """Whether what the order comes to is stated, or is not yet (or no longer) there to be asked for: of what is pending or was cancelled."""
    word = text(child(body, "fulfillment", "") or {}, "fulfillmentStatus") or ""
    return draft.currency != NO_CURRENCY or state == "cancelled" or word.upper().startswith("PENDING")


def _wished(cancellation: Json) -> bool:
    request = cancellation.get("cancellationRequest")
    return isinstance(request, dict) and text(request, "requester") in {None, "BUYER"}


def _breakdown(draft: Draft, proceeds: Json, at: str) -> dict[str, int]:
    """Return the typed sums of a `breakdowns` list; discounts are positive."""
    sums: dict[str, int] = {}
    for index, row in enumerate(rows(proceeds, "breakdowns", at)):
        kind = text(row, "type") or "OTHER"
        amount = money_in(row, "subtotal", f"{at}/breakdowns/{index}", draft) or 0
        sums[kind] = sums.get(kind, 0) + (abs(amount) if kind == "DISCOUNT" else amount)
    return sums


def _lines_2026(draft: Draft, items: list[Json], at: str, extensions: dict[str, str]) -> None:
    ids = line_ids([text(row, "orderItemId") for row in items])
    for index, (row, line_id) in enumerate(zip(items, ids, strict=True)):
        where = f"{at}/orderItems/{index}"
        product = child(row, "product", where) or {}
        done = child(row, "fulfillment", where) or {}
        ordered, exponent = quantity(row, "quantityOrdered", where)
        pair = child(child(product, "price", where) or {}, "unitPrice", f"{where}/product/price") or {}
        price = price_of(pair, "amount", f"{where}/product/price/unitPrice")
        sums = _breakdown(draft, child(row, "proceeds", where) or {}, f"{where}/proceeds")
        gross = sums.get("ITEM")
        draft.line(
            line_id,
            channel_line_id=text(row, "orderItemId"),
            sku=text(product, "sellerSku"),
            name=text(product, "title") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross if gross is not None else price.times(ordered, exponent, draft.currency, "half_up") if price else 0,
            shipped=whole(done, "quantityFulfilled") * 10**exponent,
        )
        if discount := sums.get("DISCOUNT"):
            draft.discount(f"discount:{line_id}", discount, shares={line_id: discount}, source="promotion")
        unmapped(row, _LINE, where, extensions)
        unmapped(product, frozenset({"sellerSku", "title", "price"}), f"{where}/product", extensions)


_NO_CHARGES = frozenset({"ITEM", "TAX", "DISCOUNT"})


def _charges_2026(draft: Draft, items: list[Json], at: str, order_sums: Mapping[str, int]) -> None:
    """Add shipping, fees and tax: per item where the items tell them; what the order has beyond (a delivery tip), once for the order."""
    told: Counter[str] = Counter()
    for index, row in enumerate(items):
        where = f"{at}/orderItems/{index}/proceeds"
        proceeds = child(row, "proceeds", f"{at}/orderItems/{index}") or {}
        sums = _breakdown(draft, proceeds, where)
        told.update(sums)
        line_id = draft.lines[index].line_id
        for kind in sorted(sums.keys() - _NO_CHARGES):
            draft.charge("shipping" if kind == "SHIPPING" else "fee", f"{kind}:{line_id}", sums[kind], label=kind.lower())
        if tax := sums.get("TAX"):
            _taxes_2026(draft, proceeds, where, line_id, tax)
    for kind, amount in order_sums.items():
        rest = amount - told[kind]
        if kind not in _NO_CHARGES and rest:
            draft.charge("shipping" if kind == "SHIPPING" else "fee", kind, rest, label=kind.lower())
    if "TAX" not in told and order_sums.get("TAX"):
        draft.tax("tax:order", order_sums["TAX"])
    if "DISCOUNT" not in told and order_sums.get("DISCOUNT"):
        draft.discount("discount:order", order_sums["DISCOUNT"], source="promotion")


def _taxes_2026(draft: Draft, proceeds: Json, where: str, line_id: str, tax: int) -> None:
    """Cut an item's tax by what it is on; what no detail names is the item's own."""
    charges = {row.adjustment_id for row in draft.adjustments}
    for index, row in enumerate(rows(proceeds, "breakdowns", where)):
        if text(row, "type") != "TAX":
            continue
        for number, detail in enumerate(rows(row, "detailedBreakdowns", f"{where}/breakdowns/{index}")):
            name = f"{text(detail, 'subtype')}:{line_id}"
            amount = money_in(detail, "value", f"{where}/breakdowns/{index}/detailedBreakdowns/{number}", draft) or 0
            if name in charges and amount:
                tax -= amount
                draft.tax(f"tax:{name}", amount, adjustment_id=name)
    if tax:
        draft.tax(f"tax:{line_id}", tax, line_id=line_id)


# --- ORDER_CHANGE ---


def _notification(body: Any, at: str, account: str) -> Result:
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    order_id, report = need_text(body, "AmazonOrderId", at), Report()
    trigger = child(body, "OrderChangeTrigger", at) or {}
    summary = child(body, "Summary", at) or {}
    items = rows(summary, "OrderItems", f"{at}/Summary")
    status = text(summary, "OrderStatus")
    wished = [row for row in items if truth(row, "IsBuyerRequestedCancel")]
    stated: dict[str, object] = {
        "lines": [{"sku": text(row, "SellerSKU"), "quantity": text(row, "Quantity"), "unit_price": None} for row in items] or None,
        "ship_to": {"country": None, "postal_code": text(summary, "DestinationPostalCode")},
        "placed_at": moment_text(_told_moment(summary, "PurchaseDate", f"{at}/Summary", report)),
        "fulfillment_status": _state(status, f"{at}/Summary/OrderStatus", report),
        "source_fulfillment_status": status,
    }
    changed_at = _told_moment(trigger, "TimeOfOrderChange", f"{at}/OrderChangeTrigger", report)
    cancelled = _state(status, "", Report()) == "cancelled"
    if not cancelled and not wished and text(body, "OrderChangeType") != "BuyerRequestedChange":
        return StatedPart(
            channel_order_id=order_id,
            event="notification",
            missing=("order", "items"),
            account=account,
            findings=tuple(report.findings),
            stated={**stated, "changed_at": moment_text(changed_at)},
        )
    return StatedChange(
        channel_order_id=order_id,
        event="cancel" if cancelled else "cancel_request",
        account=account,
        changed_at=changed_at,
        line_changes=tuple([_cancel(row) for row in ([] if cancelled else wished)]),
        findings=tuple(report.findings),
        stated=stated,
    )


def _told_moment(row: Json, key: str, at: str, report: Report) -> datetime | None:
    """Read a moment as notifications write it: ISO 8601, or the milliseconds since 1970."""
    return epoch(row, key, at, report, per_second=1000) if type(row.get(key)) is int else instant(row, key, at, report)


def _status_change(body: Any, at: str, account: str) -> Result:
    """Read the notification before ORDER_CHANGE: the order, its state, and one item of it."""
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    order_id, report = need_text(body, "AmazonOrderId", at), Report()
    status = text(body, "OrderStatus")
    state = _state(status, f"{at}/OrderStatus", report)
    stated: dict[str, object] = {
        "ship_to": {"country": None, "postal_code": text(body, "DestinationPostalCode")},
        "placed_at": moment_text(_told_moment(body, "PurchaseDate", at, report)),
        "fulfillment_status": state,
        "source_fulfillment_status": status,
    }
    if state == "cancelled":
        return StatedChange(channel_order_id=order_id, event="cancel", account=account, findings=tuple(report.findings), stated=stated)
    return StatedPart(
        channel_order_id=order_id,
        event="notification",
        missing=("order", "items"),
        account=account,
        findings=tuple(report.findings),
        stated=stated,
    )


def _cancel(row: Json) -> LineChange:
    return LineChange(action="cancel", line_id=text(row, "OrderItemId"), sku=text(row, "SellerSKU"), quantity_ordered=text(row, "Quantity"))


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CANCEL_LINE, Verb.REFUND}),
    signature="none",
    account_field="",
    order_key="/AmazonOrderId",
    normalize=normalize,
    mapping_version=MAPPING,
    counts_pieces=True,
)
