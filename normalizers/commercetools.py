"""commercetools orders and messages -> canonical Order.

Input:   JSON of an Order, a query's `results`, a subscription's message (also as a CloudEvent's `data`): OrderCreated and OrderImported with the
         order in them, changes that name an order, OrderEditApplied; an order edit as the API gives it.
Output:  Order in the order's currency. Money is `centAmount` with the currency's digits, or of the type high precision: `preciseAmount` with its own.
         A line's price is the one it was sold at, before discounts; tax is in it where the line's rate says so.
Drafts:  a cart or a quote is nothing anybody placed: what is ordered of it is an order with an id of its own.
Edits:   the staged actions of an edit that touch lines become line changes; the order's own statement follows them.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; an amount in another currency is refused.
Source:  docs.commercetools.com: HTTP API, Orders, Order Edits, Messages, Subscriptions (delivery formats), Types (CentPrecisionMoney,
         HighPrecisionMoney, TaxedPrice); read 2026-11-24; Carts (ShippingMode, Shipping), Quotes, Order Search; read 2026-11-28. `totalPrice` is what is due: gross where tax is included, net where it is not.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from normalizers.amounts import currency_of, currency_within, priced_row, rate_text
from normalizers.building import account_of, address_of, each, line_ids, not_placed, part_of, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import change_values
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
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, exponent_of, round_ratio, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import LineChange, StatedEvent

NAME = "commercetools"
MAPPING = 6

_PAYMENT: Mapping[str, PaymentState] = {
    "Paid": "paid",
    "Pending": "unpaid",
    "Failed": "unpaid",
    "BalanceDue": "partially_paid",
    "CreditOwed": "paid",
}
_SHIPMENT: Mapping[str, FulfillmentState] = {
    "Shipped": "fulfilled", "Delivered": "fulfilled", "Partial": "partially_fulfilled", "Ready": "unfulfilled", "Pending": "unfulfilled",
    "Delayed": "unfulfilled", "Backorder": "unfulfilled", "Canceled": "cancelled",
}  # fmt: skip
_UNPLACED = ("cartState", "quoteState", "quoteRequestState", "stagedQuoteState")
_STATES = frozenset({"Open", "Confirmed", "Complete", "Cancelled"})
_MAPPED = names(
    "id orderNumber customerEmail customerId createdAt lastModifiedAt completedAt orderState paymentState shipmentState totalPrice "
    "taxedPrice lineItems customLineItems shippingAddress billingAddress shippingInfo discountOnTotalPrice cartState"
)
_LINE = names("id name variant price quantity totalPrice taxRate taxedPrice money")
_ADDRESS = names(
    "firstName lastName streetName streetNumber additionalStreetInfo additionalAddressInfo postalCode city region state country company phone mobile"
)
_INSIDE = inside(
    """
    totalPrice money totalGross totalNet totalTax discountedAmount: centAmount currencyCode fractionDigits preciseAmount
    value: centAmount currencyCode fractionDigits preciseAmount
    price: centAmount currencyCode fractionDigits preciseAmount value
    discountedPrice: value
    discountOnTotalPrice: discountedAmount
    shippingInfo: discountedPrice price shippingMethodName taxRate taxedPrice
    taxRate: amount includedInPrice name
    taxedPrice: totalGross totalNet totalTax
    variant: sku
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [
        inner
        for document in documents
        for message in messages(document, ("results", "hits", "data", "orders", "order"))
        for inner in [_inner(message)]
    ]
    return each(found, _result)


def _inner(message: Message) -> Message:
    """Take off a CloudEvent: its `id` is not an order's."""
    if isinstance(message, Broken):
        return message
    value = message.value
    if isinstance(value, dict) and "specversion" in value and value.get("data") is not None:
        data = value["data"]
        return replace(
            message, value=read_json(data.encode("utf-8", "replace")) if isinstance(data, str) else data, at=f"{message.at}/data"
        )
    return message


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers, text(body, "projectKey"))
    resource = body.get("resource")
    event: StatedEvent | None = None
    if isinstance(resource, dict) and "lineItems" not in body:
        if "stagedActions" in body:
            return _edit(body, at, need_text(resource, "id", f"{at}/resource"), account)
        inner = body.get("order")
        if not isinstance(inner, dict):
            if text(resource, "typeId") not in {None, "order"}:
                kind = text(resource, "typeId")
                fail(f"{at}/resource", "typeId", "names_an_order", kind, "a message about another resource, not about an order")
            order_id = need_text(resource, "id", f"{at}/resource")
            if body.get("orderState") == "Cancelled":
                report = Report()
                moment = instant(body, "createdAt", at, report)
                return StatedChange(
                    channel_order_id=order_id, event="cancel", account=account, changed_at=moment, findings=tuple(report.findings)
                )
            return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
        event = "create" if text(body, "type") in {"OrderCreated", "OrderImported"} else "update"
        body, at = inner, f"{at}/order"
    return _whole(body, at, account, event)


def _whole(body: Json, at: str, account: str, event: StatedEvent | None) -> Result:
    """Read an order, or what is there of it."""
    order_id, report = need_text(body, "id", at), Report()
    if "lineItems" not in body and "totalPrice" not in body:
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    unplaced = any(key in body for key in _UNPLACED)
    if text(body, "orderState") == "Cancelled":
        event = "cancel"
    try:
        result = _order(body, at, order_id, account, "draft" if unplaced else event or "snapshot", report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=event or "snapshot", report=report)
    if "lineItems" not in body and "customLineItems" not in body:
        return part_of(result, ("items",))
    return not_placed(result) if unplaced else result


def _edit(body: Json, at: str, order_id: str, account: str) -> Result:
    """Read an order edit: its staged actions on lines; one that is not applied yet asks, and is not the channel's state."""
    report, ship_to = Report(), None
    changes = []
    for index, row in enumerate(rows(body, "stagedActions", at)):
        action = text(row, "action")
        line, sku = text(row, "lineItemId"), text(row, "sku")
        if action == "addLineItem":
            changes.append(LineChange(action="add", sku=sku, quantity_ordered=text(row, "quantity") or "1"))
        elif action in {"changeLineItemQuantity", "removeLineItem"} and line is not None:
            gone = action == "removeLineItem" or text(row, "quantity") == "0"
            changes.append(
                LineChange(action="delete" if gone else "change", line_id=line, line=line, quantity_ordered=text(row, "quantity"))
            )
        elif action == "setShippingAddress" and isinstance(row.get("address"), dict):
            ship_to = _address(row["address"], f"{at}/stagedActions/{index}/address", {})
            report.note(f"{at}/stagedActions/{index}", "ship_to_stated", "the edit states a delivery address")
        else:
            report.note(f"{at}/stagedActions/{index}", "action_not_read", "an action that no operation carries", action)
    result = body.get("result")
    applied = text(result, "type") == "Applied" if isinstance(result, dict) else False
    if not applied:
        report.note(f"{at}/result", "edit_not_applied", "the channel has not applied the edit: it says what would change")
    return StatedChange(
        channel_order_id=order_id,
        event="edit",
        account=account,
        changed_at=instant(body, "lastModifiedAt", at, report),
        line_changes=tuple(changes),
        ship_to=ship_to,
        findings=tuple(report.findings),
        stated={"applied": applied, "version": text(body, "version"), "line_changes": [change_values(change) for change in changes]},
    )


def _exact(row: Json, key: str, at: str, draft: Draft) -> Decimal | None:
    """Read money exactly, in major units: `preciseAmount` where there is one, else `centAmount`."""
    pair = child(row, key, at)
    if not pair:
        return None
    where, code = f"{at}/{key}", text(pair, "currencyCode")
    if draft.foreign(code):
        fail(where, "currencyCode", "one_currency", code, f"{where} is in another currency than the order's {draft.currency}")
    name = "preciseAmount" if pair.get("preciseAmount") is not None else "centAmount"
    if name == "preciseAmount" and pair.get("type") == "centPrecision":
        draft.report.note(f"{where}/{name}", "other_precision", "money in cents has no amount more precise: it is not read", pair[name])
        name = "centAmount"
    amount, digits = pair.get(name), pair.get("fractionDigits")
    if digits is None:
        digits = exponent_of(draft.currency)
    if type(amount) is not int or abs(amount) >= 10**20:
        fail(where, name, "whole number", amount)
    if type(digits) is not int or not 0 <= digits <= 20:
        fail(where, "fractionDigits", "number of digits", digits)
    return Decimal(amount).scaleb(-digits)


def _money(row: Json, key: str, at: str, draft: Draft) -> int | None:
    exact = _exact(row, key, at, draft)
    if exact is None:
        return None
    scaled = exact.scaleb(exponent_of(draft.currency))
    top, bottom = scaled.as_integer_ratio()
    amount = round_ratio(top, 1, bottom, "half_up")
    if amount != scaled:
        draft.report.note(f"{at}/{key}", "amount_rounded", f"finer than {draft.currency} carries: rounded half up", scaled)
    if abs(amount) >= 10**18:
        fail(at, key, "amount", amount)
    return amount


def _order(body: Json, at: str, order_id: str, account: str, event: StatedEvent, report: Report) -> StatedOrder:
    price = child(body, "totalPrice", at) or {}
    draft = Draft(
        currency_of(text(price, "currencyCode") or currency_within(body, "currencyCode"), f"{at}/totalPrice/currencyCode", report),
        report,
        cancelled=event == "cancel",
    )
    state = text(body, "orderState")
    if state is not None and state not in _STATES:
        report.note(f"{at}/orderState", "unknown_status", "no documented order state", state)
    extensions = report.kept
    shipped = text(body, "shipmentState") in {"Shipped", "Delivered"}
    shares = _lines(draft, body, at, extensions, shipped=shipped)
    goods = sum(draft.stated_left.values())
    discount = _discounts(draft, body, at, shares)
    shipping = _shipping(draft, body, at)
    total = _money(body, "totalPrice", at, draft)
    taxed = child(body, "taxedPrice", at)
    gross, tax = _taxed(taxed or {}, f"{at}/taxedPrice", draft)
    _taxes(draft, body, at, tax or 0)
    grand = gross if gross is not None else total
    totals = draft.totals(grand)
    payment = _PAYMENT.get(text(body, "paymentState") or "")
    draft.stated_payment(None if payment == "partially_paid" else payment, "COMMERCETOOLS", totals.grand_total_minor)
    placed, other = (
        ("completedAt", "createdAt") if body.get("origin") == "Import" and body.get("completedAt") else ("createdAt", "completedAt")
    )
    unmapped(body, _MAPPED - said_otherwise(body, placed, other), at, extensions)
    ship_to = _ship_to(body, at, extensions, report)
    bill_to = _address(child(body, "billingAddress", at), f"{at}/billingAddress", extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "orderNumber") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(body, "lastModifiedAt", at, report),
            status=state,
            payment_status=text(body, "paymentState"),
            fulfillment_status=text(body, "shipmentState"),
        ),
        currency=draft.currency,
        placed_at=instant(body, placed, at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=(ship_to or bill_to).name if ship_to or bill_to else None,  # type: ignore[union-attr]  # one of them is there
            email=text(body, "customerEmail"),
            phone=ship_to.phone if ship_to else None,
            customer_ref=text(body, "customerId"),
        ),
        ship_to=ship_to,
        bill_to=bill_to,
        ship_method=next((text(info, "shippingMethodName") for info, _ in _infos(body, at)), None),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(discount=discount or None, shipping=shipping, tax=tax, grand=grand),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/lineItems", "no_lines", "the order has no line items")
    summary: dict[str, object] = {"subtotal": to_text(goods, draft.currency)} if draft.lines else {}
    fulfillment = "cancelled" if draft.cancelled else _SHIPMENT.get(text(body, "shipmentState") or "")
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=fulfillment, stated=summary, of=((body, at),), inside=_INSIDE
    )


def _items(body: Json, at: str) -> list[tuple[Json, str]]:
    return [(row, f"{at}/{key}/{index}") for key in ("lineItems", "customLineItems") for index, row in enumerate(rows(body, key, at))]


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, shipped: bool) -> dict[str, int]:
    """Add lines and custom lines; return what each was discounted: its price by quantity, less what it comes to."""
    items, shares = _items(body, at), {}
    ids = [text(row, "id") for row, _ in items]
    for (row, where), number, line_id in zip(items, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "quantity", where)
        variant = child(row, "variant", where) or {}
        unit, gross = _priced(draft, row, where, ordered, exponent)
        rate = child(row, "taxRate", where) or {}
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(variant, "sku"),
            name=_words(row.get("name")),
            unit_price=unit,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=rate.get("includedInPrice") is True,
            shipped=ordered if shipped else 0,
        )
        total = _money(row, "totalPrice", where, draft)
        if total is not None and gross > total:
            shares[line_id] = gross - total
        unmapped(row, _LINE, where, extensions)
        if isinstance(name := row.get("name"), dict):
            unmapped(name, frozenset({_language(name)}), f"{where}/name", extensions)
    return shares


def _priced(draft: Draft, row: Json, at: str, ordered: int, exponent: int) -> tuple[UnitPrice | None, int]:
    price = child(row, "price", at)
    exact = _exact(price, "value", f"{at}/price", draft) if price else _exact(row, "money", at, draft)
    if exact is None:
        return None, _money(row, "totalPrice", at, draft) or 0
    unit, gross = priced_row(exact, Decimal(1), ordered, exponent, draft.currency, at, "price")
    return unit, gross


def _words(name: object) -> str:
    """Return a localised text: English where there is one, else the first."""
    if isinstance(name, str):
        return name
    return name.get(_language(name), "") if isinstance(name, dict) else ""


def _language(name: Json) -> str:
    texts = [key for key, value in name.items() if isinstance(value, str)]
    return next((key for key in texts if key.lower().startswith("en")), next(iter(texts), ""))


def _discounts(draft: Draft, body: Json, at: str, shares: dict[str, int]) -> int:
    """Add what lines were discounted, and the discount on the total; return the sum."""
    if shares:
        draft.discount("discount:lines", sum(shares.values()), shares=shares)
    whole = _money(child(body, "discountOnTotalPrice", at) or {}, "discountedAmount", f"{at}/discountOnTotalPrice", draft) or 0
    if whole > 0:
        draft.discount("discount:total", whole)
    return sum(shares.values()) + max(whole, 0)


def _infos(body: Json, at: str) -> list[tuple[Json, str]]:
    """Return what is said of shipping: once for the order, or (`shippingMode` Multiple) once for each place it goes to."""
    found = [(body, at), *((row, f"{at}/shipping/{index}") for index, row in enumerate(rows(body, "shipping", at)))]
    return [(info, f"{where}/shippingInfo") for row, where in found if (info := child(row, "shippingInfo", where))]


def _ship_to(body: Json, at: str, extensions: dict[str, str], report: Report) -> Address | None:
    where = f"{at}/shippingAddress"
    if row := child(body, "shippingAddress", at):
        return _address(row, where, extensions)
    places = [
        place
        for index, part in enumerate(rows(body, "shipping", at))
        if (
            place := _address(
                child(part, "shippingAddress", f"{at}/shipping/{index}"), f"{at}/shipping/{index}/shippingAddress", extensions
            )
        )
    ]
    if len({place.normalized for place in places}) > 1:
        report.warn(f"{at}/shipping", "several_places", "the order goes to several places: the first is shown", len(places))
    return places[0] if places else None


def _shipping(draft: Draft, body: Json, at: str) -> int | None:
    shipping: int | None = None
    for index, (info, where) in enumerate(_infos(body, at)):
        cut = child(info, "discountedPrice", where)
        after = _money(cut, "value", f"{where}/discountedPrice", draft) if cut else None
        amount = _money(info, "price", where, draft) if after is None else after
        if amount is not None:
            draft.charge("shipping", _charge_id(index), amount, label=text(info, "shippingMethodName") or "")
            shipping = (shipping or 0) + amount
    return shipping


def _charge_id(index: int) -> str:
    return f"shipping:{index}" if index else "shipping"


def _taxed(taxed: Json, at: str, draft: Draft) -> tuple[int | None, int | None]:
    """Return (total with tax, tax)."""
    gross, net = _money(taxed, "totalGross", at, draft), _money(taxed, "totalNet", at, draft)
    return gross, _money(taxed, "totalTax", at, draft) if "totalTax" in taxed else None if gross is None or net is None else gross - net


def _taxes(draft: Draft, body: Json, at: str, stated: int) -> None:
    """Add each line's tax and shipping's where they are stated, and what the order's tax has beyond them."""
    rest, included = stated, any(line.tax_included for line in draft.lines)
    for (row, where), line in zip(_items(body, at), draft.lines, strict=True):
        _, amount = _taxed(child(row, "taxedPrice", where) or {}, f"{where}/taxedPrice", draft)
        if amount:
            rate = child(row, "taxRate", where) or {}
            draft.tax(
                f"tax:{line.line_id}", amount, line_id=line.line_id, title=text(rate, "name") or "", rate=rate_text(rate.get("amount")),
                included=line.tax_included,
            )  # fmt: skip
            rest -= amount
    for index, (info, where) in enumerate(_infos(body, at)):
        _, amount = _taxed(child(info, "taxedPrice", where) or {}, f"{where}/taxedPrice", draft)
        rate = child(info, "taxRate", where) or {}
        charge = _charge_id(index)
        if amount and charge in draft.tax_base:
            draft.tax(
                f"tax:{charge}",
                amount,
                adjustment_id=charge,
                rate=rate_text(rate.get("amount")),
                included=rate.get("includedInPrice") is True,
            )
            rest -= amount
    if rest:
        draft.tax("tax:order", rest, included=included)


def _address(row: Json | None, at: str, extensions: dict[str, str]) -> Address | None:
    if not row:
        return None
    unmapped(row, _ADDRESS - said_otherwise(row, "state", "region") - said_otherwise(row, "phone", "mobile"), at, extensions)
    street = " ".join(present((text(row, "streetName"), text(row, "streetNumber"))))
    return address_of(
        name=" ".join(present((text(row, "firstName"), text(row, "lastName")))) or None,
        company=text(row, "company"),
        lines=present((street, text(row, "additionalStreetInfo"), text(row, "additionalAddressInfo"))),
        city=text(row, "city"),
        region=text(row, "state") or text(row, "region"),
        postal_code=text(row, "postalCode"),
        country=text(row, "country"),
        phone=text(row, "phone") or text(row, "mobile"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_QUANTITY, Verb.CHANGE_LINES, Verb.CHANGE_ADDRESS, Verb.NOTE}),
    signature="none",
    account_field="/projectKey",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
