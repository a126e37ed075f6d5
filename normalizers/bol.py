"""bol Retailer API answers and subscription events -> canonical Order.

Input:   the JSON of GET /retailer/orders/{id} (v5 to v10, and the older shape with `customerDetails`), of GET /retailer/orders, of
         shipments and returns (one, or a list), and of a subscription's event that names an order.
Output:  Order in euro (bol sells in nothing else and states no currency), integer minor units, prices with tax in them. A row of the
         list has no address and mostly no prices: it is a part, and so is an event. A shipment or a return names the orders it is of.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  api.bol.com/retailer/public, Retailer API v10, Order, ReducedOrder, OrderItem, ShipmentDetails; read 2026-11-24; Shipment, Return (v3 to v10);
         read 2026-11-29.
"""

from dataclasses import replace
from datetime import datetime

from normalizers.amounts import price_of
from normalizers.building import account_of, address_of, each, line_ids, part_of, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedPart, Verb
from normalizers.draft import Draft
from normalizers.summary import moment_text
from normalizers.wire import (
    Broken,
    Json,
    Message,
    Report,
    child,
    day_and_time,
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
from schemas.money import scaled_text, to_text
from schemas.order import Address, Contact, DeliveryWindow, FulfillmentState, Order, Source, order_id_of

NAME = "bol"
MAPPING = 4
CURRENCY = "EUR"

_NAMED = "a shipment's or a return's row"
_WRAPPINGS = ("data", "orders", "results", "payload", "shipments", "returns")

_MAPPED = names("orderId orderPlacedDateTime dateTimeOrderPlaced shipmentDetails billingDetails customerDetails orderItems")
_ITEM = names("orderItemId quantity quantityShipped quantityCancelled unitPrice offerPrice offer product offerReference title")
_PERSON = names(
    "firstName surname company streetName houseNumber houseNumberExtension extraAddressInformation zipCode city countryCode email "
    "deliveryPhoneNumber pickupPointName pickUpPointName"
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found = [one for document in documents for message in messages(document, _WRAPPINGS, ("orderId",)) for one in _named(message)]
    return each(found, _result)


def _named(message: Message) -> list[Message]:
    """Return of a shipment or a return each order that it is of, with what it says of it; anything else as it is."""
    body = message.value if not isinstance(message, Broken) else None
    if not isinstance(body, dict) or "orderId" in body or not body.keys() & {"shipmentId", "returnId"}:
        return [message]
    key = "shipmentItems" if "shipmentId" in body else "returnItems"
    found = [row for row in (body.get("order"), *rows(body, key, message.at)) if isinstance(row, dict)]
    by_id = {number: row for row in reversed(found) if (number := text(row, "orderId"))}
    place = body.get("shipmentDetails")
    told = {"shipmentDetails": place if isinstance(place, dict) else _customer(body)}
    return [replace(message, value={**told, **row}, wrapped_in=_NAMED) for row in reversed(by_id.values())] or [message]


def _customer(body: Json) -> Json | None:
    """Return where a shipment of before v5 goes."""
    customer = body.get("customerDetails")
    return customer if "shipmentId" in body and isinstance(customer, dict) else None


def _result(message: Message) -> Result:
    body, at = message.value, message.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    account = account_of(message.headers)
    event = child(body, "event", at)
    if event is not None and "orderId" not in body:
        return _event(event, f"{at}/event", account)
    if message.wrapped_in == _NAMED:
        return _part(body, at, account)
    order_id = need_text(body, "orderId", at)
    report = Report()
    try:
        items = rows(body, "orderItems", at)
        people = child(body, "customerDetails", at) or body
        if "shipmentDetails" not in people and not any("unitPrice" in row or "offerPrice" in row for row in items):
            return _reduced(body, items, at, order_id, account, report)
        return _order(body, items, people, at, order_id, account, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event="snapshot", report=report)


def _event(event: Json, at: str, account: str) -> Result:
    """Return the order an event names; what changed has to be fetched."""
    if (text(event, "resource") or "").upper() != "ORDER":
        raise NormalizationFailed("the event is of no order", field=f"{at}/resource", rule="order_event", value=text(event, "resource"))
    return StatedPart(channel_order_id=need_text(event, "resourceId", at), event="notification", missing=("order",), account=account)


def _part(named: Json, at: str, account: str) -> StatedPart:
    """Return the order that a shipment or a return is of: when it was placed and where it goes, where that is said."""
    report = Report()
    place = _address(child(named, "shipmentDetails", at) or {})
    return StatedPart(
        channel_order_id=need_text(named, "orderId", at),
        event="notification",
        missing=("order",),
        account=account,
        findings=tuple(report.findings),
        stated={
            "placed_at": moment_text(_placed(named, at, report)),
            "ship_to": {"country": place.country if place else None, "postal_code": place.postal_code if place else None},
        },
    )


def _placed(body: Json, at: str, report: Report) -> datetime | None:
    return instant(body, "orderPlacedDateTime" if "orderPlacedDateTime" in body else "dateTimeOrderPlaced", at, report)


def _reduced(body: Json, items: list[Json], at: str, order_id: str, account: str, report: Report) -> StatedPart:
    """Return a row of the list of orders: what was bought and how far it is, without prices and address."""
    lines = [
        {"sku": text(row, "ean"), "quantity": scaled_text(*quantity(row, "quantity", f"{at}/orderItems/{index}")), "unit_price": None}
        for index, row in enumerate(items)
        if all("quantity" in each for each in items)
    ]
    placed = _placed(body, at, report)
    return StatedPart(
        channel_order_id=order_id,
        event="snapshot",
        missing=("order",),
        account=account,
        findings=tuple(report.findings),
        stated={"lines": lines or None, "placed_at": moment_text(placed), "fulfillment_status": _fulfillment(items)},
    )


def _order(body: Json, items: list[Json], people: Json, at: str, order_id: str, account: str, report: Report) -> Result:
    state = _fulfillment(items)
    draft = Draft(CURRENCY, report, cancelled=state == "cancelled")
    extensions = report.kept
    _lines(draft, items, at, extensions)
    totals = draft.totals(None)
    unmapped(body, _MAPPED, at, extensions)
    where = f"{at}/customerDetails" if people is not body else at
    shipping, billing = child(people, "shipmentDetails", where) or {}, child(people, "billingDetails", where) or {}
    unmapped(shipping, _PERSON, f"{where}/shipmentDetails", extensions)
    unmapped(billing, (_PERSON | {"orderReference"}) - {"email"}, f"{where}/billingDetails", extensions)
    if people is not body:
        unmapped(people, names("shipmentDetails billingDetails"), where, extensions)
    report.note(at, "currency_implied", "bol sells in euro and states no currency")
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=max(
                (
                    moment
                    for index, row in enumerate(items)
                    if (moment := instant(row, "latestChangedDateTime", f"{at}/orderItems/{index}", report))
                ),
                default=None,
            ),
        ),
        currency=CURRENCY,
        placed_at=_placed(body, at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=_name(billing) or _name(shipping),
            email=text(shipping, "email") or text(billing, "email"),
            phone=text(shipping, "deliveryPhoneNumber"),
            customer_ref=text(billing, "orderReference"),
        ),
        ship_to=_address(shipping),
        bill_to=_address(billing),
        delivery_window=_window(items, at, report),
        lines=tuple(draft.lines),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/orderItems", "no_lines", "the order has no lines")
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    result = draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=None,
        fulfillment=state,
        cancel_requested=not draft.cancelled and any(truth(row, "cancellationRequest") for row in items),
        stated={"subtotal": to_text(totals.subtotal_minor, CURRENCY) if priced else None},
        of=((body, at), (people, where)),
    )
    return result if "shipmentDetails" in people or draft.cancelled else part_of(result, ("order",))


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str]) -> None:
    ids = [text(row, "orderItemId") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/orderItems/{index}"
        ordered, exponent = quantity(row, "quantity", where)
        price = price_of(row, "unitPrice" if "unitPrice" in row else "offerPrice", where)
        offer, product = child(row, "offer", where) or {}, child(row, "product", where) or {}
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(offer, "reference") or text(row, "offerReference") or text(product, "ean") or text(row, "ean"),
            name=text(product, "title") or text(row, "title") or "",
            unit_price=price,
            tax_included=True,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, CURRENCY, "half_up"),
            cancelled=0 if draft.cancelled else min(whole(row, "quantityCancelled") * 10**exponent, ordered),
            shipped=whole(row, "quantityShipped") * 10**exponent,
        )
        unmapped(row, _ITEM, where, extensions)
        unmapped(offer, frozenset({"reference"}), f"{where}/offer", extensions)
        unmapped(product, frozenset({"title"}), f"{where}/product", extensions)


def _fulfillment(items: list[Json]) -> FulfillmentState | None:
    """Read how far the order is from the items' counts; where no item has any, nothing is said."""
    if not any("quantityShipped" in row or "quantityCancelled" in row for row in items):
        return None
    ordered = sum(whole(row, "quantity") for row in items)
    shipped, cancelled = (sum(whole(row, key) for row in items) for key in ("quantityShipped", "quantityCancelled"))
    if cancelled and cancelled >= ordered:
        return "cancelled"
    if shipped and shipped + cancelled >= ordered:
        return "fulfilled"
    return "partially_fulfilled" if shipped else "unfulfilled"


def _name(person: Json) -> str | None:
    return " ".join(present((text(person, "firstName"), text(person, "surname")))) or None


def _address(person: Json) -> Address | None:
    if not person:
        return None
    number = "".join(present((text(person, "houseNumber"), f"-{tail}" if (tail := text(person, "houseNumberExtension")) else None)))
    lines = (
        text(person, "pickupPointName") or text(person, "pickUpPointName"),
        " ".join(present((text(person, "streetName"), number))) or None,
        text(person, "extraAddressInformation"),
    )
    return address_of(
        name=_name(person),
        company=text(person, "company"),
        lines=present(lines),
        city=text(person, "city"),
        postal_code=text(person, "zipCode"),
        country=text(person, "countryCode"),
        phone=text(person, "deliveryPhoneNumber"),
    )


def _window(items: list[Json], at: str, report: Report) -> DeliveryWindow | None:
    """Return by when the last item has to be there."""
    latest = []
    for index, row in enumerate(items):
        where = f"{at}/orderItems/{index}/fulfilment"
        done = child(row, "fulfilment", f"{at}/orderItems/{index}") or {}
        key = "exactDeliveryDate" if done.get("exactDeliveryDate") else "latestDeliveryDate"
        moment = day_and_time(text(done, key), None, f"{where}/{key}", report)
        if moment is not None:
            latest.append(moment)
    return DeliveryWindow(latest=max(latest)) if latest else None


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset({Verb.CANCEL_LINE}),
    signature="none",
    account_field="",
    order_key="/orderId",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.ALWAYS,
    counts_pieces=True,
)
