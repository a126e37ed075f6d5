"""Magento and Adobe Commerce orders -> canonical Order.

Input:   JSON of REST `/V1/orders` (one order or a search's `items`), of Magento 1's `sales_order.info`, or an event with the order in it.
Output:  Order in the order's currency (never the base currency), integer minor units. Prices and rows are without tax, before discounts.
         An order's rows are its visible items: a configurable product's variant is not counted a second time, and a bundle is its parts
         where the subtotal says that those carry the prices.
Edits:   Magento edits by cancelling an order and making a new one, "…-1", which names the first. Both are the same order here: the new
         one restates it, and the cancelled one only says what replaced it. So line ids come from SKUs, which an edit keeps.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text. Amounts in the base currency are left out: they are the
         same amounts, converted.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer.adobe.com: Commerce REST, "Orders" (sales-data-order-interface, item, address), "Events"; Magento 1 SOAP/XML-RPC,
         sales_order.info; read 2026-11-24. Times are UTC without a zone. grand_total = subtotal + shipping + tax + discount (negative) +
         discount tax compensation (Magento 1: hidden tax), which is the tax inside a discount that was taken off prices with tax.
         `total_canceled` is what cancelled items were part of it; an invoice, shipment or credit memo has its own `increment_id` and
         names its order by `order_id` (sales-data-invoice-interface); read 2026-11-28.
         Adobe Commerce takes gift cards, store credit and reward points off the grand total, and adds gift wrapping; a fixed
         product tax is in the grand total and in none of the amounts before it; read 2026-11-29.
"""

import re
from dataclasses import replace

from normalizers.amounts import amount_of, currency_of, price_of, rate_text
from normalizers.building import account_of, address_of, each, line_ids, refused, split_by_line, stated_totals, told_totals
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
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "magento"
MAPPING = 4

_WRAPPINGS = ("event", "data", "value", "order", "entity", "result", "orders")
_EDIT = re.compile(r"(.+)-\d{1,4}")
_CANCELLED = frozenset({"canceled", "cancelled"})
_NEW = frozenset({"new", "pending", "pending_payment"})
_STATES = _CANCELLED | {"new", "pending", "pending_payment", "processing", "complete", "closed", "holded", "payment_review"}
_CREDITS = {
    "gift_cards_amount": "gift cards",
    "customer_balance_amount": "store credit",
    "reward_currency_amount": "reward points",
    "gw_price": "gift wrapping",
    "gw_items_price": "gift wrapping of items",
    "gw_card_price": "printed card",
}
"""What Adobe Commerce takes off the grand total, and (`gw_…`) adds to it, beside the rows that every edition has."""
_MAPPED = names(
    "increment_id order_currency_code created_at updated_at state status subtotal discount_amount shipping_amount shipping_tax_amount "
    "shipping_discount_amount tax_amount grand_total total_paid total_refunded customer_email customer_firstname customer_lastname "
    "customer_id customer_note shipping_description items billing_address shipping_address payment coupon_code relation_parent_real_id "
    "relation_child_real_id"
)
_LINE = names(
    "item_id sku name price row_total qty_ordered qty_canceled qty_shipped qty_refunded tax_amount tax_percent discount_amount "
    "parent_item_id discount_tax_compensation_amount hidden_tax_amount product_type"
)
_ADDRESS = names("firstname lastname company street city region region_code postcode country_id telephone")
_INSIDE = inside(
    """
    extension_attributes: shipping_assignments
    shipping_assignments: shipping
    shipping: address
    payment: amount_authorized amount_paid amount_refunded last_trans_id method
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [message for document in documents for message in _messages(document)]
    return each(found, _result)


def _messages(document: Document) -> list[Message]:
    """Take off an event's wrapping and a search's list: an order has `items` of its own, and an id."""
    opened: list[Message] = []
    for found in messages(document, _WRAPPINGS):
        message = found
        if isinstance(message, Broken):
            opened.append(message)
            continue
        value = message.value
        if (
            isinstance(value, dict) and "specversion" in value and isinstance(value.get("data"), dict)
        ):  # a CloudEvent: its id is not an order's
            inner = value["data"].get("value")
            value = inner if isinstance(inner, dict) else value["data"]
            message = replace(message, value=value, at=f"{message.at}/data{'/value' if value is inner else ''}")
        if isinstance(value, dict) and isinstance(value.get("items"), list) and not _named(value):
            opened += [
                replace(message, value=row, at=f"{message.at}/items/{index}") for index, row in enumerate(rows(value, "items", message.at))
            ]
        else:
            opened.append(message)
    return opened


def _named(value: Json) -> bool:
    return any(key in value for key in ("increment_id", "entity_id", "order_id"))


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers)
    key = next((key for key in ("increment_id", "order_id", "entity_id") if body.get(key) is not None), "increment_id")
    number = need_text(body, key, at)
    if _is_document(body):
        number = need_text(body, "order_id", at)
        return StatedPart(channel_order_id=number, event="notification", missing=("order",), account=account)
    if "items" not in body:
        return StatedPart(channel_order_id=_original(body, number), event="notification", missing=("order",), account=account)
    report = Report()
    event = _event(body, number)
    try:
        stated = _order(body, at, number, account, event, report)
    except OrdermendError as error:
        return refused(_original(body, number), error, account=account, event=event, report=report)
    return _replaced(stated, text(body, "relation_child_real_id"))


def _is_document(body: Json) -> bool:
    """Say whether it is an invoice, a shipment or a credit memo: its number is its own, and its items name the order's."""
    items = body.get("items")
    return isinstance(items, list) and any(isinstance(row, dict) and "order_item_id" in row and "qty_ordered" not in row for row in items)


def _event(body: Json, number: str) -> StatedEvent:
    """Return what happened; an order that nobody has touched since it was placed is new."""
    if _state(body) in _CANCELLED:
        return "cancel"
    if _original(body, number) != number:
        return "edit"
    placed = text(body, "created_at")
    return "create" if placed is not None and placed == text(body, "updated_at") and _state(body) in _NEW else "snapshot"


def _original(body: Json, number: str) -> str:
    """Return the number of the first order in a row of edits: what all of them are here."""
    parent = text(body, "original_increment_id") or text(body, "relation_parent_real_id")
    if parent is None:
        return number
    found = _EDIT.fullmatch(parent)
    return found[1] if found and number.startswith(f"{found[1]}-") else parent


def _replaced(stated: StatedOrder, successor: str | None) -> Result:
    """Return the order; one that an edit has replaced states nothing any more but what replaced it."""
    if successor is None:
        return stated
    values = {**order_values(stated), **stated.stated, "replaced_by": successor}
    source = stated.order.source
    return StatedPart(
        channel_order_id=source.channel_order_id, event=stated.event, missing=(f"order {successor}, its replacement",),
        account=source.account, findings=stated.findings, verdict="accept_with_warning", stated=values,
    )  # fmt: skip


def _state(body: Json) -> str | None:
    return text(body, "state") or text(body, "status")


def _order(body: Json, at: str, number: str, account: str, event: StatedEvent, report: Report) -> StatedOrder:
    draft = Draft(currency_of(text(body, "order_currency_code"), f"{at}/order_currency_code", report), report, cancelled=event == "cancel")
    state, status = _state(body), text(body, "status")
    if state is not None and state not in _STATES:
        report.note(f"{at}/state", "unknown_status", "a state of the shop's own", state)
    extensions = report.kept

    def amount(key: str) -> int | None:
        return amount_of(body, key, at, draft.currency, report)

    items = _items(draft, body, at, amount("subtotal"))
    _lines(draft, items, extensions)
    _discounts(draft, body, items, abs(amount("discount_amount") or 0), amount("shipping_discount_amount") or 0, at)
    shipping = amount("shipping_amount")
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping, label=text(body, "shipping_description") or "", code=text(body, "shipping_method"))
    _taxes(draft, items, amount("tax_amount"), amount("shipping_tax_amount"), shipped=shipping is not None)
    grand, discount = amount("grand_total"), amount("discount_amount")
    partly = not draft.cancelled and any(line.cancelled for line in draft.lines)
    gone = amount("total_canceled")
    due = None if partly and gone is None else (grand or 0) - (gone or 0) if partly else grand
    draft.credit(due, _credits(draft, body, at))
    totals = draft.totals(due)
    payment = _payments(draft, body, at, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    original = _original(body, number)
    stated = stated_totals(
        subtotal=amount("subtotal"),
        discount=None if discount is None else abs(discount),
        shipping=shipping,
        tax=amount("tax_amount"),
        grand=grand,
    )
    order = Order(
        order_id=order_id_of(NAME, account, original),
        order_number=number,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=(text(body, "store_name") or "").partition("\n")[0] or None,
            channel_order_id=original,
            channel_updated_at=instant(body, "updated_at", at, report, utc=True),
            status=status or state,
        ),
        currency=draft.currency,
        placed_at=instant(body, "created_at", at, report, utc=True),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(body, "customer_firstname"), text(body, "customer_lastname")))) or None,
            email=text(body, "customer_email"),
            customer_ref=text(body, "customer_id"),
        ),
        ship_to=_ship_to(body, at, extensions),
        bill_to=_address(child(body, "billing_address", at), f"{at}/billing_address", extensions),
        ship_method=text(body, "shipping_description"),
        payment_method=text(child(body, "payment", at) or {}, "method"),
        note=text(body, "customer_note"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(grand=totals.grand_total_minor) if partly else stated,
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/items", "no_lines", "the order has no items")
    summary: dict[str, object] = {}
    if original != number:
        summary = {"source_order_id": number, "replaces": text(body, "relation_parent_real_id") or original}
    if partly:
        summary |= told_totals(stated, draft.currency)
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=_fulfillment(draft), stated=summary, of=((body, at),), inside=_INSIDE
    )


Item = tuple[Json, str, int]
"""An item that is a line: its object, its pointer, its amount before discounts."""


def _items(draft: Draft, body: Json, at: str, subtotal: int | None) -> list[Item]:
    """Return the items that make the order's lines: those whose amounts come to the subtotal, else the visible ones."""
    found: list[Item] = []
    for index, row in enumerate(rows(body, "items", at)):
        where = f"{at}/items/{index}"
        found.append((row, where, _row_total(draft, row, where)))
    visible = [item for item in found if not _parent_of(item[0])]
    bundles = {text(row, "item_id") for row, _, _ in visible if text(row, "product_type") == "bundle"}
    parts = [item for item in found if (_parent_of(item[0]) in bundles if _parent_of(item[0]) else text(item[0], "item_id") not in bundles)]
    if bundles and subtotal is not None and sum(item[2] for item in visible) != subtotal == sum(item[2] for item in parts):
        return parts
    return visible


def _row_total(draft: Draft, row: Json, where: str) -> int:
    stated = amount_of(row, "row_total", where, draft.currency, draft.report)
    if stated is not None or (price := price_of(row, "price", where)) is None:
        return stated or 0
    ordered, exponent = quantity(row, "qty_ordered", where)
    return price.times(ordered, exponent, draft.currency, "half_up")


def _parent_of(row: Json) -> str | None:
    parent = text(row, "parent_item_id")
    return None if parent in {None, "0", "false"} else parent


def _count(row: Json, key: str, at: str, exponent: int) -> int:
    """Return a quantity in units of 10^-exponent; what is finer is dropped."""
    if row.get(key) is None or row.get(key) == "":
        return 0
    units, own = quantity(row, key, at)
    return int(units * 10 ** (exponent - own) if own <= exponent else units // 10 ** (own - exponent))


def _lines(draft: Draft, items: list[Item], extensions: dict[str, str]) -> None:
    for (row, where, gross), line_id in zip(items, line_ids([text(row, "sku") for row, _, _ in items]), strict=True):
        ordered, exponent = quantity(row, "qty_ordered", where)
        shipped = min(_count(row, "qty_shipped", where, exponent), ordered)
        draft.line(
            line_id,
            channel_line_id=text(row, "item_id"),
            sku=text(row, "sku"),
            name=text(row, "name") or "",
            unit_price=price_of(row, "price", where),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            cancelled=min(_count(row, "qty_canceled", where, exponent), ordered - shipped),
            shipped=shipped,
            returned=min(_count(row, "qty_refunded", where, exponent), shipped),
        )
        unmapped(row, _LINE, where, extensions)


def _inside(row: Json, at: str, draft: Draft) -> int:
    """Return the tax inside a discount that was taken off a price with tax."""
    key = "discount_tax_compensation_amount" if row.get("discount_tax_compensation_amount") is not None else "hidden_tax_amount"
    return amount_of(row, key, at, draft.currency, draft.report) or 0


def _discounts(draft: Draft, body: Json, items: list[Item], stated: int, shipping: int, at: str) -> None:
    """Add what the items were discounted, less the tax inside it; what the order has beyond is shipping's."""
    shares: dict[str, int] = {}
    said = 0
    for (row, where, _), line in zip(items, draft.lines, strict=True):
        amount = abs(amount_of(row, "discount_amount", where, draft.currency, draft.report) or 0)
        said += amount
        if amount and (net := max(amount - _inside(row, where, draft), 0)):
            shares[line.line_id] = net
    code = text(body, "coupon_code")
    label = text(body, "discount_description") or code or ""
    if shares:
        draft.discount("discount:items", sum(shares.values()), shares=shares, source="code" if code else "channel", code=code, label=label)
    elif stated - min(shipping, stated) > 0 and not said:
        net = max(stated - min(shipping, stated) - _inside(body, at, draft), 0)
        weights = {line_id: draft.stated_left[line_id] for line_id in draft.lines_left() if draft.stated_left[line_id] > 0}
        draft.discount("discount:order", net, shares=split_by_line(net, weights) if weights else None, code=code, label=label)
    if shipping > 0:
        draft.discount("discount:shipping", shipping, spread=False, label=label)


def _taxes(draft: Draft, items: list[Item], stated: int | None, shipping: int | None, *, shipped: bool) -> None:
    """Add each item's tax, shipping's, and what the order's tax has beyond them."""
    rest = stated or 0
    for (row, where, _), line in zip(items, draft.lines, strict=True):
        if amount := amount_of(row, "tax_amount", where, draft.currency, draft.report):
            draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id, rate=rate_text(row.get("tax_percent"), percent=True))
            rest -= amount
    if shipping and shipped:
        draft.tax("tax:shipping", shipping, adjustment_id="shipping")
        rest -= shipping
    if stated is not None and rest:
        draft.tax("tax:order", rest)


def _credits(draft: Draft, body: Json, at: str) -> list[tuple[str, str, int]]:
    """Return what the buyer's credit paid of the order, and (negative) what wrapping costs: at the top in events and Magento 1, else an extension's."""
    places = ((body, at), (child(body, "extension_attributes", at) or {}, f"{at}/extension_attributes"))
    found: list[tuple[str, str, int]] = []
    for key, label in _CREDITS.items():
        row, where = next((place for place in places if text(place[0], key) is not None), places[0])
        amount = abs(amount_of(row, key, where, draft.currency, draft.report) or 0)
        found.append((f"credit:{key}", label, -amount if key.startswith("gw_") else amount))
    for index, item in enumerate(rows(body, "items", at)):
        levied = amount_of(item, "weee_tax_applied_row_amount", f"{at}/items/{index}", draft.currency, draft.report) or 0
        found.append((f"fixed_tax:{index}", "fixed product tax", -max(levied, 0)))
    return found


def _payments(draft: Draft, body: Json, at: str, grand: int) -> PaymentState | None:
    """Add what was paid, authorized and given back, and return the state these make."""
    row = child(body, "payment", at) or {}
    where, method = f"{at}/payment", text(row, "method") or NAME

    def amount(key: str, of: Json, place: str) -> int:
        return amount_of(of, key, place, draft.currency, draft.report) or 0

    paid = amount("total_paid", body, at) or amount("amount_paid", row, where)
    returned = amount("total_refunded", body, at) or amount("amount_refunded", row, where)
    authorized = amount("amount_authorized", row, where)
    transaction = text(row, "last_trans_id") or "stated"
    if authorized > 0:
        draft.payment(method, "authorization", authorized, transaction=transaction)
    if paid > 0:
        draft.payment(method, "capture", paid, transaction=transaction)
    elif authorized > 0 and draft.cancelled:
        draft.payment(method, "void", authorized, transaction=transaction)
        return "voided"
    if returned > 0 and paid > 0:
        draft.payment(method, "refund", returned, transaction=transaction)
        return "refunded" if returned >= paid else "partially_refunded"
    if paid > 0:
        return "paid" if paid >= grand else "partially_paid"
    return "authorized" if authorized > 0 else "unpaid"


def _fulfillment(draft: Draft) -> FulfillmentState:
    if draft.cancelled:
        return "cancelled"
    open_units = sum(line.ordered - line.cancelled for line in draft.lines)
    shipped = sum(line.shipped for line in draft.lines)
    return "fulfilled" if shipped and shipped >= open_units else "partially_fulfilled" if shipped else "unfulfilled"


def _ship_to(body: Json, at: str, extensions: dict[str, str]) -> Address | None:
    """Return the shipping address: at the top in Magento 1 and events, in the shipping assignment in REST."""
    if body.get("shipping_address"):
        return _address(child(body, "shipping_address", at), f"{at}/shipping_address", extensions)
    more = child(body, "extension_attributes", at) or {}
    for index, row in enumerate(rows(more, "shipping_assignments", f"{at}/extension_attributes")):
        where = f"{at}/extension_attributes/shipping_assignments/{index}/shipping"
        shipping = child(row, "shipping", where.removesuffix("/shipping")) or {}
        found = _address(child(shipping, "address", where), f"{where}/address", {})
        if found is not None:
            return found
    return None


def _address(row: Json | None, at: str, extensions: dict[str, str]) -> Address | None:
    if not row:
        return None
    street = row.get("street")
    parts = [part for part in street if isinstance(part, str)] if isinstance(street, list) else (text(row, "street") or "").split("\n")
    lines = present(part.strip() for part in parts)
    if not (lines or any(text(row, key) for key in ("city", "postcode", "country_id"))):
        return None
    unmapped(row, _ADDRESS, at, extensions)
    return address_of(
        name=" ".join(present((text(row, "firstname"), text(row, "lastname")))) or None,
        company=text(row, "company"),
        lines=lines,
        city=text(row, "city"),
        region=text(row, "region_code") or text(row, "region"),
        postal_code=text(row, "postcode"),
        country=text(row, "country_id"),
        phone=text(row, "telephone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_ADDRESS, Verb.REFUND, Verb.NOTE}),
    signature="none",
    account_field="",
    order_key="/increment_id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
)
