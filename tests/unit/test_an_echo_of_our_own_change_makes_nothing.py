"""A channel restates an order after we told it of an edit of ours: what it sends back is no second change."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from modification_processor.restatement import restate
from modification_processor.totals import recalculate
from schemas.money import UnitPrice
from schemas.order import Order, OrderLine
from tests.line import order_in, shopify_order

AT = datetime(2026, 11, 2, tzinfo=UTC)
PRICES = {"SKU-A": "10.00", "SKU-B": "5.50", "SKU-C": "3.00"}


def placed(a: int, b: int) -> Order:
    return order_in(shopify_order(1, lines=(("SKU-A", a, "10.00"), ("SKU-B", b, "5.50"))))


def edited(order: Order, a: int, added: int) -> Order:
    lines = (order.lines[0].with_(ordered=a), *order.lines[1:])
    if added:
        lines += (
            OrderLine(
                line_id="T0-0",
                position=3,
                sku="SKU-C",
                name="Thing",
                unit_price=UnitPrice.parse("3.00"),
                price_source="catalog",
                ordered=added,
            ),
        )
    return recalculate(order.with_(lines=lines))


def restated(a: int, b: int, c: int) -> Order:
    rows = [("SKU-A", a, "10.00"), ("SKU-B", b, "5.50")] + ([("SKU-C", c, "3.00")] if c else [])
    return order_in(shopify_order(1, lines=rows, updated="2026-11-02T10:00:00Z"))


@given(a=st.integers(1, 9), b=st.integers(1, 9), more=st.integers(1, 9), added=st.integers(0, 9))
def test_an_edit_that_comes_back_is_no_change(a: int, b: int, more: int, added: int) -> None:
    before = placed(a, b)
    book = edited(before, more, added)
    found = restate(book, before, restated(more, b, added), "m", AT)
    assert found.work_items == ()
    assert [(row.line_id, row.sku, row.open, row.gross_minor) for row in found.order.lines] == [
        (row.line_id, row.sku, row.open, row.gross_minor) for row in book.lines
    ], "no line twice, none changed"
    assert found.order.totals == book.totals


def test_a_line_that_came_back_is_known_by_the_channels_id() -> None:
    before, again = placed(2, 1), restated(2, 1, 4)
    known = restate(edited(before, 2, 4), before, again, "m", AT).order
    assert known.lines[2].line_id == "T0-0"
    assert known.lines[2].channel_line_id == "103"
    quiet = restate(known, again, again.with_(note="ring"), "m2", AT)
    assert quiet.order.lines == known.lines
    fewer = restate(known, again, restated(2, 1, 1), "m3", AT)
    assert len(fewer.order.lines) == 3
    assert fewer.work_items, "a line of ours that the channel changes is a person's to decide, never lost"


@given(a=st.integers(1, 9), theirs=st.integers(1, 9), ours=st.integers(1, 9))
def test_another_value_of_the_channels_is_a_clash(a: int, theirs: int, ours: int) -> None:
    before = placed(a, 1)
    found = restate(edited(before, ours, 0), before, restated(theirs, 1, 0), "m", AT)
    expected = ours if theirs in (a, ours) else theirs if ours == a else ours
    assert found.order.lines[0].open == expected
    assert bool(found.work_items) == (theirs not in (a, ours) and ours != a)
