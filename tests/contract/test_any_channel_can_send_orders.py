"""The generic channel reads what its page promises, and says where a document is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, StatedPart, Unreadable
from normalizers.generic import LINE_COLUMNS, ORDER_COLUMNS
from schemas.failures import LimitExceeded, OrdermendError, UndecodableMessage, UnsafeDocument

PAGE = (Path(__file__).parents[2] / "docs" / "generic-format.md").read_text()


def normalised(body: bytes, headers: dict[str, str] | None = None) -> tuple[Result, ...]:
    return discover()["generic"].normalize((Document(body, headers or {}),))


def order_of(body: bytes, headers: dict[str, str] | None = None) -> StatedOrder:
    (found,) = normalised(body, headers)
    assert isinstance(found, StatedOrder)
    return found


def test_the_page_names_every_column() -> None:
    assert {name for name in (*ORDER_COLUMNS, *LINE_COLUMNS) if f"`{name}`" not in PAGE} == set()


def test_the_pages_example_is_read() -> None:
    example = re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    found = order_of(example[1].encode())
    assert ("A-1", 840, "accept") == (found.order.source.channel_order_id, found.order.totals.grand_total_minor, found.verdict)
    assert ["ROPE", "HOOK"] == [line.sku for line in found.order.lines]


SAME: dict[str, Any] = {
    "order_id": "007",
    "currency": "KWD",
    "placed_at": "2026-05-01T08:30:00Z",
    "ship_to": {"name": "A", "line1": "B", "city": "C", "postal_code": "01", "country": "KW"},
    "lines": [{"sku": "X", "quantity": "2.5", "unit_price": "1.23456"}, {"sku": "Y", "quantity": "1", "unit_price": "2"}],
    "totals": {"grand_total": "5.086"},
}
FLAT = (
    "order_id{0}currency{0}placed_at{0}ship_name{0}ship_line1{0}ship_city{0}ship_postal_code{0}ship_country{0}sku{0}quantity{0}unit_price{0}grand_total\r\n"
    "007{0}KWD{0}2026-05-01T08:30:00Z{0}A{0}B{0}C{0}01{0}KW{0}X{0}2.5{0}1.23456{0}5.086\r\n"
    '007{0}KWD{0}{0}{0}{0}{0}{0}{0}"Y"{0}1{0}2{0}\r\n'
)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_the_same_order_as_json_and_as_csv_is_the_same(mark: str, start: bytes) -> None:
    assert order_of(json.dumps(SAME).encode()).order == order_of(start + FLAT.format(mark).encode()).order


def test_the_header_names_the_account_before_the_field_does() -> None:
    body = json.dumps({**SAME, "account": "one"}).encode()
    assert ["one", "two"] == [order_of(body).order.source.account, order_of(body, {"account": "two"}).order.source.account]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"order_id": 9007199254740993}, StatedPart),
        ({"order_id": "A", "line_changes": [{"action": "cancel", "line_id": "1"}]}, StatedChange),
        ({"order_id": "A", "lines": []}, StatedOrder),
    ],
)
def test_what_an_object_says_decides_what_it_is(body: dict[str, Any], kind: type[Result]) -> None:
    (found,) = normalised(json.dumps(body).encode())
    assert isinstance(found, kind)


def test_an_id_keeps_every_digit() -> None:
    (found,) = normalised(b'{"order_id": 90071992547409931234}')
    assert isinstance(found, StatedPart)
    assert "90071992547409931234" == found.channel_order_id


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"event": "exploded"}, "/event"),
        ({"payment_status": "maybe"}, "/payment_status"),
        ({"lines": [{"sku": "X"}]}, "/lines/0/quantity"),
        ({"lines": [{"quantity": "1,5"}]}, "/lines/0/quantity"),
        ({"lines": [{"quantity": 1, "unit_price": "1,50"}]}, "/lines/0/unit_price"),
        ({"lines": [{"quantity": 1, "cancelled": "0.5"}]}, "/lines/0/cancelled"),
        ({"totals": {"grand_total": "lots"}}, "/totals/grand_total"),
        ({"payments": [{"amount": "1"}]}, "/payments/0/kind"),
        ({"line_changes": [{"line_id": "1"}]}, "/line_changes/0/action"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], path: str) -> None:
    found: tuple[Result, ...] | OrdermendError
    try:
        found = normalised(json.dumps({**SAME, **change}).encode())
    except OrdermendError as error:
        assert path == error.field  # noqa: PT017  # either outcome is right, and both name the field
        return
    assert isinstance(found[0], Unreadable)
    assert ("007", path) == (found[0].channel_order_id, found[0].findings[0].path)


def test_a_wrong_cell_is_named_by_its_row_and_leaves_the_other_orders_alone() -> None:
    first, second = normalised(b"order_id,quantity,sku\nA,1,X\nA,many,Y\nB,2,Z\n")
    assert isinstance(first, Unreadable)
    assert ("A", "/rows/2/quantity") == (first.channel_order_id, first.findings[0].path)
    assert isinstance(second, StatedOrder)


def test_rows_that_disagree_on_the_order_are_refused() -> None:
    (found,) = normalised(b"order_id,quantity,currency\nA,1,EUR\nA,1,USD\n")
    assert isinstance(found, Unreadable)
    assert ("/rows/1/currency", "same_in_every_row") == (found.findings[0].path, found.findings[0].rule)


@pytest.mark.parametrize(
    ("body", "error", "rule"),
    [
        (b"sku,quantity\nX,1\n", UndecodableMessage, "csv"),
        (b"hello", UndecodableMessage, "csv"),
        ("\u00a0".encode(), UndecodableMessage, "csv"),
        (b"order_id,quantity,sku,sku\nA,1,X,Y\n", UnsafeDocument, "duplicate_key"),
        (b"order_id,quantity\nA,1,2\n", UndecodableMessage, "csv"),
        (b'order_id,quantity\n"A,1\n', UndecodableMessage, "csv"),
        (b"order_id,quantity\nA,\0\n", UnsafeDocument, "nul"),
        (b"order_id,quantity\n\xff,1\n", UndecodableMessage, "utf8"),
        (b"order_id,quantity\n" + b"A,1\n" * 100_001, LimitExceeded, "max_rows"),
        (b"order_id,quantity\n" + b"\n" * 4_000_000, LimitExceeded, "max_rows"),
        (b"order_id,quantity\n" + b"x" * 200_000, UndecodableMessage, "csv"),
    ],
)
def test_what_is_no_csv_of_orders_is_refused(body: bytes, error: type[OrdermendError], rule: str) -> None:
    with pytest.raises(error) as caught:
        normalised(body)
    assert rule == caught.value.rule
    assert caught.value.field


def test_an_order_of_too_many_rows_is_refused() -> None:
    (found,) = normalised(b"order_id,quantity\n" + b"A,1\n" * 5_001)
    assert isinstance(found, Unreadable)
    assert ("A", "LIMIT", "max_rows") == (found.channel_order_id, found.error_class, found.findings[0].rule)
