"""Whatever is edited, reserved = what is still to be sent, an unchanged line keeps its reservation, and no shelf promises more than it can.

Random runs of edits, facts and channels' restatements over generated orders that share three SKUs on a few shelves.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.edit import Edited, calls_of, edit
from modification_processor.facts import record
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.reservations import NO_MOVE, Stock, owed, plan, take
from modification_processor.shortages import answer
from normalizers import discover
from schemas.catalogue import ProductEntry
from schemas.facts import FactLine, FulfillmentFact
from schemas.order import DeliveryWindow, Order
from schemas.stock import Reservation, Shelf
from schemas.ticket import Operation
from tests.unit.strategies import AT, SKUS, context, line_edit_of, order_of

AGENT = frozenset({"Order_Modify"})
COMES = AT + timedelta(days=5)


def book(shelves: Sequence[Shelf], *orders: Order) -> Stock:
    """Return stock as a transaction would have loaded it for these orders."""
    stock = Stock(orders={order.order_id for order in orders}, asked={shelf.sku for shelf in shelves})
    stock.add(shelves)
    return stock


def follow(stock: Stock, before: Order | None, after: Order) -> None:
    take(stock, plan(before, after, stock))


def units(stock: Stock, order: Order) -> dict[str, int]:
    return {line_id: row.units for line_id, row in stock.held.get(order.order_id, {}).items() if row.units}


def tried(order: Order, name: str, arguments: Mapping[str, Any], known: Context) -> Edited | Refused:
    calls = calls_of((Operation(name=name, arguments=json.dumps(arguments)),))
    assert not isinstance(calls, Refused)
    return edit(order, calls, "entry_error", AGENT, discover()["shopify"].verbs, known)


@given(st.randoms(use_true_random=False))
def test_over_any_run_of_edits_and_facts_the_sums_hold(random: Random) -> None:
    orders = [order_of(random, (1, 6), 1).model_copy(update={"order_id": UUID(int=n + 1)}) for n in range(3)]
    shelves = [
        Shelf(sku, place, random.randint(0, 120), *random.choice(((0, None), (random.randint(1, 40), COMES))))
        for sku in SKUS
        for place in random.sample(("*", "LEEDS", "YORK"), random.randint(0, 2))
    ]
    stock = book(shelves, *orders)
    for order in orders:
        follow(stock, None, order)
    sums_hold(stock, orders, shelves)
    ceiling = {place: max(promised(stock, place), capacity(stock, place)) for place in places(stock)}
    for number in range(12):
        index = random.randrange(3)
        before, was = orders[index], dict(stock.held.get(orders[index].order_id, {}))
        after = _step(random, before, stock, number)
        orders[index] = after
        follow(stock, before, after)
        for line_id, row in was.items():
            if _wants(before, line_id) == _wants(after, line_id):
                assert row is stock.held[after.order_id][line_id]
            assert row.reservation_id == stock.held[after.order_id][line_id].reservation_id
        sums_hold(stock, orders, shelves)
        for place, most in ceiling.items():
            # An edit never promises what is not there; what the orders came with stands.
            assert promised(stock, place) <= most
        ceiling = {place: max(promised(stock, place), capacity(stock, place)) for place in ceiling}


def _step(random: Random, order: Order, stock: Stock, number: int) -> Order:
    """Return the order after an edit of its lines, or after units of it were sent."""
    if random.randrange(4) == 0 and order.lifecycle == "confirmed":
        parts = [FactLine(line_id=line.line_id, quantity=random.randint(1, left)) for line in order.lines if (left := owed(order, line))]
        fact = FulfillmentFact(fact_id=f"F{number}", order_id=order.order_id, kind="shipped", lines=tuple(parts), at=AT)
        return record(order, fact).order if parts else order
    if random.randrange(4) == 0:
        latest = random.choice((None, COMES, COMES + timedelta(days=1)))
        order = order.model_copy(update={"delivery_window": DeliveryWindow(latest=latest)})
    name, arguments = line_edit_of(random, order)
    known = replace(context(f"{number:08x}"), stock=stock)
    found = tried(order, name, arguments, known)
    if isinstance(found, Refused):
        assert found.code != "stock_short" or found.rule_id == "stock.available"
        return order
    return found.order


def _wants(order: Order, line_id: str) -> tuple[str | None, int]:
    line = order.line(line_id)
    return (None, 0) if line is None else (line.sku, owed(order, line))


def places(stock: Stock) -> list[tuple[str, str]]:
    return [(sku, location) for sku, shelves in stock.shelves.items() for location in shelves]


def promised(stock: Stock, place: tuple[str, str]) -> int:
    return stock.shelves[place[0]][place[1]].reserved


def capacity(stock: Stock, place: tuple[str, str]) -> int:
    shelf = stock.shelves[place[0]][place[1]]
    return shelf.on_hand + shelf.incoming


def sums_hold(stock: Stock, orders: Sequence[Order], shelves: Sequence[Shelf]) -> None:
    counted = {shelf.sku for shelf in shelves}
    for order in orders:
        wanted = {line.line_id: owed(order, line) for line in order.lines if line.sku in counted and owed(order, line)}
        assert wanted == units(stock, order)
    for sku, location in places(stock):
        rows = [row for held in stock.held.values() for row in held.values() if (row.sku, row.location) == (sku, location)]
        assert sum(row.units for row in rows) == promised(stock, (sku, location))
    sent = {shelf[:2]: shelf.on_hand - stock.shelves[shelf.sku][shelf.location].on_hand for shelf in shelves}
    assert {place: units for place, units in sent.items() if units} == {place: units for place, units in stock.left.items() if units}


def one(quantity: int = 2, **changes: Any) -> Order:
    order = order_of(Random(7), (1, 1), 0)
    line = order.lines[0].model_copy(update={"ordered": quantity, "cancelled": 0, "released": 0, "quantity_exponent": 0})
    return order.model_copy(update={"lines": (line,), **changes})


def asked_for(quantity: int, shelves: Sequence[Shelf], entries: Sequence[ProductEntry] = (), **changes: Any) -> Any:
    """Return what an agent is told who wants so many units instead of two."""
    order = one(**changes)
    stock = book(shelves, order)
    follow(stock, None, order)
    known = replace(context(), stock=stock, entries={entry.sku: entry for entry in entries})
    return tried(order, "change_quantity", {"line_id": "L1", "quantity": quantity}, known)


def test_a_shortage_names_less_later_and_another_sku() -> None:
    shelves = [Shelf("TEA-GREEN", "*", 5, 20, COMES), Shelf("TEA-BLACK", "*", 40, reserved=1), Shelf("CUP-2", "*", 3)]
    tea = ProductEntry(sku="TEA-GREEN", name="Green tea", substitutes=("TEA-BLACK", "CUP-2", "NOT-COUNTED"))
    found = asked_for(9, shelves, [tea])
    assert ("stock_short", "/lines/L1/ordered", "stock.available") == (found.code, found.path, found.rule_id)
    assert "9 of SKU TEA-GREEN are wanted and 5 can be had" == found.message
    assert [
        ("stock_less", "less: 5 can be had now"),
        ("stock_later", f"later: all 9 from {COMES:%Y-%m-%d} on"),
        ("stock_other", "another SKU: TEA-BLACK, of which 39 can be had"),
    ] == [(one.code, one.message) for one in found.alternatives]
    assert "less: 5 can be had now" in found.told


def test_an_order_that_can_wait_gets_what_comes_in_time_and_is_told() -> None:
    window = DeliveryWindow(latest=COMES + timedelta(days=1))
    found = asked_for(9, [Shelf("TEA-GREEN", "*", 5, 20, COMES)], delivery_window=window)
    assert ["stock_comes_later"] == [warning.code for warning in found.warnings]
    assert "4 of SKU TEA-GREEN are not there yet" in found.warnings[0].message
    assert "stock_short" == asked_for(26, [Shelf("TEA-GREEN", "*", 5, 20, COMES)], delivery_window=window).code


def test_a_sku_that_takes_backorders_is_promised_with_a_warning() -> None:
    found = asked_for(9, [Shelf("TEA-GREEN", "*", 5, backorder=True)])
    assert ["stock_short", "stock_less"] == [warning.code for warning in found.warnings]


def test_a_sku_nobody_counted_is_sold_as_before() -> None:
    found = asked_for(900, [Shelf("CUP-2", "*", 1)])
    assert () == found.warnings
    assert 900 == found.order.lines[0].ordered


def test_only_the_orders_own_warehouse_can_send_to_it() -> None:
    shelves = [Shelf("TEA-GREEN", "LEEDS", 3), Shelf("TEA-GREEN", "YORK", 90)]
    assert ("stock_short", "9 of SKU TEA-GREEN are wanted and 3 can be had") == (
        (found := asked_for(9, shelves, warehouse="LEEDS")).code, found.message
    )  # fmt: skip
    assert () == asked_for(9, shelves).warnings
    assert () == asked_for(9, [*shelves, Shelf("TEA-GREEN", "*", 90)], warehouse="BATH").warnings
    assert "stock_short" == asked_for(9, shelves, warehouse="BATH").code


def test_a_line_moves_whole_to_where_there_is_enough_until_it_was_touched() -> None:
    shelves = [Shelf("TEA-GREEN", "LEEDS", 9), Shelf("TEA-GREEN", "YORK", 6)]
    for allocated, location in ((0, "YORK"), (2, None)):
        order = one(2)
        order = order.model_copy(update={"lines": (order.lines[0].model_copy(update={"allocated": allocated}),)})
        stock = book(shelves, order)
        follow(stock, None, order)
        assert "LEEDS" == stock.held[order.order_id]["L1"].location
        other = one(5, order_id=UUID(int=99))
        stock.orders.add(other.order_id)
        follow(stock, None, other)
        found = tried(order, "change_quantity", {"line_id": "L1", "quantity": 6}, replace(context(), stock=stock))
        if location is None:
            assert isinstance(found, Refused)
            continue
        assert isinstance(found, Edited)
        follow(stock, order, found.order)
        assert Reservation(order.order_id, "L1", "TEA-GREEN", location, 6, 2) == stock.held[order.order_id]["L1"]
        assert {("TEA-GREEN", "LEEDS"): 5, ("TEA-GREEN", "YORK"): 6} == {p: promised(stock, p) for p in places(stock)}


def test_two_lines_of_one_order_trade_units() -> None:
    """What one line gives up is there for the other, in whichever order they stand."""
    order = one(4)
    second = order.lines[0].model_copy(update={"line_id": "L0", "position": 0, "ordered": 1})
    order = order.model_copy(update={"lines": (second, *order.lines)})
    stock = book([Shelf("TEA-GREEN", "*", 5)], order)
    follow(stock, None, order)
    traded = (order.lines[0].model_copy(update={"ordered": 4}), order.lines[1].model_copy(update={"ordered": 1}))
    after = order.model_copy(update={"lines": traded})
    assert () == answer(order, after, stock, {})
    follow(stock, order, after)
    assert {"L0": 4, "L1": 1} == units(stock, after)


@pytest.mark.parametrize("lifecycle", ["cancelled", "closed"])
def test_an_order_that_is_over_holds_nothing(lifecycle: str) -> None:
    order = one(4)
    stock = book([Shelf("TEA-GREEN", "*", 5)], order)
    follow(stock, None, order)
    after = order.model_copy(update={"lifecycle": lifecycle})
    follow(stock, order, after)
    assert {} == units(stock, after)
    assert 0 == promised(stock, ("TEA-GREEN", "*"))


def test_what_a_channel_sold_is_reserved_even_where_it_is_not_there() -> None:
    order = one(9)
    stock = book([Shelf("TEA-GREEN", "*", 5)], order)
    planned = plan(None, order, stock)
    assert [(9, 5)] == [(short.wanted, short.possible) for short in planned.short]
    take(stock, planned)
    assert {"L1": 9} == units(stock, order)
    more = order.model_copy(update={"lines": (order.lines[0].model_copy(update={"ordered": 12}),)})
    told = answer(order, more, stock, {}, by_channel=True)
    assert isinstance(told, tuple)
    assert ["stock_short"] == [warning.code for warning in told][:1]


def test_units_that_are_sent_leave_their_shelf_and_free_nothing() -> None:
    order = one(4)
    stock = book([Shelf("TEA-GREEN", "*", 5)], order)
    follow(stock, None, order)
    fact = FulfillmentFact(
        fact_id="F", order_id=order.order_id, kind="shipped", lines=(FactLine(line_id="L1", quantity=3),), at=AT
    )  # fmt: skip
    follow(stock, order, record(order, fact).order)
    shelf = stock.shelves["TEA-GREEN"]["*"]
    assert (2, 1) == (shelf.on_hand, shelf.reserved)


def test_lines_in_parts_of_a_unit_and_edits_of_other_things_move_nothing() -> None:
    order = one(4)
    order = order.model_copy(update={"lines": (order.lines[0].model_copy(update={"quantity_exponent": 3}),)})
    stock = book([Shelf("TEA-GREEN", "*", 0)], order)
    assert NO_MOVE == plan(None, order, stock)._replace(promised={}, left={})
    plain = one(2)
    assert plan(plain, plain.model_copy(update={"note": "ring"}), book([Shelf("TEA-GREEN", "*", 0)], plain)) is NO_MOVE
