"""What edits of money do to the unit, what they refuse, and that an undo puts back every one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modification_processor.operations import discover
from modification_processor.totals import discountable, recalculate, totals_of
from schemas.catalogue import Promotion
from schemas.money import UnitPrice
from schemas.order import Adjustment, Allocation, Basis, Order, TaxRow
from tests.contract.operations.subjects import UNDONE, knowing, money_of, order, refusal, rows_of, sample, with_line
from tests.unit.strategies import AT, context, inverses, money_edit_of, orders, perform, possible, undo


class TestPromotions:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"active": False}, "promotion_inactive"),
            ({"starts_at": AT + timedelta(seconds=1)}, "promotion_not_started"),
            ({"ends_at": AT}, "promotion_expired"),
            ({"percent": "0"}, "nothing_to_discount"),
            ({"currency": "USD"}, "promotion_other_currency"),
            ({"skus": ("CUP-2",)}, "no_eligible_line"),
            ({"currency": "EUR", "threshold": "57.01"}, "threshold_not_met"),
        ],
    )
    def test_a_promotion_that_cannot_be_used_now_is_refused(self, changes: dict[str, Any], code: str) -> None:
        promotion = Promotion(code="TENOFF", version=3, label="Ten per cent off", kind="percent", percent="10").model_copy(update=changes)
        known = replace(context(), promotions={("TENOFF", "EUR"): promotion})
        assert code == refusal(order(), "apply_promotion", {"code": "TENOFF"}, known)

    def test_an_unknown_one_is_refused_and_none_is_applied_twice(self) -> None:
        assert refusal(order(), "apply_promotion", {"code": "NOPE"}) == "unknown_promotion"
        once = perform(order(), "apply_promotion", {"code": "TENOFF"})
        assert refusal(once, "apply_promotion", {"code": "TENOFF"}, context("33333333")) == "promotion_already_applied"

    def test_it_is_cut_over_what_is_left_and_pinned(self) -> None:
        row = perform(order(), "apply_promotion", {"code": "TENOFF"}).adjustments[-1]
        assert (row.adjustment_id, row.source, row.promotion_version, row.amount_minor) == ("T7d1c2b3a-0", "promotion", 3, 570)
        assert [Basis(input=3, amount_minor=285)] * 2 == [part.basis for part in row.allocations]


class TestTakingPromotionsOff:
    def test_what_was_applied_is_taken_off_to_the_last_byte(self) -> None:
        applied = perform(order(), "apply_promotion", {"code": "TENOFF"})
        assert undo(applied, inverses(order(), "apply_promotion", {"code": "TENOFF"})) == order()

    @given(orders(), st.sampled_from(("TENOFF", "FIVER")))
    def test_so_it_is_on_any_order(self, before: Order, code: str) -> None:
        assume(possible(before, "apply_promotion", {"code": code}))
        back = undo(perform(before, "apply_promotion", {"code": code}), inverses(before, "apply_promotion", {"code": code}))
        assert money_of(before) == money_of(back)

    def test_it_gives_back_exactly_its_amount_and_the_tax_on_it(self) -> None:
        after = perform(order(), "remove_promotion", {"adjustment_id": "D1"})
        assert [row.adjustment_id for row in after.adjustments] == ["S1", "F1"]
        assert order().totals.discount_minor - after.totals.discount_minor == 300
        assert [row.amount_minor for row in after.taxes] == [600, 600]
        assert after.totals.grand_total_minor - order().totals.grand_total_minor == 360

    def test_a_discount_it_had_cut_short_gets_back_what_is_its_own(self) -> None:
        part = Allocation(line_id="L1", amount_minor=3000, basis=Basis(input=3, amount_minor=3000))
        whole = Adjustment(adjustment_id="D9", position=9, kind="discount", amount_minor=3000, allocations=(part,))
        before = recalculate(order().model_copy(update={"adjustments": (*order().adjustments, whole)}))
        after = perform(before, "remove_promotion", {"adjustment_id": "D1"})
        assert (before.adjustments[-1].amount_minor, after.adjustments[-1].amount_minor) == (2850, 3000)

    def test_only_a_discount_of_the_order_is_taken_off(self) -> None:
        assert refusal(order(), "remove_promotion", {"adjustment_id": "S1"}) == "not_a_discount"
        assert refusal(order(), "remove_promotion", {"adjustment_id": "D9"}) == "unknown_adjustment"


class TestFees:
    def test_a_fee_is_a_manual_untaxed_row_of_its_own(self) -> None:
        after = perform(order(), "add_fee", {"label": "Express delivery", "amount": "4.90"})
        row = after.adjustments[-1]
        assert (row.adjustment_id, row.position, row.kind, row.source, row.label) == ("T7d1c2b3a-0", 5, "fee", "manual", "Express delivery")
        assert after.totals.fee_minor == 740
        assert after.totals.grand_total_minor - order().totals.grand_total_minor == 490
        assert after.taxes == order().taxes

    @pytest.mark.parametrize(
        ("amount", "code"),
        [
            ("0", "amount_not_positive"),
            ("0.00", "amount_not_positive"),
            ("-1", "bad_amount"),
            ("1.234", "bad_amount"),
            ("1e3", "bad_amount"),
            ("NaN", "bad_amount"),
            ("1,50", "bad_amount"),
            ("", "bad_amount"),
            ("1" * 10, "bad_amount"),
        ],
    )
    def test_an_amount_that_is_none_is_refused(self, amount: str, code: str) -> None:
        assert code == refusal(order(), "add_fee", {"label": "Fee", "amount": amount})

    def test_a_fee_says_what_it_is_for(self) -> None:
        assert refusal(order(), "add_fee", {"label": " ", "amount": "1"}) == "text_missing"

    def test_only_a_fee_of_the_order_is_waived(self) -> None:
        assert refusal(order(), "remove_fee", {"adjustment_id": "D1"}) == "not_a_fee"
        assert refusal(order(), "remove_fee", {"adjustment_id": "F9"}) == "unknown_adjustment"

    def test_a_waived_fee_takes_the_sellers_tax_on_it_along_but_never_the_channels(self) -> None:
        for liable in ("seller", "channel"):
            tax = TaxRow(tax_id="X9", position=9, adjustment_id="F1", rate="0.2", liable=liable, amount_minor=50)
            before = recalculate(order().model_copy(update={"taxes": (*order().taxes, tax)}))
            if liable == "channel":
                assert refusal(before, "remove_fee", {"adjustment_id": "F1"}) == "channel_taxed"
            else:
                after = perform(before, "remove_fee", {"adjustment_id": "F1"})
                assert (after.taxes, after.totals.fee_minor) == (order().taxes, 0)
                assert before == undo(after, inverses(before, "remove_fee", {"adjustment_id": "F1"}), before)

    def test_a_fee_of_the_channels_comes_back_as_the_channels(self) -> None:
        rows = tuple(row.model_copy(update={"source": "channel"}) for row in order().adjustments)
        before = order().model_copy(update={"adjustments": rows})
        after = perform(before, "remove_fee", {"adjustment_id": "F1"})
        assert before == undo(after, inverses(before, "remove_fee", {"adjustment_id": "F1"}), before)

    def test_both_need_what_a_price_needs(self) -> None:
        for name in ("add_fee", "remove_fee", "override_price"):
            assert {touch.field_class for touch in discover()[name].touches(order(), sample(discover()[name]))} == {"price_override"}


class TestPrices:
    def override(self, before: Order, price: str, line_id: str = "L1") -> Order:
        return perform(before, "override_price", {"line_id": line_id, "unit_price": price, "note": "agreed on the phone"})

    def test_the_price_is_of_every_open_unit_and_tax_follows_what_is_left(self) -> None:
        after = self.override(order(), "7.50")
        line = after.lines[0]
        assert (line.price_source, line.gross_basis, line.gross_minor) == ("override", None, 2250)
        assert after.adjustments[0] == order().adjustments[0]
        assert [row.amount_minor for row in after.taxes] == [420, 570]

    def test_price_0_is_applied_and_leaves_nothing_to_discount_or_to_tax(self) -> None:
        after = self.override(order(), "0")
        assert (after.lines[0].unit_price, after.lines[0].gross_minor) == (UnitPrice(amount=0, exponent=0), 0)
        assert [part.amount_minor for part in after.adjustments[0].allocations] == [0, 150]
        assert [row.amount_minor for row in after.taxes] == [0, 570]

    def test_a_share_capped_by_a_low_price_comes_back_with_a_higher_one(self) -> None:
        low = self.override(order(), "0.20")
        assert (low.adjustments[0].allocations[0].amount_minor, low.taxes[0].amount_minor) == (60, 0)
        assert self.override(low, "10").adjustments == order().adjustments

    def test_the_price_stays_when_the_quantity_changes(self) -> None:
        assert perform(self.override(order(), "7.50"), "change_quantity", {"line_id": "L1", "quantity": 5}).lines[0].gross_minor == 3750

    @pytest.mark.parametrize("price", ["-1", "1e3", "NaN", "Infinity", "1_0", "", " 1", "1,5", ".5", "1.1234567", "1234567890", "\u0661"])
    def test_a_price_that_is_none_is_refused(self, price: str) -> None:
        assert refusal(order(), "override_price", {"line_id": "L1", "unit_price": price, "note": "x"}) == "bad_price"

    def test_no_reason_no_open_unit_and_no_change_are_refused(self) -> None:
        assert refusal(order(), "override_price", {"line_id": "L1", "unit_price": "1", "note": " "}) == "text_missing"
        assert refusal(order(), "override_price", {"line_id": "L2", "unit_price": "10", "note": "x"}) == "no_change"
        assert refusal(with_line(cancelled=3), "override_price", {"line_id": "L1", "unit_price": "1", "note": "x"}) == "nothing_open"

    def test_the_first_override_writes_source_and_agreed_amount_too_and_is_undone_by_what_was(self) -> None:
        arguments = {"line_id": "L1", "unit_price": "10", "note": "x"}
        touches = discover()["override_price"].touches(order(), discover()["override_price"].arguments.model_validate(arguments))
        assert [touch.path for touch in touches] == ["/lines/L1/unit_price", "/lines/L1/price_source", "/lines/L1/gross_basis"]
        assert [("restore_price", '{"line_id": "L1"}')] == [(o.name, o.arguments) for o in inverses(order(), "override_price", arguments)]
        assert order() == undo(self.override(order(), "10"), inverses(order(), "override_price", arguments), order())


class TestWhatOnlyAnUndoPutsBack:
    """Discounts, fees and prices that nobody may state: they are read from the order before the edit that is undone."""

    WELCOME: ClassVar = {"adjustment_id": "D1", "kind": "discount", "code": "WELCOME"}

    def test_they_say_so(self) -> None:
        assert set(UNDONE) == {name for name, spec in discover().items() if spec.undo_only}

    @pytest.mark.parametrize("name", UNDONE)
    def test_nobody_asks_for_it_otherwise(self, name: str) -> None:
        after = perform(order(), *UNDONE[name])
        assert "only_as_undo" == refusal(after, name, self.WELCOME if name == "restore_adjustment" else {"line_id": "L1"})

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ({"adjustment_id": "D9"}, "unknown_adjustment"),
            ({"kind": "fee"}, "not_the_removed_row"),
            ({"code": "OTHER"}, "not_the_removed_row"),
        ],
    )
    def test_only_the_very_row_comes_back(self, arguments: dict[str, str], code: str) -> None:
        after = perform(order(), "remove_promotion", {"adjustment_id": "D1"})
        assert code == refusal(after, "restore_adjustment", self.WELCOME | arguments, knowing())
        assert "adjustment_exists" == refusal(order(), "restore_adjustment", self.WELCOME, knowing())

    def test_a_price_comes_back_over_an_override_alone(self) -> None:
        assert "not_overridden" == refusal(order(), "restore_price", {"line_id": "L1"}, knowing())

    def test_its_shares_follow_the_units_its_lines_have_now(self) -> None:
        gone = perform(order(), "remove_promotion", {"adjustment_id": "D1"})
        fewer = perform(gone, "change_quantity", {"line_id": "L1", "quantity": 1})
        back = perform(fewer, "restore_adjustment", self.WELCOME, knowing())
        assert [50, 150] == [part.amount_minor for part in back.adjustments[0].allocations]
        assert order() == perform(back, "change_quantity", {"line_id": "L1", "quantity": 3})

    @pytest.mark.parametrize(
        ("used", "beside", "code"),
        [(4, False, None), (5, False, "promotion_exhausted"), (4, True, "promotion_excluded")],
    )
    def test_a_promotion_comes_back_while_it_has_uses_and_nothing_stands_alone(self, used: int, beside: bool, code: str | None) -> None:
        known = context()
        ten, five = known.promotions["TENOFF", "*"], known.promotions["FIVER", "EUR"]
        limited, alone = ten.with_(limit=5, ends_at=AT, active=False), five.with_(exclusive=True)
        given = perform(order(), "apply_promotion", {"code": "TENOFF"})
        row = given.adjustments[-1]
        after = perform(given, "remove_promotion", {"adjustment_id": row.adjustment_id})
        after = perform(after, "remove_promotion", {"adjustment_id": "D1"}, context("bbbbbbbb"))
        if beside:
            after = perform(after, "apply_promotion", {"code": "FIVER"}, replace(context("aaaaaaaa"), promotions={("FIVER", "EUR"): alone}))
        here = replace(
            known,
            former=given,
            uses={"TENOFF": used},
            promotions={("TENOFF", "*"): limited},
            terms={("FIVER", "EUR", alone.version): alone},
        )
        arguments = {"adjustment_id": row.adjustment_id, "kind": "discount", "code": "TENOFF"}
        if code is not None:
            assert code == refusal(after, "restore_adjustment", arguments, here)
            return
        assert "T7d1c2b3a-0" in {row.adjustment_id for row in perform(after, "restore_adjustment", arguments, here).adjustments}


class TestMoneyOfManualEdits:
    @given(st.data(), orders())
    def test_whatever_is_edited_sums_are_exact_and_nothing_is_discounted_below_0(self, data: st.DataObject, before: Order) -> None:
        after = perform(before, *_taken(data, before))
        assert totals_of(after) == after.totals
        assert recalculate(after) is after
        assert all(left >= 0 for left in discountable(after).values())
        assert all(row.amount_minor >= 0 for row in after.adjustments)
        assert all(row.amount_minor >= 0 for row in after.taxes)

    @given(st.data(), orders())
    def test_every_one_is_undone_to_the_unit(self, data: st.DataObject, before: Order) -> None:
        between = perform(before, *_taken(data, before), context("11111111"))
        second = _taken(data, between)
        back = undo(perform(between, *second), inverses(between, *second), between)
        assert rows_of(between) == rows_of(back)


def _taken(data: st.DataObject, order: Order) -> tuple[str, dict[str, Any]]:
    """Return an edit that is not refused: the first of many, so that hardly a case is thrown away."""
    random = data.draw(st.randoms(use_true_random=False))
    for _ in range(100):
        edit = money_edit_of(random, order)
        if possible(order, *edit):
            return edit
    assume(condition=False)
    raise AssertionError
