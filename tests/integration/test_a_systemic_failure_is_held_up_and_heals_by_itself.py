"""A release that breaks one operation: after twenty failures its tickets wait, others go on; once mended all apply, in order."""

import subprocess
import sys
import threading
import uuid
from datetime import timedelta

import pytest

from dlq_handler.retrier import Retrier
from modification_processor import breakers, work
from ordermend import bootstrap
from ordermend.serving import Running
from telemetry.health import Health
from tests.conftest import Eventually
from tests.faults.fleet import environment
from tests.line import Line, shopify_order

ORDERS, EDITS = 30, 2


def test_a_systemic_failure_is_held_up_and_heals_by_itself(
    still_line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, broken = still_line, threading.Event()
    monkeypatch.setattr(work, "PROBE_AFTER", timedelta(seconds=1))
    tried: list[str] = []
    broken_tickets: set[str] = set()

    def fail(step: str) -> None:
        if step.removeprefix("decide ") in broken_tickets and broken.is_set():
            tried.append(step)
            raise ZeroDivisionError

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    orders = [line.state_order(shopify_order(95_000 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, 60, what="the orders in the book")

    broken.set()
    quantities = []
    for edit in range(EDITS):
        for order in orders:
            quantities.append(uuid.uuid4())
            broken_tickets.add(f"ticket:{quantities[-1]}")
            change = ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3 + edit})
            line.ticket(order.order_id, change, ticket_id=quantities[-1])
    fine = [line.ticket(order.order_id, ("set_contact", {"email": "i@example.com"})) for order in orders]
    eventually(lambda: line.one("select count(*) from breaker where closed_at is null") == 1, 60, what="the breaker")
    eventually(lambda: line.one("select count(*) from inbox where message = 'ModificationTicket'") == ORDERS * (EDITS + 1), 60)
    assert [("operation:change_quantity",)] == line.rows("select key from breaker")
    assert len(tried) == breakers.IN_A_ROW
    assert 0 == line.one("select count(*) from dead_letter")

    worker = bootstrap.processor(line.settings, "retrier-work", fail)
    retrier = Retrier(bootstrap.connector(line.settings, "retrier"), worker.retry_lanes, worker.expire, worker.close)
    line.services["retrier"] = Running({"retrier": retrier.run})
    eventually(lambda: len(tried) > breakers.IN_A_ROW, 30, what="a probe in vain")
    assert 1 == line.one("select count(*) from breaker where closed_at is null")
    listed = subprocess.run(
        [sys.executable, "-m", "ordermend", "breakers", "list"],
        env=environment(line.settings) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "operation:change_quantity" in listed.stdout
    broken.clear()
    eventually(lambda: all(line.state(ticket) == "applied" for ticket in (*quantities, *fine)), 90, what="every ticket applied")
    assert 0 == line.one("select count(*) from dead_letter")
    assert 0 == line.one("select count(*) from breaker where closed_at is null")
    for order in orders:
        steps = line.rows("select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id)
        assert [3, 4] == [int(bytes(new)) for (new,) in steps]
    assert () == line.findings()
