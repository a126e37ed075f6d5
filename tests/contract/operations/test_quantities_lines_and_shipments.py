"""What edits of quantities, lines and shipments do, and what they refuse."""

import json
from dataclasses import replace
from typing import Any

import pytest

from modification_processor.operations import discover
from modification_processor.operations.operation import OperationRefused
from modification_processor.totals import recalculate
from schemas.order import Order
from tests.contract.operations.subjects import (
    order,
    refusal,
    with_line,
)
from tests.unit.strategies import context, perform


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
