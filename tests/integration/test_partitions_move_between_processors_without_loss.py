"""A second processor joins while edits flow, then the first one leaves. Every edit applies once, in its order's order."""

from ordermend import bootstrap
from ordermend.serving import Running
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ORDERS, EDITS = 20, 12


def test_partitions_move_between_processors_without_loss(still_line: Line, eventually: Eventually) -> None:
    line = still_line
    first = Running({"processor": bootstrap.processor_app(line.settings, Health(), "processor-0").run})
    line.services["first"] = first
    line.start("intake", "relay", "retrier")
    orders = [line.state_order(shopify_order(60_000 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, what="the orders in the book")

    for edit in range(EDITS):
        if edit == EDITS // 3:
            second = bootstrap.processor_app(line.settings, Health(), "processor-1")
            line.services["second"] = Running({"processor": second.run})
            eventually(lambda: line.one("select count(distinct owner) from partition_owner") == 2, 60, what="partitions shared by two")
        if edit == 2 * EDITS // 3:
            line.stop("first")
        for order in orders:
            line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 10 + edit}))
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == ORDERS * EDITS, 90, what="every edit applied")

    owners = "select count(*) from partition_owner where owner = 'processor-1'"
    eventually(lambda: line.one(owners) == 12, 60, what="the second processor owning every partition")
    for order in orders:
        steps = line.rows("select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id)
        assert list(range(10, 10 + EDITS)) == [int(bytes(new)) for (new,) in steps]
    assert () == line.findings()
