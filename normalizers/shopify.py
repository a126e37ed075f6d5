"""Shopify order webhooks and Admin REST answers -> canonical Order.

Input:   JSON body of orders/*, draft_orders/*, orders/edited and orders/delete, or `{"order": …}`, `{"orders": […]}`,
         `{"draft_order": …}`; one order per record. Headers x-shopify-topic, -order-id and -shop-domain are used.
         An Order or DraftOrder of the GraphQL Admin API is read under its REST names (`normalizers.shopify_graphql`), and so is each of a bulk
         operation's file (`normalizers.shopify_bulk`).
         checkouts/* and carts/*, `{"checkout": …}`: what nobody placed, a draft that makes no order.
Output:  Order in the shop's currency, integer minor units; presentment amounts in `extensions`. orders/edited is a
         change without the order; an id alone (refunds, fulfilments, transactions) says what to fetch.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field. Never guesses.
Source:  shopify.dev Admin REST API 2025-01, resources Order, DraftOrder and Refund; webhook topics and headers; read
         2026-11-23. `subtotal_price` is after discounts; `total_price` is the original total, `current_total_price` the
         one after edits and refunds; ids are 64-bit numbers, kept exactly by admin_graphql_api_id and the header.
         A checkout's id is not its order's: that one names it in `checkout_id` (resources AbandonedCheckouts, Checkout).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from normalizers.building import (
    Draft,
    account_of,
    address_of,
    amount_of,
    currency_of,
    line_ids,
    minor,
    not_placed,
    price_of,
    rate_text,
    refused,
    stated_totals,
    told_totals,
)
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder, StatedPart, Verb
from normalizers.shopify_bulk import bulk_messages
from normalizers.shopify_graphql import as_rest, is_graphql
from normalizers.wire import (
    Json,
    Message,
    Named,
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
    whole,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentKind, PaymentState, Source, StatedTotals, order_id_of
from schemas.statement import LineChange, StatedEvent

NAME = "shopify"
MAPPING = 3

_PAYMENT: Mapping[str, PaymentState] = {
    "pending": "unpaid",
    "unpaid": "unpaid",
    "expired": "voided",
    "authorized": "authorized",
    "partially_paid": "partially_paid",
    "paid": "paid",
    "partially_refunded": "partially_refunded",
    "refunded": "refunded",
    "voided": "voided",
}
_FULFILLMENT: Mapping[str, FulfillmentState] = {
    "unfulfilled": "unfulfilled",
    "unshipped": "unfulfilled",
    "partial": "partially_fulfilled",
    "fulfilled": "fulfilled",
    "shipped": "fulfilled",
    "restocked": "cancelled",
}
_EVENTS: Mapping[str, StatedEvent] = {
    "orders/create": "create",
    "orders/cancelled": "cancel",
    "orders/edited": "edit",
    "orders/delete": "cancel",
}
_MONEY_KINDS: Mapping[str, PaymentKind] = {
    "authorization": "authorization",
    "capture": "capture",
    "sale": "capture",
    "refund": "refund",
    "void": "void",
}
_WRAPPINGS = (
    "data",
    "orders",
    "draft_orders",
    "draftOrders",
    "checkouts",
    "refunds",
    "fulfillments",
    "results",
    "payload",
    "edges",
    "nodes",
)
_SINGLE_ORDERS = ("order", "draft_order", "draftOrder", "order_edit", "checkout")
_SINGLE = (*_SINGLE_ORDERS, "node", "refund", "fulfillment", "transaction", "risk")
_OF_AN_ORDER = frozenset({"refund", "refunds", "fulfillment", "fulfillments", "transaction"})
_ORDERS = frozenset({"", "Order", "DraftOrder", "Checkout", "AbandonedCheckout", "Cart", "orders", "draft_orders", "checkouts", "carts"})
"""The global ids and the topics of what is an order, or may become one."""
_MAPPED = names(
    "id admin_graphql_api_id name number order_number created_at updated_at processed_at cancelled_at currency subtotal_price "
    "total_price total_tax total_discounts total_line_items_price financial_status fulfillment_status email contact_email "
    "phone customer shipping_address billing_address line_items shipping_lines shipping_line tax_lines taxes_included note "
    "tags gateway payment_gateway_names total_tip_received status"
)
_MAPPED_LINE = names(
    "id admin_graphql_api_id sku name title variant_title quantity current_quantity price total_discount discount_allocations "
    "tax_lines fulfillable_quantity fulfillment_status applied_discount uuid"
)
_MAPPED_SHIPPING = names("id admin_graphql_api_id title code price tax_lines discount_allocations discounted_price")
_MAPPED_ADDRESS = names("first_name last_name name company address1 address2 city province province_code zip country country_code phone")


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in bulk_messages(document) or messages(document, _WRAPPINGS)]
    if len(found) == 1:
        return (_result(found[0]),)
    return tuple([_guarded(message) for message in found])


def _guarded(message: Message) -> Result:
    try:
        return _result(message)
    except OrdermendError as error:
        return refused(None, error)


def _result(message: Message) -> Result:
    body, at, wrapped = message.value, message.at, message.wrapped_in
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    for key in _SINGLE:
        if isinstance(inner := body.get(key), dict):
            body, at, wrapped = inner, f"{at}/{key}", key
            break
    if is_graphql(body):
        body = as_rest(body)
    topic = message.headers.get("x-shopify-topic") or message.headers.get("topic") or ""
    account = account_of(message.headers, message.headers.get("x-shopify-shop-domain"))
    report = Report()
    if wrapped == "order_edit" or topic == "orders/edited":
        return _edit(body, at, message.headers, account, report)
    if "line_items" not in body or _is_of_an_order(body, topic, wrapped):
        return _named_only(body, at, message.headers, topic, account, wrapped)
    order_id = _order_id(body, at, message.headers, report)
    named = Named(order_id, account, _event(body, topic, wrapped), at, message.headers, report)
    try:
        result = _order(body, named)
        return not_placed(result) if _is_checkout(body, topic, wrapped) else result
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=named.event, report=report)


def _is_of_an_order(body: Json, topic: str, wrapped: str) -> bool:
    """Say whether it is a refund, a fulfilment or a transaction: it has an id, and may have lines, of its own."""
    if wrapped in _OF_AN_ORDER:
        return True
    return topic.startswith(("refunds/", "fulfillments/", "order_transactions/")) or ("order_id" in body and "tracking_numbers" in body)


def _is_checkout(body: Json, topic: str, wrapped: str) -> bool:
    return wrapped in {"checkout", "checkouts"} or topic.startswith(("checkouts/", "carts/")) or "abandoned_checkout_url" in body


def _event(body: Json, topic: str, wrapped: str) -> StatedEvent:
    if (
        wrapped in {"draft_order", "draft_orders", "draftOrder", "draftOrders"}
        or topic.startswith("draft_orders/")
        or "invoice_url" in body
    ):
        return "draft"
    if _is_checkout(body, topic, wrapped):
        return "draft"
    if topic.startswith("orders/"):
        return _EVENTS.get(topic, "update")
    if wrapped:
        return "snapshot"
    if body.get("cancelled_at"):
        return "cancel"
    return "create" if body.get("created_at") == body.get("updated_at") else "update"


def _exact_id(row: Json) -> str | None:
    """Return the id; the global id keeps digits that a JSON number may have lost on its way."""
    gid = row.get("admin_graphql_api_id")
    if isinstance(gid, str):
        tail = gid.rpartition("/")[2].partition("?")[0]
        if tail.isdecimal():
            return tail
    return _id_of(row, "id") or text(row, "uuid") or text(row, "key")


def _id_of(row: Json, key: str) -> str | None:
    value = row.get(key)
    if isinstance(value, Decimal):
        return str(int(value)) if value == int(value) else str(value)
    return str(value) if type(value) is int else text(row, key)


def _order_id(body: Json, at: str, headers: Mapping[str, str], report: Report) -> str:
    stated = _id_of(body, "id")
    exact = _exact_id(body) or headers.get("x-shopify-order-id")
    if exact is None:
        fail(at, "id", "required", body.get("id"), f"{at}/id is missing")
    if stated is not None and stated != exact:
        report.note(f"{at}/id", "id_lost_digits", f"the number disagrees with the global id {exact}", stated)
    return exact


@dataclass(frozen=True, slots=True)
class _Rows:
    """An order's lines and shipping lines with their pointers, looked up once."""

    items: list[tuple[str, Json]]
    shipping: list[tuple[str, Json]]
    included: bool


def _rows_of(body: Json, at: str) -> _Rows:
    items = [(f"{at}/line_items/{index}", row) for index, row in enumerate(rows(body, "line_items", at))]
    shipping = [
        (f"{at}/shipping_lines/{index}", row) for index, row in enumerate(rows(body, "shipping_lines", at)) if not truth(row, "is_removed")
    ]
    if "shipping_line" in body and (single := child(body, "shipping_line", at)):
        shipping.append((f"{at}/shipping_line", single))
    return _Rows(items, shipping, included=body.get("taxes_included") is True)


def _order(body: Json, named: Named) -> StatedOrder:
    order_id, account, at, event, headers, report = named.order_id, named.account, named.at, named.event, named.headers, named.report
    currency = currency_of(text(body, "currency"), f"{at}/currency", report)
    cancelled_at = instant(body, "cancelled_at", at, report)
    extensions = report.kept
    draft = Draft(currency, report, cancelled=cancelled_at is not None)
    parts = _rows_of(body, at)
    _lines(draft, parts, body, at, extensions)
    _shipping(draft, parts, extensions)
    discount = _discounts(draft, parts, body, at)
    _charges(draft, body, at)
    _taxes(draft, parts, body, at)
    stated = _stated(draft, body, at, discount)
    overrides: dict[str, object] = {}
    contract = stated
    if any(line.cancelled for line in draft.lines) and cancelled_at is None and body.get("current_total_price") is not None:
        contract, overrides = _current(draft, body, at, stated)
    totals = draft.totals(contract.grand_total_minor)
    payment = _payment_state(body, at, event, report)
    _payments(draft, body, at, payment, totals.grand_total_minor)
    fulfillment = _fulfillment_state(body, at, event, report)
    unmapped(body, _MAPPED, at, extensions)
    ship_to, bill_to = _addresses(body, at, extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "name") or text(body, "order_number") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=headers.get("x-shopify-shop-domain"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "updated_at", at, report),
            status=text(body, "status"),
            payment_status=text(body, "financial_status"),
            fulfillment_status=text(body, "fulfillment_status"),
        ),
        currency=currency,
        placed_at=instant(body, "created_at", at, report) or instant(body, "processed_at", at, report),
        lifecycle="received" if cancelled_at is None else "cancelled",
        contact=_contact(body, at, ship_to, extensions),
        ship_to=ship_to,
        bill_to=bill_to,
        ship_method=text(parts.shipping[0][1], "title") if parts.shipping else None,
        payment_method=text(body, "gateway") or ", ".join(_texts(body, "payment_gateway_names")) or None,
        note=text(body, "note"),
        tags=_tags(body),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=contract,
        extensions=extensions,
    )
    if not draft.lines and event != "draft":
        report.warn(f"{at}/line_items", "no_lines", "the order has no lines")
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=fulfillment, cancelled_at=cancelled_at, stated=overrides, of=((body, named.at),)
    )


def _lines(draft: Draft, parts: _Rows, body: Json, at: str, extensions: dict[str, str]) -> None:
    ids = [_exact_id(row) for _, row in parts.items]
    removed, returned = _refunded(body, at) if body.get("refunds") else ({}, {})
    shipped = _shipped(body, at) if body.get("fulfillments") else {}
    whole_order_shipped = text(body, "fulfillment_status") == "fulfilled"
    for (where, row), channel_id, line_id in zip(parts.items, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "quantity", where)
        price = price_of(row, "price", where)
        done = min(shipped.get(channel_id or "", 0), ordered) if shipped else 0
        if not done and not draft.cancelled and (whole_order_shipped or text(row, "fulfillment_status") == "fulfilled"):
            done = min(ordered - removed.get(channel_id or "", 0), ordered)
        back = gone = 0
        if removed or returned:
            came = returned.get(channel_id or "", 0)
            back = min(came, done)
            gone = removed.get(channel_id or "", 0) + came - back
        if "current_quantity" in row:
            gone = max(gone, ordered - whole(row, "current_quantity") - back)
        draft.line(
            line_id,
            channel_line_id=channel_id,
            sku=text(row, "sku"),
            name=text(row, "name") or text(row, "title") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, draft.currency, "half_up"),
            tax_included=parts.included,
            cancelled=min(gone, ordered - done),
            shipped=done,
            returned=back,
        )
        unmapped(row, _MAPPED_LINE, where, extensions)


def _refunded(body: Json, at: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the units taken off each line before shipping, and the units that came back."""
    removed: dict[str, int] = {}
    returned: dict[str, int] = {}
    for index, refund in enumerate(rows(body, "refunds", at)):
        for row in rows(refund, "refund_line_items", f"{at}/refunds/{index}"):
            target = returned if text(row, "restock_type") == "return" else removed if text(row, "restock_type") == "cancel" else None
            if target is not None and (line := _id_of(row, "line_item_id")):
                target[line] = target.get(line, 0) + whole(row, "quantity")
    return removed, returned


def _shipped(body: Json, at: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, fulfillment in enumerate(rows(body, "fulfillments", at)):
        if text(fulfillment, "status") in {"cancelled", "error", "failure"}:
            continue
        for row in rows(fulfillment, "line_items", f"{at}/fulfillments/{index}"):
            if line := _exact_id(row):
                found[line] = found.get(line, 0) + whole(row, "quantity")
    return found


def _shipping(draft: Draft, parts: _Rows, extensions: dict[str, str]) -> None:
    for where, row in parts.shipping:
        name = _exact_id(row)
        amount = amount_of(row, "price", where, draft.currency, draft.report) or 0
        draft.charge("shipping", f"shipping:{name}", amount, label=text(row, "title") or "", code=text(row, "code"))
        unmapped(row, _MAPPED_SHIPPING, where, extensions)


def _discounts(draft: Draft, parts: _Rows, body: Json, at: str) -> int | None:
    """Add a row per discount application, spread what no line was allocated, and return the stated total."""
    applications = rows(body, "discount_applications", at)
    shares: dict[int, dict[str, int]] = {}
    for (where, row), line in zip(parts.items, draft.lines, strict=True):
        _allocated(draft, row, where, line.line_id, shares)
    shipping: dict[int, dict[str, int]] = {}
    for where, row in parts.shipping:
        _allocated(draft, row, where, "", shipping)
    known = 0
    for number in sorted(shares):
        source, code, label = _application(applications, number)
        amount = sum(shares[number].values())
        known += amount
        draft.discount(f"discount:{number}", amount, shares=shares[number], source=source, code=code, label=label)
    for number in sorted(shipping):
        source, code, label = _application(applications, number)
        amount = shipping[number][""]
        known += amount
        draft.discount(f"discount:shipping:{number}", amount, spread=False, source=source, code=code, label=label or "shipping")
    total = _stated_discount(draft, body, at)
    if total is not None and total > known:
        _unallocated(draft, body, at, total - known)
    return total


def _allocated(draft: Draft, row: Json, where: str, line_id: str, shares: dict[int, dict[str, int]]) -> None:
    if row.get("discount_allocations"):
        for index, part in enumerate(rows(row, "discount_allocations", where)):
            there = f"{where}/discount_allocations/{index}"
            found = shares.setdefault(whole(part, "discount_application_index"), {})
            found[line_id] = found.get(line_id, 0) + (amount_of(part, "amount", there, draft.currency, draft.report) or 0)
        return
    if "applied_discount" not in row and "total_discount" not in row:
        return
    applied = child(row, "applied_discount", where)
    amount = (
        amount_of(applied, "amount", f"{where}/applied_discount", draft.currency, draft.report)
        if applied
        else amount_of(row, "total_discount", where, draft.currency, draft.report)
    )
    if amount:
        found = shares.setdefault(-1, {})
        found[line_id] = found.get(line_id, 0) + amount


def _application(applications: list[Json], number: int) -> tuple[Any, str | None, str]:
    if not 0 <= number < len(applications):
        return "channel", None, ""
    row = applications[number]
    kind = text(row, "type")
    source = {"discount_code": "code", "manual": "manual", "automatic": "promotion", "script": "promotion"}.get(kind or "", "channel")
    return source, text(row, "code"), text(row, "title") or text(row, "description") or ""


def _stated_discount(draft: Draft, body: Json, at: str) -> int | None:
    total = amount_of(body, "total_discounts", at, draft.currency, draft.report)
    if total is not None or "applied_discount" not in body:
        return total
    total = sum(row.amount_minor for row in draft.adjustments if row.kind == "discount")
    applied = child(body, "applied_discount", at)
    return total + (amount_of(applied, "amount", f"{at}/applied_discount", draft.currency, draft.report) or 0) if applied else total


def _unallocated(draft: Draft, body: Json, at: str, amount: int) -> None:
    codes = rows(body, "discount_codes", at)
    code = text(codes[0], "code") if codes else None
    on_shipping = len(codes) == 1 and text(codes[0], "type") == "shipping"
    label = text(child(body, "applied_discount", at) or {}, "description") or ""
    draft.discount("discount:order", amount, spread=not on_shipping, source="code" if code else "channel", code=code, label=label)


def _charges(draft: Draft, body: Json, at: str) -> None:
    if tip := amount_of(body, "total_tip_received", at, draft.currency, draft.report):
        draft.charge("fee", "fee:tip", tip, label="tip")
    for key, label in (("original_total_duties_set", "duties"), ("original_total_additional_fees_set", "additional fees")):
        if body.get(key) and (amount := _shop_money(draft, body, key, at)):
            draft.charge("fee", f"fee:{label}", amount, label=label)


def _shop_money(draft: Draft, body: Json, key: str, at: str) -> int | None:
    pair = child(body, key, at)
    shop = child(pair, "shop_money", f"{at}/{key}") if pair else None
    return amount_of(shop, "amount", f"{at}/{key}/shop_money", draft.currency, draft.report) if shop else None


def _taxes(draft: Draft, parts: _Rows, body: Json, at: str) -> None:
    for (where, row), line in zip(parts.items, draft.lines, strict=True):
        if row.get("tax_lines"):
            _tax_rows(draft, row, where, line_id=line.line_id, included=parts.included)
    for where, row in parts.shipping:
        if row.get("tax_lines"):
            _tax_rows(draft, row, where, adjustment_id=f"shipping:{_exact_id(row)}", included=parts.included)
    if not draft.taxes and body.get("tax_lines"):
        _tax_rows(draft, body, at, included=parts.included)


def _tax_rows(draft: Draft, row: Json, at: str, *, included: bool, line_id: str | None = None, adjustment_id: str | None = None) -> None:
    for index, tax in enumerate(rows(row, "tax_lines", at)):
        where = f"{at}/tax_lines/{index}"
        draft.tax(
            f"tax:{line_id or adjustment_id or 'order'}:{index}",
            minor(tax.get("price"), draft.currency, where, "price", draft.report),
            line_id=line_id,
            adjustment_id=adjustment_id,
            title=text(tax, "title") or "",
            rate=rate_text(tax.get("rate")),
            included=included,
            liable="channel" if tax.get("channel_liable") is True else "seller",
        )


def _stated(draft: Draft, body: Json, at: str, discount: int | None) -> StatedTotals:
    currency, report = draft.currency, draft.report
    shipping = _shop_money(draft, body, "total_shipping_price_set", at) if body.get("total_shipping_price_set") else None
    if shipping is None and ("shipping_lines" in body or "shipping_line" in body):
        shipping = sum(row.amount_minor for row in draft.adjustments if row.kind == "shipping")
    return stated_totals(
        subtotal=amount_of(body, "subtotal_price", at, currency, report),
        discount=discount,
        shipping=shipping,
        tax=amount_of(body, "total_tax", at, currency, report),
        grand=amount_of(body, "total_price", at, currency, report),
    )


def _current(draft: Draft, body: Json, at: str, original: StatedTotals) -> tuple[StatedTotals, dict[str, object]]:
    """Return the totals after removals as the contract, and the original ones as what the document's own fields say."""
    currency, report = draft.currency, draft.report
    current = stated_totals(
        subtotal=amount_of(body, "current_subtotal_price", at, currency, report),
        discount=amount_of(body, "current_total_discounts", at, currency, report),
        shipping=original.shipping_minor,
        tax=amount_of(body, "current_total_tax", at, currency, report),
        grand=amount_of(body, "current_total_price", at, currency, report),
    )
    return current, told_totals(original, currency)


def _payment_state(body: Json, at: str, event: StatedEvent, report: Report) -> PaymentState | None:
    word = text(body, "financial_status")
    if word is None:
        return None if event == "draft" or "financial_status" not in body else "unpaid"
    if word not in _PAYMENT:
        report.note(f"{at}/financial_status", "unknown_status", "no documented payment status", word)
    return _PAYMENT.get(word)


def _fulfillment_state(body: Json, at: str, event: StatedEvent, report: Report) -> FulfillmentState | None:
    word = text(body, "fulfillment_status")
    if word is None:
        return None if event == "draft" or "fulfillment_status" not in body else "unfulfilled"
    if word not in _FULFILLMENT:
        report.note(f"{at}/fulfillment_status", "unknown_status", "no documented fulfilment status", word)
    return _FULFILLMENT.get(word, "unfulfilled")


def _payments(draft: Draft, body: Json, at: str, state: PaymentState | None, grand: int) -> None:
    for index, row in enumerate(rows(body, "transactions", at)):
        _transaction(draft, row, f"{at}/transactions/{index}")
    stated = bool(draft.payments)
    for index, refund in enumerate(rows(body, "refunds", at)):
        for number, row in enumerate(rows(refund, "transactions", f"{at}/refunds/{index}")):
            _transaction(draft, row, f"{at}/refunds/{index}/transactions/{number}")
    if not stated and state is not None:
        provider = text(body, "gateway") or next(iter(_texts(body, "payment_gateway_names")), NAME)
        open_amount = amount_of(body, "total_outstanding", at, draft.currency, draft.report) if state == "partially_paid" else None
        paid = None if open_amount is None else max(grand - open_amount, 0)
        if state in {"refunded", "partially_refunded"}:
            paid = amount_of(body, "total_price", at, draft.currency, draft.report)
        draft.stated_payment(state, provider, grand, paid=paid, at=instant(body, "processed_at", at, draft.report) if paid else None)


def _transaction(draft: Draft, row: Json, at: str) -> None:
    kind = _MONEY_KINDS.get(text(row, "kind") or "")
    if kind is None or (text(row, "status") or "success") != "success":
        return
    amount = minor(row.get("amount"), draft.currency, at, "amount", draft.report)
    transaction = _exact_id(row) or "stated"
    draft.payment(text(row, "gateway") or NAME, kind, amount, transaction=transaction, at=instant(row, "processed_at", at, draft.report))


def _addresses(body: Json, at: str, extensions: dict[str, str]) -> tuple[Address | None, Address | None]:
    """Return where goods and bill go: mostly the same words, which are then read once."""
    goods, bill = child(body, "shipping_address", at), child(body, "billing_address", at)
    ship_to = _address(goods, f"{at}/shipping_address", extensions)
    if goods != bill:
        return ship_to, _address(bill, f"{at}/billing_address", extensions)
    if bill:
        unmapped(bill, _MAPPED_ADDRESS, f"{at}/billing_address", extensions)
    return ship_to, ship_to


def _address(row: Json | None, at: str, extensions: dict[str, str]) -> Address | None:
    if not row:
        return None
    unmapped(row, _MAPPED_ADDRESS, at, extensions)
    name = text(row, "name") or " ".join(present((text(row, "first_name"), text(row, "last_name")))) or None
    return address_of(
        name=name,
        company=text(row, "company"),
        lines=present((text(row, "address1"), text(row, "address2"))),
        city=text(row, "city"),
        region=text(row, "province_code") or text(row, "province"),
        postal_code=text(row, "zip"),
        country=text(row, "country_code") or text(row, "country"),
        phone=text(row, "phone"),
    )


def _contact(body: Json, at: str, ship_to: Address | None, extensions: dict[str, str]) -> Contact:
    customer = child(body, "customer", at) or {}
    if customer:
        unmapped(customer, _MAPPED_CUSTOMER, f"{at}/customer", extensions)
    name = " ".join(present((text(customer, "first_name"), text(customer, "last_name"))))
    return Contact(
        name=name or (ship_to.name if ship_to else None),
        email=text(body, "email") or text(body, "contact_email") or text(customer, "email"),
        phone=text(body, "phone") or text(customer, "phone"),
        customer_ref=_exact_id(customer),
    )


_MAPPED_CUSTOMER = names("id admin_graphql_api_id first_name last_name email phone")


def _texts(body: Json, key: str) -> list[str]:
    value = body.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _tags(body: Json) -> tuple[str, ...]:
    tags = body.get("tags")
    if not tags:
        return ()
    parts = tags.split(",") if isinstance(tags, str) else _texts(body, "tags")
    return present(part.strip() for part in parts)


def _edit(body: Json, at: str, headers: Mapping[str, str], account: str, report: Report) -> StatedChange:
    """Read orders/edited: which lines gained and lost units. No money, no address."""
    order_id = headers.get("x-shopify-order-id") or _id_of(body, "order_id") or need_text(body, "order_id", at)
    items = child(body, "line_items", at) or {}
    changes = []
    for key, action, sign in (("additions", "add", ""), ("removals", "remove", "-")):
        for index, row in enumerate(rows(items, key, f"{at}/line_items")):
            units, _ = quantity(row, "delta", f"{at}/line_items/{key}/{index}")
            changes.append(
                LineChange(action="add" if action == "add" else "remove", line_id=_exact_id(row), quantity_delta=f"{sign}{units}")
            )
    stated = _id_of(body, "order_id")
    if stated is not None and stated != order_id:
        report.note(f"{at}/order_id", "id_lost_digits", f"the number disagrees with the header's id {order_id}", stated)
    return StatedChange(
        channel_order_id=order_id,
        event="edit",
        account=account,
        changed_at=instant(body, "created_at", at, report),
        line_changes=tuple(changes),
        findings=tuple(report.findings),
    )


def _other_resource(body: Json, topic: str, wrapped: str) -> str | None:
    """Return what a document is of where its id is no order's: by its global id, its topic, or the name it came under."""
    gid = text(body, "admin_graphql_api_id") or ""
    kind = gid.removeprefix("gid://shopify/").partition("/")[0] if gid.startswith("gid://shopify/") else ""
    named = kind or ("orders" if wrapped in _SINGLE_ORDERS else topic.partition("/")[0] or (wrapped if wrapped in _OF_AN_ORDER else ""))
    return None if named in _ORDERS else named


def _named_only(body: Json, at: str, headers: Mapping[str, str], topic: str, account: str, wrapped: str) -> Result:
    """Read a document that names an order: a deletion, or a refund, fulfilment or transaction of it."""
    order_id = headers.get("x-shopify-order-id") or _id_of(body, "order_id")
    if order_id is None:
        if (about := _other_resource(body, topic, wrapped)) is not None:
            fail(at, "order_id", "names_an_order", about, "a document of another resource, which names no order")
        order_id = _exact_id(body)
    if order_id is None:
        fail(at, "id", "required", body.get("id"), f"{at}/id is missing")
    if topic == "orders/delete":
        return StatedChange(channel_order_id=order_id, event="cancel", account=account, verdict="accept")
    return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(
        {Verb.CANCEL_ORDER, Verb.CANCEL_LINE, Verb.CHANGE_QUANTITY, Verb.CHANGE_ADDRESS, Verb.CHANGE_LINES, Verb.REFUND, Verb.NOTE}
    ),
    signature="shopify_hmac_sha256",
    account_field="x-shopify-shop-domain",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
