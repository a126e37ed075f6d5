"""The given function: what the bare loop and our loop both do to a message, so that only the loops differ.

It reads a Shopify order with orjson and writes a small Avro record (about 170 bytes); no checks, no models. Where the
peers' folder is at hand, its function is used instead, so that the bare loop is exactly theirs.
"""

import importlib
import io
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import orjson

Function = Callable[[bytes], bytes]

_LINE_FIELDS = [("line_id", "string"), ("sku", "string"), ("quantity", "int"), ("unit_minor", "long"), ("tax_minor", "long")]
_OPTIONAL = ["null", "string"]
_FIELDS: list[tuple[str, Any]] = [
    ("order_id", "string"),
    ("channel", "string"),
    ("currency", "string"),
    ("placed_at", "string"),
    ("email", _OPTIONAL),
    (
        "lines",
        {
            "type": "array",
            "items": {"type": "record", "name": "Line", "fields": [{"name": name, "type": kind} for name, kind in _LINE_FIELDS]},
        },
    ),
    ("name", "string"),
    ("street", "string"),
    ("city", "string"),
    ("region", _OPTIONAL),
    ("postal_code", "string"),
    ("country", "string"),
    ("total_minor", "long"),
]
_SCHEMA = fastavro.parse_schema(
    {"type": "record", "name": "Order", "namespace": "bench", "fields": [{"name": name, "type": kind} for name, kind in _FIELDS]}
)


def given(peers: Path | None) -> Function:
    """Return the function: the peers' where their folder is named, else our own."""
    if peers is None:
        return small_order
    sys.path.insert(0, str(peers))
    found: Function = importlib.import_module("common").normalize
    return found


def small_order(raw: bytes) -> bytes:
    """Return the few fields of a Shopify order that the small record has."""
    order = orjson.loads(raw)
    address = order["shipping_address"]
    lines = [
        {
            "line_id": str(line["id"]),
            "sku": line["sku"],
            "quantity": line["quantity"],
            "unit_minor": _minor(line["price"]),
            "tax_minor": sum(_minor(tax["price"]) for tax in line["tax_lines"]),
        }
        for line in order["line_items"]
    ]
    record = {
        "order_id": f"shopify:{order['id']}",
        "channel": "shopify",
        "currency": order["currency"],
        "placed_at": order["created_at"],
        "email": order.get("email"),
        "lines": lines,
        "name": address["name"],
        "street": address["address1"],
        "city": address["city"],
        "region": address["province"],
        "postal_code": address["zip"],
        "country": address["country_code"],
        "total_minor": _minor(order["total_price"]),
    }
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, _SCHEMA, record)
    return buffer.getvalue()


def _minor(text: str) -> int:
    return int(Decimal(text).scaleb(2).to_integral_value())
