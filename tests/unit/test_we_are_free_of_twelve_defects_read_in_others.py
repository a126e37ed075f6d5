"""Twelve defects found in the source of other systems that edit orders, and what shows that we are free of each.

A defect that needs servers to be shown has its test in `ELSEWHERE`, which has to exist; the others are shown here.
"""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from modification_processor.edit import Edited, calls_of, derived, edit
from modification_processor.operations import discover
from modification_processor.operations.rows import MAX_UNITS
from modification_processor.outcomes import Refused
from modification_processor.totals import recalculate
from schemas.leaves import changed_leaves
from schemas.money import UnitPrice, allocate
from schemas.order import Address, Order, Shipment, ShipmentPart
from schemas.ticket import Operation
from tests.contract.operations.subjects import going_on
from tests.unit.strategies import context
from tests.unit.test_later_edits_follow_the_promotions_policy import edited

ROOT = Path(__file__).parents[2]
SHIPPED_TO = {"lines": ["2 New Street"], "city": "Lyon", "country": "FR"}

ELSEWHERE = {
    "the gateway is called inside the transaction, and a second refund that fails forgets the first": (
        "tests/integration/test_money_follows_an_edit_and_every_ticket_settles.py",
        "test_after_a_crash_between_three_refunds_only_the_one_without_an_answer_is_asked_again",
    ),
    "who edits at once loses the other's line": (
        "tests/integration/test_sixteen_writers_lose_no_edit.py",
        "test_sixteen_writers_on_fifty_orders",
    ),
    "two equal requests at one moment both run": (
        "tests/integration/test_the_api_takes_an_edit_once_and_tells_what_became_of_it.py",
        "test_equal_requests_at_the_same_moment_are_one_edit",
    ),
}


@pytest.mark.parametrize("defect", ELSEWHERE)
def test_what_needs_servers_is_shown_where_they_are(defect: str) -> None:
    file, name = ELSEWHERE[defect]
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def after(order: Order, *operations: tuple[str, dict[str, Any]], here: Any = None) -> Edited:
    calls = calls_of(tuple(Operation(name=name, arguments=orjson.dumps(arguments).decode()) for name, arguments in operations))
    assert not isinstance(calls, Refused), calls
    found = edit(order, calls, "customer_request", frozenset({"Order_Modify"}), None, here or context())
    assert isinstance(found, Edited), found
    return found


def leaves_of(before: Order, found: Edited) -> dict[str, tuple[str | None, str | None]]:
    return {leaf.path: (leaf.old, leaf.new) for leaf in changed_leaves(before, found.order) if not derived(leaf, found.requested)}


class TestTheAudit:
    @pytest.mark.parametrize(("start", "more"), [(1, 1), (1, 5), (3, 1)])
    def test_units_added_to_a_line_are_remembered_as_what_they_are(self, start: int, more: int) -> None:
        """1. One unit more of a line of one was written down as a difference of zero."""
        before = going_on()
        before = after(before, ("change_quantity", {"line_id": "L1", "quantity": start})).order if start != 3 else before
        found = after(before, ("change_quantity", {"line_id": "L1", "quantity": start + more}))
        assert {"/lines/L1/ordered": (str(start), str(start + more))} == leaves_of(before, found)

    def test_a_swapped_sku_and_an_added_line_are_in_it_without_being_configured(self) -> None:
        """11. Substitutions and added lines without a price escaped the audit."""
        before, known = going_on(), context()
        nothing = UnitPrice(amount=0, exponent=0)
        free = replace(known, products={key: replace(product, price=nothing) for key, product in known.products.items()})
        swap = leaves_of(before, after(before, ("replace_sku", {"line_id": "L1", "sku": "TEA-BLACK"})))
        assert {("/lines/L1/ordered", "0"), ("/lines/T7d1c2b3a-0/sku", '"TEA-BLACK"'), ("/lines/T7d1c2b3a-0/ordered", "3")} <= {
            (path, new) for path, (_, new) in swap.items()
        }
        added = leaves_of(before, after(before, ("add_line", {"sku": "CUP-2", "quantity": 1}), here=free))
        assert {"/lines/T7d1c2b3a-0/sku", "/lines/T7d1c2b3a-0/ordered", "/lines/T7d1c2b3a-0/unit_price"} <= {
            path.removesuffix("/amount") for path in added
        }


class TestWhatAnEditLeavesAlone:
    def test_a_limit_counts_each_line_by_itself_whatever_else_the_ticket_changes(self) -> None:
        """2. An edit of several lines added whole new quantities up, and met the order's limit falsely."""
        found = after(
            going_on(),
            ("change_quantity", {"line_id": "L1", "quantity": MAX_UNITS}),
            ("change_quantity", {"line_id": "L2", "quantity": MAX_UNITS - 1}),
            ("change_quantity", {"line_id": "L1", "quantity": MAX_UNITS - 1}),
        )
        assert [MAX_UNITS - 1] * 2 == [line.ordered for line in found.order.lines]

    def test_fewer_shipments_are_fewer_by_exactly_the_one_that_carries_nothing(self) -> None:
        """4. Shortening the list of shipping methods also took a line that should have stayed."""
        shipments = tuple(
            Shipment(shipment_id=f"S{n}", parts=(ShipmentPart(line_id=line_id, quantity=1),))
            for n, line_id in enumerate(("L1", "L2", "L1"))
        )
        before = going_on().model_copy(update={"shipments": shipments})
        found = after(before, ("remove_line", {"line_id": "L2"}))
        assert (shipments[0], shipments[2]) == found.order.shipments

    def test_what_is_reserved_for_other_lines_stays_reserved(self) -> None:
        """5. Reservations of all lines were deleted and made again for those that grew."""
        lines = tuple(line.model_copy(update={"allocated": 3}) for line in going_on().lines)
        before = going_on().model_copy(update={"lines": lines})
        found = after(before, ("change_quantity", {"line_id": "L1", "quantity": 5}), ("add_line", {"sku": "CUP-2", "quantity": 1}))
        assert lines[1] == found.order.lines[1]
        assert [3, 3, 0] == [line.allocated for line in found.order.lines]

    def test_rows_that_a_ticket_does_not_name_are_never_deleted(self) -> None:
        """8. Rows missing from the submitted list were deleted, so of two who added a line one lost it."""
        one = after(going_on(), ("add_line", {"sku": "CUP-2", "quantity": 1}), here=context("11111111"))
        both = after(one.order, ("add_line", {"sku": "TEA-BLACK", "quantity": 2}), here=context("22222222"))
        assert ["L1", "L2", "T11111111-0", "T22222222-0"] == [line.line_id for line in both.order.lines]


class TestMoney:
    def test_a_price_of_nothing_is_a_price(self) -> None:
        """6. A change of the price to exactly 0 was ignored."""
        spec = discover()["override_price"]
        arguments = spec.arguments.model_validate({"line_id": "L1", "unit_price": "0", "note": "gift"})
        line = recalculate(spec.apply(going_on(), arguments, context())).lines[0]
        assert line.unit_price is not None
        assert (0, 0, "override") == (line.unit_price.amount, line.gross_minor, line.price_source)

    def test_no_last_line_takes_a_remainder_that_is_a_surcharge(self) -> None:
        """9. Four cents over seven equal lines gave the last one minus two."""
        assert [1, 1, 1, 1, 0, 0, 0] == allocate(4, [1] * 7)
        for amount in range(60):
            for weights in ([1] * 7, [3, 3, 1], [0, 5, 0, 5], [10**9, 1, 1]):
                shares = allocate(amount, weights)
                assert (amount, True) == (sum(shares), min(shares) >= 0)


class TestAddresses:
    @pytest.mark.parametrize("lifecycle", ["confirmed", "closed"])
    def test_the_address_of_a_shipped_order_is_not_replaced(self, lifecycle: str) -> None:
        """7. The shipping address of an order of any state was replaced, shipped ones too, without history or tax."""
        lines = tuple(line.model_copy(update={"shipped": 3, "packed": 3, "released": 3}) for line in going_on().lines)
        found = edited(going_on().model_copy(update={"lines": lines, "lifecycle": lifecycle}), "set_ship_address", SHIPPED_TO, context())
        assert isinstance(found, Refused)
        assert ("field_locked", "locks.ship_address") == (found.code, ".".join((found.rule_id or "").split(".")[:2]))

    def test_a_replaced_address_is_in_the_history_with_both_values_and_the_tax_is_looked_at(self) -> None:
        before = going_on()
        assert before.ship_to is not None
        found = after(before, ("set_ship_address", SHIPPED_TO | {"country": "DE"}))
        assert ('"FR"', '"DE"') == leaves_of(before, found)["/ship_to/country"]
        assert ["tax_area_changed"] == [warning.code for warning in found.warnings]
        assert isinstance(found.order.ship_to, Address)


class TestTheVersion:
    def test_every_write_of_an_order_passes_the_one_place_that_counts_versions(self) -> None:
        """12. A version column was by-passed by the busiest writes. Here one module writes orders, and one function counts."""
        writes = re.compile(r"\b(?:update|insert into|copy|delete from)\s+orders\b")
        found = {
            str(path.relative_to(ROOT))
            for package in ("store", "modification_processor", "dlq_handler", "console", "intake")
            for path in (ROOT / package).rglob("*.py")
            if "migrations" not in path.parts and writes.search(path.read_text("utf-8"))
        }
        assert {"store/orders.py"} == found
        counts = [
            str(path.relative_to(ROOT))
            for path in (ROOT / "modification_processor").rglob("*.py")
            if re.search(r"\.version\s*\+=", path.read_text("utf-8"))
        ]
        assert ["modification_processor/rows.py"] == counts

    def test_the_list_is_whole(self) -> None:
        shown = {int(number) for number in re.findall(r'"""(\d+)\. ', Path(__file__).read_text("utf-8"))}
        assert set(range(1, 13)) == shown | {3, 10}, "two of them are shown elsewhere"
