"""Two processors decide edits of many orders that want the same few units, beside new orders, facts and counts that come in.

Each unit is promised once: the commit decides, who comes late is refused with what can be had instead; what an inventory outside was
told adds up to what the book has promised; a count of a new SKU reserves what the book's orders want of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from console.queries.goods import goods
from modification_processor import Preview, Refused, look, preview_for
from modification_processor.settlement import Declined, StockRequest
from ordermend import bootstrap
from ordermend.local.simulated import SimulatedWorld
from ordermend.serving import Running
from schemas.catalogue import ProductEntry
from schemas.order import Order
from schemas.stock import StockEntry, reservation_id_of
from schemas.ticket import Operation
from store import stock
from store.catalogue import save
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import AGENT, Line, shopify_order

ORDERS, UNITS = 24, 30


class Inventory(SimulatedWorld):
    """An inventory outside that says no to one SKU."""

    def hold(self, request: StockRequest) -> None:
        if request.sku == "SKU-B":
            raise Declined("not_that_many")
        super().hold(request)


@pytest.fixture
def world(tmp_path: Path) -> Inventory:
    return Inventory(tmp_path / "world.sqlite")


@pytest.fixture
def selling(still_line: Line, world: Inventory) -> Iterator[Line]:
    """The line with two processors, and somebody outside who is told."""
    for name in ("processor-a", "processor-b"):
        app = bootstrap.processor_app(still_line.settings, Health(), instance=name)
        still_line.services[name] = Running({"processor": app.run})
    worker = bootstrap.settlement(still_line.settings, Health(), world.ports())
    still_line.services["settlement"] = Running({"settlement": worker.run})
    still_line.start("intake", "relay", "retrier")
    yield still_line
    assert () == still_line.findings()


def count(line: Line, *entries: StockEntry) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        stock.save(cursor, entries)


def shelf(line: Line, sku: str) -> tuple[Any, ...]:
    """Return units on hand and units promised."""
    return line.rows("select on_hand, reserved from stock where sku = %s", sku)[0]


def promised(line: Line) -> dict[str, tuple[Any, ...]]:
    rows = line.rows("select reservation_id, sku, location, units from reservation where units > 0 and sku <> 'SKU-B'")
    return {str(row[0]): row[1:] for row in rows}


def placed(line: Line, eventually: Eventually, first: int, orders: int) -> list[Order]:
    found = [line.state_order(shopify_order(first + number)) for number in range(orders)]
    eventually(lambda: line.one("select count(*) from orders") == orders, 60.0, what="the orders in the book")
    return found


def previewed(line: Line, order_id: UUID, name: str, arguments: str) -> Preview | Refused:
    with line.book.transaction(), line.book.cursor() as cursor:
        looked = look(cursor, order_id)
        assert looked is not None
        return preview_for(cursor, looked, [Operation(name=name, arguments=arguments)], "customer_request", frozenset(AGENT))


def test_two_processors_promise_each_unit_once(selling: Line, world: Inventory, eventually: Eventually) -> None:
    line = selling
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [ProductEntry(sku="SKU-C", name="Thing SKU-C", substitutes=("SKU-A",))])
    orders = placed(line, eventually, 610_001, ORDERS)
    # Counted only now: what the orders want of them already is reserved with the count.
    count(line, StockEntry(sku="SKU-A", on_hand=100), StockEntry(sku="SKU-B", on_hand=100), StockEntry(sku="SKU-C", on_hand=UNITS))
    assert [(100, 2 * ORDERS), (100, ORDERS), (UNITS, 0)] == [shelf(line, sku) for sku in ("SKU-A", "SKU-B", "SKU-C")]
    assert () == line.findings()

    tickets = [line.ticket(order.order_id, ("add_line", {"sku": "SKU-C", "quantity": 2})) for order in orders]
    eventually(lambda: all(line.state(ticket) not in (None, "waiting") for ticket in tickets), 60.0, what="every edit decided")
    codes = [line.one("select coalesce(code, state) from ticket where ticket_id = %s", ticket) for ticket in tickets]
    assert (UNITS // 2, ORDERS - UNITS // 2) == (codes.count("applied"), codes.count("stock_short"))
    assert (UNITS, UNITS) == shelf(line, "SKU-C")
    (message,) = line.rows("select distinct message from ticket where code = 'stock_short'")[0]
    assert "2 of SKU SKU-C are wanted and 0 can be had; another SKU: SKU-A, of which 52 can be had" == message
    told = {name: row for name, row in promised(line).items() if row[0] == "SKU-C"}
    assert UNITS // 2 == len(told)
    eventually(lambda: told == world.held(), what="the inventory outside told")
    late = orders[codes.index("stock_short")]
    shown = previewed(line, late.order_id, "add_line", '{"sku": "SKU-C", "quantity": 1}')
    assert isinstance(shown, Refused)
    assert ["stock_other"] == [one.code for one in shown.alternatives]
    with line.book.transaction(), line.book.cursor() as cursor:
        offered = {each.sku: each.told("GBP") for each in goods(cursor, "SKU-", "GBP", 9)}
    assert {"SKU-A": "Thing SKU-A, 10.00 GBP, 52 to be had", "SKU-C": "Thing SKU-C, 7.25 GBP, 0 to be had"} == offered

    # One gives two back and sends two of another line: the one who came late gets what came back, and nothing that was sent.
    early = orders[codes.index("applied")]
    book = line.order(early.order_id)
    assert book is not None
    first, new = book.lines[0].line_id, book.lines[-1].line_id
    line.fact(early.order_id, "shipped", (first, 2))
    line.ticket(early.order_id, ("remove_line", {"line_id": new}))
    eventually(lambda: (UNITS, UNITS - 2) == shelf(line, "SKU-C"), what="two units back")
    eventually(lambda: (98, 2 * ORDERS - 2) == shelf(line, "SKU-A"), what="two units sent")
    again = line.ticket(late.order_id, ("add_line", {"sku": "SKU-C", "quantity": 2}))
    eventually(lambda: line.state(again) == "applied", what="the late edit")
    assert (UNITS, UNITS) == shelf(line, "SKU-C")
    eventually(lambda: world.held().keys() >= {str(reservation_id_of(late.order_id, late_line(line, late)))}, what="the last one told")

    # Nobody touched the other lines: their reservations are as the count made them.
    untouched = line.rows("select distinct revision, units from reservation where sku = 'SKU-A' and order_id <> %s", early.order_id)
    assert [(1, 2)] == untouched
    # A restatement by the channel, with more than there is: reserved all the same, and a person hears of it.
    other = next(number for number, order in enumerate(orders) if order not in (early, late))
    more = (("SKU-A", 90, "10.00"), ("SKU-B", 1, "5.50"))
    line.state_order(shopify_order(610_001 + other, lines=more, updated="2026-11-02T09:00:00Z"))
    eventually(lambda: line.one("select count(*) from work_item where kind = 'stock_short'") == 1, what="a work item")


def late_line(line: Line, order: Order) -> str:
    book = line.order(order.order_id)
    assert book is not None
    return book.lines[-1].line_id


def test_what_an_inventory_outside_refuses_is_a_persons_work(selling: Line, world: Inventory, eventually: Eventually) -> None:
    count(selling, StockEntry(sku="SKU-A", on_hand=10), StockEntry(sku="SKU-B", on_hand=10))
    (order,) = placed(selling, eventually, 611_001, 1)
    eventually(lambda: selling.one("select detail from work_item where kind = 'action_failed'"), what="a work item")
    (detail,) = selling.rows("select detail from work_item where kind = 'action_failed'")[0]
    assert "not_that_many" in detail
    assert "inventory reserve" in detail
    eventually(lambda: world.held() == promised(selling), what="the other line told")
    assert {str(reservation_id_of(order.order_id, order.lines[0].line_id)): ("SKU-A", "*", 2)} == world.held()
    assert [("done", 1), ("failed", 1)] == selling.rows("select state, count(*) from action where port = 'inventory' group by 1 order by 1")
