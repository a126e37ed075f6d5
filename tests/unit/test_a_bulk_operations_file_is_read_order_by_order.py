"""A file of many orders, one object a line: rows come back to their orders, and a line that cannot be read takes no other with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder, StatedPart, Unreadable
from normalizers.shopify_bulk import MAX_LEVELS, bulk_messages
from schemas.failures import LimitExceeded, OrdermendError


def order(number: int, **more: Any) -> dict[str, Any]:
    money = {"shopMoney": {"amount": "4.00", "currencyCode": "EUR"}}
    return {"id": f"gid://shopify/Order/{number}", "name": f"#{number}", "totalPriceSet": money, "subtotalPriceSet": money, **more}


def row(kind: str, number: int, parent: str, **more: Any) -> dict[str, Any]:
    return {"id": f"gid://shopify/{kind}/{number}", "__parentId": f"gid://shopify/{parent}", **more}


def line(number: int, of: int) -> dict[str, Any]:
    return row(
        "LineItem",
        number,
        f"Order/{of}",
        sku="A",
        quantity=1,
        originalUnitPriceSet={"shopMoney": {"amount": "4.00", "currencyCode": "EUR"}},
    )


def read(*lines: dict[str, Any] | str, ending: str = "\n") -> tuple[Result, ...]:
    body = ending.join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return discover()["shopify"].normalize((Document(body.encode()),))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_rows_come_back_to_their_orders(ending: str) -> None:
    first, second = read(order(1), line(11, 1), order(2), line(21, 2), line(12, 1), ending=ending)
    assert isinstance(first, StatedOrder)
    assert isinstance(second, StatedOrder)
    assert [["L11", "L12"], ["L21"]] == [[each.line_id for each in result.order.lines] for result in (first, second)]


def test_what_nobody_knows_is_kept_and_rows_of_rows_are_put_into_them() -> None:
    (stated,) = read(order(1), line(11, 1), row("Attribution", 5, "LineItem/11", note="deep"), row("Metafield", 6, "Order/1", value="x"))
    assert isinstance(stated, StatedOrder)
    kept = " ".join(stated.order.extensions.values())
    assert "deep" in kept
    assert '"x"' in kept


def test_a_line_that_cannot_be_read_takes_no_other_with_it() -> None:
    first, broken, twice, last = read(order(1), line(11, 1), '{"id": nothing}', '{"id":"a","id":"b"}', order(2), line(21, 2))
    assert (StatedOrder, Unreadable, Unreadable, StatedOrder) == (type(first), type(broken), type(twice), type(last))


def test_rows_whose_order_is_elsewhere_name_it() -> None:
    _, named = read(order(1), line(11, 1), line(91, 9), line(92, 9))
    assert isinstance(named, StatedPart)
    assert ("9", ("order",)) == (named.channel_order_id, named.missing)


def test_rows_stand_no_deeper_than_is_read_and_never_in_themselves() -> None:
    chain = [row("Node", number + 1, f"Node/{number}") for number in range(MAX_LEVELS + 3)]
    results = read(order(1, id="gid://shopify/Node/0"), *chain)
    assert "max_depth" in {finding.rule for result in results for finding in result.findings}
    read(row("Order", 1, "Order/1"), row("Order", 1, "Order/1"))
    read(order(1, lineItems="none"), line(11, 1))


@pytest.mark.parametrize("body", [b'{"a": 1}', b'[{"a":1},\n{"a":2}]', b'{"a":"}\\n{"}', b'{\n"a":{\n}\n}'])
def test_what_is_one_document_is_read_as_one(body: bytes) -> None:
    assert bulk_messages(Document(body)) is None


def test_a_file_has_so_many_lines_and_no_more() -> None:
    with pytest.raises(LimitExceeded):
        bulk_messages(Document(b"{}\n" * 5_001))
    with pytest.raises(OrdermendError):
        read("{" * 70, "}")


FILE = "\n".join(
    json.dumps(one) for one in (order(1), line(11, 1), row("Metafield", 6, "LineItem/11", value="x"), order(2), line(21, 2))
).encode()


@given(st.lists(st.tuples(st.integers(0, len(FILE) - 1), st.binary(max_size=6), st.integers(0, 9)), max_size=5))
def test_a_damaged_file_is_read_or_refused(damage: list[tuple[int, bytes, int]]) -> None:
    body = FILE
    for at, put, cut in damage:
        body = body[:at] + put + body[at + cut :]
    try:
        results = discover()["shopify"].normalize((Document(body),))
    except OrdermendError:
        return
    assert results
