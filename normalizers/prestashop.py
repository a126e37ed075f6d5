"""PrestaShop webservice orders -> canonical Order.

Input:   XML or JSON of `/api/orders` (one order or a list), with the resources it refers to as further documents: `address` (the delivery's
         and the invoice's), `currency`, `country`, `customer`. A list of bare ids names orders to be fetched.
Output:  Order, integer minor units; prices without tax, six decimals on the wire. Currency and country are ids of the shop's own tables: they
         are known where their resource came along or the header `currency` names the code; else the currency is unknown, and that is noted.
         Version 1.4 states tax of the products alone: shipping and discounts are with tax in them there.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text. An order without its delivery address is incomplete.
Fails:   NormalizationFailed with the JSON pointer of the first bad field; what `normalizers.xml_tree` refuses.
Source:  devdocs.prestashop-project.org: Webservice, resources orders, addresses, currencies, countries, customers; order states as the installer
         makes them (PS_OS_CANCELED 6, PS_OS_REFUND 7, PS_OS_SHIPPING 4, PS_OS_DELIVERED 5); read 2026-11-24. `total_paid` is what is due,
         `total_paid_real` what was paid; times are the shop's, without a zone; 0000-00-00 is no date.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from normalizers.amounts import amount_of, currency_of, decimal_in, price_of, priced_row
from normalizers.building import account_of, address_of, line_ids, part_of, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedOrder, StatedPart, Verb
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
    json_text,
    messages,
    names,
    need_text,
    present,
    quantity,
    rows,
    text,
    unmapped,
)
from normalizers.xml_tree import Node, plain, read_document
from schemas.failures import NormalizationFailed, OrdermendError
from schemas.money import NO_CURRENCY
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of

NAME = "prestashop"
MAPPING = 4

_CANCELLED, _REFUNDED, _SHIPPED = "6", "7", frozenset({"4", "5"})
_PARTS = ("address", "currency", "country", "customer")
_WRAPPINGS = ("prestashop", "orders", "order")
_MAPPED = names(
    "id reference id_currency id_customer current_state payment date_add date_upd total_paid total_paid_tax_incl total_paid_tax_excl "
    "total_paid_real total_products total_shipping_tax_excl total_shipping_tax_incl total_discounts_tax_excl total_wrapping_tax_excl "
    "id_address_delivery id_address_invoice"
)
_LINE = names("id product_quantity product_reference product_name unit_price_tax_excl total_price_tax_incl total_price_tax_excl")
_CUSTOMER = names("id firstname lastname email")
_ADDRESS = names("id company lastname firstname address1 address2 postcode city phone phone_mobile id_country")
_COUNTRY = names("id iso_code")
_INSIDE = inside(
    """
    associations: order_rows
    order_rows: order_row
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says, with the resources that came along."""
    parts: dict[str, dict[str, Json]] = {name: {} for name in _PARTS}
    found: list[Message] = []
    for document in documents:
        for message in messages(_as_json(document), _WRAPPINGS):
            kind, row = _kind(message)
            if kind == "order":
                found.append(message)
            elif row is not None:
                parts[kind][text(row, "id") or ""] = row
    if not found and any(parts.values()):
        raise NormalizationFailed("a resource without its order", field="", rule="names_an_order")
    if len(found) == 1:
        return (_result(found[0], parts),)
    return tuple([_guarded(message, parts) for message in found])


def _as_json(document: Document) -> Document:
    if not document.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return document
    root, headers = read_document(document)
    value = plain(root)
    bare = [_bare(node) for node in root.all("orders/order") if not node.children]
    if bare:
        value = {"orders": bare}
    return Document(json_text({root.name: value} if root.name != "prestashop" else value).encode(), headers)


def _bare(node: Node) -> Json:
    return {"id": node.attribute("id") or node.text}


def _kind(message: Message) -> tuple[str, Json | None]:
    """Return which resource a message is; an address and its likes come under their own name."""
    if isinstance(message, Broken):
        return "order", None
    value = message.value
    if isinstance(value, dict) and "associations" not in value:
        for name in _PARTS:
            inner = value.get(name)
            if isinstance(inner, dict):
                return name, inner
        listed = value.get("order")
        if isinstance(listed, list):
            raise NormalizationFailed("a list of orders where one was expected", field=message.at, rule="object")
    return "order", None


def _guarded(message: Message, parts: Mapping[str, Mapping[str, Json]]) -> Result:
    try:
        return _result(message, parts)
    except OrdermendError as error:
        return refused(None, error)


def _result(message: Message, parts: Mapping[str, Mapping[str, Json]]) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers, text(body, "id_shop") if text(body, "id_shop") not in {None, "1"} else None)
    order_id = need_text(body, "id", at)
    if "associations" not in body and "date_add" not in body:
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    report = Report()
    try:
        stated = _order(body, at, order_id, account, parts, message.headers.get("currency"), report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)
    if not stated.order.lines and "order_rows" not in (child(body, "associations", at) or {}):
        return part_of(stated, ("items",))
    wanted = text(body, "id_address_delivery")
    if stated.order.ship_to is not None or stated.event == "cancel" or wanted in {None, "0"}:
        return stated
    return StatedPart(
        channel_order_id=order_id,
        event=stated.event,
        missing=(f"address {wanted}",),
        account=account,
        findings=stated.findings,
        stated=order_values(stated),
    )


def _order(
    body: Json, at: str, order_id: str, account: str, parts: Mapping[str, Mapping[str, Json]], stated_currency: str | None, report: Report
) -> StatedOrder:
    state = text(body, "current_state")
    extensions = report.kept
    draft = Draft(_currency(body, at, parts, stated_currency, report, extensions), report, cancelled=state == _CANCELLED)

    def amount(key: str) -> int | None:
        return amount_of(body, key, at, draft.currency, report)

    items = _rows(body, at)
    _lines(draft, items, extensions, shipped=state in _SHIPPED)
    discount, shipping, wrapping = (
        amount(key if body.get(key) is not None else key.removesuffix("_tax_excl"))
        for key in ("total_discounts_tax_excl", "total_shipping_tax_excl", "total_wrapping_tax_excl")
    )
    if discount:
        draft.discount("discount:order", abs(discount), source="code")
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping)
    if wrapping:
        draft.charge("fee", "fee:wrapping", wrapping, label="gift wrapping")
    gross, net = amount("total_paid_tax_incl"), amount("total_paid_tax_excl")
    due = amount("total_paid")  # the same under another name; kept where it is not
    grand = gross if gross is not None else due
    tax = None if gross is None or net is None else gross - net
    if gross is None and (with_tax := amount("total_products_wt")) is not None:
        tax = with_tax - (amount("total_products") or 0)
    _taxes(draft, items, tax or 0, (amount("total_shipping_tax_incl") or 0) - (shipping or 0))
    totals = draft.totals(grand)
    payment = _payments(draft, body, amount("total_paid_real"), state, totals.grand_total_minor)
    unmapped(body, (_MAPPED | {"associations"}) - (frozenset() if due == grand else {"total_paid"}), at, extensions)
    customer = parts["customer"].get(text(body, "id_customer") or "", {})
    unmapped(customer, _CUSTOMER, "/customer", extensions)
    ship_to = _address(parts, text(body, "id_address_delivery"), "", extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "reference") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=text(body, "id_shop"),
            channel_order_id=order_id,
            channel_updated_at=_moment(body, "date_upd", at, report),
            status=state,
        ),
        currency=draft.currency,
        placed_at=_moment(body, "date_add", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(customer, "firstname"), text(customer, "lastname")))) or (ship_to.name if ship_to else None),
            email=text(customer, "email"),
            phone=ship_to.phone if ship_to else None,
            customer_ref=text(body, "id_customer"),
        ),
        ship_to=ship_to,
        bill_to=_address(parts, text(body, "id_address_invoice"), "/invoice", extensions),
        payment_method=text(body, "payment"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(
            subtotal=amount("total_products"), discount=None if discount is None else abs(discount), shipping=shipping, tax=tax, grand=grand
        ),
        extensions=extensions,
    )
    beside = [(customer, "/customer"), (parts["currency"].get(text(body, "id_currency") or "", {}), "/currency")]
    for where, key in (("", "id_address_delivery"), ("/invoice", "id_address_invoice")):
        place = parts["address"].get(text(body, key) or "", {})
        beside += [(place, f"{where}/address"), (parts["country"].get(text(place, "id_country") or "", {}), f"{where}/country")]
    fulfillment: FulfillmentState = "cancelled" if draft.cancelled else "fulfilled" if state in _SHIPPED else "unfulfilled"
    return draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=payment,
        fulfillment=fulfillment,
        of=((body, at), *beside),
        inside=_INSIDE,
    )


def _currency(
    body: Json, at: str, parts: Mapping[str, Mapping[str, Json]], stated: str | None, report: Report, extensions: dict[str, str]
) -> str:
    """Return the code of the currency resource, else the header's; without either the id is kept, and no code is guessed."""
    number = text(body, "id_currency")
    found = parts["currency"].get(number or "")
    code = text(found, "iso_code") if found is not None else stated
    unmapped(found or {}, _COUNTRY, "/currency", extensions)
    if code is not None:
        return currency_of(code, f"{at}/id_currency", report)
    if number is not None:
        extensions[f"{at}/id_currency"] = json_text(number)
    report.note(f"{at}/id_currency", "currency_by_id", "the currency is an id of the shop's own table", number)
    return NO_CURRENCY


def _moment(body: Json, key: str, at: str, report: Report) -> datetime | None:
    stated = text(body, key)
    return None if stated is None or stated.startswith("0000") else instant(body, key, at, report)


def _rows(body: Json, at: str) -> list[tuple[Json, str]]:
    """Return the order's rows: a list, or what XML makes of one (`order_row`, alone or several)."""
    within, where = child(body, "associations", at) or {}, f"{at}/associations"
    key = "order_rows"
    if isinstance(within.get(key), dict):
        within, where, key = within[key], f"{where}/{key}", "order_row"
        if isinstance(within.get(key), dict):
            within = {key: [within[key]]}
    return [(row, f"{where}/{key}/{index}") for index, row in enumerate(rows(within, key, where))]


def _lines(draft: Draft, items: list[tuple[Json, str]], extensions: dict[str, str], *, shipped: bool) -> None:
    ids = [text(row, "id") for row, _ in items]
    for (row, where), number, line_id in zip(items, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "product_quantity", where)
        key = "unit_price_tax_excl" if row.get("unit_price_tax_excl") not in (None, "") else "product_price"
        exact = decimal_in(row, key, where)
        gross = amount_of(row, "total_price_tax_excl", where, draft.currency, draft.report)
        if gross is None and exact is not None:
            _, gross = priced_row(exact, Decimal(1), ordered, exponent, draft.currency, where, key)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "product_reference"),
            name=text(row, "product_name") or "",
            unit_price=price_of(row, key, where),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross or 0,
            shipped=ordered if shipped else 0,
        )
        unmapped(row, _LINE | {key}, where, extensions)


def _taxes(draft: Draft, items: list[tuple[Json, str]], stated: int, shipping: int) -> None:
    """Add what each row's two totals differ by, shipping's, and what the order's totals differ by beyond them."""
    rest = stated
    for (row, where), line in zip(items, draft.lines, strict=True):
        gross = amount_of(row, "total_price_tax_incl", where, draft.currency, draft.report)
        net = amount_of(row, "total_price_tax_excl", where, draft.currency, draft.report)
        if gross is not None and net is not None and gross != net:
            draft.tax(f"tax:{line.line_id}", gross - net, line_id=line.line_id)
            rest -= gross - net
    if shipping and "shipping" in draft.tax_base:
        draft.tax("tax:shipping", shipping, adjustment_id="shipping")
        rest -= shipping
    if rest:
        draft.tax("tax:order", rest)


def _payments(draft: Draft, body: Json, paid: int | None, state: str | None, grand: int) -> PaymentState | None:
    provider = text(body, "module") or NAME
    if paid is None:
        return None
    if paid <= 0:
        return "unpaid"
    draft.payment(provider, "capture", paid)
    if state == _REFUNDED:
        draft.payment(provider, "refund", paid)
        return "refunded"
    return "paid" if paid >= grand else "partially_paid"


def _address(parts: Mapping[str, Mapping[str, Json]], number: str | None, at: str, extensions: dict[str, str]) -> Address | None:
    row = parts["address"].get(number or "")
    if row is None:
        return None
    country = parts["country"].get(text(row, "id_country") or "", {})
    unmapped(row, _ADDRESS, f"{at}/address", extensions)
    unmapped(country, _COUNTRY, f"{at}/country", extensions)
    return address_of(
        name=" ".join(present((text(row, "firstname"), text(row, "lastname")))) or None,
        company=text(row, "company"),
        lines=present((text(row, "address1"), text(row, "address2"))),
        city=text(row, "city"),
        postal_code=text(row, "postcode"),
        country=text(country, "iso_code"),
        phone=text(row, "phone_mobile") or text(row, "phone"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_ORDER, Verb.CHANGE_ADDRESS, Verb.NOTE}),
    signature="none",
    account_field="/id_shop",
    order_key="/id",
    normalize=normalize,
    mapping_version=MAPPING,
    counts_pieces=True,
    currency_agreed=True,
)
