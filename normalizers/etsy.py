"""Etsy Open API v3 receipts and webhook events -> canonical Order.

Input:   the JSON of getShopReceipt (one receipt) or getShopReceipts (`results`), v3 and the older v2; transactions without their receipt; a payment, and
         a webhook's event, which name a receipt.
Output:  Order in the shop's currency, integer minor units: every amount is a whole number over a divisor, so nothing is rounded.
         The grand total is goods less discount, plus shipping, gift wrap and tax; where a receipt leaves the tax out, what is left is
         the tax, and that is said. Etsy computes and remits the tax: it is the channel's.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developers.etsy.com, Open API v3 reference: ShopReceipt, ShopReceiptTransaction, Money, webhooks; read 2026-11-24.
         `subtotal` is the goods less coupons; `total_price` the goods; dates are seconds since 1970.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from normalizers.amounts import currency_of, currency_within, decimal_in, priced_row
from normalizers.building import account_of, address_of, each, line_ids, part_of, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.wire import (
    Broken,
    Json,
    Message,
    Report,
    child,
    epoch,
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
from schemas.money import UnitPrice, exponent_of, round_ratio, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of

NAME = "etsy"
MAPPING = 4

_LINES = "the transactions of a receipt"
_RECEIPT_OF = re.compile(r"/receipts/(\d{1,20})(?:[/?#]|$)")
_CANCELLED = frozenset({"canceled", "cancelled"})
_REFUNDED: Mapping[str, PaymentState] = {"fully refunded": "refunded", "partially refunded": "partially_refunded"}
_BY_STATUS: Mapping[str, PaymentState] = {"paid": "paid", "payment processing": "unpaid"}
_KNOWN = frozenset({"open", "paid", "completed", "payment processing", *_REFUNDED, *_CANCELLED})
_MAPPED = names(
    "receipt_id status created_timestamp create_timestamp updated_timestamp update_timestamp name first_line second_line city state zip "
    "country_iso buyer_email buyer_user_id message_from_buyer payment_method is_paid is_shipped grandtotal subtotal "
    "total_shipping_cost total_tax_cost total_vat_cost discount_amt gift_wrap_price transactions refunds currency_code"
)
_LINE = names("transaction_id title quantity sku price shipped_timestamp")
_INSIDE = inside(
    """
    amount discount_amt gift_wrap_price grandtotal price subtotal total_shipping_cost total_tax_cost total_vat_cost: amount currency_code divisor
    refunds: amount created_timestamp
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each receipt of the documents says."""
    found = [message for document in documents for message in messages(document)]
    return each(_by_receipt(found), _result)


def _by_receipt(found: list[Message]) -> list[Message]:
    """Return what came with the transactions of a receipt that came without it as one; everything else as it is."""
    lines: dict[str, list[Json]] = {}
    told: list[Message] = []
    for message in found:
        body: Any = None if isinstance(message, Broken) else message.value
        if not isinstance(body, dict) or "transaction_id" not in body or (number := text(body, "receipt_id")) is None:
            told.append(message)
        elif number in lines:
            lines[number].append(body)
        else:
            lines[number] = [body]
            told.append(replace(message, value={"receipt_id": number, "transactions": lines[number]}, wrapped_in=_LINES))
    return told


_SINCE_V3: Mapping[str, str] = {
    "creation_tsz": "created_timestamp",
    "last_modified_tsz": "updated_timestamp",
    "was_paid": "is_paid",
    "was_shipped": "is_shipped",
    "Transactions": "transactions",
}
"""What v2 called what v3 names otherwise."""


def _as_v3(body: Json) -> Json:
    """Return a receipt under the names of v3, where they are free; a v2 receipt states each amount as a text, in the receipt's currency."""
    if "currency_code" not in body and not _SINCE_V3.keys() & body.keys():
        return body
    return {key if (name := _SINCE_V3.get(key, key)) in body else name: value for key, value in body.items()}


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers)
    if "receipt_id" not in body and "resource_url" in body:
        return _notification(body, at, account)
    order_id = need_text(body, "receipt_id", at)
    if message.wrapped_in == _LINES:
        return _transactions(body["transactions"], order_id, account)
    body = _as_v3(body)
    if "transactions" not in body and "grandtotal" not in body:  # a payment, a shipment: what names its receipt
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    report = Report()
    try:
        return _order(body, at, order_id, account, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)


def _notification(body: Json, at: str, account: str) -> StatedPart:
    """Return the receipt that a webhook's event names by its URL."""
    url = need_text(body, "resource_url", at)
    found = _RECEIPT_OF.search(url)
    if found is None:
        fail(at, "resource_url", "receipt", url, "the event names no receipt")
    return StatedPart(channel_order_id=found[1], event="notification", missing=("order",), account=account)


def _transactions(listed: list[Json], order_id: str, account: str) -> StatedPart:
    """Return a receipt's lines that came without their receipt."""
    prices = [_price_of_one(row) for row in listed]
    lines = [
        {"sku": text(row, "sku") or _sku_of_product(row), "quantity": text(row, "quantity"), "unit_price": price}
        for row, (price, _) in zip(listed, prices, strict=True)
    ]
    told = {"lines": lines, "currency": next((code for _, code in prices if code), None)}
    return StatedPart(channel_order_id=order_id, event="lines", missing=("order",), account=account, stated=told)


def _price_of_one(row: Json) -> tuple[str | None, str | None]:
    """Return a line's price and its currency, as far as they are told."""
    price = row.get("price")
    if not isinstance(price, dict):
        return text(row, "price"), text(row, "currency_code")
    amount, divisor = price.get("amount"), price.get("divisor")
    if not isinstance(amount, int) or not isinstance(divisor, int) or divisor <= 0:
        return None, text(price, "currency_code")
    return str(Decimal(amount) / Decimal(divisor)), text(price, "currency_code")


def _money(row: Json, key: str, at: str, draft: Draft) -> Fraction | None:
    """Read `{"amount": …, "divisor": …, "currency_code": …}` (or v2's text) in major units, exactly; another currency fails."""
    if isinstance(row.get(key), str | int | Decimal) and row[key] != "":
        exact = decimal_in(row, key, at)
        return None if exact is None else Fraction(exact)
    pair = child(row, key, at)
    if not pair:
        return None
    code, where = text(pair, "currency_code"), f"{at}/{key}"
    if draft.foreign(code):
        fail(where, "currency_code", "one_currency", code, f"{where} is in another currency than the order's {draft.currency}")
    amount, divisor = (_whole(pair, name, where) for name in ("amount", "divisor"))
    if divisor <= 0:
        fail(where, "divisor", "divisor", divisor)
    return Fraction(amount, divisor)


def _whole(pair: Json, key: str, at: str) -> int:
    value = pair.get(key)
    digits = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,18}", digits, re.ASCII):
        fail(at, key, "whole number", value)
    return int(digits)


def _minor(row: Json, key: str, at: str, draft: Draft) -> int | None:
    exact = _money(row, key, at, draft)
    if exact is None:
        return None
    scaled = exact * 10 ** exponent_of(draft.currency)
    amount = round_ratio(scaled.numerator, 1, scaled.denominator, "half_up")
    if scaled != amount:
        draft.report.note(f"{at}/{key}", "amount_rounded", f"finer than {draft.currency} carries: rounded half up", scaled)
    if abs(amount) >= 10**18:
        fail(at, key, "amount", amount)
    return amount


def _order(body: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    items = rows(body, "transactions", at)
    draft = Draft(
        currency_of(_currency(body, items) or currency_within(body, "currency_code"), f"{at}/grandtotal/currency_code", report),
        report,
        cancelled=_status(body) in _CANCELLED,
    )
    if (word := _status(body)) is not None and word not in _KNOWN:
        report.note(f"{at}/status", "unknown_status", "no documented receipt status", word)
    extensions = report.kept
    shipped = body.get("is_shipped") is True
    _lines(draft, items, at, extensions, shipped=shipped)
    goods = sum(draft.stated_left.values())
    discount, shipping = _minor(body, "discount_amt", at, draft), _minor(body, "total_shipping_cost", at, draft)
    if discount:
        draft.discount("discount:order", abs(discount), label="discount_amt")
    for kind, amount in (("shipping", shipping), ("gift_wrap_price", _minor(body, "gift_wrap_price", at, draft))):
        if amount is not None and (amount or kind == "shipping"):
            draft.charge("shipping" if kind == "shipping" else "fee", kind, amount, label=kind)
    grand = _minor(body, "grandtotal", at, draft)
    tax = _taxes(draft, body, at, grand)
    subtotal = _minor(body, "subtotal", at, draft)
    whole = "transactions" in body or draft.cancelled
    totals = draft.totals(grand if whole else None)
    payment = _payments(draft, body, at, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    ship_to = _ship_to(body)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=_moment(body, "updated_timestamp" if "updated_timestamp" in body else "update_timestamp", at, report),
            status=text(body, "status"),
        ),
        currency=draft.currency,
        placed_at=_moment(body, "created_timestamp" if "created_timestamp" in body else "create_timestamp", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(name=text(body, "name"), email=text(body, "buyer_email"), customer_ref=text(body, "buyer_user_id")),
        ship_to=ship_to,
        payment_method=text(body, "payment_method"),
        note=text(body, "message_from_buyer"),
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
    if not draft.lines and "transactions" in body:
        report.warn(f"{at}/transactions", "no_lines", "the receipt has no transactions")
    summary = {} if subtotal is not None or not draft.lines else {"subtotal": to_text(goods, draft.currency)}
    result = draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=payment,
        fulfillment=_fulfillment(draft, body, items),
        stated=summary,
        of=((body, at),),
        inside=_INSIDE,
    )
    return result if whole else part_of(result, ("items",))


def _status(body: Json) -> str | None:
    word = text(body, "status")
    return None if word is None else word.lower()


def _moment(row: Json, key: str, at: str, report: Report) -> datetime | None:
    """Read seconds since 1970, or the ISO 8601 that whoever passed the receipt on made of them."""
    return instant(row, key, at, report) if "-" in (text(row, key) or "") else epoch(row, key, at, report)


def _currency(body: Json, items: list[Json]) -> str | None:
    pairs = [body.get(key) for key in ("grandtotal", "subtotal", "total_price")] + [row.get("price") for row in items]
    return text(body, "currency_code") or next(
        (code for pair in pairs if isinstance(pair, dict) and (code := text(pair, "currency_code"))), None
    )


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str], *, shipped: bool) -> None:
    ids = [text(row, "transaction_id") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/transactions/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        exact = _money(row, "price", where, draft)
        price, gross = (None, 0) if exact is None else _row(draft, exact, ordered, exponent, where)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "sku") or _sku_of_product(row),
            name=text(row, "title") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            shipped=ordered if shipped or row.get("shipped_timestamp") else 0,
        )
        unmapped(row, _LINE, where, extensions)


def _sku_of_product(row: Json) -> str | None:
    product = row.get("product_data")
    return text(product, "sku") if isinstance(product, dict) else None


def _row(draft: Draft, price: Fraction, ordered: int, exponent: int, at: str) -> tuple[UnitPrice, int]:
    """Return (price of one unit, the row's amount); a divisor finer than the currency keeps its digits."""
    return priced_row(Decimal(price.numerator), Decimal(price.denominator), ordered, exponent, draft.currency, f"{at}/price", "amount")


def _taxes(draft: Draft, body: Json, at: str, grand: int | None) -> int | None:
    """Add sales tax, on top, and value-added tax, on top or in the prices as the grand total decides; return their sum."""
    net = draft.totals(None).grand_total_minor
    sales, vat = _minor(body, "total_tax_cost", at, draft), _minor(body, "total_vat_cost", at, draft)
    if sales is None and vat is None:
        _left_over(draft, at, 0 if grand is None else grand - net)
        return None
    if sales:
        draft.tax("tax:sales", sales, title="total_tax_cost", liable="channel")
    if vat:
        draft.tax("tax:vat", vat, title="total_vat_cost", included=grand == net + (sales or 0), liable="channel")
    return (sales or 0) + (vat or 0)


def _left_over(draft: Draft, at: str, rest: int) -> None:
    """Name what the grand total has beyond goods, shipping and wrap in a receipt that leaves its tax out."""
    if rest > 0 and draft.lines:
        draft.tax("tax:unstated", rest, title="not stated", liable="channel")
        draft.report.warn(
            f"{at}/total_tax_cost", "tax_unstated", "the receipt leaves its tax out: the rest of the grand total is read as tax", rest
        )


def _payments(draft: Draft, body: Json, at: str, grand: int) -> PaymentState | None:
    word, paid = _status(body) or "", body.get("is_paid")
    refunded = 0
    found = []
    for index, row in enumerate(rows(body, "refunds", at)):
        amount = abs(_minor(row, "amount", f"{at}/refunds/{index}", draft) or 0)
        refunded += amount
        found.append((index, amount, _moment(row, "created_timestamp", f"{at}/refunds/{index}", draft.report)))
    state: PaymentState | None = _BY_STATUS.get(word) if paid is None else "paid" if paid is True else "unpaid"
    state = _REFUNDED.get(word, state)
    if refunded and state in {None, "paid"}:
        state = "refunded" if refunded >= grand else "partially_refunded"
    if found and state != "unpaid":
        draft.payment("ETSY", "capture", grand)
        for index, amount, moment in found:
            draft.payment("ETSY", "refund", amount, transaction=f"refund:{index}", at=moment)
    else:
        draft.stated_payment(state, "ETSY", grand)
    return state


def _fulfillment(draft: Draft, body: Json, items: list[Json]) -> FulfillmentState | None:
    if draft.cancelled:
        return "cancelled"
    stated, done = body.get("is_shipped"), sum(1 for row in items if row.get("shipped_timestamp"))
    if stated is True or (items and done == len(items)):
        return "fulfilled"
    if done:
        return "partially_fulfilled"
    return "unfulfilled" if stated is False else None


def _ship_to(body: Json) -> Address | None:
    lines = present((text(body, "first_line"), text(body, "second_line")))
    place = {key: text(body, key) for key in ("city", "state", "zip", "country_iso")}
    if not lines and not any(place.values()):
        return None
    return address_of(
        name=text(body, "name"),
        lines=lines,
        city=place["city"],
        region=place["state"],
        postal_code=place["zip"],
        country=place["country_iso"],
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.UNCHANGED,
    verbs=frozenset({Verb.NOTE}),
    signature="none",
    account_field="",
    order_key="/receipt_id",
    normalize=normalize,
    mapping_version=MAPPING,
    counts_pieces=True,
)
