"""Money laws: sums exact, recalculation a fixed point, edit + inverse = identity, nothing negative."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modification_processor.operations import discover
from modification_processor.totals import discountable, gross_of, recalculate, share, totals_of
from schemas.money import Rounding, UnitPrice, allocate, round_ratio
from schemas.order import Adjustment, Allocation, Basis, Order, OrderLine, Source, TaxRow, order_id_of
from tests.unit.strategies import (
    LINE_EDITS,
    context,
    inverses,
    line_edit_of,
    line_edits,
    money_edit_of,
    order_of,
    orders,
    perform,
    possible,
    undo,
)

UNDOABLE = ("change_quantity", "remove_line", "replace_sku", "add_line")


def money_of_line(order: Order, line_id: str) -> Any:
    """Return everything one line costs: gross, its shares of discounts, its tax."""
    line = order.line(line_id)
    assert line is not None
    shares = {row.adjustment_id: part for row in order.adjustments for part in row.allocations if part.line_id == line_id}
    return line, shares, [row for row in order.taxes if row.line_id == line_id]


def money_of(order: Order) -> Any:
    """Return everything that is an amount, byte for byte."""
    parts = (*order.lines, *order.adjustments, *order.taxes, order.totals)
    return [part.model_dump_json() for part in parts]


def check_sums(order: Order) -> None:
    for row in order.adjustments:
        if row.allocations:
            assert row.amount_minor == sum(part.amount_minor for part in row.allocations)
    by_kind = {
        kind: sum(row.amount_minor for row in order.adjustments if row.kind == kind)
        for kind in ("discount", "shipping", "fee", "channel_rounding")
    }
    added = sum(row.amount_minor for row in order.taxes if not row.included)
    gross = sum(line.gross_minor for line in order.lines)
    grand = gross - by_kind["discount"] + by_kind["shipping"] + by_kind["fee"] + by_kind["channel_rounding"] + added
    assert grand == order.totals.grand_total_minor
    assert totals_of(order) == order.totals


def check_bounds(order: Order) -> None:
    assert all(line.open >= 0 and line.gross_minor >= 0 for line in order.lines)
    assert all(left >= 0 for left in discountable(order).values())
    assert all(row.amount_minor >= 0 for row in order.adjustments)
    assert all(row.amount_minor >= 0 for row in order.taxes)
    assert order.totals.grand_total_minor >= 0


@given(orders())
def test_an_unedited_order_is_the_same_object(order: Order) -> None:
    assert recalculate(order) is order


@given(orders())
def test_sums_are_exact_and_nothing_is_negative(order: Order) -> None:
    check_sums(order)
    check_bounds(order)


@given(st.data(), orders(fulfilled=True))
def test_after_any_edits_sums_are_exact_nothing_is_negative_and_recalculating_again_changes_nothing(
    data: st.DataObject, order: Order
) -> None:
    for index in range(data.draw(st.integers(1, 4))):
        name, arguments = data.draw(line_edits(order))
        if possible(order, name, arguments):
            order = perform(order, name, arguments, context(f"0000000{index}"))
        check_sums(order)
        check_bounds(order)
        assert recalculate(order) is order


@given(st.data(), orders())
def test_an_edit_and_its_inverse_restore_every_line(data: st.DataObject, order: Order) -> None:
    name, arguments = data.draw(line_edits(order, UNDOABLE))
    assume(possible(order, name, arguments))
    check_undone(order, undo(perform(order, name, arguments), inverses(order, name, arguments)))


@given(st.data(), orders())
def test_undoing_an_undo_repeats_the_edit(data: st.DataObject, order: Order) -> None:
    name, arguments = data.draw(line_edits(order, UNDOABLE))
    assume(possible(order, name, arguments))
    edited = perform(order, name, arguments)
    now, redo = edited, []
    for operation in inverses(order, name, arguments):
        spec = discover()[operation.name]
        read = spec.arguments.model_validate_json(operation.arguments)
        redo += [*spec.inverse(now, read, context("eeeeeeee"))]
        now = undo(now, (operation,))
    assert edited == undo(now, tuple(reversed(redo)))


@given(st.data(), orders())
def test_two_operations_in_one_ticket_leave_what_two_tickets_leave(data: st.DataObject, order: Order) -> None:
    first = data.draw(line_edits(order))
    assume(possible(order, *first))
    between = perform(order, *first)
    second = data.draw(line_edits(between))
    known = context("11111111")
    spec, other = discover()[first[0]], discover()[second[0]]
    together = spec.apply(order, spec.arguments.model_validate(first[1]), context())
    assume(possible(between, *second))
    together = other.apply(together, other.arguments.model_validate(second[1]), known)
    assert perform(between, *second, known) == recalculate(together)


@given(orders(), st.sampled_from(("TENOFF", "FIVER")))
def test_a_promotion_takes_off_what_it_says_and_never_more_than_is_left(order: Order, code: str) -> None:
    assume(possible(order, "apply_promotion", {"code": code}))
    edited = perform(order, "apply_promotion", {"code": code})
    check_sums(edited)
    check_bounds(edited)
    base = sum(left for line_id, left in discountable(order).items() if (line := order.line(line_id)) and line.open)
    row = edited.adjustments[-1]
    assert row.amount_minor <= base
    if code == "FIVER":
        assert min(base, {"EUR": 500, "JPY": 5, "KWD": 5000}[order.currency]) == row.amount_minor
    assert recalculate(edited) is edited


@given(st.data(), orders())
def test_replacing_an_sku_costs_nothing(data: st.DataObject, order: Order) -> None:
    name, arguments = data.draw(line_edits(order, ("replace_sku",)))
    assume(possible(order, name, arguments))
    assert order.totals == perform(order, name, arguments).totals


@given(orders())
def test_a_cancelled_order_costs_only_what_the_channel_is_liable_for(order: Order) -> None:
    cancelled = perform(order, "cancel_order", {})
    check_sums(cancelled)
    carried = sum(row.amount_minor for row in order.taxes if row.liable == "channel" and not row.included)
    assert carried == cancelled.totals.grand_total_minor
    assert recalculate(cancelled) is cancelled


@given(st.integers(0, 2**64 - 1))
def test_every_law_holds_for_the_order_of_any_seed(seed: int) -> None:
    random = Random(seed)
    order = order_of(random, fulfilled=random.choice((False, True)))
    assert recalculate(order) is order
    for index in range(3):
        name, arguments = line_edit_of(random, order) if random.randrange(4) else money_edit_of(random, order)
        if not possible(order, name, arguments):
            continue
        edited = perform(order, name, arguments, context(f"0000000{index}"))
        check_sums(edited)
        check_bounds(edited)
        assert recalculate(edited) is edited
        if name == "remove_line":
            check_reclaim(order, edited, arguments["line_id"])
        if name in UNDOABLE:
            check_undone(order, undo(edited, inverses(order, name, arguments, context(f"0000000{index}"))))
        order = edited


@given(st.data(), orders())
def test_a_removed_line_gives_back_its_share_of_each_discount_and_no_other_line_notices(data: st.DataObject, order: Order) -> None:
    line_id = data.draw(st.sampled_from([line.line_id for line in order.lines]))
    assume(possible(order, "remove_line", {"line_id": line_id}))
    check_reclaim(order, perform(order, "remove_line", {"line_id": line_id}), line_id)


def check_reclaim(before: Order, after: Order, line_id: str) -> None:
    assert line_id in {line.line_id for line in after.lines if line.open == 0}
    for old, new in zip(before.adjustments, after.adjustments, strict=True):
        shares = {part.line_id: part.amount_minor for part in old.allocations}
        assert {part.line_id: part.amount_minor for part in new.allocations} == shares | ({line_id: 0} if line_id in shares else {})
        assert old.amount_minor - shares.get(line_id, 0) == new.amount_minor
    for line in before.lines:
        assert line.line_id == line_id or money_of_line(before, line.line_id) == money_of_line(after, line.line_id)


def check_undone(before: Order, back: Order) -> None:
    """Every line of `before` costs what it did, and so does the whole; what the edit added is closed."""
    for line in before.lines:
        assert money_of_line(before, line.line_id) == money_of_line(back, line.line_id)
    assert before.totals == back.totals


NO_MONEY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("set_contact", {"email": "other@example.org", "phone": "+33 1 23 45"}),
    ("place_hold", {"kind": "fraud", "reason": "looks odd"}),
    ("set_ship_address", {"lines": ("9 New Road",), "city": "Paris", "country": "FR"}),
    ("set_delivery_window", {"earliest": context().at}),
)


@given(orders(fulfilled=True), st.sampled_from(NO_MONEY))
def test_edits_of_contact_hold_address_and_window_move_no_money_byte(order: Order, edit: tuple[str, dict[str, Any]]) -> None:
    edited = perform(order, *edit)
    assert money_of(order) == money_of(edited)
    assert edited.lines is order.lines
    assert edited.totals is order.totals


@given(orders(), st.randoms(use_true_random=False))
def test_discounts_are_cut_in_position_order_wherever_their_rows_stand(order: Order, random: Random) -> None:
    moved = list(order.adjustments)
    random.shuffle(moved)
    after = recalculate(order.model_copy(update={"adjustments": tuple(moved)}))
    assert {row.adjustment_id: row for row in after.adjustments} == {row.adjustment_id: row for row in order.adjustments}


def test_of_two_discounts_on_one_line_the_first_by_position_is_whole() -> None:
    def discount(position: int) -> Adjustment:
        part = Allocation(line_id="L1", amount_minor=70, basis=Basis(input=1, amount_minor=70))
        return Adjustment(adjustment_id=f"D{position}", position=position, kind="discount", amount_minor=70, allocations=(part,))

    order = order_with(line("L1", 1, 100), adjustments=(discount(2), discount(1)))
    assert [(row.adjustment_id, row.amount_minor) for row in order.adjustments] == [("D2", 30), ("D1", 70)]


def order_with(*lines: OrderLine, currency: str = "EUR", **rows: Any) -> Order:
    order_id = order_id_of("shopify", "default", "1")
    source = Source(channel="shopify", channel_order_id="1")
    return recalculate(Order(order_id=order_id, order_number="1", source=source, currency=currency, lines=lines, **rows))


def line(line_id: str, ordered: int, amount: int, exponent: int = 2, **more: Any) -> OrderLine:
    return OrderLine(
        line_id=line_id,
        position=int(line_id[1:]),
        sku="TEA-GREEN",
        ordered=ordered,
        unit_price=UnitPrice(amount=amount, exponent=exponent),
        **more,
    )


def test_four_cents_over_seven_equal_lines_are_never_a_surcharge() -> None:
    lines = [line(f"L{index}", 1, 100) for index in range(1, 8)]
    parts = [
        Allocation(line_id=row.line_id, amount_minor=cut, basis=Basis(input=1, amount_minor=cut))
        for row, cut in zip(lines, allocate(4, [100] * 7), strict=True)
    ]
    order = order_with(
        *lines, adjustments=(Adjustment(adjustment_id="D1", position=1, kind="discount", amount_minor=4, allocations=tuple(parts)),)
    )
    assert [part.amount_minor for part in order.adjustments[0].allocations] == [1, 1, 1, 1, 0, 0, 0]
    assert order.totals.grand_total_minor == 696


@pytest.mark.parametrize(
    ("currency", "price", "exponent", "quantity", "expected"),
    [
        ("EUR", 333, 2, 3, 999),
        ("JPY", 105, 1, 1, 11),  # 10.5 yen: half up
        ("KWD", 12345, 4, 1, 1235),  # 1.2345 dinar
        ("EUR", 1, 5, 1000, 1),  # a price of a thousandth of a cent
        ("EUR", 0, 2, 9, 0),
    ],
)
def test_a_price_is_rounded_once_in_the_minor_unit(currency: str, price: int, exponent: int, quantity: int, expected: int) -> None:
    order = order_with(line("L1", quantity, price, exponent), currency=currency)
    assert expected == gross_of(order, order.lines[0]) == order.totals.grand_total_minor


def test_a_share_is_rounded_once_under_the_pinned_mode() -> None:
    basis = Basis(input=2, amount_minor=5)
    assert share(basis, 2, "half_up") == 5
    assert share(basis, 1, "half_up") == 3
    assert share(basis, 1, "half_even") == 2
    assert share(Basis(input=0, amount_minor=5), 1, "half_up") == 0


def test_two_taxes_included_in_a_price_are_both_taken_out_of_it() -> None:
    taxes = tuple(
        TaxRow(tax_id=f"X{n}", position=n, line_id="L1", rate=rate, included=True, amount_minor=0)
        for n, rate in enumerate(("0.05", "0.1"), 1)
    )
    order = order_with(line("L1", 1, 11500), taxes=taxes)
    assert [row.amount_minor for row in order.taxes] == [500, 1000]
    assert order.totals.grand_total_minor == 11500


@given(
    st.integers(0, 10**9),
    st.lists(st.sampled_from(("0.07", "0.2", "0.055", "0.08875", "0.19", "0.001", "0")), min_size=1, max_size=4),
    st.sampled_from(("half_up", "half_even")),
    st.randoms(use_true_random=False),
)
def test_taxes_inside_a_price_and_its_net_amount_are_the_price(price: int, rates: list[str], rounding: Rounding, random: Random) -> None:
    rows = [TaxRow(tax_id=f"X{n}", position=n, line_id="L1", rate=rate, included=True, amount_minor=0) for n, rate in enumerate(rates)]
    order = order_with(line("L1", 1, price), taxes=tuple(rows)).model_copy(update={"rounding": rounding})
    found = recalculate(order)
    net = round_ratio(price, 10**5, 10**5 + sum(int(Decimal(rate) * 10**5) for rate in rates), rounding)
    assert price - net == sum(row.amount_minor for row in found.taxes)
    assert all(row.amount_minor >= 0 for row in found.taxes)
    random.shuffle(rows)
    shuffled = recalculate(order.model_copy(update={"taxes": tuple(rows)}))
    assert {row.tax_id: row.amount_minor for row in found.taxes} == {row.tax_id: row.amount_minor for row in shuffled.taxes}


def test_a_full_discount_leaves_nothing_to_tax_and_follows_the_quantity() -> None:
    whole = Allocation(line_id="L1", amount_minor=200, basis=Basis(input=2, amount_minor=200))
    tax = TaxRow(tax_id="X1", position=1, line_id="L1", rate="0.2", amount_minor=0)
    order = order_with(
        line("L1", 2, 100),
        adjustments=(Adjustment(adjustment_id="D1", position=1, kind="discount", amount_minor=200, allocations=(whole,)),),
        taxes=(tax,),
    )
    assert order.totals.grand_total_minor == 0
    assert perform(order, "change_quantity", {"line_id": "L1", "quantity": 7}).totals.grand_total_minor == 0


def test_every_line_edit_of_the_strategies_exists() -> None:
    assert set(LINE_EDITS) <= set(discover())
