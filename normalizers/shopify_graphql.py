"""A Shopify order as the GraphQL Admin API gives it -> the same order under the names of the REST resource.

Input:   an `Order` or `DraftOrder` object: camelCase names, amounts as `MoneyBag`, lists as connections (`edges` or `nodes`).
Output:  a new object that `normalizers.shopify` reads; every field is still there, under its snake_case name.
Keeps:   amounts as the texts they are; a `MoneyBag` stays beside the amount in the shop's currency that is read out of it.
Source:  shopify.dev GraphQL Admin API 2025-01, objects Order, DraftOrder, LineItem, ShippingLine, MoneyBag, enums
         OrderDisplayFinancialStatus and OrderDisplayFulfillmentStatus; read 2026-11-28.
"""

import re
from collections.abc import Mapping
from typing import Any

from normalizers.amounts import currency_within
from normalizers.wire import Json

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMES: Mapping[str, str] = {
    "currencyCode": "currency",
    "displayFinancialStatus": "financial_status",
    "displayFulfillmentStatus": "fulfillment_status",
    "countryCodeV2": "country_code",
    "id": "admin_graphql_api_id",
    "invoiceUrl": "invoice_url",
}
_AMOUNTS: Mapping[str, str] = {
    "originalUnitPriceSet": "price",
    "originalPriceSet": "price",
    "priceSet": "price",
    "allocatedAmountSet": "amount",
    "amountSet": "amount",
    "appliedDiscountAmountSet": "amount",
    "subtotalPriceSet": "subtotal_price",
    "totalPriceSet": "total_price",
    "totalTaxSet": "total_tax",
    "totalDiscountsSet": "total_discounts",
    "totalDiscountSet": "total_discount",
    "totalTipReceivedSet": "total_tip_received",
    "totalOutstandingSet": "total_outstanding",
    "currentSubtotalPriceSet": "current_subtotal_price",
    "currentTotalPriceSet": "current_total_price",
    "currentTotalTaxSet": "current_total_tax",
    "currentTotalDiscountsSet": "current_total_discounts",
}
_WORDS = frozenset({"financial_status", "fulfillment_status", "kind", "status", "restock_type"})
_STATES: Mapping[str, str] = {
    "partially_fulfilled": "partial",
    "in_progress": "unfulfilled",
    "on_hold": "unfulfilled",
    "open": "unfulfilled",
    "pending_fulfillment": "unfulfilled",
    "request_declined": "unfulfilled",
    "scheduled": "unfulfilled",
}

_PAGING = "cursor"
"""What an edge says of asking for the next page, and nothing of the order."""


def is_graphql(body: Json) -> bool:
    """Say whether the object is one of GraphQL's: its id is a global one, or its lists are connections."""
    gid = body.get("id")
    return "lineItems" in body or (isinstance(gid, str) and gid.startswith("gid://shopify/"))


def as_rest(body: Json) -> Json:
    """Return the object under the REST resource's names."""
    order = _object(body)
    if order.get("currency") is None:  # asked for the amounts only, which are in the shop's currency
        order["currency"] = currency_within({key: value for key, value in body.items() if key == "totalPriceSet"}, "currencyCode")
    if isinstance(state := order.get("fulfillment_status"), str):
        order["fulfillment_status"] = _STATES.get(state, state)
    _number_applications(order)
    return order


def has_more_lines(body: Json) -> bool:
    """Say whether an order, under REST's names, goes on: this is a page of its lines, and its connection names a next one."""
    connection = body.get("line_items_connection")
    page = connection.get("pageInfo") if isinstance(connection, dict) else None
    return isinstance(page, dict) and page.get("has_next_page") is True


def _object(row: Json) -> Json:
    found: Json = {}
    for key, value in row.items():
        if key in _AMOUNTS and isinstance(value, dict):
            _named(found, _AMOUNTS[key], _shop_amount(value))
        if key == "discountedUnitPriceSet" and "originalUnitPriceSet" not in row and isinstance(value, dict):
            _named(found, "price", _shop_amount(value))
        name = _NAMES.get(key) or _HUMP.sub("_", key).lower()
        plain = _plain(value)
        if name in _WORDS and isinstance(plain, str):
            plain = plain.lower()
        found[name if name not in found else f"{name}_again"] = plain  # what is said twice may be said otherwise
        if beside := _beside(value):
            found[f"{name}_connection"] = beside
    return _line_named(found)


def _named(row: Json, name: str, value: Any) -> None:
    """Put a value under a name of REST's; what says something else under that name already is kept beside it."""
    if row.get(name, value) != value:
        row[f"{name}_again"] = row[name]
    row[name] = value


def _shop_amount(bag: Json) -> Any:
    money = bag.get("shopMoney")
    return money.get("amount") if isinstance(money, dict) else None


def _rows_under(value: Any) -> str | None:
    """Return the key that a connection's rows are read from; None where the value is no connection."""
    return next((key for key in ("nodes", "edges") if isinstance(value, dict) and isinstance(value.get(key), list)), None)


def _beside(value: Any) -> Json:
    """Return what a connection says beside the rows that are read: also whether they are all there are (`pageInfo`)."""
    rows_under = _rows_under(value)
    return {} if rows_under is None else {key: _plain(item) for key, item in value.items() if key != rows_under}


def _edge(edge: Any) -> Any:
    """Return an edge's node, with what else the edge says in it."""
    if not isinstance(edge, dict):
        return _plain(edge)
    node = edge.get("node")
    if not isinstance(node, dict):
        return _plain(node)
    beside = {f"{key}_of_edge" if key in node else key: item for key, item in edge.items() if key not in {"node", _PAGING}}
    return _plain({**beside, **node})


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    rows_under = _rows_under(value)
    if rows_under is None:
        return _object(value)
    return [_edge(row) if rows_under == "edges" else _plain(row) for row in value[rows_under]]


def _line_named(row: Json) -> Json:
    """Give a row of a fulfilment or a refund the id of the line it is about, as REST does."""
    line = row.get("line_item")
    if isinstance(line, dict) and isinstance(gid := line.get("admin_graphql_api_id"), str):
        _named(row, "line_item_id", gid.rpartition("/")[2])
        _named(row, "admin_graphql_api_id", gid)
    if "fulfillment_line_items" in row:
        _named(row, "line_items", row.pop("fulfillment_line_items"))
    return row


def _number_applications(order: Json) -> None:
    """Give each allocation the number of its discount: GraphQL writes the discount itself beside the amount."""
    applications: list[Any] = []
    for key in ("line_items", "shipping_lines"):
        for part in [part for row in _objects(order, key) for part in _objects(row, "discount_allocations")]:
            application = part.pop("discount_application", None)
            if application not in applications:
                applications.append(application)
            _named(part, "discount_application_index", applications.index(application))
    if applications:
        _named(order, "discount_applications", [_application(one) for one in applications])


def _objects(row: Json, key: str) -> list[Json]:
    value = row.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _application(row: Any) -> Json:
    found = dict(row) if isinstance(row, dict) else {}
    if "code" in found:
        found.setdefault("type", "discount_code")
    return found
