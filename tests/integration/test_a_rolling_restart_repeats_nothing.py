"""Every process is asked to stop and started again, one after the other, under load: each ends in time, nothing is lost or done twice.

Four restarts in the suite; ORDERMEND_RESTARTS says how many.
"""

import itertools
import os
import threading
import time
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka.admin import AdminClient

from ordermend import bootstrap
from schemas.order import Order
from tests.conftest import PATIENCE, Eventually
from tests.faults.fleet import Fleet
from tests.line import Line, shopify_order

RESTARTS = int(os.environ.get("ORDERMEND_RESTARTS", "4"))
IN_TURN = ("processor-0", "intake", "relay", "processor-1", "retrier")
STOPS_WITHIN_SECONDS = 10.0
ORDERS = 120
PER_SECOND = 15.0


class Load:
    """Edits of orders in turn, and a new order now and then, at a steady rate until it is stopped."""

    def __init__(self, line: Line, orders: list[Order]) -> None:
        self.asked: dict[UUID, int] = dict.fromkeys((order.order_id for order in orders), 0)
        self.placed = 0
        self._line, self._orders = line, orders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for number, order in enumerate(itertools.cycle(self._orders)):
            if self._stop.wait(1 / PER_SECOND):
                return
            self.asked[order.order_id] += 1
            note = f"edit {self.asked[order.order_id]}"
            self._line.ticket(order.order_id, ("set_note", {"note": note}))
            if number % 10 == 0:
                self._line.state_order(shopify_order(99_500 + self.placed))
                self.placed += 1


@pytest.mark.timeout(300 + 30 * RESTARTS)
def test_a_rolling_restart_repeats_nothing(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    line, took = still_line, []
    bootstrap.prepare(line.settings)
    with Fleet(line.settings, tmp_path) as fleet:
        for name in IN_TURN:
            fleet.start(name)
        orders = [line.state_order(shopify_order(99_000 + number)) for number in range(ORDERS)]
        eventually(lambda: line.one("select count(*) from orders") == ORDERS, 60, what="the orders in the book")
        members = AdminClient({"bootstrap.servers": bootstrap.bootstrap_of(line.settings)})
        group = f"{line.settings.topic_prefix}intake.shopify"
        described = members.describe_consumer_groups([group])[group].result(30)
        assert ["intake-0"] == [member.group_instance_id for member in described.members], "intake is a static member"

        load = Load(line, orders)
        try:
            for _, name in zip(range(RESTARTS), itertools.cycle(IN_TURN), strict=False):
                before = sum(load.asked.values())
                began = time.monotonic()
                assert 0 == fleet.stop(name, STOPS_WITHIN_SECONDS * PATIENCE)
                took.append(time.monotonic() - began)
                fleet.start(name)
                eventually(partial(fleet.has_started, name), 60, what=f"{name} is back")
                eventually(lambda: sum(load.asked.values()) > before + PER_SECOND, what="load goes on")  # noqa: B023 -- asked at once
        finally:
            load.stop()
        applied = "select count(*) from ticket where state = 'applied'"
        eventually(lambda: line.one(applied) == sum(load.asked.values()), 90, what="every edit applied")
        eventually(lambda: line.one("select count(*) from orders") == ORDERS + load.placed, 60, what="every new order in the book")
        eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, 60, what="every event sent")
        for name in IN_TURN:
            assert 0 == fleet.stop(name, STOPS_WITHIN_SECONDS * PATIENCE)
    assert 0 == line.one("select count(*) from repeat"), "no message was read twice"
    assert 0 == line.one("select count(*) from dead_letter")
    for order_id, count in load.asked.items():
        assert count == line.one("select count(*) from ticket where order_id = %s and state = 'applied'", order_id)
    assert () == bootstrap.reconciled(line.settings).findings
    assert () == line.findings()
    print(f"{len(took)} restarts under {PER_SECOND:.0f} edits/s, slowest stop {max(took):.1f} s")  # noqa: T201 -- the long form's figure
