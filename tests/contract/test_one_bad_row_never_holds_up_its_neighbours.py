"""A list of orders in which a key stands twice: the row that has it is refused by its pointer, the others are taken."""

import json

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder, Unreadable
from schemas.failures import UnsafeDocument

EDI = {"cxml", "edifact", "ubl", "x12"}
GOOD = '{"id": %d, "status": "processing", "currency": "EUR", "total": "4.00", "line_items": [{"id": 1, "quantity": 1, "subtotal": "4.00", "total": "4.00"}]}'
BAD = '{"id": 2, "status": "processing", "currency": "EUR", "total": "9.00", "total": "1.00", "line_items": []}'
DEEP = '{"id": 3, "line_items": [{"id": 1, "sku": "A", "sku": "B"}]}'


@pytest.mark.parametrize(("bad", "where"), [(BAD, "/1/total"), (DEEP, "/1/line_items/0/sku")])
@pytest.mark.parametrize("wrapping", ["%s", '{"orders": %s}'])
def test_the_row_is_refused_and_its_neighbours_are_taken(bad: str, where: str, wrapping: str) -> None:
    body = wrapping % f"[{GOOD % 1}, {bad}, {GOOD % 4}]"
    first, refused, last = discover()["woocommerce"].normalize((Document(body.encode()),))
    assert isinstance(first, StatedOrder)
    assert isinstance(last, StatedOrder)
    assert ["1", "4"] == [first.order.source.channel_order_id, last.order.source.channel_order_id]
    assert isinstance(refused, Unreadable)
    assert ("dead_letter", "duplicate_key") == (refused.verdict, refused.findings[0].rule)
    assert refused.findings[0].path.endswith(where)


@pytest.mark.parametrize(
    "body", [BAD, f"[{BAD}]", f"[{GOOD % 1}, {BAD}]}}", f'{{"orders": [{GOOD % 1}, {GOOD % 4}], "orders": [{GOOD % 1}, {GOOD % 4}]}}']
)
def test_what_has_no_neighbours_or_is_broken_around_them_is_refused_whole(body: str) -> None:
    with pytest.raises(UnsafeDocument) as caught:
        discover()["woocommerce"].normalize((Document(body.encode()),))
    assert "duplicate_key" == caught.value.rule


def test_the_pointer_is_that_of_the_wrapping() -> None:
    body = json.dumps({"headers": {"topic": "x"}, "body": "BODY"}).replace('"BODY"', f"[{GOOD % 1}, {BAD}]")
    _, refused = discover()["woocommerce"].normalize((Document(body.encode()),))
    assert isinstance(refused, Unreadable)
    assert "/body/1/total" == refused.findings[0].path


@pytest.mark.parametrize("channel", sorted(set(discover()) - EDI))
def test_every_channel_that_lists_orders_in_json_isolates_the_row(channel: str) -> None:
    first, second = discover()[channel].normalize((Document(b'[{"zz": 1, "zz": 2}, {"zz": 3}]'),))
    assert isinstance(first, Unreadable)
    assert ("duplicate_key", "/0/zz") == (first.findings[0].rule, first.findings[0].path)
    assert isinstance(second, Unreadable)
    assert "duplicate_key" != second.findings[0].rule
