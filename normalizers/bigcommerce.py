"""BigCommerce orders -> canonical Order.

Input:   JSON of the Orders API: a v2 order, whose lines, addresses and coupons are links; with them as further documents (v2 `products`,
         `shippingaddresses`) or inside it (`include=` consignments, v3); lists; webhooks, which name an order and state nothing.
Output:  Order in the order's currency, integer minor units, prices without tax. A bundled product is a line of its own.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text. An order without its lines is incomplete.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer.bigcommerce.com: REST Management, Orders V2 (order, order products, shipping addresses, statuses), webhooks (scopes, callback structure); read 2026-11-24; order consignments; read 2026-11-28.
         Every amount is stated with and without tax; discounts come off the amounts with tax. Dates are RFC 2822, or ISO 8601 where asked.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from normalizers.amounts import amount_of, currency_of, price_of
from normalizers.building import account_of, address_of, line_ids, refused, split_by_line, stated_totals
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
    fail,
    messages,
    names,
    need_text,
    present,
    quantity,
    read_instant,
    rows,
    text,
    unmapped,
)
from normalizers.wire import whole as count
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import NO_CURRENCY, AmountError, decimal_of, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

NAME = "bigcommerce"
MAPPING = 5

_DRAFT, _CANCELLED = frozenset({"0"}), frozenset({"5", "6"})
"""Status ids: 0 Incomplete; 5 Cancelled, 6 Declined."""
_FULFILLED, _PARTLY = frozenset({"2", "10"}), frozenset({"3"})
"""2 Shipped, 10 Completed; 3 Partially Shipped."""
_REFUNDED: Mapping[str, PaymentState] = {"4": "refunded", "14": "partially_refunded"}
_PAYMENT: Mapping[str, PaymentState] = {
    "authorized": "authorized",
    "captured": "paid",
    "capture pending": "authorized",
    "declined": "unpaid",
    "held for review": "authorized",
    "paid": "paid",
    "partially refunded": "partially_refunded",
    "pending": "unpaid",
    "refunded": "refunded",
    "void": "voided",
    "void pending": "voided",
}
_CREDITS = {"gift_certificate_amount": "gift certificates", "store_credit_amount": "store credit"}
_CONSIGNED = ("shipping", "pickups", "downloads")
_MAPPED = names(
    "id status_id status date_created date_modified subtotal_ex_tax shipping_cost_ex_tax shipping_cost_tax "
    "handling_cost_ex_tax wrapping_cost_ex_tax total_inc_tax total_tax payment_method payment_status payment_provider_id currency_code "
    "customer_id customer_message discount_amount coupon_discount billing_address products shipping_addresses consignments refunded_amount"
)
_LINE = names("id order_id name sku quantity quantity_shipped quantity_refunded price_ex_tax total_ex_tax total_tax applied_discounts")
_ADDRESS = names("first_name last_name company street_1 street_2 city state zip country country_iso2 phone")
_INSIDE = inside(
    """
    applied_discounts: amount
    consignments: downloads pickups shipping
    downloads pickups: line_items
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says, with the lines and addresses that came along."""
    heads: list[Message] = []
    lines: list[tuple[Json, str]] = []
    places: list[Json] = []
    for document in documents:
        for message in messages(document, ("orders", "results", "data"), event_keys=("scope",)):
            value = None if isinstance(message, Broken) else message.value
            if isinstance(value, dict) and "order_id" in value and ("price_ex_tax" in value or "base_price" in value):
                lines.append((value, message.at))
            elif isinstance(value, dict) and "order_id" in value and ("street_1" in value or "zip" in value):
                places.append(value)
            else:
                heads.append(message)
    if not heads and lines:
        return tuple([_without_order(lines, number) for number in dict.fromkeys(text(row, "order_id") for row, _ in lines)])
    if not heads:
        named = dict.fromkeys(need_text(row, "order_id", "") for row in places)
        return tuple([StatedPart(channel_order_id=number, event="notification", missing=("order",)) for number in named])
    if len(heads) == 1:
        return (_result(heads[0], lines, places),)
    return tuple([_guarded(message, lines, places) for message in heads])


def _guarded(message: Message, lines: list[tuple[Json, str]], places: list[Json]) -> Result:
    try:
        return _result(message, lines, places)
    except OrdermendError as error:
        return refused(None, error)


def _result(message: Message, lines: list[tuple[Json, str]], places: list[Json]) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers, text(body, "store_id"))
    if "scope" in body or "producer" in body:
        return _webhook(body, at, account)
    if "status_id" not in body and "total_inc_tax" not in body:
        row, where = body, at
        for key in ("order_id", "orderId", "id"):
            if key in row:
                return StatedPart(channel_order_id=need_text(row, key, where), event="notification", missing=("order",), account=account)
    order_id, report = need_text(body, "id", at), Report()
    mine = [(row, where) for row, where in lines if text(row, "order_id") == order_id]
    mine += _inside(body, "products", at)
    ships = [row for row in places if text(row, "order_id") == order_id] + [row for row, _ in _inside(body, "shipping_addresses", at)]
    consigned, sent = _consignments(body, at)
    mine, ships = mine or consigned, ships or sent
    try:
        stated = _order(body, at, order_id, account, mine, ships, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)
    return stated if stated.order.lines else _incomplete(stated)


def _inside(body: Json, key: str, at: str) -> list[tuple[Json, str]]:
    """Return rows that an order has inside, not as a link."""
    if not isinstance(body.get(key), list):
        return []
    return [(row, f"{at}/{key}/{index}") for index, row in enumerate(rows(body, key, at))]


def _consignments(body: Json, at: str) -> tuple[list[tuple[Json, str]], list[Json]]:
    """Return the lines and the addresses of an order's consignments: shipped, picked up, downloaded."""
    lines: list[tuple[Json, str]] = []
    places: list[Json] = []
    for part, where in _several(body, "consignments", at):
        for kind in _CONSIGNED:
            for row, place in _several(part, kind, where):
                lines += _inside(row, "line_items", place)
                if kind == "shipping":
                    places.append(row)
    return lines, places


def _several(body: Json, key: str, at: str) -> list[tuple[Json, str]]:
    """Return rows that stand in a list, or the one that stands alone."""
    value = body.get(key)
    return [(value, f"{at}/{key}")] if isinstance(value, dict) and "url" not in value else _inside(body, key, at)


def _webhook(body: Json, at: str, account: str) -> StatedPart:
    data, where = child(body, "data", at) or {}, f"{at}/data"
    order_id = text(data, "orderId") or text(data, "order_id")
    scope = text(body, "scope") or ""
    if order_id is None and scope and not scope.startswith("store/order/") and text(data, "type") != "order":
        fail(at, "scope", "names_an_order", scope, "a webhook of this scope names no order")
    order_id = order_id or need_text(data, "resource_id" if scope.startswith("store/order/metafield/") else "id", where)
    producer = (text(body, "producer") or "").removeprefix("stores/")
    account = account if account != "default" else producer or account
    return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)


def _without_order(lines: list[tuple[Json, str]], number: str | None) -> Result:
    """Return lines that came without their order."""
    report = Report()
    mine = [row for row in lines if text(row[0], "order_id") == number]
    draft = Draft(NO_CURRENCY, report)
    _lines(draft, mine, {})
    tax = sum(amount_of(row, "total_tax", where, NO_CURRENCY, report) or 0 for row, where in mine)
    if number is None:
        raise NormalizationFailed("a line names no order", field=f"{mine[0][1]}/order_id", rule="required")
    shown = [{"sku": text(row, "sku"), "quantity": text(row, "quantity"), "unit_price": text(row, "price_ex_tax")} for row, _ in mine]
    values = {"lines": shown, "subtotal": to_text(sum(draft.stated_left.values()), NO_CURRENCY), "tax_total": to_text(tax, NO_CURRENCY)}
    return StatedPart(channel_order_id=number, event="lines", missing=("order",), findings=tuple(report.findings), stated=values)


def _incomplete(stated: StatedOrder) -> StatedPart:
    source = stated.order.source
    values = {**order_values(stated), **stated.stated, "lines": None}
    findings = tuple(one for one in stated.findings if one.rule not in {"totals_mismatch", "channel_rounding"})
    return StatedPart(
        channel_order_id=source.channel_order_id, event=stated.event, missing=("products", "shipping addresses"), account=source.account,
        findings=findings, stated=values,
    )  # fmt: skip


def _moment(body: Json, key: str, at: str, report: Report) -> datetime | None:
    stated = text(body, key)
    if stated is None:
        return None
    if stated[:1].isdigit():
        return read_instant(stated, f"{at}/{key}", report)
    try:
        moment = parsedate_to_datetime(stated)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        report.warn(f"{at}/{key}", "instant", "no date and time we can read", stated)
        return None


def _order(
    body: Json, at: str, order_id: str, account: str, items: list[tuple[Json, str]], places: list[Json], report: Report
) -> StatedOrder:
    status = text(body, "status_id") or ""
    event: StatedEvent = "draft" if status in _DRAFT else "cancel" if status in _CANCELLED else "snapshot"
    draft = Draft(
        currency_of(text(body, "currency_code") or text(body, "default_currency_code"), f"{at}/currency_code", report),
        report,
        cancelled=event == "cancel",
    )
    extensions = report.kept

    def amount(key: str) -> int | None:
        return amount_of(body, key, at, draft.currency, report)

    _lines(draft, items, extensions, shipped=status in _FULFILLED)
    shipping, grand, tax = amount("shipping_cost_ex_tax"), amount("total_inc_tax"), amount("total_tax")
    discount = (amount("discount_amount") or 0) + (amount("coupon_discount") or 0)
    if items:
        _discounts(draft, items, discount)
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping)
    for key in ("handling", "wrapping"):
        if cost := amount(f"{key}_cost_ex_tax"):
            draft.charge("fee", f"fee:{key}", cost, label=key)
    _taxes(draft, items, tax or 0, amount("shipping_cost_tax") or 0)
    if items:
        draft.credit(grand, [(f"credit:{key}", label, amount(key) or 0) for key, label in _CREDITS.items()])
    totals = draft.totals(grand)
    payment = _payments(draft, body, status, totals.grand_total_minor, amount("refunded_amount") or 0)
    unmapped(body, _MAPPED, at, extensions)
    billing = child(body, "billing_address", at) or {}
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=_moment(body, "date_modified", at, report),
            status=text(body, "status"),
            payment_status=text(body, "payment_status"),
        ),
        currency=draft.currency,
        placed_at=_moment(body, "date_created", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(billing, "first_name"), text(billing, "last_name")))) or None,
            email=text(billing, "email"),
            phone=text(billing, "phone"),
            customer_ref=None if text(body, "customer_id") == "0" else text(body, "customer_id"),
        ),
        ship_to=_address(places[0], "/shipping_addresses/0", extensions) if places else None,
        bill_to=_address(billing, f"{at}/billing_address", extensions, _ADDRESS | {"email"}),
        ship_method=text(places[0], "shipping_method") if places else None,
        payment_method=text(body, "payment_method"),
        note=text(body, "customer_message"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds) if items else (),
        totals=totals,
        stated_totals=stated_totals(subtotal=amount("subtotal_ex_tax"), discount=discount, shipping=shipping, tax=tax, grand=grand),
        extensions=extensions,
    )
    if len(places) > 1:
        report.warn(f"{at}/shipping_addresses", "several_addresses", "the order goes to several addresses: the first is taken", len(places))
    summary: dict[str, object] = {}
    for key, name in (("subtotal_ex_tax", "subtotal"), ("shipping_cost_ex_tax", "shipping_total")):
        if (stated := text(body, key)) is not None and _is_number(stated):
            summary[name] = stated
    return draft.stated_order(
        order,
        event=event,
        payment=payment,
        fulfillment=_fulfillment(draft, body, status),
        stated=summary,
        of=((body, at), *items, (places, "/shipping_addresses")),
        inside=_INSIDE,
    )


def _is_number(stated: str) -> bool:
    try:
        decimal_of(stated)
    except AmountError:
        return False
    return True


def _lines(draft: Draft, items: list[tuple[Json, str]], extensions: dict[str, str], *, shipped: bool = False) -> None:
    ids = [text(row, "id") for row, _ in items]
    for (row, where), number, line_id in zip(items, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "quantity", where)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "sku"),
            name=text(row, "name") or "",
            unit_price=price_of(row, "price_ex_tax", where),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=amount_of(row, "total_ex_tax", where, draft.currency, draft.report) or 0,
            shipped=ordered if shipped else min(count(row, "quantity_shipped"), ordered),
            returned=count(row, "quantity_refunded"),
        )
        unmapped(row, _LINE, where, extensions)


def _discounts(draft: Draft, items: list[tuple[Json, str]], stated: int) -> None:
    """Add the discount, by what each line says of it; the rest is spread."""
    shares: dict[str, int] = {}
    for (row, where), line in zip(items, draft.lines, strict=True):
        for index, part in enumerate(rows(row, "applied_discounts", where)):
            cut = amount_of(part, "amount", f"{where}/applied_discounts/{index}", draft.currency, draft.report)
            if cut and cut > 0:
                shares[line.line_id] = shares.get(line.line_id, 0) + cut
    if stated <= 0:
        return
    if shares and sum(shares.values()) > stated:
        shares = split_by_line(stated, shares)
    if shares:
        draft.discount("discount:lines", sum(shares.values()), shares=shares)
    if rest := stated - sum(shares.values()):
        draft.discount("discount:order", rest)


def _taxes(draft: Draft, items: list[tuple[Json, str]], stated: int, shipping: int) -> None:
    rest = stated
    for (row, where), line in zip(items, draft.lines, strict=True):
        if cut := amount_of(row, "total_tax", where, draft.currency, draft.report):
            draft.tax(f"tax:{line.line_id}", cut, line_id=line.line_id)
            rest -= cut
    if shipping and "shipping" in draft.tax_base:
        draft.tax("tax:shipping", shipping, adjustment_id="shipping")
        rest -= shipping
    if rest:
        draft.tax("tax:order", rest)


def _payments(draft: Draft, body: Json, status: str, grand: int, returned: int) -> PaymentState | None:
    provider = text(body, "payment_method") or NAME
    state = _REFUNDED.get(status) or _PAYMENT.get((text(body, "payment_status") or "").lower())
    if state is None and status in _FULFILLED | _PARTLY | {"9", "11", "8"}:  # it goes on to be packed only once it is paid
        state = "paid"
    if returned > 0 and state in {"paid", "partially_refunded", "refunded"}:
        state = "refunded" if returned >= grand else "partially_refunded"
        draft.payment(provider, "capture", grand, transaction=text(body, "payment_provider_id") or "stated")
        draft.payment(provider, "refund", returned)
    elif draft.lines:
        draft.stated_payment(state, provider, grand)
    return state if state is not None or status in _DRAFT else "unpaid"


def _fulfillment(draft: Draft, body: Json, status: str) -> FulfillmentState | None:
    if draft.cancelled:
        return "cancelled"
    if status in _DRAFT:
        return None
    sent, total = count(body, "items_shipped"), count(body, "items_total")
    if status in _FULFILLED or (total and sent >= total):
        return "fulfilled"
    return "partially_fulfilled" if status in _PARTLY or sent else "unfulfilled"


def _address(row: Json, at: str, extensions: dict[str, str], mapped: frozenset[str] = _ADDRESS) -> Address | None:
    lines = present((text(row, "street_1"), text(row, "street_2")))
    if not (lines or any(text(row, key) for key in ("city", "zip", "country_iso2", "country"))):
        return None
    unmapped(row, mapped, at, extensions)
    return address_of(
        name=" ".join(present((text(row, "first_name"), text(row, "last_name")))) or None,
        company=text(row, "company"),
        lines=lines,
        city=text(row, "city"),
        region=text(row, "state"),
        postal_code=text(row, "zip"),
        country=text(row, "country_iso2") or text(row, "country"),
        phone=text(row, "phone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_QUANTITY, Verb.CHANGE_LINES, Verb.CHANGE_ADDRESS, Verb.REFUND, Verb.NOTE}),
    signature="bigcommerce_standard_webhooks",
    account_field="/store_id",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
    counts_pieces=True,
)
