"""The channel restates its discounts, shipping and taxes after an edit of ours: each row is taken over by itself, and ours stay."""

from datetime import UTC, datetime

import pytest

from modification_processor.field_locks import evaluate
from modification_processor.operations.operation import Touch
from modification_processor.restatement import restate
from modification_processor.totals import recalculate, totals_of
from schemas.order import Adjustment, Allocation, Basis, Hold, Order, TaxRow
from tests.line import order_in, shopify_order
from tests.unit.strategies import perform

AT = datetime(2026, 11, 2, tzinfo=UTC)


def placed() -> Order:
    """Two lines under a discount of the channel's, with shipping and a tax on it."""
    order = order_in(shopify_order(1))
    shares = tuple(
        Allocation(line_id=line.line_id, amount_minor=100, basis=Basis(input=line.ordered, amount_minor=100)) for line in order.lines
    )
    return recalculate(
        order.with_(
            adjustments=(
                Adjustment(adjustment_id="D1", position=1, kind="discount", code="WELCOME", amount_minor=200, allocations=shares),
                Adjustment(adjustment_id="S1", position=2, kind="shipping", amount_minor=500),
            ),
            taxes=(TaxRow(tax_id="X1", position=1, adjustment_id="S1", rate="0.2", amount_minor=100),),
        )
    )


def rows(order: Order) -> dict[str, int]:
    return {row.adjustment_id: row.amount_minor for row in order.adjustments}


def with_rows(order: Order, *, without: str = "", **amounts: int) -> Order:
    """Return the order as the channel states it next: other amounts, one row less."""
    changed = tuple(
        row.with_(amount_minor=amounts.get(row.adjustment_id, row.amount_minor))
        for row in order.adjustments
        if row.adjustment_id != without
    )
    found: Order = order.with_(adjustments=changed)
    return found


def promoted() -> Order:
    """The book after an agent has given the order a promotion."""
    return perform(placed(), "apply_promotion", {"code": "TENOFF"})


def test_a_change_of_shipping_is_taken_over_beside_a_promotion_of_ours() -> None:
    book = promoted()
    found = restate(book, placed(), with_rows(placed(), S1=700), "m", AT)
    assert () == found.work_items
    assert rows(book) | {"S1": 700} == rows(found.order)
    assert [140] == [row.amount_minor for row in found.order.taxes]
    assert totals_of(found.order) == found.order.totals


def test_rows_come_and_go_with_the_channel_and_ours_stays() -> None:
    gift = Adjustment(adjustment_id="F9", position=9, kind="fee", label="Gift wrap", amount_minor=300)
    now = with_rows(placed(), without="D1")
    found = restate(promoted(), placed(), now.with_(adjustments=(*now.adjustments, gift)), "m", AT)
    assert () == found.work_items
    # The promotion had been cut beside the channel's discount, and is pinned.
    assert {"S1": 500, "F9": 300, "T7d1c2b3a-0": rows(promoted())["T7d1c2b3a-0"]} == rows(found.order)


def test_a_row_that_an_agent_removed_and_the_channel_changed_is_a_clash_of_that_row_alone() -> None:
    book = perform(placed(), "remove_promotion", {"adjustment_id": "D1"})
    found = restate(book, placed(), with_rows(placed(), D1=150, S1=700), "m", AT)
    assert {"S1": 700} == rows(found.order)
    (item,) = found.work_items
    assert "/adjustments/D1" in item.detail
    assert "S1" not in item.detail


def test_what_the_channel_left_alone_is_no_clash_though_our_edit_moved_it() -> None:
    """Fewer units took a part of the discount's share along; the channel changes the shipping and repeats its old discount."""
    first = placed().lines[0].line_id
    book = perform(placed(), "change_quantity", {"line_id": first, "quantity": 1})
    found = restate(book, placed(), with_rows(placed(), S1=700), "m", AT)
    assert () == found.work_items
    assert {"D1": 150, "S1": 700} == rows(found.order)


def test_rows_on_lines_wait_where_the_lines_clash_and_those_beside_them_do_not() -> None:
    first = placed().lines[0]
    book = perform(placed(), "change_quantity", {"line_id": first.line_id, "quantity": 5})
    now = with_rows(placed(), D1=100, S1=700)
    now = recalculate(now.with_(lines=(first.with_(ordered=9, gross_basis=None), *now.lines[1:])))
    found = restate(book, placed(), now, "m", AT)
    assert 700 == rows(found.order)["S1"]
    assert {f"/lines/{first.line_id}", "/adjustments/D1"} <= set(found.work_items[0].detail.replace(",", "").split())


@pytest.mark.parametrize(
    ("kind", "by_channel", "mode"),
    [
        ("channel", True, "editable"),
        ("channel", False, "locked"),
        ("fulfilment_conflict", True, "locked"),
        ("fulfilment_conflict", False, "locked"),
    ],
)
def test_a_hold_for_one_change_of_the_channels_does_not_hold_up_its_next(kind: str, by_channel: bool, mode: str) -> None:
    held = placed().with_(lifecycle="confirmed", holds=(Hold(hold_id="H1", kind=kind),))
    touch = Touch("quantity_up", "/lines/L101/ordered", "L101")
    assert mode == evaluate(held, touch, frozenset({"Order_Modify"}), None, by_channel=by_channel).mode


def test_of_two_changes_of_the_channels_the_one_that_clashed_does_not_keep_the_other_out() -> None:
    before = order_in(shopify_order(1))
    first, second = before.lines
    book = perform(before, "change_quantity", {"line_id": first.line_id, "quantity": 5})
    one = recalculate(before.with_(lines=(first.with_(ordered=9, gross_basis=None), second)))
    held = restate(book, before, one, "m1", AT)
    assert ["channel"] == [hold.kind for hold in held.order.holds]
    two = recalculate(one.with_(lines=(one.lines[0], second.with_(ordered=4, gross_basis=None))))
    found = restate(held.order, one, two, "m2", AT)
    assert ((), [5, 4]) == (found.work_items, [line.ordered for line in found.order.lines])
