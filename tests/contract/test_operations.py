"""What every operation keeps, whoever adds one: its file, and `tests/fixtures/operations/<name>.json` as its example."""

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args
from uuid import UUID

import pycountry
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from modification_processor.field_locks import default_locks
from modification_processor.operations import discover
from modification_processor.operations.addresses import COUNTRIES
from modification_processor.operations.operation import Context, MoneyEffect, Needs, OperationRefused, OperationSpec
from modification_processor.operations.place_hold import SYSTEM_KINDS
from modification_processor.operations.release_hold import ReleaseHold
from modification_processor.operations.rows import resolved_path
from modification_processor.totals import discountable, recalculate, totals_of
from normalizers.building import address_of
from normalizers.channel import Verb
from schemas.catalogue import Promotion
from schemas.leaves import SETS, changed_leaves
from schemas.model import Model
from schemas.money import UnitPrice
from schemas.order import Address, Adjustment, Allocation, Basis, Contact, Hold, Order, OrderLine, Source, TaxRow
from schemas.ticket import REASON_CODES
from tests.unit.strategies import AT, context, inverses, money_edit_of, orders, perform, possible, undo

SAMPLES = Path(__file__).parents[1] / "fixtures" / "operations"
PLAIN = ("contact", "ship_to", "bill_to", "delivery_window", "ship_method", "payment_method", "note", "tags", "lifecycle")
DERIVED = re.compile(r"/taxes/|/adjustments/[^/]+/allocations/|/lines/[^/]+/gross_|/totals/")


PRICES: tuple[tuple[int, Literal["channel", "override"], Basis | None], ...] = (
    (1, "channel", Basis(input=3, amount_minor=3000)),
    (2, "override", None),
)


def order() -> Order:
    """Two taxed lines (the second's price is ours) under one discount, shipping and a fee; addresses, texts, a hold."""
    lines = tuple(
        OrderLine(
            line_id=f"L{n}",
            position=n,
            sku="TEA-GREEN",
            name="Green tea",
            unit_price=UnitPrice(amount=1000, exponent=2),
            price_source=source,
            gross_basis=basis,
            ordered=3,
        )
        for n, source, basis in PRICES
    )
    shares = tuple(Allocation(line_id=f"L{n}", amount_minor=150, basis=Basis(input=3, amount_minor=150)) for n in (1, 2))
    discount = Adjustment(adjustment_id="D1", position=1, kind="discount", code="WELCOME", amount_minor=300, allocations=shares)
    shipping = Adjustment(adjustment_id="S1", position=2, kind="shipping", amount_minor=490)
    fee = Adjustment(adjustment_id="F1", position=4, kind="fee", source="manual", label="Gift wrap", amount_minor=250)
    taxes = tuple(
        TaxRow(
            tax_id=f"X{n}",
            position=n,
            line_id=f"L{n}",
            title="VAT",
            rate="0.2",
            amount_minor=570,
            basis=Basis(input=2850, amount_minor=570),
        )
        for n in (1, 2)
    )
    return recalculate(
        Order(
            order_id=UUID(int=7),
            order_number="1001",
            source=Source(channel="shopify", channel_order_id="1001"),
            currency="EUR",
            lifecycle="held",
            contact=Contact(name="Ada Example", email="ada@example.com", phone="+33 1"),
            ship_to=Address(
                name="Ada Example", lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"
            ),
            bill_to=Address(lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"),
            ship_method="standard",
            payment_method="card",
            note="Ring twice.",
            tags=("gift", "wholesale"),
            lines=lines,
            adjustments=(discount, shipping, fee),
            taxes=taxes,
            holds=(Hold(hold_id="H1", kind="address", reason="no house number"),),
        )
    )


def going_on() -> Order:
    """The same order with nothing that holds it."""
    return order().model_copy(update={"lifecycle": "confirmed", "holds": ()})


def sample(spec: OperationSpec) -> Any:
    return spec.arguments.model_validate_json((SAMPLES / f"{spec.name}.json").read_bytes())


def refusal(before: Order, name: str, arguments: dict[str, Any], known: Any = None) -> str:
    with pytest.raises(OperationRefused) as caught:
        perform(before, name, arguments, known)
    assert caught.value.field
    assert caught.value.field.startswith("/")
    return caught.value.reason_code


@pytest.fixture(params=list(discover().values()), ids=list(discover()))
def spec(request: pytest.FixtureRequest) -> OperationSpec:
    found: OperationSpec = request.param
    return found


UNDONE = {
    "restore_adjustment": ("remove_promotion", {"adjustment_id": "D1"}),
    "restore_price": ("override_price", {"line_id": "L1", "unit_price": "7.50", "note": "the box was dented"}),
}
"""What the operations that only an undo may ask for take back."""


def subject(spec: OperationSpec) -> Order:
    """Return the order that the operation's sample is for."""
    return perform(order(), *UNDONE[spec.name]) if spec.name in UNDONE else order()


def knowing() -> Context:
    """Return what operations may know where they take an edit of `order()` back."""
    return replace(context(), former=order())


class TestEveryOperation:
    def test_declares_everything(self, spec: OperationSpec) -> None:
        module = sys.modules[spec.apply.__module__]
        assert module.__name__.rsplit(".", 1)[1] == spec.name
        assert module.__doc__
        assert spec.version >= 1
        assert issubclass(spec.arguments, Model)
        assert spec.reasons
        assert spec.reasons <= set(REASON_CODES)
        assert spec.money in get_args(MoneyEffect)
        assert spec.verb is None or spec.verb in Verb
        assert isinstance(spec.needs(sample(spec)), Needs)

    def test_reads_back_its_own_arguments_and_refuses_unknown_ones(self, spec: OperationSpec) -> None:
        arguments = sample(spec)
        assert arguments == spec.arguments.model_validate_json(arguments.model_dump_json())
        assert arguments == spec.arguments.model_validate_json(arguments.model_dump_json(exclude_defaults=True))
        with pytest.raises(ValidationError):
            spec.arguments.model_validate_json(json.dumps(arguments.model_dump(mode="json") | {"surprise": 1}))

    def test_is_pure(self, spec: OperationSpec) -> None:
        before = subject(spec)
        text = before.model_dump_json()
        after = spec.apply(before, sample(spec), knowing())
        assert after is not before
        assert after == spec.apply(before, sample(spec), knowing())
        assert text == before.model_dump_json()

    def test_leaves_a_valid_order(self, spec: OperationSpec) -> None:
        after = recalculate(spec.apply(subject(spec), sample(spec), knowing()))
        assert after == Order.model_validate_json(after.model_dump_json())

    def test_writes_only_what_it_says(self, spec: OperationSpec) -> None:
        before = subject(spec)
        paths = [resolved_path(touch.path, knowing()) for touch in spec.touches(before, sample(spec))]
        changed = [leaf.path for leaf in changed_leaves(before, spec.apply(before, sample(spec), knowing()))]
        assert changed
        assert [path for path in changed if not _under(path, paths) and not DERIVED.match(path)] == []
        assert [path for path in paths if not any(_under(leaf, [path]) for leaf in changed)] == []

    def test_changes_no_money_unless_it_says_so(self, spec: OperationSpec) -> None:
        before = subject(spec)
        after = recalculate(spec.apply(before, sample(spec), knowing()))
        if spec.money == "none":
            assert (before.lines, before.adjustments, before.taxes, before.totals) == (
                after.lines,
                after.adjustments,
                after.taxes,
                after.totals,
            )

    def test_touches_known_lock_classes_and_reads_nothing_derived(self, spec: OperationSpec) -> None:
        touches = spec.touches(order(), sample(spec))
        assert touches
        assert all(touch.field_class in default_locks().labels for touch in touches)
        assert all(path.startswith("/") and not path.startswith("/totals") for path in spec.reads(order(), sample(spec)))

    def test_is_undone_by_its_inverse(self, spec: OperationSpec) -> None:
        before = subject(spec)
        operations = spec.inverse(before, sample(spec), context())
        back = undo(recalculate(spec.apply(before, sample(spec), knowing())), operations, before)
        if operations:
            assert before.totals == back.totals
            assert before.lines == back.lines[: len(before.lines)]
            assert all(line.open == 0 for line in back.lines[len(before.lines) :])
            assert {name: getattr(before, name) for name in PLAIN} == {name: getattr(back, name) for name in PLAIN}
            assert [(row.kind, row.label, row.amount_minor) for row in before.adjustments] == [
                (row.kind, row.label, row.amount_minor) for row in back.adjustments
            ]
            assert before.taxes == back.taxes[: len(before.taxes)]
            assert [(row.kind, row.reason) for row in before.holds] == [(row.kind, row.reason) for row in back.holds]
        else:
            assert (spec.inverse.__doc__ or "").startswith("None")

    def test_refuses_an_unknown_line_and_can_still_be_asked_about_it(self, spec: OperationSpec) -> None:
        if "line_id" not in spec.arguments.model_fields:
            return
        arguments = sample(spec).model_copy(update={"line_id": "L99"})
        assert spec.touches(order(), arguments)
        assert refusal(order(), spec.name, arguments.model_dump()) == "unknown_line"

    def test_has_new_rows_only_under_ids_of_its_own(self, spec: OperationSpec) -> None:
        one, two = (spec.apply(subject(spec), sample(spec), replace(knowing(), op_index=index)) for index in (0, 1))
        known = (
            {row.line_id for row in order().lines}
            | {row.adjustment_id for row in order().adjustments}
            | {row.tax_id for row in order().taxes}
        )
        new = [
            {row.line_id for row in o.lines} | {row.adjustment_id for row in o.adjustments} | {row.tax_id for row in o.taxes}
            for o in (one, two)
        ]
        assert not (new[0] - known) & (new[1] - known)


def _under(path: str, paths: list[str]) -> bool:
    """Whether a leaf is one that was named, or below one, or the set of one."""
    return any(path == other or path.startswith(f"{other}/") or (path in SETS and other.startswith(f"{path}/")) for other in paths)


def with_line(**changes: Any) -> Order:
    before = order()
    return recalculate(before.model_copy(update={"lines": (before.lines[0].model_copy(update=changes), before.lines[1])}))


class TestQuantities:
    def test_a_quantity_below_what_is_released_is_refused(self) -> None:
        assert refusal(with_line(released=2), "change_quantity", {"line_id": "L1", "quantity": 1}) == "below_fulfilled"
        assert perform(with_line(released=2), "change_quantity", {"line_id": "L1", "quantity": 2}).lines[0].open == 2

    def test_more_units_than_anybody_orders_are_refused(self) -> None:
        assert refusal(order(), "change_quantity", {"line_id": "L1", "quantity": 1_000_001}) == "quantity_too_large"
        assert refusal(order(), "add_line", {"sku": "TEA-GREEN", "quantity": 10**15}) == "quantity_too_large"

    @pytest.mark.parametrize("quantity", [0, -1])
    def test_a_quantity_that_leaves_nothing_open_is_refused(self, quantity: int) -> None:
        assert refusal(order(), "change_quantity", {"line_id": "L1", "quantity": quantity}) == "quantity_not_positive"
        assert refusal(with_line(cancelled=2), "change_quantity", {"line_id": "L1", "quantity": 2}) == "quantity_not_positive"

    def test_the_same_quantity_is_no_change(self) -> None:
        assert refusal(order(), "change_quantity", {"line_id": "L1", "quantity": 3}) == "no_change"

    @pytest.mark.parametrize("field", ["released", "packed", "shipped"])
    def test_what_the_warehouse_holds_is_neither_removed_nor_replaced_nor_cancelled(self, field: str) -> None:
        before = with_line(**{field: 1})
        assert refusal(before, "remove_line", {"line_id": "L1"}) == "below_fulfilled"
        assert refusal(before, "replace_sku", {"line_id": "L1", "sku": "TEA-BLACK"}) == "below_fulfilled"
        assert refusal(before, "cancel_line", {"line_id": "L1", "quantity": 3}) == "below_fulfilled"
        assert refusal(before, "cancel_order", {}) == "below_fulfilled"
        assert perform(before, "cancel_line", {"line_id": "L1"}).lines[0].cancelled == 2

    def test_a_removed_line_stays_with_quantity_0_and_takes_its_share_with_it(self) -> None:
        after = perform(order(), "remove_line", {"line_id": "L1"})
        assert (after.lines[0].ordered, after.lines[0].gross_minor, after.taxes[0].amount_minor) == (0, 0, 0)
        assert after.adjustments[0].amount_minor == 150
        assert refusal(after, "remove_line", {"line_id": "L1"}) == "no_change"

    def test_cancelled_units_stay_cancelled_when_the_line_is_removed(self) -> None:
        after = perform(with_line(cancelled=1), "remove_line", {"line_id": "L1"})
        assert (after.lines[0].ordered, after.lines[0].cancelled, after.lines[0].open) == (1, 1, 0)

    def test_nothing_open_cannot_be_cancelled(self) -> None:
        assert refusal(with_line(cancelled=3), "cancel_line", {"line_id": "L1"}) == "nothing_open"
        assert refusal(order(), "cancel_line", {"line_id": "L1", "quantity": 0}) == "quantity_not_positive"


class TestLines:
    def test_an_added_line_is_taxed_as_the_first_taxed_line(self) -> None:
        after = perform(order(), "add_line", {"sku": "CUP-2", "quantity": 2})
        line, tax = after.lines[-1], after.taxes[-1]
        assert (line.line_id, line.position, line.price_source, line.gross_minor) == ("T7d1c2b3a-0", 3, "catalog", 2528)
        assert (tax.rate, tax.title, tax.basis, tax.amount_minor) == ("0.2", "VAT", None, 506)

    def test_channel_liable_tax_is_not_copied(self) -> None:
        before = order()
        taxes = tuple(row.model_copy(update={"liable": "channel"}) for row in before.taxes)
        after = perform(before.model_copy(update={"taxes": taxes}), "add_line", {"sku": "CUP-2", "quantity": 2})
        assert taxes == after.taxes

    def test_an_unknown_sku_and_a_taken_id_are_refused(self) -> None:
        assert refusal(order(), "add_line", {"sku": "NOPE", "quantity": 1}) == "unknown_sku"
        assert refusal(order(), "replace_sku", {"line_id": "L1", "sku": "NOPE"}) == "unknown_sku"
        assert refusal(order(), "add_line", {"sku": "CUP-2", "quantity": 0}) == "quantity_not_positive"
        assert (
            refusal(perform(order(), "add_line", {"sku": "CUP-2", "quantity": 1}), "add_line", {"sku": "CUP-2", "quantity": 1})
            == "line_exists"
        )

    def test_a_swap_is_a_new_line_at_the_sold_price(self) -> None:
        after = perform(order(), "replace_sku", {"line_id": "L1", "sku": "TEA-BLACK"})
        old, new = after.lines[0], after.lines[-1]
        assert (old.open, old.gross_minor) == (0, 0)
        assert (
            new.sku,
            new.name,
            new.ordered,
            new.gross_minor,
            new.replaces_line_id,
            new.price_source,
        ) == ("TEA-BLACK", "TEA-BLACK as sold", 3, 3000, "L1", "sold")
        assert [part.amount_minor for part in after.adjustments[0].allocations] == [0, 150, 150]
        assert order().totals == after.totals

    def test_a_replaced_line_is_not_reopened_beside_its_replacement(self) -> None:
        swapped = perform(order(), "replace_sku", {"line_id": "L1", "sku": "TEA-BLACK"})
        again = perform(swapped, "replace_sku", {"line_id": "T7d1c2b3a-0", "sku": "CUP-2"}, context("22222222"))
        for line_id in ("L1", "T7d1c2b3a-0"):
            assert refusal(again, "change_quantity", {"line_id": line_id, "quantity": 1}) == "line_replaced"
        assert perform(again, "change_quantity", {"line_id": "T22222222-0", "quantity": 5}).lines[-1].open == 5

    def test_a_line_is_replaced_by_another_sku_only_and_while_open(self) -> None:
        assert refusal(order(), "replace_sku", {"line_id": "L1", "sku": "TEA-GREEN"}) == "no_change"
        removed = perform(order(), "remove_line", {"line_id": "L1"})
        assert refusal(removed, "replace_sku", {"line_id": "L1", "sku": "TEA-BLACK"}) == "nothing_open"


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


class TestAddressesAndContact:
    def test_the_tax_area_decides_the_lock_class(self) -> None:
        touches = discover()["set_ship_address"].touches
        arguments = sample(discover()["set_ship_address"])
        assert touches(order(), arguments)[0].field_class == "ship_address"
        assert touches(order(), arguments.model_copy(update={"country": "DE"}))[0].field_class == "ship_address_area"
        assert touches(order(), arguments.model_copy(update={"region": "IDF"}))[0].field_class == "ship_address_area"
        assert touches(order().model_copy(update={"ship_to": None}), arguments)[0].field_class == "ship_address_area"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"country": "FRA"}, "unknown_country"),
            ({"country": ""}, "text_missing"),
            ({"city": " "}, "text_missing"),
            ({"lines": ()}, "text_missing"),
            ({"lines": ("", " ")}, "text_missing"),
            ({"lines": ("x",) * 11}, "too_many_lines"),
            ({"name": "a\x00b"}, "control_character"),
            ({"region": "a\u2028b"}, "control_character"),
            ({"phone": "5" * 256}, "text_too_long"),
        ],
    )
    def test_an_address_that_cannot_be_sent_to_is_refused(self, changes: dict[str, Any], code: str) -> None:
        address = {"lines": ("2 New Street",), "city": "Lyon", "country": "FR"} | changes
        assert code == refusal(order(), "set_ship_address", address)

    def test_the_whole_address_is_replaced_and_normalised_as_channels_are(self) -> None:
        after = perform(
            order(), "set_ship_address", {"lines": ("2 Näw Straße", ""), "city": "Berlin", "postal_code": "10 115", "country": "DE"}
        ).ship_to
        assert address_of(name=None, lines=("2 Näw Straße",), city="Berlin", postal_code="10 115", country="DE") == after

    def test_every_iso_country_is_known(self) -> None:
        assert {country.alpha_2 for country in pycountry.countries} | {"XK"} == COUNTRIES

    @pytest.mark.parametrize("email", ["ada", "ada@example", "a@b@c.d", "@example.org", "ada@.", "a da@example.org"])
    def test_a_bad_email_is_refused(self, email: str) -> None:
        assert refusal(order(), "set_contact", {"email": email}) == "bad_email"

    def test_each_contact_field_is_a_path_of_its_own(self) -> None:
        touches = discover()["set_contact"].touches(order(), sample(discover()["set_contact"]))
        assert [touch.path for touch in touches] == ["/contact/email", "/contact/phone"]
        assert refusal(order(), "set_contact", {}) == "no_change"
        assert refusal(order(), "set_contact", {"name": "A", "clear": ("name",)}) == "set_and_cleared"


class TestWindowHoldAndCancel:
    def test_a_window_ends_after_it_starts_and_after_now(self) -> None:
        hour = timedelta(hours=1)
        assert refusal(order(), "set_delivery_window", {"earliest": AT + hour, "latest": AT + hour}) == "window_reversed"
        assert refusal(order(), "set_delivery_window", {"latest": AT}) == "window_past"
        assert refusal(order(), "set_delivery_window", {}) == "no_change"

    def test_a_hold_holds_what_goes_on_and_leaves_a_closed_order_closed(self) -> None:
        arguments = {"kind": "fraud", "reason": "card reported stolen"}
        assert perform(going_on(), "place_hold", arguments).lifecycle == "held"
        assert perform(order(), "place_hold", arguments).lifecycle == "held"
        assert perform(order().model_copy(update={"lifecycle": "closed"}), "place_hold", arguments).lifecycle == "closed"

    @pytest.mark.parametrize("kind", ["channel", "fulfilment_conflict", "intake", "Fraud", "", "x" * 41])
    def test_a_hold_of_the_systems_kinds_is_refused(self, kind: str) -> None:
        assert refusal(order(), "place_hold", {"kind": kind, "reason": "because"}) == "bad_hold_kind"

    def test_an_order_is_cancelled_once(self) -> None:
        after = perform(order(), "cancel_order", {})
        assert (after.lifecycle, *(line.open for line in after.lines), after.totals.grand_total_minor) == ("cancelled", 0, 0, 0)
        assert refusal(after, "cancel_order", {}) == "already_cancelled"
        assert refusal(order().model_copy(update={"lifecycle": "closed"}), "cancel_order", {}) == "order_closed"

    def test_a_cancelled_order_owes_no_tax_and_no_discount_that_belonged_to_no_line(self) -> None:
        before = order()
        loose = TaxRow(tax_id="X9", position=9, rate="0.1", amount_minor=40, basis=Basis(input=0, amount_minor=40))
        off = Adjustment(adjustment_id="S2", position=3, kind="discount", amount_minor=90)
        update = {"taxes": (*before.taxes, loose), "adjustments": (*before.adjustments, off)}
        before = recalculate(before.model_copy(update=update))
        after = perform(before, "cancel_order", {})
        assert (before.totals.tax_minor, after.totals.tax_minor, after.totals.grand_total_minor) == (1180, 0, 0)

    def test_what_cannot_be_undone_says_so_by_having_no_inverse(self) -> None:
        assert inverses(order(), "cancel_order", {}) == ()
        assert (
            inverses(order().model_copy(update={"ship_to": None}), "set_ship_address", {"lines": ("2",), "city": "Lyon", "country": "FR"})
            == ()
        )


class TestReleasingHolds:
    def test_releasing_the_last_hold_confirms_the_order(self) -> None:
        after = perform(order(), "release_hold", {"hold_id": "H1"})
        assert (after.holds, after.lifecycle) == ((), "confirmed")

    def test_while_another_hold_stands_the_order_stays_held(self) -> None:
        two = perform(order(), "place_hold", {"kind": "fraud", "reason": "card reported stolen"})
        touches = discover()["release_hold"].touches(two, sample(discover()["release_hold"]))
        after = perform(two, "release_hold", {"hold_id": "H1"})
        assert [touch.path for touch in touches] == ["/holds/H1"]
        assert ([row.hold_id for row in after.holds], after.lifecycle) == (["T7d1c2b3a-0"], "held")

    @pytest.mark.parametrize("lifecycle", ["cancelled", "closed", "confirmed"])
    def test_only_a_held_order_is_confirmed(self, lifecycle: str) -> None:
        before = order().model_copy(update={"lifecycle": lifecycle})
        assert perform(before, "release_hold", {"hold_id": "H1"}).lifecycle == lifecycle

    @pytest.mark.parametrize("kind", sorted(SYSTEM_KINDS))
    def test_a_hold_of_the_systems_is_released_but_not_placed_again_by_hand(self, kind: str) -> None:
        before = order().model_copy(update={"holds": (Hold(hold_id="S/1", kind=kind, reason="the channel says so"),)})
        touches = discover()["release_hold"].touches(before, ReleaseHold(hold_id="S/1"))
        assert perform(before, "release_hold", {"hold_id": "S/1"}).lifecycle == "confirmed"
        assert inverses(before, "release_hold", {"hold_id": "S/1"}) == ()
        assert [touch.path for touch in touches] == ["/holds/S~11", "/lifecycle"]

    def test_an_unknown_hold_is_refused(self) -> None:
        assert refusal(order(), "release_hold", {"hold_id": "H9"}) == "unknown_hold"

    def test_what_was_placed_is_released_and_the_order_goes_on(self) -> None:
        arguments = {"kind": "fraud", "reason": "card reported stolen"}
        assert undo(perform(going_on(), "place_hold", arguments), inverses(going_on(), "place_hold", arguments)) == going_on()


def money_of(order: Order) -> list[str]:
    return [part.model_dump_json() for part in (*order.lines, *order.adjustments, *order.taxes, order.totals)]


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


def rows_of(subject: Order) -> Any:
    """Return everything that is money, rows by their id: where a row stands in its collection is no value of it."""
    return *(sorted(rows, key=str) for rows in (subject.lines, subject.adjustments, subject.taxes)), subject.totals


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


class TestTextsAndTags:
    def test_tags_merge_sorted_and_once(self) -> None:
        after = perform(order(), "set_tags", {"add": ("vip", "b2b", "gift"), "remove": ("wholesale", "unheard-of")})
        assert after.tags == ("b2b", "gift", "vip")
        assert undo(after, inverses(order(), "set_tags", {"add": ("vip", "b2b", "gift"), "remove": ("wholesale", "unheard-of")})) == order()

    def test_two_agents_tags_are_both_kept_in_either_order(self) -> None:
        edits = ({"add": ("vip",)}, {"add": ("b2b",), "remove": ("gift",)})
        one = perform(perform(order(), "set_tags", edits[0]), "set_tags", edits[1])
        other = perform(perform(order(), "set_tags", edits[1]), "set_tags", edits[0])
        assert one.tags == other.tags == ("b2b", "vip", "wholesale")

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ({}, "no_change"),
            ({"add": ("gift",)}, "no_change"),
            ({"remove": ("unheard-of",)}, "no_change"),
            ({"add": ("vip",), "remove": ("vip",)}, "added_and_removed"),
            ({"add": ("",)}, "bad_tag"),
            ({"add": (" vip",)}, "bad_tag"),
            ({"add": ("vip, b2b",)}, "bad_tag"),
            ({"add": ("a\nb",)}, "control_character"),
            ({"add": ("x" * 41,)}, "text_too_long"),
            ({"add": tuple(f"t{n}" for n in range(49))}, "too_many_tags"),
        ],
    )
    def test_tags_that_cannot_be_set_are_refused(self, arguments: dict[str, Any], code: str) -> None:
        assert code == refusal(order(), "set_tags", arguments)

    def test_a_channels_odd_tag_can_be_taken_off_but_not_put_back(self) -> None:
        before = order().model_copy(update={"tags": ("a,b", "gift")})
        assert perform(before, "set_tags", {"remove": ("a,b",)}).tags == ("gift",)
        assert inverses(before, "set_tags", {"remove": ("a,b",)}) == ()

    @pytest.mark.parametrize("name", ["ship_method", "payment_method", "note"])
    def test_a_text_is_cleared_by_null_or_blanks_and_set_back(self, name: str) -> None:
        operation, argument = f"set_{name}", name.rsplit("_", 1)[-1]
        for nothing in (None, " "):
            after = perform(order(), operation, {argument: nothing})
            assert getattr(after, name) is None
            assert undo(after, inverses(order(), operation, {argument: nothing})) == order()
        empty = order().model_copy(update={name: None})
        assert refusal(empty, operation, {argument: None}) == "no_change"
        assert undo(perform(empty, operation, {argument: "new"}), inverses(empty, operation, {argument: "new"})) == empty

    @pytest.mark.parametrize("name", ["ship_method", "payment_method"])
    def test_a_method_is_one_short_line(self, name: str) -> None:
        assert refusal(order(), f"set_{name}", {"method": "a\nb"}) == "control_character"
        assert refusal(order(), f"set_{name}", {"method": "x" * 256}) == "text_too_long"
        odd = order().model_copy(update={name: "x" * 256})
        assert inverses(odd, f"set_{name}", {"method": "y"}) == ()

    def test_a_note_has_lines_and_an_end(self) -> None:
        assert perform(order(), "set_note", {"note": "x\n" * 1000}).note == "x\n" * 1000
        assert refusal(order(), "set_note", {"note": "x" * 2001}) == "text_too_long"
        assert refusal(order(), "set_note", {"note": "a\r\nb"}) == "control_character"

    def test_a_billing_address_is_held_to_what_a_shipping_address_is(self) -> None:
        arguments = {"lines": ("2 New Street",), "city": "Lyon", "country": "FR"}
        assert refusal(order(), "set_bill_address", arguments | {"country": "FRA"}) == "unknown_country"
        assert inverses(order().model_copy(update={"bill_to": None}), "set_bill_address", arguments) == ()
        same = {"lines": ("1 Old Road",), "city": "Paris", "postal_code": "75001", "country": "FR"}
        assert refusal(order(), "set_bill_address", same) == "no_change"


class TestSplitShipment:
    """What travels on its own, and no more of it than there is."""

    PATH = "/shipments"

    def split(self, before: Order, *parts: tuple[str, int], **more: Any) -> Order:
        spec = discover()["split_shipment"]
        stated = {"parts": [{"line_id": line_id, "quantity": units} for line_id, units in parts], **more}
        arguments = spec.arguments.model_validate_json(json.dumps(stated))
        return spec.apply(before, arguments, replace(context(), op_index=len(before.shipments)))

    def test_units_are_promised_once(self) -> None:
        open_units = order().lines[0].open
        one = self.split(order(), ("L1", open_units - 1))
        two = self.split(one, ("L1", 1))
        assert [part.quantity for row in two.shipments for part in row.parts] == [open_units - 1, 1]
        assert two.totals == order().totals
        with pytest.raises(OperationRefused) as refused:
            self.split(two, ("L1", 1))
        assert refused.value.reason_code == "not_free"

    @pytest.mark.parametrize(
        ("parts", "code"),
        [
            ((("L1", 0),), "quantity_not_positive"),
            ((("L1", 1), ("L1", 1)), "line_twice"),
            ((("L9", 1),), "unknown_line"),
            ((), "nothing_to_ship"),
        ],
    )
    def test_what_cannot_travel_is_refused(self, parts: tuple[tuple[str, int], ...], code: str) -> None:
        with pytest.raises(OperationRefused) as refused:
            self.split(order(), *parts)
        assert refused.value.reason_code == code

    def test_what_is_released_is_not_sent_apart(self) -> None:
        with pytest.raises(OperationRefused):
            self.split(with_line(released=order().lines[0].open), ("L1", 1))

    def test_a_shipment_is_changed_and_dissolved_by_its_id(self) -> None:
        one = self.split(order(), ("L1", 1))
        name = one.shipments[0].shipment_id
        other = self.split(one, ("L1", 1), shipment_id=name, ship_method="night")
        assert [row.ship_method for row in other.shipments] == ["night"]
        assert self.split(other, shipment_id=name).shipments == ()

    def test_when_units_go_shipments_carry_fewer_the_last_one_first(self) -> None:
        before = with_line(ordered=5, released=0, cancelled=0)
        both = self.split(self.split(before, ("L1", 3)), ("L1", 2))
        fewer = recalculate(both.model_copy(update={"lines": (both.lines[0].with_(ordered=4), *both.lines[1:])}))
        assert [[part.quantity for part in row.parts] for row in fewer.shipments] == [[3], [1]]
        least = recalculate(both.model_copy(update={"lines": (both.lines[0].with_(ordered=3), *both.lines[1:])}))
        assert [[part.quantity for part in row.parts] for row in least.shipments] == [[3]]
        assert recalculate(least) == least
