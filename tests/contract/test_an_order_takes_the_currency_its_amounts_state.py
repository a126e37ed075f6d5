"""An answer that lacks the field which says the order's currency: what its amounts say is what the order is in."""

import json
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
CASES = [
    ("commercetools", "several_places", ["totalPrice"], "JPY"),
    ("square", "shipped", ["orders", 0, "total_money"], "CAD"),
    ("squarespace", "list", ["result", 0, "grandTotal"], None),
    ("amazon", "tip_2026", ["order", "proceeds", "grandTotal"], "USD"),
    ("amazon", "vendor", ["payload", "orders", 1, "orderDetails", "items", 0, "netPrice", "currencyCode"], None),
]


def without(value: Any, path: list[Any]) -> str:
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return json.dumps(value)


@pytest.mark.parametrize(("channel", "case", "path", "currency"), CASES)
def test_the_currency_is_told_from_the_amounts(channel: str, case: str, path: list[Any], currency: str | None) -> None:
    raw = (ROOT / channel / f"{case}.raw.json").read_text()
    read = [row for row in discover()[channel].normalize((Document(raw.encode()),)) if isinstance(row, StatedOrder)]
    found = [
        row for row in discover()[channel].normalize((Document(without(json.loads(raw), path).encode()),)) if isinstance(row, StatedOrder)
    ]
    assert [row.order.currency for row in read] == [row.order.currency for row in found]
    assert currency in {None, *(row.order.currency for row in found)}
