"""What edits of addresses, windows, holds, texts and tags do, and what they refuse."""

from datetime import timedelta
from typing import Any

import pycountry
import pytest

from modification_processor.operations import discover
from modification_processor.operations.addresses import COUNTRIES
from modification_processor.operations.place_hold import SYSTEM_KINDS
from modification_processor.operations.release_hold import ReleaseHold
from modification_processor.totals import recalculate
from normalizers.building import address_of
from schemas.order import Adjustment, Basis, Hold, TaxRow
from tests.contract.operations.subjects import going_on, order, refusal, sample
from tests.unit.strategies import AT, inverses, perform, undo


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
