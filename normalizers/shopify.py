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

from normalizers.amounts import currency_of, price_of
from normalizers.building import account_of, address_of, each, line_ids, not_placed, part_of, refused
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.shopify_bulk import bulk_messages
from normalizers.shopify_graphql import as_rest, has_more_lines, is_graphql
from normalizers.shopify_money import add_charges, add_discounts, add_payments, add_shipping, add_taxes, totals_now, totals_stated
from normalizers.shopify_values import NAME, Rows, exact_id, id_of, rows_of, texts_of
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
    said_otherwise,
    text,
    unmapped,
    whole,
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import LineChange, StatedEvent

MAPPING = 5
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
_WRAPPINGS = (
    "data",
    "orders",
    "draft_orders",
    "draftOrders",
    "checkouts",
    "refunds",
    "fulfillments",
    "fulfillment_orders",
    "transactions",
    "results",
    "payload",
    "edges",
    "nodes",
)
_SINGLE_ORDERS = ("order", "draft_order", "draftOrder", "order_edit", "checkout")
_SINGLE = (*_SINGLE_ORDERS, "node", "refund", "fulfillment", "transaction", "risk")
_OF_AN_ORDER = frozenset({"refund", "refunds", "fulfillment", "fulfillments", "fulfillment_orders", "transaction", "transactions"})
_ORDERS = frozenset({"", "Order", "DraftOrder", "Checkout", "AbandonedCheckout", "Cart", "orders", "draft_orders", "checkouts", "carts"})
"""The global ids and the topics of what is an order, or may become one."""
_MAPPED = names(
    "id admin_graphql_api_id name order_number created_at updated_at processed_at cancelled_at currency subtotal_price "
    "total_price total_tax total_discounts financial_status fulfillment_status email contact_email "
    "phone customer shipping_address billing_address line_items shipping_lines shipping_line tax_lines taxes_included note "
    "tags gateway payment_gateway_names total_tip_received status"
)
_MAPPED_LINE = names(
    "id admin_graphql_api_id sku name title quantity current_quantity price total_discount discount_allocations "
    "tax_lines fulfillment_status applied_discount uuid"
)
_MAPPED_ADDRESS = names("first_name last_name name company address1 address2 city province province_code zip country country_code phone")
_INSIDE = inside(
    """
    discount_allocations: amount discount_application_index
    tax_lines: channel_liable price rate title
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in bulk_messages(document) or messages(document, _WRAPPINGS)]
    return each(found, _result)


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
        if has_more_lines(body):
            return part_of(result, ("items",))
        return not_placed(result) if _is_checkout(body, topic, wrapped) else result
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=named.event, report=report)


def _is_of_an_order(body: Json, topic: str, wrapped: str) -> bool:
    """Say whether it is a refund, a fulfilment or a transaction: it has an id, and may have lines, of its own."""
    if wrapped in _OF_AN_ORDER:
        return True
    return topic.startswith(("refunds/", "fulfillments/", "order_transactions/")) or ("order_id" in body and "tracking_numbers" in body)


def _is_checkout(body: Json, topic: str, wrapped: str) -> bool:
    """Say whether nobody placed it: a checkout or a cart, which may have a token and no id."""
    if wrapped in {"checkout", "checkouts"} or topic.startswith(("checkouts/", "carts/")) or "abandoned_checkout_url" in body:
        return True
    return body.get("token") is not None and exact_id(body) is None


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


def _order_id(body: Json, at: str, headers: Mapping[str, str], report: Report) -> str:
    stated = id_of(body, "id")
    exact = exact_id(body) or headers.get("x-shopify-order-id") or text(body, "token")
    if exact is None:
        fail(at, "id", "required", body.get("id"), f"{at}/id is missing")
    if stated is not None and stated != exact:
        report.note(f"{at}/id", "id_lost_digits", f"the number disagrees with the global id {exact}", stated)
    return exact


def _order(body: Json, named: Named) -> StatedOrder:
    order_id, account, at, event, headers, report = named.order_id, named.account, named.at, named.event, named.headers, named.report
    currency = currency_of(text(body, "currency"), f"{at}/currency", report)
    cancelled_at = instant(body, "cancelled_at", at, report)
    extensions = report.kept
    draft = Draft(currency, report, cancelled=cancelled_at is not None)
    parts = rows_of(body, at)
    _lines(draft, parts, body, at, extensions)
    add_shipping(draft, parts, extensions)
    discount = add_discounts(draft, parts, body, at)
    add_charges(draft, parts, body, at)
    add_taxes(draft, parts, body, at)
    stated = totals_stated(draft, body, at, discount)
    overrides: dict[str, object] = {}
    contract = stated
    if any(line.cancelled for line in draft.lines) and cancelled_at is None and body.get("current_total_price") is not None:
        contract, overrides = totals_now(draft, body, at, stated)
    totals = draft.totals(contract.grand_total_minor)
    payment = _payment_state(body, at, event, report)
    add_payments(draft, body, at, payment, totals.grand_total_minor)
    fulfillment = _fulfillment_state(body, at, event, report)
    again = said_otherwise(body, "created_at", "processed_at") | said_otherwise(body, "email", "contact_email")
    unmapped(body, _MAPPED - again, at, extensions)
    ship_to, bill_to = _addresses(body, at, extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "name") or text(body, "order_number") or order_id,
        source=Source.of(
            channel=NAME,
            account=account,
            store=headers.get("x-shopify-shop-domain"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "updated_at", at, report),
            status=text(body, "status"),
            payment_status=text(body, "financial_status"),
            fulfillment_status=text(body, "fulfillment_status"),
            mapping_version=MAPPING,
            rules_version=0,
            held_by=(),
        ),
        currency=currency,
        placed_at=instant(body, "created_at", at, report) or instant(body, "processed_at", at, report),
        lifecycle="received" if cancelled_at is None else "cancelled",
        contact=_contact(body, at, ship_to, extensions),
        ship_to=ship_to,
        bill_to=bill_to,
        ship_method=text(parts.shipping[0][1], "title") if parts.shipping else None,
        payment_method=text(body, "gateway") or ", ".join(texts_of(body, "payment_gateway_names")) or None,
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
        order,
        event=event,
        payment=payment,
        fulfillment=fulfillment,
        cancelled_at=cancelled_at,
        stated=overrides,
        of=((body, named.at),),
        inside=_INSIDE,
    )


def _lines(draft: Draft, parts: Rows, body: Json, at: str, extensions: dict[str, str]) -> None:
    ids = [exact_id(row) for _, row in parts.items]
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
            if target is not None and (line := id_of(row, "line_item_id")):
                target[line] = target.get(line, 0) + whole(row, "quantity")
    return removed, returned


def _shipped(body: Json, at: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, fulfillment in enumerate(rows(body, "fulfillments", at)):
        if text(fulfillment, "status") in {"cancelled", "error", "failure"}:
            continue
        for row in rows(fulfillment, "line_items", f"{at}/fulfillments/{index}"):
            if line := exact_id(row):
                found[line] = found.get(line, 0) + whole(row, "quantity")
    return found


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
    return Contact.of(
        name=name or (ship_to.name if ship_to else None),
        email=text(body, "email") or text(body, "contact_email") or text(customer, "email"),
        phone=text(body, "phone") or text(customer, "phone"),
        customer_ref=exact_id(customer),
    )


_MAPPED_CUSTOMER = names("id admin_graphql_api_id first_name last_name email phone")


def _tags(body: Json) -> tuple[str, ...]:
    tags = body.get("tags")
    if not tags:
        return ()
    parts = tags.split(",") if isinstance(tags, str) else texts_of(body, "tags")
    return present(part.strip() for part in parts)


def _edit(body: Json, at: str, headers: Mapping[str, str], account: str, report: Report) -> StatedChange:
    """Read orders/edited: which lines gained and lost units. No money, no address."""
    order_id = headers.get("x-shopify-order-id") or id_of(body, "order_id") or need_text(body, "order_id", at)
    items = child(body, "line_items", at) or {}
    changes = []
    for key, action, sign in (("additions", "add", ""), ("removals", "remove", "-")):
        for index, row in enumerate(rows(items, key, f"{at}/line_items")):
            units, _ = quantity(row, "delta", f"{at}/line_items/{key}/{index}")
            changes.append(
                LineChange(action="add" if action == "add" else "remove", line_id=exact_id(row), quantity_delta=f"{sign}{units}")
            )
    stated = id_of(body, "order_id")
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
    order_id = headers.get("x-shopify-order-id") or id_of(body, "order_id")
    if order_id is None:
        if (about := _other_resource(body, topic, wrapped)) is not None:
            fail(at, "order_id", "names_an_order", about, "a document of another resource, which names no order")
        order_id = exact_id(body)
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
