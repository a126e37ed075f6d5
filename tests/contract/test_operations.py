"""What every operation keeps, whoever adds one: its file, and `tests/fixtures/operations/<name>.json` as its example."""

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pycountry
import pytest
from pydantic import ValidationError

from modification_processor.field_locks import default_locks
from modification_processor.operations import discover
from modification_processor.operations.addresses import COUNTRIES
from modification_processor.operations.operation import MoneyEffect, Needs, OperationRefused, OperationSpec, Promotion
from modification_processor.operations.rows import resolved_path
from modification_processor.totals import recalculate
from normalizers.building import address_of
from normalizers.channel import Verb
from schemas.leaves import changed_leaves
from schemas.model import Model
from schemas.money import UnitPrice
from schemas.order import Address, Adjustment, Allocation, Basis, Contact, Order, OrderLine, Source, TaxRow
from schemas.ticket import REASON_CODES
from tests.unit.strategies import AT, context, inverses, perform, undo

SAMPLES = Path(__file__).parents[1] / "fixtures" / "operations"
DERIVED = re.compile(r"/taxes/|/adjustments/[^/]+/allocations/|/lines/[^/]+/gross_|/totals/")


def order() -> Order:
    """Two taxed lines under one discount, shipping, an address."""
    lines = tuple(
        OrderLine(
            line_id=f"L{n}",
            position=n,
            sku="TEA-GREEN",
            name="Green tea",
            unit_price=UnitPrice(amount=1000, exponent=2),
            gross_basis=Basis(input=3, amount_minor=3000),
            ordered=3,
        )
        for n in (1, 2)
    )
    shares = tuple(Allocation(line_id=f"L{n}", amount_minor=150, basis=Basis(input=3, amount_minor=150)) for n in (1, 2))
    discount = Adjustment(adjustment_id="D1", position=1, kind="discount", code="WELCOME", amount_minor=300, allocations=shares)
    shipping = Adjustment(adjustment_id="S1", position=2, kind="shipping", amount_minor=490)
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
            lifecycle="confirmed",
            contact=Contact(name="Ada Example", email="ada@example.com", phone="+33 1"),
            ship_to=Address(
                name="Ada Example", lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"
            ),
            lines=lines,
            adjustments=(discount, shipping),
            taxes=taxes,
        )
    )


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
        before = order()
        text = before.model_dump_json()
        after = spec.apply(before, sample(spec), context())
        assert after is not before
        assert after == spec.apply(before, sample(spec), context())
        assert text == before.model_dump_json()

    def test_leaves_a_valid_order(self, spec: OperationSpec) -> None:
        after = recalculate(spec.apply(order(), sample(spec), context()))
        assert after == Order.model_validate_json(after.model_dump_json())

    def test_writes_only_what_it_says(self, spec: OperationSpec) -> None:
        before = order()
        paths = [resolved_path(touch.path, context()) for touch in spec.touches(before, sample(spec))]
        changed = [leaf.path for leaf in changed_leaves(before, spec.apply(before, sample(spec), context()))]
        assert changed
        assert [path for path in changed if not _under(path, paths) and not DERIVED.match(path)] == []
        assert [path for path in paths if not any(_under(leaf, [path]) for leaf in changed)] == []

    def test_changes_no_money_unless_it_says_so(self, spec: OperationSpec) -> None:
        before = order()
        after = recalculate(spec.apply(before, sample(spec), context()))
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
        before = order()
        operations = spec.inverse(before, sample(spec), context())
        back = undo(recalculate(spec.apply(before, sample(spec), context())), operations)
        if operations:
            assert before.totals == back.totals
            assert before.lines == back.lines[: len(before.lines)]
            assert all(line.open == 0 for line in back.lines[len(before.lines) :])
            assert (before.contact, before.ship_to, before.delivery_window) == (back.contact, back.ship_to, back.delivery_window)
        else:
            assert (spec.inverse.__doc__ or "").startswith("None")

    def test_refuses_an_unknown_line_and_can_still_be_asked_about_it(self, spec: OperationSpec) -> None:
        if "line_id" not in spec.arguments.model_fields:
            return
        arguments = sample(spec).model_copy(update={"line_id": "L99"})
        assert spec.touches(order(), arguments)
        assert refusal(order(), spec.name, arguments.model_dump()) == "unknown_line"

    def test_has_new_rows_only_under_ids_of_its_own(self, spec: OperationSpec) -> None:
        one, two = (spec.apply(order(), sample(spec), replace(context(), op_index=index)) for index in (0, 1))
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
    return any(path == other or path.startswith(f"{other}/") for other in paths)


def with_line(**changes: Any) -> Order:
    before = order()
    return recalculate(before.model_copy(update={"lines": (before.lines[0].model_copy(update=changes), before.lines[1])}))


class TestQuantities:
    def test_a_quantity_below_what_is_released_is_refused(self) -> None:
        assert refusal(with_line(released=2), "change_quantity", {"line_id": "L1", "quantity": 1}) == "below_fulfilled"
        assert perform(with_line(released=2), "change_quantity", {"line_id": "L1", "quantity": 2}).lines[0].open == 2

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
            ({"percent_bp": 0}, "nothing_to_discount"),
            ({"percent_bp": None}, "nothing_to_discount"),
        ],
    )
    def test_a_promotion_that_cannot_be_used_now_is_refused(self, changes: dict[str, Any], code: str) -> None:
        promotion = replace(Promotion("TENOFF", 3, "Ten per cent off", percent_bp=1000), **changes)
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
        assert perform(order(), "place_hold", arguments).lifecycle == "held"
        assert perform(order().model_copy(update={"lifecycle": "closed"}), "place_hold", arguments).lifecycle == "closed"

    @pytest.mark.parametrize("kind", ["channel", "fulfilment_conflict", "Fraud", "", "x" * 41])
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
