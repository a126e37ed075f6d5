"""WooCommerce order webhooks and REST v3 answers -> canonical Order.

Input:   JSON body of order.created, order.updated, order.restored and order.deleted, of an action that names an order, or what GET /orders gives; one
         order, a list, or a batch's answer. Headers x-wc-webhook-topic and -source are used. An order of the legacy API (v1 to v3, `wc-api`) is read under
         today's names; a refund by itself only names its order.
Output:  Order in the order's currency, integer minor units. Line prices are net of tax and before discounts.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field. An order without lines, fees and date is
         quarantined: it was never placed.
Source:  WooCommerce REST API v3, "Orders" (order, line item, tax, shipping, fee, coupon and refund properties) and
         "Webhooks"; read 2026-11-23. A line's `subtotal` is before discounts, `total` after, both without tax whatever
         `prices_include_tax` says; `price` is after discounts; `*_gmt` is UTC, its sibling is shop time. "Order refunds", and the
         legacy REST API v3 ("Orders properties"); read 2026-11-28. "Gift Cards" (orders have `gift_cards`: id, code, amount) and the order
         fields of PW, YITH Gift Cards and Account Funds; read 2026-11-29: `total` is what is left to pay after them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from normalizers.amounts import amount_of, currency_of, decimal_in, price_of, quotient_price, rate_text
from normalizers.building import account_of, address_of, each, line_ids, not_placed, refused, split_by_line, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.wire import (
    Broken,
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
)
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "woocommerce"
MAPPING = 5

_WRAPPINGS = ("data", "body", "order", "orders", "results", "payload")
_DONE = ("create", "update", "delete")
_EVENTS: Mapping[str, StatedEvent] = {
    "order.created": "create",
    "order.updated": "update",
    "order.restored": "update",
    "order.deleted": "cancel",
}
_DRAFTS = frozenset({"draft", "auto-draft", "checkout-draft"})
_CANCELLED = frozenset({"cancelled", "trash"})
_KNOWN = _DRAFTS | _CANCELLED | {"pending", "processing", "on-hold", "completed", "refunded", "failed"}
_LEGACY: Mapping[str, str] = {
    "order_number": "number",
    "created_at": "date_created_gmt",
    "updated_at": "date_modified_gmt",
    "completed_at": "date_completed_gmt",
    "total_shipping": "shipping_total",
    "total_discount": "discount_total",
    "billing_address": "billing",
    "shipping_address": "shipping",
    "note": "customer_note",
}
_LEGACY_ROWS: Mapping[str, tuple[str, str]] = {"tax_lines": ("total", "tax_total"), "coupon_lines": ("amount", "discount")}
_SUBSCRIBED = frozenset({"billing_period", "billing_interval"})
"""What only a subscription has: it is no order, and each time it is billed an order of its own is placed."""
_CREDITS: Mapping[str, str] = {"_ywgc_applied_gift_cards_totals": "gift cards", "_funds_used": "account funds"}
"""What extensions note of the buyer's own credit in the order's metadata: YITH Gift Cards, Account Funds."""
_SHIPPING = "shipping:order"
_MAPPED = names(
    "id number status currency date_created date_created_gmt date_modified date_modified_gmt discount_total shipping_total "
    "total total_tax billing shipping payment_method payment_method_title transaction_id date_paid date_paid_gmt "
    "customer_id customer_note line_items paid"
)
_MAPPED_LINE = names("id name quantity subtotal total taxes sku price")
_MAPPED_ADDRESS = names("first_name last_name company address_1 address_2 city state postcode country email phone")
_INSIDE = inside(
    """
    taxes: id total
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [inner for document in documents for message in messages(document, _WRAPPINGS) for inner in _listed(message)]
    return each(found, _result)


def _listed(message: Message) -> list[Message]:
    """Return the orders of a batch's answer, which has a list for each thing that was done."""
    value = None if isinstance(message, Broken) else message.value
    if not isinstance(value, dict) or "id" in value or not any(isinstance(value.get(key), list) for key in _DONE):
        return [message]
    return [
        replace(message, value=row, at=f"{message.at}/{key}/{index}")
        for key in _DONE
        for index, row in enumerate(rows(value, key, message.at))
    ]


def _result(message: Message) -> Result:
    body, at, headers = message.value, message.at, message.headers
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(headers, _shop(headers.get("x-wc-webhook-source")))
    if "id" not in body and "order" in (text(body, "action") or ""):
        return StatedPart(channel_order_id=need_text(body, "arg", at), event="notification", missing=("order",), account=account)
    order_id = need_text(body, "id", at)
    topic = headers.get("x-wc-webhook-topic") or headers.get("topic") or ""
    about = headers.get("x-wc-webhook-resource") or topic.partition(".")[0] or "order"
    if about != "order":
        fail(at, "id", "names_an_order", about, "a webhook of another resource, not of an order")
    if "refunded_by" in body or ("reason" in body and "amount" in body and "status" not in body):
        return _refund(body, at, account)
    if "total_line_items_quantity" in body:
        body = _as_today(body, at)
    if "line_items" not in body:
        if topic == "order.deleted":
            return StatedChange(channel_order_id=order_id, event="cancel", account=account)
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    named = Named(order_id, account, _event(body, topic), at, headers, Report())
    try:
        result = _order(body, named)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=named.event, report=named.report)
    return not_placed(result) if isinstance(result, StatedOrder) and _SUBSCRIBED.issubset(body) else result


def _refund(body: Json, at: str, account: str) -> Result:
    """Read a refund: the order it is of is linked (`_links.up`) or is its parent; the order itself tells what it comes to."""
    links = rows(child(body, "_links", at) or {}, "up", f"{at}/_links")
    order_id = text(body, "parent_id") or next((href.rpartition("/")[2] for row in links if (href := text(row, "href"))), None)
    if not order_id:
        fail(at, "parent_id", "names_an_order", None, "a refund that names no order")
    return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)


def _as_today(body: Json, at: str) -> Json:
    """Return a legacy order under the names of REST v3; its moments are UTC by themselves."""
    found = {_LEGACY.get(key, key): value for key, value in body.items()}
    details = child(body, "payment_details", at) or {}
    found |= {"payment_method": details.get("method_id"), "payment_method_title": details.get("method_title"), "paid": details.get("paid")}
    for key, (theirs, ours) in _LEGACY_ROWS.items():
        found[key] = [{ours if name == theirs else name: value for name, value in row.items()} for row in rows(body, key, at)]
    return found


def _shop(source: str | None) -> str | None:
    return source.partition("://")[2].strip("/").lower() or source if source else None


def _event(body: Json, topic: str) -> StatedEvent:
    """Return what happened: by the topic, else by the state; an order untouched since it was placed or paid is new."""
    status = text(body, "status")
    if status in _DRAFTS:
        return "draft"
    if topic in _EVENTS:
        return _EVENTS[topic]
    if status in _CANCELLED:
        return "cancel"
    modified = text(body, "date_modified_gmt") or ""
    placed = max(text(body, "date_created_gmt") or "", text(body, "date_paid_gmt") or "")
    return "create" if modified <= placed and status in {"pending", "processing", "on-hold"} else "update"


def _order(body: Json, named: Named) -> Result:
    order_id, account, at, event, headers, report = named.order_id, named.account, named.at, named.event, named.headers, named.report
    status = text(body, "status")
    if status is not None and status not in _KNOWN:
        report.note(f"{at}/status", "unknown_status", "a status of the shop's own", status)
    currency = currency_of(text(body, "currency"), f"{at}/currency", report)
    draft = Draft(currency, report, cancelled=status in _CANCELLED)
    extensions = report.kept
    placed_at = _moment(body, "date_created", at, report)
    _lines(draft, body, at, extensions, shipped=status == "completed")
    _charges(draft, body, at)
    _discounts(draft, body, at)
    _taxes(draft, body, at)
    stated = stated_totals(
        discount=amount_of(body, "discount_total", at, currency, report),
        shipping=amount_of(body, "shipping_total", at, currency, report),
        tax=amount_of(body, "total_tax", at, currency, report),
        grand=amount_of(body, "total", at, currency, report),
    )
    draft.credit(stated.grand_total_minor, _credits(draft, body, at))
    totals = draft.totals(stated.grand_total_minor)
    payment = _payments(draft, body, at, status, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    shipping = _address(body, "shipping", at, extensions)
    billing = child(body, "billing", at) or {}
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "number") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=_shop(headers.get("x-wc-webhook-source")),
            channel_order_id=order_id,
            channel_updated_at=_moment(body, "date_modified", at, report),
            status=status,
        ),
        currency=currency,
        placed_at=placed_at,
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(billing, "first_name"), text(billing, "last_name")))) or None,
            email=text(billing, "email"),
            phone=text(billing, "phone"),
            customer_ref=None if text(body, "customer_id") == "0" else text(body, "customer_id"),
        ),
        ship_to=shipping,
        bill_to=_address(body, "billing", at, extensions),
        ship_method=next((text(row, "method_title") for row in rows(body, "shipping_lines", at)), None),
        payment_method=text(body, "payment_method_title") or text(body, "payment_method"),
        note=text(body, "customer_note"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated,
        extensions=extensions,
    )
    fulfillment = _fulfillment(body, status)
    summary: dict[str, object] = {"subtotal": to_text(totals.subtotal_minor, currency)} if draft.lines else {}
    result = draft.stated_order(
        order, event=event, payment=payment, fulfillment=fulfillment, stated=summary, of=((body, named.at),), inside=_INSIDE
    )
    if draft.lines or body.get("fee_lines"):
        return result
    message = "an order without lines" if placed_at else "an order without lines and without a date was never placed"
    error = NormalizationFailed(message, field=f"{at}/line_items", rule="no_lines")
    values = _stated_values(body, currency)
    return refused(order_id, error, account=account, event=event, verdict="quarantine", report=report, stated=values)


def _stated_values(body: Json, currency: str) -> dict[str, object]:
    """Return what can be seen of an order that is not taken."""
    names = {"discount_total": "discount_total", "shipping_total": "shipping_total", "total_tax": "tax_total", "total": "grand_total"}
    return {
        "currency": currency,
        "lines": [],
        **{ours: text(body, theirs) for theirs, ours in names.items()},
        "source_status": text(body, "status"),
    }


def _moment(body: Json, key: str, at: str, report: Report) -> datetime | None:
    """Return the `_gmt` sibling of a date, else the date itself, which is shop time without a zone."""
    return instant(body, f"{key}_gmt", at, report, utc=True) or instant(body, key, at, report)


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, shipped: bool) -> None:
    items = rows(body, "line_items", at)
    ids = [text(row, "id") for row in items]
    for index, (row, channel_id, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/line_items/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        gross, _ = _amounts(draft, row, where)
        draft.line(
            line_id,
            channel_line_id=channel_id,
            sku=text(row, "sku"),
            name=text(row, "name") or "",
            unit_price=_unit_price(row, where, ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _MAPPED_LINE, where, extensions)


def _amounts(draft: Draft, row: Json, where: str) -> tuple[int, int]:
    """Return a line's amount before and after discounts; one that was raised by hand has no discount."""
    total = amount_of(row, "total", where, draft.currency, draft.report)
    subtotal = amount_of(row, "subtotal", where, draft.currency, draft.report)
    after = total if total is not None else subtotal or 0
    return max(subtotal if subtotal is not None else after, after), after


def _unit_price(row: Json, where: str, ordered: int, exponent: int) -> UnitPrice | None:
    """Return the price before discounts: as stated where none applies, else the row's subtotal by its quantity."""
    subtotal, total = decimal_in(row, "subtotal", where), decimal_in(row, "total", where)
    before = subtotal if subtotal is not None else total
    if before is not None and total is not None and total > before:
        before = total
    stated = row.get("price")
    if before is None or not ordered:
        return price_of(row, "price", where)
    if (total is None or before == total) and _matches(stated, before, ordered, exponent):
        return price_of(row, "price", where)
    return quotient_price(before, ordered, exponent)


def _matches(stated: object, before: Decimal, ordered: int, exponent: int) -> bool:
    """Say whether the stated price is the exact one; a number from a division (3.3333333333333335) is not."""
    if isinstance(stated, bool) or not isinstance(stated, int | str | Decimal) or len(str(stated)) > 12:
        return False
    try:
        return Decimal(stated) * ordered == before.scaleb(exponent)
    except ArithmeticError:
        return False


def _charges(draft: Draft, body: Json, at: str) -> None:
    """Add shipping and fees; of an answer that leaves the shipping lines out (`_fields`), what the order says of shipping."""
    shipping = rows(body, "shipping_lines", at)
    if not shipping and (amount := amount_of(body, "shipping_total", at, draft.currency, draft.report)):
        draft.charge("shipping", _SHIPPING, amount)
    for index, row in enumerate(shipping):
        where = f"{at}/shipping_lines/{index}"
        amount = amount_of(row, "total", where, draft.currency, draft.report) or 0
        draft.charge(
            "shipping", f"shipping:{text(row, 'id') or index}", amount, label=text(row, "method_title") or "", code=text(row, "method_id")
        )
    for index, row in enumerate(rows(body, "fee_lines", at)):
        where = f"{at}/fee_lines/{index}"
        amount = amount_of(row, "total", where, draft.currency, draft.report) or 0
        draft.charge("fee", f"fee:{text(row, 'id') or index}", amount, label=text(row, "name") or "")


def _discounts(draft: Draft, body: Json, at: str) -> None:
    """Add a row per coupon, cut over the lines by what each line was discounted; the rest is a discount by hand."""
    left: dict[str, int] = {}
    for index, row in enumerate(rows(body, "line_items", at)):
        before, after = _amounts(draft, row, f"{at}/line_items/{index}")
        if before > after:
            left[draft.lines[index].line_id] = before - after
    for index, row in enumerate(rows(body, "coupon_lines", at)):
        amount = min(amount_of(row, "discount", f"{at}/coupon_lines/{index}", draft.currency, draft.report) or 0, sum(left.values()))
        if amount <= 0:
            continue
        shares = split_by_line(amount, left)
        for line_id, part in shares.items():
            left[line_id] -= part
        code = text(row, "code")
        draft.discount(f"discount:{text(row, 'id') or index}", amount, shares=shares, source="code", code=code, label=code or "")
    rest = {line_id: amount for line_id, amount in left.items() if amount}
    if rest:
        draft.discount("discount:order", sum(rest.values()), shares=rest, source="manual")


def _taxes(draft: Draft, body: Json, at: str) -> None:
    """Add a row per tax of each line, shipping line and fee; without such rows, one per tax of the order, or one of all its tax."""
    known = {text(row, "rate_id"): row for row in rows(body, "tax_lines", at)}
    for index, row in enumerate(rows(body, "line_items", at)):
        _tax_rows(draft, row, f"{at}/line_items/{index}", known, line_id=draft.lines[index].line_id)
    for key, kind in (("shipping_lines", "shipping"), ("fee_lines", "fee")):
        for index, row in enumerate(rows(body, key, at)):
            _tax_rows(draft, row, f"{at}/{key}/{index}", known, adjustment_id=f"{kind}:{text(row, 'id') or index}")
    if draft.taxes:
        if _SHIPPING in draft.tax_base and (amount := amount_of(body, "shipping_tax", at, draft.currency, draft.report)):
            draft.tax(f"tax:{_SHIPPING}", amount, adjustment_id=_SHIPPING)
        return
    for index, row in enumerate(rows(body, "tax_lines", at)):
        for key in ("tax_total", "shipping_tax_total"):
            if amount := amount_of(row, key, f"{at}/tax_lines/{index}", draft.currency, draft.report):
                draft.tax(
                    f"tax:order:{index}:{key}",
                    amount,
                    title=text(row, "label") or "",
                    rate=rate_text(row.get("rate_percent"), percent=True),
                )
    if not draft.taxes and (amount := amount_of(body, "total_tax", at, draft.currency, draft.report)):
        draft.tax("tax:order", amount)


def _credits(draft: Draft, body: Json, at: str) -> list[tuple[str, str, int]]:
    """Return what the buyer's own credit paid, as extensions say it: the total that an order states may be what is left after it.

    Their ids and codes are as good as money: they are kept with what else nobody maps, and not repeated here.
    """
    found: list[tuple[str, str, int]] = []
    for key in ("gift_cards", "pw_gift_cards_redeemed"):
        for index, row in enumerate(_objects(body, key)):
            found.append((f"gift_card:{index}", "gift card", _credit(draft, row, "amount", f"{at}/{key}/{index}")))
    for index, row in enumerate(_objects(body, "meta_data")):
        if (label := _CREDITS.get(text(row, "key") or "")) is not None:
            found.append((f"credit:{index}", label, _credit(draft, row, "value", f"{at}/meta_data/{index}")))
    coupons = sum(
        amount_of(row, "discount", f"{at}/coupon_lines/{index}", draft.currency, draft.report) or 0
        for index, row in enumerate(rows(body, "coupon_lines", at))
    )
    found.append(
        ("credit:coupons", "coupons after tax", coupons - sum(row.amount_minor for row in draft.adjustments if row.kind == "discount"))
    )
    return [part for part in found if part[2] > 0]


def _objects(body: Json, key: str) -> list[Json]:
    """Return the objects of a list that an extension wrote; what else it may have put there is not read."""
    value = body.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _credit(draft: Draft, row: Json, key: str, at: str) -> int:
    """Return an amount that an extension wrote; one that is none explains nothing, and stands in no order's way."""
    try:
        return amount_of(row, key, at, draft.currency, draft.report) or 0
    except NormalizationFailed:
        return 0


def _tax_rows(
    draft: Draft, row: Json, at: str, known: Mapping[str | None, Json], *, line_id: str | None = None, adjustment_id: str | None = None
) -> None:
    for index, tax in enumerate(rows(row, "taxes", at)):
        amount = amount_of(tax, "total", f"{at}/taxes/{index}", draft.currency, draft.report)
        if amount is None:
            continue
        named = known.get(text(tax, "id"), {})
        draft.tax(
            f"tax:{line_id or adjustment_id}:{text(tax, 'id') or index}",
            amount,
            line_id=line_id,
            adjustment_id=adjustment_id,
            title=text(named, "label") or text(named, "rate_code") or "",
            rate=rate_text(named.get("rate_percent"), percent=True),
        )


def _payments(draft: Draft, body: Json, at: str, status: str | None, grand: int) -> PaymentState | None:
    """Add the payment and the refunds, and return the state they make."""
    if status in _DRAFTS:
        return None
    provider = text(body, "payment_method") or NAME
    paid_at = _moment(body, "date_paid", at, draft.report)
    if paid_at is None and status not in {"completed", "refunded"} and not truth(body, "paid"):
        return "unpaid"
    draft.payment(provider, "capture", grand, transaction=text(body, "transaction_id") or "stated", at=paid_at)
    refunded = 0
    for index, row in enumerate(rows(body, "refunds", at)):
        amount = abs(amount_of(row, "total", f"{at}/refunds/{index}", draft.currency, draft.report) or 0)
        refunded += amount
        draft.payment(provider, "refund", amount, transaction=text(row, "id") or f"stated:{index}")
    if status == "refunded" and not refunded:
        draft.payment(provider, "refund", grand)
        return "refunded"
    return "paid" if not refunded else "refunded" if refunded >= grand else "partially_refunded"


def _fulfillment(body: Json, status: str | None) -> FulfillmentState | None:
    if status in _DRAFTS:
        return None
    if status in _CANCELLED:
        return "cancelled"
    return "fulfilled" if status == "completed" or (status == "refunded" and text(body, "date_completed_gmt")) else "unfulfilled"


def _address(body: Json, key: str, at: str, extensions: dict[str, str]) -> Address | None:
    """Return the address under `key`, or None where none of its fields says anything."""
    row = child(body, key, at)
    if not row or not any(row.values()):
        return None
    unmapped(row, _MAPPED_ADDRESS if key == "billing" else _MAPPED_ADDRESS - {"email"}, f"{at}/{key}", extensions)
    return address_of(
        name=" ".join(present((text(row, "first_name"), text(row, "last_name")))) or None,
        company=text(row, "company"),
        lines=present((text(row, "address_1"), text(row, "address_2"))),
        city=text(row, "city"),
        region=text(row, "state"),
        postal_code=text(row, "postcode"),
        country=text(row, "country"),
        phone=text(row, "phone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_QUANTITY, Verb.CHANGE_ADDRESS, Verb.CHANGE_LINES, Verb.REFUND, Verb.NOTE}),
    signature="woocommerce_hmac_sha256",
    account_field="x-wc-webhook-source",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
)
