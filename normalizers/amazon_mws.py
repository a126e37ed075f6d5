"""An answer of Amazon's Marketplace Web Service (XML) -> the same orders in the shape of Orders v0.

Input:   the answers of GetOrder, ListOrders, ListOrderItems and their next pages (Orders 2013-09-01); the same as JSON, as libraries make it of the
         XML; an order report (`AmazonEnvelope`, `OrderReport`), which states each order whole but for its state.
Output:  plain objects that `normalizers.amazon` reads: an order and its items are parts of one order, as they are in v0, whose names these are.
Fails:   NormalizationFailed with the element's path: nothing in it names an order.
Source:  Amazon MWS Developer Guide, Orders API section 2013-09-01 (Order, OrderItem, NextToken), XML order
         report (OrderReport.xsd: components of ItemPrice and of Promotion, by type, for the row); read 2026-11-29.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from normalizers.channel import Document
from normalizers.wire import Broken, Json, fail, json_text, messages, text
from normalizers.xml_tree import Node, plain, read_document, unread
from normalizers.xml_values import decimal_at

_ELEMENTS = (b'"Order"', b'"OrderItem"')
_LISTS = {"PromotionIds": "PromotionId", "PaymentMethodDetails": "PaymentMethodDetail", "OrderItems": "OrderItem"}
"""What is a list in v0, and how XML calls each row of it."""


def as_v0(document: Document) -> Document:
    """Return an XML document's orders as JSON; a document that is no XML as it is."""
    if not document.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return _written_in_json(document) if any(name in document.body for name in _ELEMENTS) else document
    root, headers = read_document(document)
    reports = root.all("Message/OrderReport")
    found = [_reported(node) for node in reports] if reports else [_rows_as_lists(plain(node)) for node in _orders(root)]
    if not found:
        fail(*root.place, "names_an_order", root.name, f"{root.path} has no order in it")
    return Document(json_text({"Orders": found}).encode(), headers)


def _written_in_json(document: Document) -> Document:
    found = messages(document, ())
    orders = [] if len(found) != 1 or isinstance(found[0], Broken) else list(_orders_in(found[0].value))
    if not orders:
        return document
    return Document(json_text({"Orders": [_rows_as_lists(_texts(order)) for order in orders]}).encode(), found[0].headers)


def _orders_in(value: Any, depth: int = 5) -> Iterator[Json]:
    """Yield what stands for the element of an order, or for an order's items, some objects down."""
    if not isinstance(value, dict) or not depth:
        return
    order, items = value.get("Order"), _only(value.get("OrderItems"))
    if isinstance(items, dict) and "OrderItem" in items:
        yield value
    elif isinstance(order, dict | list):
        yield from (row for row in (order if isinstance(order, list) else [order]) if isinstance(row, dict) and "AmazonOrderId" in row)
    else:
        for row in value.values():
            yield from _orders_in(_only(row), depth - 1)


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _texts(value: Any) -> Any:
    """Return an element without what a library put around it: a list around each child, an object around each text."""
    if isinstance(value, list):
        return _texts(value[0]) if len(value) == 1 else [_texts(row) for row in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"value"}:
        return value["value"]
    return {key: _texts(row) for key, row in value.items() if key != "value" or text(value, key)}


def _orders(node: Node) -> list[Node]:
    """Return the elements that name an order, an order before what is in it."""
    if node.first("AmazonOrderId") is not None:
        return [node]
    return [order for child in node.children or () for order in _orders(child)]


def _rows_as_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_rows_as_lists(row) for row in value]
    if not isinstance(value, dict):
        return value
    return {key: _listed(row, _LISTS[key]) if key in _LISTS else _rows_as_lists(row) for key, row in value.items()}


def _listed(value: Any, name: str) -> Any:
    """Return the rows of a list: none, where it is empty; what else stands beside them is kept as it is."""
    if isinstance(value, str):  # an element without children
        return [value] if value else []
    if not isinstance(value, dict):  # the element stands several times, or a library wrote null for it
        return _rows_as_lists(value)
    rest: Json = {key: row for key, row in value.items() if key != name}
    if rest or name not in value:
        return _rows_as_lists(value)
    rows = value[name]
    return [_rows_as_lists(row) for row in (rows if isinstance(rows, list) else [rows])]


# --- the order report ---

_PARTS = {
    "Principal": "ItemPrice",
    "Tax": "ItemTax",
    "Shipping": "ShippingPrice",
    "ShippingTax": "ShippingTax",
    "GiftWrap": "GiftWrapPrice",
    "GiftWrapTax": "GiftWrapTax",
    "CODFee": "CODFee",
}
_OFF = {"Principal": "PromotionDiscount", "Shipping": "ShippingDiscount"}


def _reported(report: Node) -> Json:
    """Return an order of a report, its items with it."""
    place = report.first("FulfillmentData/Address")
    body: Json = {
        "AmazonOrderId": report.say("AmazonOrderID"),
        "PurchaseDate": report.say("OrderDate"),
        "OrderStatus": None,
        "BuyerEmail": report.say("BillingData/BuyerEmailAddress"),
        "BuyerName": report.say("BillingData/BuyerName"),
        "ShipServiceLevel": report.say("FulfillmentData/FulfillmentServiceLevel"),
        "ShippingAddress": None if place is None else _place(place),
        "OrderItems": [_item(row) for row in report.all("Item")],
    }
    return {**body, "report": unread(report)}


def _place(place: Node) -> Json:
    return {
        "Name": place.say("Name"),
        "AddressLine1": place.say("AddressFieldOne"),
        "AddressLine2": place.say("AddressFieldTwo"),
        "AddressLine3": place.say("AddressFieldThree"),
        "City": place.say("City"),
        "StateOrRegion": place.say("StateOrRegion"),
        "PostalCode": place.say("PostalCode"),
        "CountryCode": place.say("CountryCode"),
        "Phone": place.say("PhoneNumber"),
    }


def _item(row: Node) -> Json:
    item: Json = {
        "OrderItemId": row.say("AmazonOrderItemCode"),
        "SellerSKU": row.say("SKU"),
        "Title": row.say("Title"),
        "QuantityOrdered": row.say("Quantity"),
        "PromotionIds": [name for off in row.all("Promotion") if (name := off.say("PromotionClaimCode", "MerchantPromotionID"))],
    }
    for path, keys in (("ItemPrice/Component", _PARTS), ("Promotion/Component", _OFF)):
        for part in row.all(path):
            key = keys.get(part.say("Type") or "")
            amount = part.first("Amount")
            value = decimal_at(amount) if key else None
            if key and amount is not None and value is not None:
                before = Decimal(item[key]["Amount"]) if key in item else Decimal(0)
                item[key] = {"CurrencyCode": amount.attribute("currency"), "Amount": str(before + (abs(value) if keys is _OFF else value))}
    return item
