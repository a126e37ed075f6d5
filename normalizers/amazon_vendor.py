"""Amazon's purchase orders to vendors -> canonical Order.

Input:   an order of Vendor Orders v1 (Amazon buys; what it sells it on for is no part of it) or of Direct Fulfillment Orders v1 and
         2021-12-28 (the vendor ships to Amazon's customer). The status of a purchase order names it and states no order.
Output:  Order in the currency of its costs, net of tax. `netCost` is for one each: a line ordered in cases costs it once for each in a case.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  developer-docs.amazon.com/sp-api: Vendor Orders API v1 (Order, OrderDetails, OrderItem, ItemQuantity), Vendor Direct Fulfillment
         Orders API v1 and 2021-12-28 (OrderDetails, OrderItem, TaxLineItem); read 2026-11-28. A vendor's own name of a product is
         `vendorProductIdentifier`; `amazonProductIdentifier` and `buyerProductIdentifier` are Amazon's catalogue's.
"""

from collections.abc import Mapping
from typing import Any

from normalizers.amazon_values import ADDRESS, MAPPING, address_in, money_in
from normalizers.amounts import currency_of, currency_within, price_of, rate_text
from normalizers.building import line_ids, stated_totals
from normalizers.channel import Result, StatedPart
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.wire import Json, Report, child, instant, names, quantity, read_instant, rows, text, unmapped, whole
from schemas.money import UnitPrice, to_text
from schemas.order import Address, Contact, DeliveryWindow, FulfillmentState, Order, Source, order_id_of

NAME = "amazon"

_STATES: Mapping[str, FulfillmentState] = {
    "new": "unfulfilled",
    "acknowledged": "unfulfilled",
    "accepted": "unfulfilled",
    "shipped": "fulfilled",
    "cancelled": "cancelled",
}
_DETAILS = names(
    "purchaseOrderDate orderDate purchaseOrderChangedDate shipToParty billToParty deliveryWindow paymentMethod items customerOrderNumber"
)
_ITEM = names("itemSequenceNumber vendorProductIdentifier title orderedQuantity netCost netPrice taxDetails")
_HEAD = names("purchaseOrderNumber purchaseOrderState orderDetails")
_INSIDE = inside(
    f"""
    shipToParty billToParty: address partyId {ADDRESS}
    address: {ADDRESS}
    orderedQuantity: amount unitOfMeasure unitSize
    netCost netPrice: amount currencyCode unitOfMeasure
    taxTotal: taxLineItem
    taxDetails: taxLineItem taxAmount taxRate type
    taxLineItem: taxAmount taxRate type
    taxAmount: amount currencyCode
    """
)


def vendor_order(order_id: str, account: str, body: Json, at: str, report: Report) -> Result:
    """Return what a purchase order says."""
    details = child(body, "orderDetails", at)
    if details is None or "items" not in details:
        return StatedPart(channel_order_id=order_id, event="notification", missing=("order",), account=account)
    where = f"{at}/orderDetails"
    items = rows(details, "items", where)
    draft = Draft(
        currency_of(_currency(items) or currency_within(details, "currencyCode"), f"{where}/items", report),
        report,
        cancelled=text(details, "orderStatus") == "CANCELLED",
    )
    extensions = report.kept
    _lines(draft, items, where, extensions)
    tax = _taxes(draft, details, items, where)
    totals = draft.totals(None)
    status = text(body, "purchaseOrderState") or text(details, "orderStatus")
    ship_to = _party(details, "shipToParty", where)
    unmapped(body, _HEAD, at, extensions)
    unmapped(details, _DETAILS, where, extensions)
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(details, "customerOrderNumber") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=order_id,
            channel_updated_at=instant(details, "purchaseOrderChangedDate", where, report),
            status=status,
        ),
        currency=draft.currency,
        placed_at=instant(details, "purchaseOrderDate", where, report) or instant(details, "orderDate", where, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(name=ship_to.name if ship_to else None, phone=ship_to.phone if ship_to else None),
        ship_to=ship_to,
        bill_to=_party(details, "billToParty", where),
        delivery_window=_window(details, where, report),
        payment_method=text(details, "paymentMethod"),
        lines=tuple(draft.lines),
        taxes=tuple(draft.taxes),
        totals=totals,
        stated_totals=stated_totals(tax=tax),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{where}/items", "no_lines", "the purchase order has no items")
    summary: dict[str, object] = {"subtotal": to_text(totals.subtotal_minor, draft.currency)} if _currency(items) else {}
    return draft.stated_order(
        order,
        event="cancel" if draft.cancelled else "snapshot",
        payment=None,
        fulfillment=_STATES.get((status or "").lower()),
        stated=summary,
        of=((body, at),),
        inside=_INSIDE,
    )


def _currency(items: list[Json]) -> str | None:
    pairs = [pair for row in items for key in ("netCost", "netPrice") if isinstance(pair := row.get(key), dict)]
    return next((code for pair in pairs if (code := text(pair, "currencyCode"))), None)


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str]) -> None:
    numbers = [text(row, "itemSequenceNumber") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, numbers, line_ids(numbers), strict=True)):
        where = f"{at}/items/{index}"
        amount = child(row, "orderedQuantity", where) or {}
        ordered, exponent = quantity(amount, "amount", f"{where}/orderedQuantity")
        price = _price(draft, row, where, amount)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "vendorProductIdentifier"),
            name=text(row, "title") or "",
            unit_of_measure=text(amount, "unitOfMeasure"),
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=price.times(ordered, exponent, draft.currency, "half_up") if price else 0,
        )
        unmapped(row, _ITEM, where, extensions)


def _price(draft: Draft, row: Json, where: str, amount: Json) -> UnitPrice | None:
    """Return the cost of one of what is ordered: of an each, or of a case."""
    key = "netCost" if row.get("netCost") else "netPrice"
    money_in(row, key, where, draft)  # of the order's currency, or it is refused
    pair = child(row, key, where) or {}
    price = price_of(pair, "amount", f"{where}/{key}")
    if text(pair, "unitOfMeasure"):
        draft.report.warn(
            f"{where}/{key}", "price_by_weight", "the cost is by weight, and the weight is not stated", text(pair, "unitOfMeasure")
        )
    each = whole(amount, "unitSize") if (text(amount, "unitOfMeasure") or "").lower() == "cases" else 1
    return price if price is None or each <= 1 else UnitPrice.parse(price.decimal * each)


def _taxes(draft: Draft, details: Json, items: list[Json], at: str) -> int | None:
    """Add each item's tax; the order's, where no item states any. Return the order's."""
    for index, (row, line) in enumerate(zip(items, draft.lines, strict=True)):
        _tax_lines(draft, row, "taxDetails", f"{at}/items/{index}", line.line_id)
    if not draft.taxes:
        _tax_lines(draft, details, "taxTotal", at, None)
    stated = [
        money_in(row, "taxAmount", f"{at}/taxTotal/taxLineItem/{index}", draft) or 0
        for index, row in enumerate(rows(child(details, "taxTotal", at) or {}, "taxLineItem", f"{at}/taxTotal"))
    ]
    return sum(stated) if stated else None


def _tax_lines(draft: Draft, holder: Json, key: str, at: str, line_id: str | None) -> None:
    stated: Any = holder.get(key)
    if isinstance(stated, list):  # 2021-12-28 leaves the object around it out
        stated = {"taxLineItem": stated}
    for index, row in enumerate(rows(stated if isinstance(stated, dict) else {}, "taxLineItem", f"{at}/{key}")):
        amount = money_in(row, "taxAmount", f"{at}/{key}/taxLineItem/{index}", draft)
        if amount is not None:
            rate = rate_text(row.get("taxRate"))
            draft.tax(f"tax:{line_id or 'order'}:{index}", amount, line_id=line_id, title=text(row, "type") or "", rate=rate)


def _party(details: Json, key: str, at: str) -> Address | None:
    party = child(details, key, at)
    if not party:
        return None
    return address_in(child(party, "address", f"{at}/{key}") if "partyId" in party or "address" in party else party)


def _window(details: Json, at: str, report: Report) -> DeliveryWindow | None:
    """Read `from--to`, as the vendor APIs write an interval."""
    stated = text(details, "deliveryWindow")
    if stated is None:
        return None
    earliest, _, latest = stated.partition("--")
    where = f"{at}/deliveryWindow"
    return DeliveryWindow(earliest=read_instant(earliest, where, report), latest=read_instant(latest, where, report) if latest else None)
