"""An order that carries a promotion is edited: what becomes of the promotion is its policy's, or the ticket's, to say; and added units' prices theirs.

The order's goods come to 60.00 less 3.00; SPEND50 takes 5.00 off from 50.00 on, and half the goods are then cancelled.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from modification_processor.edit import Edited, calls_of, edit
from modification_processor.operations.operation import Context, Product
from modification_processor.outcomes import Refused
from modification_processor.promotions import uses_moved
from schemas.catalogue import STANDARD, ProductEntry, Promotion, TaxRate, TaxRates, area_of
from schemas.money import UnitPrice
from schemas.order import Order
from schemas.ticket import Operation
from tests.contract.operations.subjects import going_on
from tests.unit.strategies import AT, context

SPEND = Promotion(code="SPEND50", currency="EUR", version=1, label="Five off", kind="amount", amount="5.00", threshold="50.00")


def known(promotion: Promotion = SPEND, *, in_force: Promotion | None = None) -> Context:
    return replace(
        context(),
        promotions={(promotion.code, "EUR"): in_force or promotion},
        terms={(promotion.code, "EUR", promotion.version): promotion},
    )


def edited(order: Order, name: str, arguments: dict[str, Any], here: Context) -> Edited | Refused:
    calls = calls_of((Operation(name=name, arguments=orjson.dumps(arguments).decode()),))
    assert not isinstance(calls, Refused), calls
    return edit(order, calls, "customer_request", frozenset({"Order_Modify"}), None, here)


def promoted(promotion: Promotion = SPEND) -> Order:
    found = edited(going_on(), "apply_promotion", {"code": promotion.code}, known(promotion))
    assert isinstance(found, Edited), found
    return found.order


def carries(order: Order) -> int | None:
    """What the promotion takes off; None where the order has it no more."""
    return next((row.amount_minor for row in order.adjustments if row.code == SPEND.code), None)


def cancelled(order: Order, here: Context, policy: str | None = None) -> Edited | Refused:
    return edited(order, "cancel_line", {"line_id": "L1", "quantity": 2} | ({"promotions": policy} if policy else {}), here)


@pytest.mark.parametrize(
    ("policy", "left", "warned"),
    [
        ("pinned", 333, []),  # 2.50 a line at 3 units: 0.83 and 2.50
        ("warn", 333, ["promotion_no_longer_qualifies"]),
        ("drop", None, ["promotion_dropped"]),
        ("reapply", None, ["promotion_not_reapplied"]),
    ],
)
@pytest.mark.parametrize("by_ticket", [True, False], ids=["ticket", "promotion"])
def test_a_threshold_that_is_missed_afterwards(policy: Any, left: int | None, warned: list[str], by_ticket: bool) -> None:
    promotion = SPEND if by_ticket else SPEND.with_(on_edit=policy)
    found = cancelled(promoted(promotion), known(promotion), policy if by_ticket else None)
    assert isinstance(found, Edited), found
    assert carries(found.order) == left
    assert [warning.code for warning in found.warnings] == warned


def test_a_ticket_that_revalidates_is_refused_and_names_what_is_lacking() -> None:
    found = cancelled(promoted(), known(), "revalidate")
    assert isinstance(found, Refused)
    assert (found.code, found.path) == ("promotion_no_longer_qualifies", f"/adjustments/{promoted().adjustments[-1].adjustment_id}")


def test_a_promotion_that_still_holds_is_cut_anew_where_it_is_reapplied() -> None:
    better = SPEND.with_(version=2, amount="8.00", threshold="20.00")
    found = cancelled(promoted(), known(in_force=better), "reapply")
    assert isinstance(found, Edited), found
    assert carries(found.order) == 800
    assert [row.promotion_version for row in found.order.adjustments if row.code == SPEND.code] == [2]


def test_an_exclusive_promotion_stands_alone_whichever_came_first() -> None:
    alone, ten = SPEND.with_(exclusive=True), context().promotions["TENOFF", "*"]
    here = replace(
        context(),
        promotions={("SPEND50", "EUR"): alone, ("TENOFF", "*"): ten},
        terms={("SPEND50", "EUR", 1): alone, ("TENOFF", "*", ten.version): ten},
    )
    for first, second in (("TENOFF", "SPEND50"), ("SPEND50", "TENOFF")):
        one = edited(going_on(), "apply_promotion", {"code": first}, here)
        assert isinstance(one, Edited), one
        refused = edited(one.order, "apply_promotion", {"code": second}, replace(here, ticket_id="aaaaaaaa-0000-4000-8000-000000000000"))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.rule_id) == ("promotion_excluded", "exclusive")


def test_a_category_names_the_lines_that_are_taken_off() -> None:
    tea = SPEND.with_(code="TEAS", categories=("tea",), threshold=None)
    goods = {"TEA-GREEN": ProductEntry(sku="TEA-GREEN", name="Green tea", category="tea")}
    assert isinstance(edited(going_on(), "apply_promotion", {"code": "TEAS"}, replace(known(tea), entries=goods)), Edited)
    other = {"TEA-GREEN": ProductEntry(sku="TEA-GREEN", name="Green tea", category="coffee")}
    assert isinstance(edited(going_on(), "apply_promotion", {"code": "TEAS"}, replace(known(tea), entries=other)), Refused)


def listed(price: str) -> Context:
    return replace(context(), products={("TEA-GREEN", "EUR"): Product("TEA-GREEN", "Green tea", UnitPrice.parse(price))})


def test_units_added_at_the_list_price_are_a_line_of_their_own() -> None:
    before = going_on()
    found = edited(before, "change_quantity", {"line_id": "L1", "quantity": 5, "added": "list"}, listed("12.00"))
    assert isinstance(found, Edited), found
    new = found.order.lines[-1]
    assert (new.sku, new.ordered, new.gross_minor, new.price_source) == ("TEA-GREEN", 2, 2400, "catalog")
    assert found.order.lines[0] == before.lines[0], "what was sold stays as it was sold"
    assert [row.amount_minor for row in found.order.taxes if row.line_id == new.line_id] == [480]


@pytest.mark.parametrize(("price", "allowed"), [("10.00", True), ("10.0000", True), ("10.01", False)])
def test_units_added_at_an_unchanged_price_need_the_list_price_to_be_the_sold_one(price: str, allowed: bool) -> None:
    found = edited(going_on(), "change_quantity", {"line_id": "L1", "quantity": 5, "added": "unchanged"}, listed(price))
    if allowed:
        assert isinstance(found, Edited), found
        assert found.order.lines[0].gross_minor == 5000
    else:
        assert isinstance(found, Refused)
        assert found.code == "price_differs"


ROME = {"lines": ["1 Via"], "city": "Rome", "postal_code": "00100", "country": "IT"}


def test_an_order_that_leaves_its_tax_area_is_taxed_where_it_goes_or_says_that_it_is_not() -> None:
    before = going_on()
    goods = {"TEA-GREEN": ProductEntry(sku="TEA-GREEN", name="Green tea", category="tea")}
    here = replace(
        context(), entries=goods, taxes={(area_of("IT", ""), STANDARD): TaxRates(country="IT", rates=(TaxRate(title="IVA", rate="0.10"),))}
    )
    found = edited(before, "set_ship_address", ROME, here)
    assert isinstance(found, Edited), found
    assert [(row.title, row.rate, row.amount_minor) for row in found.order.taxes] == [("IVA", "0.1", 285), ("IVA", "0.1", 285)]
    unknown = edited(before, "set_ship_address", ROME, replace(here, taxes={}))
    assert isinstance(unknown, Edited), unknown
    assert unknown.order.taxes == before.taxes
    assert [warning.code for warning in (*found.warnings, *unknown.warnings)] == ["tax_area_changed", "tax_area_changed"]


LATER: dict[str, dict[str, Any]] = {
    "still in force": {},
    "expired": {"ends_at": AT},
    "not started again": {"starts_at": AT + timedelta(days=1)},
    "disabled": {"active": False},
    "re-versioned": {"amount": "8.00", "label": "Eight off"},
    "for other goods now": {"skus": ("CUP-2",)},
}
"""What the version in force says by the time the order is edited; the order carries version 1 of 5.00 off."""
GONE: tuple[int | None, int | None, list[str]] = (None, None, ["promotion_not_reapplied"])
REAPPLIED: dict[str, tuple[int | None, int | None, list[str]]] = {
    "still in force": (500, 2, []),
    "expired": GONE,
    "not started again": GONE,
    "disabled": GONE,
    "re-versioned": (800, 2, []),
    "for other goods now": GONE,
}


@pytest.mark.parametrize("policy", ["pinned", "warn", "revalidate", "drop", "reapply"])
@pytest.mark.parametrize("later", LATER)
def test_what_the_promotion_became_since_matters_to_who_reapplies_it_alone(later: str, policy: Any) -> None:
    here = known(in_force=SPEND.with_(version=2, **LATER[later]))
    found = edited(promoted(), "change_quantity", {"line_id": "L1", "quantity": 4, "promotions": policy}, here)
    assert isinstance(found, Edited), found
    row = next((row for row in found.order.adjustments if row.code == SPEND.code), None)
    seen = (carries(found.order), row.promotion_version if row else None, [warning.code for warning in found.warnings])
    # The shares were 2.50 a line at 3 units each; the fourth unit brings its line's share to 3.33.
    pinned: tuple[int | None, int | None, list[str]] = (583, 1, [])
    dropped: tuple[int | None, int | None, list[str]] = (None, None, ["promotion_dropped"])
    assert {"drop": dropped, "reapply": REAPPLIED[later]}.get(policy, pinned) == seen
    assert uses_moved(promoted(), found.order) == ({} if row else {SPEND.code: -1})


@pytest.mark.parametrize(("limit", "left"), [(None, 500), (7, 500), (6, None)])
def test_a_use_of_the_orders_own_does_not_stand_in_its_way(limit: int | None, left: int | None) -> None:
    """Seven uses are counted, one of them this order's: six of others leave room under a limit of seven, not of six."""
    limited = SPEND.with_(limit=limit)
    here = replace(known(SPEND, in_force=limited), uses={SPEND.code: 7})
    found = edited(promoted(), "change_quantity", {"line_id": "L1", "quantity": 4, "promotions": "reapply"}, here)
    assert isinstance(found, Edited), found
    assert left == carries(found.order)


@pytest.mark.parametrize(("moved", "code"), [(0, "applied"), (1, "promotion_exhausted"), (-1, "applied")])
def test_uses_of_the_same_transaction_count(moved: int, code: str) -> None:
    here = replace(known(SPEND.with_(limit=5)), uses={SPEND.code: 4}, moved={SPEND.code: moved})
    found = edited(going_on(), "apply_promotion", {"code": SPEND.code}, here)
    assert code == ("applied" if isinstance(found, Edited) else found.code)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_one_order_has_a_promotion_as_often_as_its_version_allows(limit: int) -> None:
    free = SPEND.with_(threshold=None)
    here = known(free.with_(limit_per_order=limit))
    order = going_on()
    for number in range(limit):
        found = edited(order, "apply_promotion", {"code": SPEND.code}, replace(here, ticket_id=f"{number:08x}-0000-4000-8000-000000000000"))
        assert isinstance(found, Edited), (number, found)
        order = found.order
    assert uses_moved(going_on(), order) == {SPEND.code: limit}
    refused = edited(order, "apply_promotion", {"code": SPEND.code}, replace(here, ticket_id="ffffffff-0000-4000-8000-000000000000"))
    assert isinstance(refused, Refused)
    assert ("promotion_already_applied", limit > 1) == (refused.code, f" {limit} times" in refused.message)
    again = replace(here, promotions={(SPEND.code, "EUR"): free.with_(version=2, limit_per_order=1)})
    fewer = edited(order, "change_quantity", {"line_id": "L1", "quantity": 4, "promotions": "reapply"}, again)
    assert isinstance(fewer, Edited)
    assert [2] == [row.promotion_version for row in fewer.order.adjustments if row.code == SPEND.code]


def test_a_cancelled_order_and_a_removed_promotion_give_their_use_back() -> None:
    order = promoted()
    removed = edited(order, "remove_promotion", {"adjustment_id": order.adjustments[-1].adjustment_id}, known())
    gone = edited(order, "cancel_order", {}, known())
    assert isinstance(removed, Edited)
    assert isinstance(gone, Edited)
    assert {SPEND.code: -1} == uses_moved(order, removed.order) == uses_moved(order, gone.order)
    assert {} == uses_moved(gone.order, gone.order.model_copy(update={"note": "x"}))
