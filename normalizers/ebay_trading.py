"""An eBay Trading API answer (XML) -> the same orders in the shape of the Sell Fulfillment API.

Input:   `GetOrdersResponse` (also `GetOrderTransactionsResponse`), alone or in the SOAP envelope of a platform notification; what is sold without its
         order (`GetSellerTransactions`, `GetItemTransactions`, the sold list of `GetMyeBaySelling`); the same as JSON, as libraries make it of the XML.
Output:  plain objects that `normalizers.ebay` reads. A transaction's price is for one unit, so the row's cost is worked out here. Of an order that
         only its sales name, they say the lines, where it goes and how far it is: it may have others.
Loses:   nothing; elements that have no place stay under `trading`, by their paths.
Fails:   NormalizationFailed with the element's path: nothing in it names an order.
Source:  developer.ebay.com, Trading API: GetOrders (OrderType, TransactionType, CheckoutStatusType, PaymentsInformationType),
         Platform Notifications; read 2026-11-28. An OrderLineItemID is the item's and the transaction's ids; `CustomCode` is no country.
         GetSellerTransactions, GetItemTransactions, GetMyeBaySelling (TransactionType, ContainingOrder, Buyer.BuyerInfo); read 2026-11-29.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from normalizers.channel import Document
from normalizers.wire import Json, fail, json_text, messages, text
from normalizers.xml_tree import Node, read_document, unread
from normalizers.xml_values import decimal_at

SALES = "trading sales"
"""Under which an order that only its sales name has what they say."""
_ARRAYS = (b'"OrderArray"', b'"TransactionArray"', b'"SoldList"')
_SOLD = ("SoldList/OrderTransactionArray/OrderTransaction", "OrderTransactionArray/OrderTransaction")
_TEXTS = frozenset({"value", "#text", "_", "$t", "__text", "__value__"})
_CANCELLED: Mapping[str, str] = {"Cancelled": "CANCELED", "CancelPending": "IN_PROGRESS"}


def as_fulfillment(document: Document) -> Document:
    """Return an XML document's orders as JSON; a document that is no XML as it is."""
    found_tree = _tree(document)
    if found_tree is None:
        return document
    root, headers = found_tree
    answers = [node for body in root.all("Body") for node in body.children or ()] or [root]
    orders = [order for answer in answers for order in (*answer.all("OrderArray/Order"), *answer.all("Order"))]
    found = [_order(order) for order in orders] or [row for answer in answers for row in _named(answer)]
    if not found:
        fail(*root.place, "names_an_order", root.name, f"{root.path} has no order in it")
    return Document(json_text({"orders": found}).encode(), headers)


def _tree(document: Document) -> tuple[Node, Mapping[str, str]] | None:
    """Return the answer as elements, written in XML or in JSON; None where it is no Trading API's."""
    if document.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return read_document(document)
    if not any(name in document.body for name in _ARRAYS):
        return None
    found = messages(document, ())
    value = found[0].value if len(found) == 1 else None
    if isinstance(value, dict) and len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        value = inner  # the root element by its name
    if (
        not isinstance(value, dict)
        or not {"OrderArray", "TransactionArray", "SoldList"} & value.keys()
        or {"orderId", "orders"} & value.keys()
    ):
        return None
    return _element("answer", value, None, 1), found[0].headers


def _element(name: str, value: Any, parent: Node | None, number: int) -> Node:
    """Return what a library wrote of an element: text and attributes stand under keys of their own, which differ between libraries."""
    attributes: dict[str, str] = {}
    node = Node(name, "", attributes, parent, number)
    if not isinstance(value, dict):
        node.text = "" if value is None else text({name: value}, name) or ""
        return node
    node.children = []
    for key, row in value.items():
        if key in _TEXTS and not isinstance(row, dict | list):
            node.text = text(value, key) or ""
        elif key == "$" and isinstance(row, dict):
            attributes |= {each: text(row, each) or "" for each in row}
        elif (key == "currencyID" or key[:1] in {"_", "@"}) and not isinstance(row, dict | list):
            attributes[key.lstrip("_@")] = text(value, key) or ""
        else:
            listed = row if isinstance(row, list) else [row]
            node.children += [_element(key, one, node, index) for index, one in enumerate(listed, 1)]
    return node


def _named(answer: Node) -> list[Json]:
    """Return the orders that sales name without stating them, each with what its sales say."""
    found: dict[str, list[Node]] = {}
    for row in (*answer.all("TransactionArray/Transaction"), *(row for path in _SOLD for row in answer.all(f"{path}/Transaction"))):
        line = row.say("OrderLineItemID") or f"{row.say('Item/ItemID') or answer.say('Item/ItemID') or ''}-{row.say('TransactionID') or ''}"
        name = row.say("ContainingOrder/OrderID", "ContainingOrder/ExtendedOrderID", "ExtendedOrderID") or line
        found.setdefault(name, []).append(row)
    for order in (order for path in _SOLD for order in answer.all(f"{path}/Order")):
        if number := order.say("OrderID"):
            found.setdefault(number, []).extend(order.all("TransactionArray/Transaction"))
    return [{"orderId": name, **({SALES: _sold(rows, answer)} if rows else {})} for name, rows in found.items() if name != "-"]


def _sold(rows: list[Node], answer: Node) -> Json:
    """Return what an order's sales say of it."""
    first, shipped = rows[0], [row.say("ShippedTime") is not None for row in rows]
    place = next((found for row in rows if (found := row.first("Buyer/BuyerInfo/ShippingAddress")) is not None), None)
    price = first.first("TransactionPrice")
    return {
        "currency": price.attribute("currencyID") if price is not None else None,
        "lines": [
            {
                "sku": row.say("Variation/SKU", "Item/SKU") or answer.say("Item/SKU"),
                "quantity": row.say("QuantityPurchased"),
                "unit_price": row.say("TransactionPrice"),
            }
            for row in rows
        ],
        "creationDate": first.say("CreatedDate"),
        "paid": all(row.say("PaidTime") for row in rows),
        "fulfillment_status": "fulfilled" if all(shipped) else "partially_fulfilled" if any(shipped) else "unfulfilled",
        "country": None if place is None or place.say("Country") == "CustomCode" else place.say("Country"),
        "postal_code": place.say("PostalCode") if place is not None else None,
    }


def _amount(node: Node | None, times: int = 1) -> Json | None:
    value = decimal_at(node)
    if node is None or value is None:
        return None
    return {"value": str(value * times), "currency": node.attribute("currencyID")}


def _order(order: Node) -> Json:
    lines = [_line(row) for row in order.all("TransactionArray/Transaction")]
    state = order.say("OrderStatus") or ""
    cancelled = "CANCELED" if order.say("CancelStatus") in {"CancelComplete", "CancelClosedForCommitment"} else _CANCELLED.get(state)
    refunds = [_payment(row, "RefundAmount", "RefundTime", "refund") for row in order.all("MonetaryDetails/Refunds/Refund")]
    body: Json = {
        "orderId": order.say("OrderID"),
        "sellerId": order.say("SellerUserID"),
        "creationDate": order.say("CreatedTime"),
        "lastModifiedDate": order.say("CheckoutStatus/LastModifiedTime"),
        "orderFulfillmentStatus": "FULFILLED" if order.say("ShippedTime") else "NOT_STARTED",
        "orderPaymentStatus": _paid(order, refunds),
        "cancelStatus": {"cancelState": cancelled or "NONE_REQUESTED"},
        "buyer": {"username": order.say("BuyerUserID")},
        "buyerCheckoutNotes": order.say("BuyerCheckoutMessage"),
        "pricingSummary": {
            "priceSubtotal": _amount(order.first("Subtotal")),
            "deliveryCost": _amount(order.first("ShippingServiceSelected/ShippingServiceCost")),
            "tax": _amount(order.first("ShippingDetails/SalesTax/SalesTaxAmount")),
            "adjustment": _amount(order.first("AdjustmentAmount")),
            "total": _amount(order.first("Total")),
        },
        "paymentSummary": {
            "payments": [_payment(row, "PaymentAmount", "PaymentTime", "payment") for row in order.all("MonetaryDetails/Payments/Payment")],
            "refunds": refunds,
        },
        "fulfillmentStartInstructions": [_delivery(order)],
        "lineItems": lines,
    }
    return {**body, "trading": unread(order)}


def _paid(order: Node, refunds: list[Json]) -> str:
    if order.say("PaidTime") is None:
        return "PENDING"
    total, back = decimal_at(order.first("Total")), sum((Decimal(row["amount"]["value"]) for row in refunds if row["amount"]), Decimal(0))
    return "PAID" if not back else "FULLY_REFUNDED" if total is not None and back >= total else "PARTIALLY_REFUNDED"


def _payment(row: Node, amount: str, moment: str, kind: str) -> Json:
    done = (row.say("PaymentStatus", "RefundStatus") or "Succeeded") in {"Succeeded", "Successful", "Paid"}
    status: Any = ("REFUNDED" if done else "FAILED") if kind == "refund" else ("PAID" if done else "FAILED")
    return {
        f"{kind}Status": status,
        "amount": _amount(row.first(amount)),
        f"{kind}Date": row.say(moment),
        f"{kind}ReferenceId": row.say("ReferenceID"),
    }


def _line(row: Node) -> Json:
    count = row.say("QuantityPurchased") or ""
    times = int(count) if count.isdecimal() and len(count) < 10 else 0
    return {
        "lineItemId": row.say("OrderLineItemID") or f"{row.say('Item/ItemID') or ''}-{row.say('TransactionID') or ''}",
        "legacyItemId": row.say("Item/ItemID"),
        "sku": row.say("Variation/SKU", "Item/SKU"),
        "title": row.say("Variation/VariationTitle", "Item/Title"),
        "quantity": times or count,
        "lineItemCost": _amount(row.first("TransactionPrice"), times),
        "lineItemFulfillmentStatus": "FULFILLED" if row.say("ShippedTime") else "NOT_STARTED",
        "purchaseMarketplaceId": row.say("TransactionSiteID"),
        "ebayCollectAndRemitTaxes": [
            {"taxType": tax.say("Imposition", "TaxDescription"), "amount": _amount(tax.first("TaxAmount"))}
            for tax in row.all("eBayCollectAndRemitTaxes/TaxDetails")
        ],
    }


def _delivery(order: Node) -> Json:
    place = order.first("ShippingAddress")
    step: Json = {"shippingServiceCode": order.say("ShippingServiceSelected/ShippingService")}
    if place is not None:
        step["shipTo"] = {
            "fullName": place.say("Name"),
            "primaryPhone": {"phoneNumber": place.say("Phone")},
            "contactAddress": {
                "addressLine1": place.say("Street1"),
                "addressLine2": place.say("Street2"),
                "city": place.say("CityName"),
                "stateOrProvince": place.say("StateOrProvince"),
                "postalCode": place.say("PostalCode"),
                "countryCode": None if place.say("Country") == "CustomCode" else place.say("Country"),
            },
        }
    return {"fulfillmentInstructionsType": "SHIP_TO", "shippingStep": step}
