"""The first of three edits fails for a while. The later two wait behind it, and all three apply in the order sent."""

import threading
from uuid import uuid4

from ordermend import bootstrap
from ordermend.serving import Running
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_edits_of_an_order_keep_their_order_through_a_retry(still_line: Line, eventually: Eventually) -> None:
    line, failing = still_line, uuid4()
    failures = threading.Semaphore(1)

    def fail_once(step: str) -> None:
        if step == f"decide ticket:{failing}" and failures.acquire(blocking=False):
            raise ZeroDivisionError

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail_once)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay", "retrier")
    order = line.state_order(shopify_order(4001))
    other = line.state_order(shopify_order(4002))
    eventually(lambda: line.one("select count(*) from orders") == 2, what="both orders in the book")
    sku = order.lines[0].line_id
    line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 3}), ticket_id=failing)
    line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 4}))
    last = line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 5}))
    neighbour = line.ticket(other.order_id, ("change_quantity", {"line_id": other.lines[0].line_id, "quantity": 6}))
    eventually(lambda: line.state(neighbour) == "applied", what="another order's edit, at once")
    assert [("retrying", 3, "BUG", "unexpected")] == line.rows("select state, depth, error_class, code from lane")

    eventually(lambda: line.state(last) == "applied", what="the last edit applied, after the retry")
    steps = line.rows("select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id)
    assert [3, 4, 5] == [int(bytes(new)) for (new,) in steps]
    assert 0 == line.one("select count(*) from lane")
    assert 1 == line.one("select count(*) from failure_attempt")
    assert () == line.findings()
