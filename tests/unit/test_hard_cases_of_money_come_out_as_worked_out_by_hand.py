"""The table of hard cases, `tests/fixtures/hard_cases.toml`: each result was worked out by hand and says how."""

import json
import tomllib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from modification_processor.edit import Edited, calls_of, edit
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.totals import recalculate, totals_of
from schemas.catalogue import ANY, Promotion
from schemas.money import UnitPrice, to_minor, to_text
from schemas.order import Adjustment, Order, OrderLine, Source, TaxRow
from schemas.ticket import Operation
from tests.unit.strategies import context

CASES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "fixtures/hard_cases.toml").read_text("utf-8"))["case"]
REASONS = {"apply_promotion": "goodwill", "remove_promotion": "entry_error"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_hard_case_comes_out_as_worked_out(case: dict[str, Any]) -> None:
    found = _after(case)
    if "refused" in case:
        assert isinstance(found, Refused)
        assert case["refused"] == found.code
        return
    assert isinstance(found, Order), found
    assert case["total"] == to_text(found.totals.grand_total_minor, found.currency)
    assert totals_of(found) == found.totals
    assert recalculate(found) is found
    for name, shares in case.get("shares", {}).items():
        row = next(row for row in found.adjustments if row.adjustment_id == _row_id(name))
        assert shares == {part.line_id: to_text(part.amount_minor, found.currency) for part in row.allocations}
        assert sum(part.amount_minor for part in row.allocations) == row.amount_minor
    if "taxes" in case:
        assert case["taxes"] == [to_text(row.amount_minor, found.currency) for row in found.taxes]


def test_there_are_many_and_no_two_have_one_name() -> None:
    assert len(CASES) >= 40
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert all(case["why"] for case in CASES)


def _after(case: dict[str, Any]) -> Order | Refused:
    """Return the order after promotions and edits, or the first refusal."""
    order = _order(case)
    promotions = [_promotion(case, n, stated) for n, stated in enumerate(case.get("promotions", ()), 1)]
    steps = [(f"9000000{n}", "apply_promotion", {"code": p.code}) for n, p in enumerate(promotions, 1)]
    for n, stated in enumerate(case.get("edits", ()), 1):
        arguments = {key: _row_id(value) if key == "adjustment_id" else value for key, value in stated.items() if key != "name"}
        steps.append((f"0000000{n}", stated["name"], arguments))
    for ticket, name, arguments in steps:
        found = _edited(order, name, arguments, _knowing(context(ticket), promotions))
        if isinstance(found, Refused):
            return found
        order = found.order
    return order


def _edited(order: Order, name: str, arguments: dict[str, Any], known: Context) -> Edited | Refused:
    calls = calls_of((Operation(name=name, arguments=json.dumps(arguments)),))
    assert not isinstance(calls, Refused), calls
    return edit(order, calls, REASONS.get(name, "entry_error"), frozenset({"Order_Modify"}), None, known)


def _row_id(name: str) -> str:
    return f"T9000000{name[1:]}-0" if name.startswith("P") else name


def _promotion(case: dict[str, Any], number: int, stated: dict[str, Any]) -> Promotion:
    currency = case["currency"] if {"amount", "threshold"} & stated.keys() else ANY
    values = stated | {"code": f"P{number}", "version": 1, "currency": currency, "skus": tuple(stated.get("skus", ()))}
    return Promotion(**values)


def _knowing(known: Context, promotions: list[Promotion]) -> Context:
    by_key = {(p.code, p.currency): p for p in promotions}
    return Context(known.at, known.ticket_id, products=known.products, promotions=by_key, terms={(*key, 1): p for key, p in by_key.items()})


def _order(case: dict[str, Any]) -> Order:
    currency, included = case["currency"], case.get("included", False)
    lines = tuple(
        OrderLine(
            line_id=line_id, position=n, sku=sku[0] if sku else "TEA-GREEN", unit_price=UnitPrice.parse(price), tax_included=included,
            ordered=quantity,
        )
        for n, (line_id, price, quantity, *sku) in enumerate(case["lines"], 1)
    )  # fmt: skip
    shipping: tuple[Adjustment, ...] = ()
    if "shipping" in case:
        shipping = (Adjustment(adjustment_id="S1", position=0, kind="shipping", amount_minor=to_minor(case["shipping"], currency)),)
    targets: list[tuple[str | None, str | None]] = [(line.line_id, None) for line in lines]
    targets += [(None, row.adjustment_id) for row in shipping]
    rates = [(target, rate) for target in targets for rate in case.get("rates", ())]
    taxes = tuple(
        TaxRow(tax_id=f"X{n}", position=n, line_id=line_id, adjustment_id=row_id, rate=rate, included=included, amount_minor=0)
        for n, ((line_id, row_id), rate) in enumerate(rates)
    )
    return recalculate(
        Order(
            order_id=UUID(int=7), order_number="1", source=Source(channel="shopify", channel_order_id="1"), currency=currency,
            rounding=case.get("rounding", "half_up"), lifecycle="confirmed", lines=lines, adjustments=shipping, taxes=taxes,
        )
    )  # fmt: skip
