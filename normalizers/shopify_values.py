"""Shopify's ids, rows and lists of texts, as every part of the mapping reads them.

Keeps:   the digits of an id: the global id has those that a JSON number may have lost on its way.
Source:  shopify.dev Admin REST API 2025-01, resource Order; read 2026-11-23.
"""

from dataclasses import dataclass
from decimal import Decimal

from normalizers.wire import (
    Json,
    child,
    rows,
    text,
    truth,
)

NAME = "shopify"


def exact_id(row: Json) -> str | None:
    """Return the id; the global id keeps digits that a JSON number may have lost on its way."""
    gid = row.get("admin_graphql_api_id")
    if isinstance(gid, str):
        tail = gid.rpartition("/")[2].partition("?")[0]
        if tail.isdecimal():
            return tail
    return id_of(row, "id") or text(row, "uuid") or text(row, "key")


def id_of(row: Json, key: str) -> str | None:
    """Return a number's digits, or a text."""
    value = row.get(key)
    if isinstance(value, Decimal):
        return str(int(value)) if value == int(value) else str(value)
    return str(value) if type(value) is int else text(row, key)


@dataclass(frozen=True, slots=True)
class Rows:
    """An order's lines and shipping lines with their pointers, looked up once."""

    items: list[tuple[str, Json]]
    shipping: list[tuple[str, Json]]
    included: bool


def rows_of(body: Json, at: str) -> Rows:
    """Look up an order's lines and those of its shipping lines that were not removed."""
    items = [(f"{at}/line_items/{index}", row) for index, row in enumerate(rows(body, "line_items", at))]
    shipping = [
        (f"{at}/shipping_lines/{index}", row) for index, row in enumerate(rows(body, "shipping_lines", at)) if not truth(row, "is_removed")
    ]
    if "shipping_line" in body and (single := child(body, "shipping_line", at)):
        shipping.append((f"{at}/shipping_line", single))
    return Rows(items, shipping, included=body.get("taxes_included") is True)


def texts_of(body: Json, key: str) -> list[str]:
    """Return the texts of a list."""
    value = body.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
