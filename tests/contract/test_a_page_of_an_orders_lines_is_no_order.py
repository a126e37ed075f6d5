"""An order whose lines go on on another page is not taken for the whole: it is fetched, and nothing of it is stored as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder, StatedPart

GRAPHQL = Path(__file__).parents[1] / "fixtures" / "channels" / "shopify" / "graphql.raw.json"


def with_page(has_next: Any) -> Document:
    document = json.loads(GRAPHQL.read_bytes())
    document["data"]["order"]["lineItems"]["pageInfo"] = {"hasNextPage": has_next, "endCursor": "abc"}
    return Document(json.dumps(document).encode())


def test_a_page_of_an_orders_lines_is_fetched_whole() -> None:
    (part,) = discover()["shopify"].normalize((with_page(True),))
    assert isinstance(part, StatedPart)
    assert ("incomplete", ("items",)) == (part.verdict, part.missing)


@pytest.mark.parametrize("said", [False, None, "true", {}])
def test_the_last_page_is_the_order(said: Any) -> None:
    (order,) = discover()["shopify"].normalize((with_page(said),))
    assert isinstance(order, StatedOrder)
