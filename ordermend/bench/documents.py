"""Compact Shopify orders for the bench: orders/create in the documented shape, about 1.7 KB, three lines each.

Output:    JSON bytes; document `number` is the same bytes in every run. Every sum adds up, so that nothing is rounded,
           held or warned about. All of it is invented (RFC 2606 mail addresses, Ofcom's numbers for fiction).
Source:    shopify.dev, Admin REST Order resource, 2025-10, read 2026-11-23.
"""

import random
from typing import Any

import orjson

from ordermend.local.traffic.basket import tax_on

CHANNEL = "shopify"
LINES = 3
RATE_BP = 2000
"""British VAT, inside the price."""

_TITLES = ("Stoneware Mug, Midnight Blue", "Wool Blanket Haldane", "Gel Pens, 3 pcs", "Bath Towels, Set of 2", "Felt Desk Mat, large")
_FIRST, _LAST = ("Imogen", "Callum", "Rafe", "Alistair"), ("Thistlewood", "Oakhanger", "Penhallow", "Fennimore")


def document(number: int, lines: int = LINES) -> tuple[bytes, bytes]:
    """Return record key and body of order `number`."""
    rng = random.Random(number)  # noqa: S311 - invented data
    order_id = 5_480_113_000_000 + number
    return str(order_id).encode(), orjson.dumps(_order(rng, number, order_id, lines))


def _order(rng: random.Random, number: int, order_id: int, lines: int) -> dict[str, Any]:
    rows = [(rng.randrange(100, 9_999), rng.randrange(1, 5)) for _ in range(lines)]
    taxes = [tax_on(unit * quantity, RATE_BP, included=True) for unit, quantity in rows]
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    email = f"{first}.{last}{number % 97}@example.com".lower()
    address = _address(rng, first, last)
    total = _amount(sum(unit * quantity for unit, quantity in rows))
    return {
        "id": order_id,
        "name": f"#{1001 + number}",
        "email": email,
        "currency": "GBP",
        "created_at": "2026-11-01T10:00:00+00:00",
        "updated_at": "2026-11-01T10:00:00+00:00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "total_price": total,
        "subtotal_price": total,
        "total_tax": _amount(sum(taxes)),
        "taxes_included": True,
        "tags": "",
        "line_items": [_line(rng, order_id, place, *row, tax) for place, (row, tax) in enumerate(zip(rows, taxes, strict=True))],
        "shipping_address": address,
        "billing_address": address,
        "shipping_lines": [],
        "discount_codes": [],
        "note_attributes": [],
        "customer": {"id": order_id + 1_900_000_000_000, "email": email, "first_name": first, "last_name": last},
    }


def _line(rng: random.Random, order_id: int, place: int, unit: int, quantity: int, tax: int) -> dict[str, Any]:
    return {
        "id": order_id * 4 + place,
        "sku": f"SKU-{rng.randrange(10_000):04d}",
        "quantity": quantity,
        "price": _amount(unit),
        "title": rng.choice(_TITLES),
        "grams": 300,
        "tax_lines": [{"rate": 0.2, "price": _amount(tax), "title": "VAT"}],
        "properties": [],
        "discount_allocations": [],
        "fulfillment_status": None,
        "vendor": "acme",
    }


def _address(rng: random.Random, first: str, last: str) -> dict[str, Any]:
    return {
        "name": f"{first} {last}",
        "address1": f"{rng.randrange(1, 200)} Larkspur Lane",
        "address2": None,
        "city": "Netherwick",
        "province": None,
        "zip": f"LS{rng.randrange(1, 10)} {rng.randrange(10)}GU",
        "country_code": "GB",
        "phone": f"+44 20 7946 0{rng.randrange(1000):03d}",
    }


def _amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
