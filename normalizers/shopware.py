"""Shopware orders -> canonical Order; those of Shopware 5 through `normalizers.shopware_5`.

Input:   JSON of the Admin or Store API's order: plain, a search's `data`, JSON:API with `included`; an app's webhook with the order in its
         payload, or with the id of an order that was written. Shopware 5: an order of its REST API, or a list.
Output:  Order in the order's currency, integer minor units. `taxStatus` says whether amounts have tax in them (gross), get it on top (net) or
         have none (tax-free). Promotions and credits are lines with a price below 0 there, and discounts here; what is inside another line
         is not counted again.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text; so does what a relation names and `included` has not. An order
         without its lines, or without some of them, is incomplete.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer.shopware.com: Admin API, order, line items, "Order State Management" (technical names of states), app webhooks; read
         2026-11-24. `positionPrice` is the lines with their discounts; dates without a zone are UTC.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from normalizers.amounts import amount_of, currency_of, price_of, rate_text
from normalizers.building import account_of, address_of, each, line_ids, refused, split_by_line, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.shopware_5 import id_5, is_shopware_5, order_5
from normalizers.summary import order_values
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
    text,
    unmapped,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import NO_CURRENCY, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "shopware"
MAPPING = 5

_PAYMENT: Mapping[str, PaymentState] = {
    "open": "unpaid", "in_progress": "unpaid", "unconfirmed": "unpaid", "reminded": "unpaid", "failed": "unpaid", "authorized": "authorized",
    "paid": "paid", "paid_partially": "partially_paid", "refunded": "refunded", "refunded_partially": "partially_refunded",
    "chargeback": "refunded", "cancelled": "voided",
}  # fmt: skip
_DELIVERY: Mapping[str, FulfillmentState] = {
    "open": "unfulfilled", "shipped": "fulfilled", "shipped_partially": "partially_fulfilled", "returned": "fulfilled",
    "returned_partially": "fulfilled", "cancelled": "cancelled",
}  # fmt: skip
_EVENTS: Mapping[str, StatedEvent] = {"checkout.order.placed": "create", "state_enter.order.state.cancelled": "cancel"}
_STATES = frozenset({"open", "in_progress", "completed", "cancelled"})
_DISCOUNTS = frozenset({"promotion", "credit", "discount"})
_MAPPED = names(
    "id orderNumber orderDateTime createdAt updatedAt price shippingCosts shippingTotal amountTotal positionPrice taxStatus currency "
    "stateMachineState lineItems deliveries transactions orderCustomer billingAddress customerComment"
)
_RESOURCE = names("id type attributes relationships links meta")
"""What a JSON:API resource is made of; links and meta are about fetching it."""
_RELATION = frozenset({"data", "links", "meta"})
_ELSEWHERE = "_not_included"
"""What a relation names and the document has not."""
_LINE = names("id quantity label unitPrice totalPrice price type parentId")
_INSIDE = inside(
    """
    currency: isoCode
    stateMachineState: technicalName
    orderCustomer: customerNumber email firstName lastName
    price: calculatedTaxes positionPrice taxStatus totalPrice
    shippingCosts: calculatedTaxes totalPrice
    calculatedTaxes: tax taxRate
    lineItems: id label parentId payload price totalPrice type
    payload: code
    deliveries: shippingMethod shippingOrderAddress stateMachineState
    paymentMethod shippingMethod: name
    shippingOrderAddress: additionalAddressLine1 additionalAddressLine2 city company country countryState firstName lastName phoneNumber street zipcode
    country: iso
    transactions: amount createdAt paymentMethod stateMachineState
    amount: totalPrice
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [
        inner for document in documents for message in messages(document, ("orders", "elements", "order")) for inner in _opened(message)
    ]
    return each(found, _result)


def _opened(message: Message) -> list[Message]:
    """Take off a webhook's wrapping, a search's list, and JSON:API."""
    if isinstance(message, Broken):
        return [message]
    value, at = message.value, message.at
    if not isinstance(value, dict) or "orderNumber" in value:
        return [message]
    data = value.get("data")
    if isinstance(data, dict) and "payload" in data:
        headers = {**message.headers, "topic": text(data, "event") or ""}
        payload = data["payload"]
        if isinstance(payload, dict):
            key = "order" if isinstance(payload.get("order"), dict) else ""
            return [Message(payload[key] if key else payload, f"{at}/data/payload{f'/{key}' if key else ''}", headers)]
        return [Message(row, f"{at}/data/payload/{index}", headers) for index, row in enumerate(rows(data, "payload", f"{at}/data"))]
    if isinstance(data, dict | list):
        listed: list[Json] = [data] if isinstance(data, dict) else rows(value, "data", at)
        known = {(text(row, "type"), text(row, "id")): row for row in rows(value, "included", at)}
        return [
            Message(_plain(row, known, 4), f"{at}/data/{index}" if isinstance(data, list) else f"{at}/data", message.headers)
            for index, row in enumerate(listed)
        ]
    return [message]


def _plain(row: Json, known: Mapping[tuple[str | None, str | None], Json], depth: int) -> Json:
    """Return a JSON:API resource as the plain API writes it: attributes, with what they relate to inside."""
    attributes = row.get("attributes")
    if not isinstance(attributes, dict):
        return row
    related: Json = {}
    relations = row.get("relationships")
    for name, relation in (relations if isinstance(relations, dict) else {}).items():
        if not isinstance(relation, dict):
            related[f"{name}_of_relation"] = relation
            continue
        related |= _related(name, relation.get("data"), known, depth)
        if beside := {key: value for key, value in relation.items() if key not in _RELATION}:
            related[f"{name}_of_relation"] = beside
    stated = {"id": row.get("id"), **attributes}
    beside = {name: value for name, value in row.items() if name not in _RESOURCE}
    return _beside(_beside(related, stated, "attribute"), beside, "resource")


def _related(name: str, data: Any, known: Mapping[tuple[str | None, str | None], Json], depth: int) -> Json:
    """Return what a relation names, under its name: the resources that are in the document, and beside them the names of those that are not."""
    named: list[Any] = data if isinstance(data, list) else [data] if data else []
    here, elsewhere = [], []
    for one in named:
        other = known.get((text(one, "type"), text(one, "id"))) if depth and isinstance(one, dict) else None
        if other is None:
            elsewhere.append(one)
        else:
            more = {key: value for key, value in one.items() if key not in _RESOURCE}
            here.append(_beside(_plain(other, known, depth - 1), more, "reference"))
    found: Json = {name: here} if isinstance(data, list) else {name: here[0]} if here else {}
    return {**found, f"{name}{_ELSEWHERE}": elsewhere} if elsewhere else found


def _beside(row: Json, more: Json, of: str) -> Json:
    """Return the object with more fields before its own; one that has a name of those says of what it is."""
    return {**{f"{name}_of_{of}" if name in row else name: value for name, value in more.items()}, **row}


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account, report = account_of(message.headers, text(body, "salesChannelId")), Report()
    if is_shopware_5(body):
        try:
            return order_5(body, at, (NAME, account, MAPPING), report)
        except OrdermendError as error:
            return refused(id_5(body, at), error, account=account, event="snapshot", report=report)
    if "price" not in body and "amountTotal" not in body:
        about = text(body, "entity") or "order"
        if about != "order" and "orderId" not in body:
            fail(at, "entity", "names_an_order", about, "an event of this entity names no order")
        key = next((key for key in ("orderId", "primaryKey", "id", "orderNumber") if body.get(key) is not None), "id")
        return StatedPart(channel_order_id=need_text(body, key, at), event="notification", missing=("order",), account=account)
    order_id = need_text(body, "id" if body.get("id") is not None else "orderNumber", at)
    state = _state(body, at)
    event: StatedEvent = _EVENTS.get(message.headers.get("topic", ""), "create" if body.get("updatedAt") is None else "snapshot")
    event = "cancel" if state == "cancelled" else event
    try:
        stated = _order(body, at, order_id, account, event, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=event, report=report)
    return stated if body.get("lineItems") and f"lineItems{_ELSEWHERE}" not in body else _incomplete(stated)


def _state(row: Json, at: str) -> str | None:
    return text(child(row, "stateMachineState", at) or {}, "technicalName")


def _incomplete(stated: StatedOrder) -> StatedPart:
    order = stated.order
    values = {**order_values(stated), **stated.stated, "lines": None, "payment_status": None, "fulfillment_status": None}
    findings = tuple(one for one in stated.findings if one.rule not in {"totals_mismatch", "channel_rounding", "currency_missing"})
    missing = ("line items",) if order.currency != NO_CURRENCY else ("line items", "currency")
    source = order.source
    return StatedPart(
        channel_order_id=source.channel_order_id,
        event=stated.event,
        missing=missing,
        account=source.account,
        findings=findings,
        stated=values,
    )


def _order(body: Json, at: str, order_id: str, account: str, event: StatedEvent, report: Report) -> StatedOrder:
    currency = child(body, "currency", at) or {}
    draft = Draft(currency_of(text(currency, "isoCode"), f"{at}/currency/isoCode", report), report, cancelled=event == "cancel")
    price, where = child(body, "price", at) or {}, f"{at}/price"
    status = text(price, "taxStatus") or text(body, "taxStatus")
    if status not in {None, "gross", "net", "tax-free"}:
        report.note(f"{where}/taxStatus", "unknown_status", "no documented tax status", status)
    included = status == "gross"
    extensions = report.kept
    deliveries = rows(body, "deliveries", at)
    shipped = bool(deliveries) and all(_state(row, f"{at}/deliveries/{index}") == "shipped" for index, row in enumerate(deliveries))
    _lines(draft, body, at, extensions, included=included, shipped=shipped)
    discount = _discounts(draft, body, at)
    shipping_row = child(body, "shippingCosts", at)
    shipping = amount_of(shipping_row or {}, "totalPrice", f"{at}/shippingCosts", draft.currency, report)
    if shipping is None:
        shipping = amount_of(body, "shippingTotal", at, draft.currency, report)
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping)
    tax = _tax_of(price, where, draft)
    _taxes(draft, body, at, tax, shipping_row, included=included)
    grand = amount_of(price, "totalPrice", where, draft.currency, report)
    if grand is None:
        grand = amount_of(body, "amountTotal", at, draft.currency, report)
    totals = draft.totals(grand)
    payment, method = _payments(draft, body, at, totals.grand_total_minor)
    goods = amount_of(price, "positionPrice", where, draft.currency, report)
    if goods is None:
        goods = amount_of(body, "positionPrice", at, draft.currency, report)
    unmapped(body, _MAPPED, at, extensions)
    who = child(body, "orderCustomer", at) or {}
    ship_to, ship_method = _ship_to(deliveries, f"{at}/deliveries")
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "orderNumber") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(body, "updatedAt", at, report),
            status=_state(body, at),
        ),
        currency=draft.currency,
        placed_at=instant(body, "orderDateTime" if body.get("orderDateTime") else "createdAt", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(who, "firstName"), text(who, "lastName")))) or None,
            email=text(who, "email"),
            phone=ship_to.phone if ship_to else None,
            customer_ref=text(who, "customerNumber") or text(who, "customerId"),
        ),
        ship_to=ship_to,
        bill_to=_address(child(body, "billingAddress", at), f"{at}/billingAddress"),
        ship_method=ship_method,
        payment_method=method,
        note=text(body, "customerComment"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(
            subtotal=None if goods is None else goods + discount, discount=discount or None, shipping=shipping, tax=tax, grand=grand
        ),
        extensions=extensions,
    )
    states = [_DELIVERY.get(_state(row, f"{at}/deliveries/{index}") or "") for index, row in enumerate(deliveries)]
    fulfillment: FulfillmentState | None = "cancelled" if draft.cancelled else states[0] if states and len(set(states)) == 1 else None
    if not draft.cancelled and len(set(states)) > 1:
        fulfillment = "partially_fulfilled" if "fulfilled" in states or "partially_fulfilled" in states else "unfulfilled"
    summary: dict[str, object] = (
        {} if goods is not None or not draft.lines else {"subtotal": to_text(totals.subtotal_minor, draft.currency)}
    )
    return draft.stated_order(
        order,
        event=event,
        payment=payment,
        fulfillment=fulfillment,
        stated=summary | {"tax_included": included},
        of=((body, at),),
        inside=_INSIDE,
    )


def _roots(body: Json, at: str) -> list[tuple[Json, str]]:
    """Return the lines that stand for themselves: what another line contains is in its price."""
    found = [(row, f"{at}/lineItems/{index}") for index, row in enumerate(rows(body, "lineItems", at))]
    ids = {text(row, "id") for row, _ in found}
    return [(row, where) for row, where in found if text(row, "parentId") is None or text(row, "parentId") not in ids]


def _goods(body: Json, at: str) -> list[tuple[Json, str]]:
    return [(row, where) for row, where in _roots(body, at) if text(row, "type") not in _DISCOUNTS]


def _total(row: Json, at: str, draft: Draft) -> int:
    found = amount_of(row, "totalPrice", at, draft.currency, draft.report)
    if found is None:
        found = amount_of(child(row, "price", at) or {}, "totalPrice", f"{at}/price", draft.currency, draft.report)
    return found or 0


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, included: bool, shipped: bool) -> None:
    items = _goods(body, at)
    ids = [text(row, "id") for row, _ in items]
    for (row, where), number, line_id in zip(items, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "quantity", where)
        payload = row.get("payload")
        price = child(row, "price", where) or {}
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(payload, "productNumber") if isinstance(payload, dict) else None,
            name=text(row, "label") or "",
            unit_price=price_of(row, "unitPrice", where) or price_of(price, "unitPrice", f"{where}/price"),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=_total(row, where, draft),
            tax_included=included,
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _LINE, where, extensions)


def _discounts(draft: Draft, body: Json, at: str) -> int:
    """Add promotions and credits; return what they come to."""
    total = 0
    for index, (row, where) in enumerate(_roots(body, at)):
        if text(row, "type") not in _DISCOUNTS:
            continue
        amount = -_total(row, where, draft)
        payload = row.get("payload")
        code = text(payload, "code") if isinstance(payload, dict) else None
        if amount > 0:
            draft.discount(f"discount:{index}", amount, source="code" if code else "channel", code=code, label=text(row, "label") or "")
            total += amount
        elif amount < 0:
            draft.charge("fee", f"fee:{index}", -amount, label=text(row, "label") or "")
    return total


def _tax_of(row: Json, at: str, draft: Draft) -> int:
    return sum(
        amount_of(part, "tax", f"{at}/calculatedTaxes/{index}", draft.currency, draft.report) or 0
        for index, part in enumerate(rows(row, "calculatedTaxes", at))
    )


def _taxes(draft: Draft, body: Json, at: str, stated: int, shipping: Json | None, *, included: bool) -> None:
    """Add each line's taxes, less what promotions take off them, and shipping's; and what the order's taxes have beyond them."""
    rest = stated
    found = {line.line_id: _rows_of_tax(row, where, draft) for (row, where), line in zip(_goods(body, at), draft.lines, strict=True)}
    taken = _taken_off(draft, body, at, found)
    for line_id, parts in found.items():
        for index, (rate, amount) in enumerate(parts):
            if amount:
                less = min(taken.pop((line_id, rate), 0), max(amount, 0))
                draft.tax(f"tax:{line_id}:{index}", amount - less, line_id=line_id, rate=rate, included=included)
                rest -= amount - less
    if shipping and "shipping" in draft.tax_base and (amount := _tax_of(shipping, f"{at}/shippingCosts", draft)):
        draft.tax("tax:shipping", amount, adjustment_id="shipping", included=included)
        rest -= amount
    if rest:
        draft.tax("tax:order", rest, included=included)


def _rows_of_tax(row: Json, at: str, draft: Draft) -> list[tuple[str | None, int]]:
    """Return (rate, amount) of each tax that a line's price states."""
    price, where = child(row, "price", at) or {}, f"{at}/price/calculatedTaxes"
    return [
        (rate_text(part.get("taxRate"), percent=True), amount_of(part, "tax", f"{where}/{index}", draft.currency, draft.report) or 0)
        for index, part in enumerate(rows(price, "calculatedTaxes", f"{at}/price"))
    ]


def _taken_off(draft: Draft, body: Json, at: str, taxes: Mapping[str, list[tuple[str | None, int]]]) -> dict[tuple[str, str | None], int]:
    """Return what the tax rows of promotions take off each line's tax of that rate: cut as the promotion itself is."""
    shares = {
        row.adjustment_id: {part.line_id: part.basis.amount_minor for part in row.allocations if part.basis} for row in draft.adjustments
    }
    taken: Counter[tuple[str, str | None]] = Counter()
    for number, (row, where) in enumerate(_roots(body, at)):
        given = shares.get(f"discount:{number}", {})
        for rate, amount in _rows_of_tax(row, where, draft) if given else ():
            weights = {line: share for line, share in given.items() if share > 0 and any(rate == own for own, _ in taxes.get(line, ()))}
            if amount < 0 and weights:
                taken.update({(line, rate): share for line, share in split_by_line(-amount, weights).items()})
    return taken


def _payments(draft: Draft, body: Json, at: str, grand: int) -> tuple[PaymentState | None, str | None]:
    """Add what the newest transaction that stands for a payment says; failed and cancelled ones before it moved nothing."""
    found = [(row, f"{at}/transactions/{index}") for index, row in enumerate(rows(body, "transactions", at))]
    if not found:
        return None, None
    live = [item for item in found if _state(*item) not in {"failed", "cancelled"}] or found
    row, where = max(live, key=lambda item: text(item[0], "createdAt") or "")
    word = _state(row, where)
    state = _PAYMENT.get(word or "")
    if word is not None and state is None:
        draft.report.note(f"{where}/stateMachineState", "unknown_status", "no documented payment state", word)
    method = child(row, "paymentMethod", where) or {}
    amount = amount_of(child(row, "amount", where) or {}, "totalPrice", f"{where}/amount", draft.currency, draft.report)
    draft.stated_payment(None if state == "partially_paid" else state, "SHOPWARE", grand if amount is None else amount)
    return state, text(method, "name")


def _ship_to(deliveries: list[Json], at: str) -> tuple[Address | None, str | None]:
    """Return the address and the method of the first delivery; a delivery that only discounts shipping has the same address."""
    for index, row in enumerate(deliveries):
        where = f"{at}/{index}"
        found = _address(child(row, "shippingOrderAddress", where), f"{where}/shippingOrderAddress")
        if found is not None:
            return found, text(child(row, "shippingMethod", where) or {}, "name")
    return None, None


def _address(row: Json | None, at: str) -> Address | None:
    if not row:
        return None
    country, state = child(row, "country", at) or {}, child(row, "countryState", at) or {}
    return address_of(
        name=" ".join(present((text(row, "firstName"), text(row, "lastName")))) or None,
        company=text(row, "company"),
        lines=present((text(row, "street"), text(row, "additionalAddressLine1"), text(row, "additionalAddressLine2"))),
        city=text(row, "city"),
        region=text(state, "shortCode") or text(state, "name"),
        postal_code=text(row, "zipcode"),
        country=text(country, "iso") or text(country, "name"),
        phone=text(row, "phoneNumber"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_QUANTITY, Verb.CHANGE_LINES, Verb.CHANGE_ADDRESS, Verb.REFUND, Verb.NOTE}),
    signature="shopware_app_hmac_sha256",
    account_field="/salesChannelId",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
