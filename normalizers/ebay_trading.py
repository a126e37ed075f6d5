"""An eBay Trading API answer (XML) -> the same orders in the shape of the Sell Fulfillment API.

Input:   `GetOrdersResponse` (also `GetOrderTransactionsResponse`), alone or in the SOAP envelope of a platform notification.
Output:  plain objects that `normalizers.ebay` reads. A transaction's price is for one unit, so the row's cost is worked out here.
Loses:   nothing; elements that have no place stay under `trading`, by their paths.
Fails:   NormalizationFailed with the element's path: nothing in it names an order.
Source:  developer.ebay.com, Trading API: GetOrders (OrderType, TransactionType, CheckoutStatusType, PaymentsInformationType),
         Platform Notifications; read 2026-11-28. An OrderLineItemID is the item's and the transaction's ids; `CustomCode` is no country.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from normalizers.channel import Document
from normalizers.wire import Json, fail, json_text
from normalizers.xml_tree import Node, read_document, unread
from normalizers.xml_values import decimal_at

_CANCELLED: Mapping[str, str] = {"Cancelled": "CANCELED", "CancelPending": "IN_PROGRESS"}


def as_fulfillment(document: Document) -> Document:
    """Return an XML document's orders as JSON; a document that is no XML as it is."""
    if not document.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return document
    root, headers = read_document(document)
    answers = [node for body in root.all("Body") for node in body.children or ()] or [root]
    orders = [order for answer in answers for order in (*answer.all("OrderArray/Order"), *answer.all("Order"))]
    found = [_order(order) for order in orders] or [row for answer in answers for row in _named(answer)]
    if not found:
        fail(*root.place, "names_an_order", root.name, f"{root.path} has no order in it")
    return Document(json_text({"orders": found}).encode(), headers)


def _named(answer: Node) -> list[Json]:
    """Return the orders that sales name without stating them."""
    rows = answer.all("TransactionArray/Transaction")
    names = [name for row in rows if (name := row.say("ContainingOrder/OrderID", "ContainingOrder/ExtendedOrderID", "OrderLineItemID"))]
    return [{"orderId": name} for name in dict.fromkeys(names)]


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
