"""The warehouse asks to pick two units while an agent lowers the line to one; then it ships what it was granted.

In each trial exactly one of the two wins, a unit that was removed never ships, and where the warehouse only reports, every
crossing ends in a named work item. This warehouse gives nothing back that it has taken up: an edit that comes second is refused.
"""

import os
import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from uuid import UUID

from ordermend import bootstrap
from ordermend.local.simulated import Behaviour, SimulatedWorld
from ordermend.serving import Running
from schemas.codec import decode, encode
from schemas.events import ReleaseGranted, ReleaseRefused
from schemas.facts import FactLine, ReleaseRequested
from schemas.order import Order
from streaming.producer import BatchProducer
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

TRIALS = int(os.environ.get("ORDERMEND_TRIALS", "1000"))


def test_of_an_edit_and_a_release_exactly_one_wins(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    start_settlement(line, tmp_path)
    orders = placed(line, eventually, TRIALS)
    tickets: dict[UUID, UUID] = {}
    race(line, orders, lambda agent, order: tickets.update({order.order_id: lower(agent, order)}), ask)
    eventually(lambda: len(answers(line)) == TRIALS, 120.0, what="every request answered")
    eventually(lambda: decided(line) == TRIALS, 120.0, what="every edit decided")
    answered = answers(line)
    for order in orders:
        granted = isinstance(answered[order.order_id], ReleaseGranted)
        assert ("refused" if granted else "applied") == line.state(tickets[order.order_id])
        if granted:
            line.fact(order.order_id, "shipped", (order.lines[0].line_id, 2))
    won = sum(isinstance(answer, ReleaseGranted) for answer in answered.values())
    eventually(
        lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact'") == won, 120.0, what="what was granted shipped"
    )
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="everything said")
    for order in orders:
        now = line.order(order.order_id)
        assert now is not None
        assert now.lines[0].shipped <= now.lines[0].open
    assert 0 < won < TRIALS
    assert 0 == line.one("select count(*) from work_item")
    assert () == line.findings()


def test_a_warehouse_that_only_reports_leaves_a_work_item_at_every_crossing(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    start_settlement(line, tmp_path)
    count = max(TRIALS // 10, 20)
    orders = placed(line, eventually, count, first=700_000)
    race(line, orders, lower, lambda warehouse, order: warehouse.fact(order.order_id, "released", (order.lines[0].line_id, 2)))
    eventually(lambda: decided(line) == count, 60.0, what="every edit decided")
    eventually(lambda: line.one("select count(*) from inbox where message = 'FulfillmentFact'") == count, 60.0, what="every report heard")
    crossed = set()
    for order in orders:
        now = line.order(order.order_id)
        assert now is not None
        if now.lines[0].released > now.lines[0].open:
            crossed.add(order.order_id)
            assert ["fulfilment_conflict"] == [hold.kind for hold in now.holds]
    assert crossed == {row[0] for row in line.rows("select order_id from work_item where kind = 'fulfilment_conflict'")}
    assert () == line.findings()


def start_settlement(line: Line, path: Path) -> None:
    world = SimulatedWorld(path / "world.sqlite", Behaviour(declined=1.0))
    line.services["settlement"] = Running({"settlement": bootstrap.settlement(line.settings, Health(), world.ports()).run})


def placed(line: Line, eventually: Eventually, count: int, first: int = 600_000) -> list[Order]:
    orders = [line.state_order(shopify_order(first + number)) for number in range(count)]
    eventually(lambda: line.one("select count(*) from orders") == count, 120.0, what="the orders in the book")
    return orders


def race(line: Line, orders: Sequence[Order], *hands: Callable[[Line, Order], object]) -> None:
    """Let every hand do its part on every order, all at the same time but for a chance delay of each."""
    together = Barrier(len(hands), timeout=60.0)

    def run(hand: Callable[[Line, Order], object], chance: random.Random) -> None:
        mine = replace(line, producer=BatchProducer(bootstrap.bootstrap_of(line.settings)))
        try:
            for order in orders:
                together.wait()
                time.sleep(chance.random() * 0.004)
                hand(mine, order)
        finally:
            mine.producer.close()

    with ThreadPoolExecutor(len(hands)) as pool:
        for done in [pool.submit(run, hand, random.Random(seed)) for seed, hand in enumerate(hands)]:
            done.result()


def lower(line: Line, order: Order) -> UUID:
    return line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))


def ask(line: Line, order: Order) -> None:
    """Ask for both units of the first line."""
    request = ReleaseRequested(
        request_id=uuid.uuid4().hex,
        order_id=order.order_id,
        lines=(FactLine(line_id=order.lines[0].line_id, quantity=2),),
        at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    name = f"release:{request.request_id}"
    line.send_signed(line.topics.fulfillment, order.order_id, encode(request), name, line.warehouse, "wms", ())


def answers(line: Line) -> dict[UUID, ReleaseGranted | ReleaseRefused]:
    """Return each order's answer."""
    found: dict[UUID, ReleaseGranted | ReleaseRefused] = {}
    for order_id, value in line.rows("select order_id, value from outbox where headers->>'type' in ('ReleaseGranted', 'ReleaseRefused')"):
        event = decode(bytes(value))
        assert isinstance(event, ReleaseGranted | ReleaseRefused)
        assert order_id not in found
        found[order_id] = event
    return found


def decided(line: Line) -> int:
    count: int = line.one("select count(*) from ticket where state in ('applied', 'refused', 'settling', 'settled')")
    return count
