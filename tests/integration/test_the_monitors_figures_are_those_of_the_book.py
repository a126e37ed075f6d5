"""Orders, edits of every outcome, broken documents. The monitor, fed by topics alone, says what SQL says of the book; again after a restart."""

from pathlib import Path

from dlq_handler.monitor import Monitor
from ordermend import bootstrap
from ordermend.serving import Running
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

WINDOWS = """select date_bin('5 minutes', last_failed_at, 'epoch'), coalesce(channel, ''), error_class, count(*) from dead_letter group by 1, 2, 3"""
RESOLUTION = """select percentile_disc(0.5) within group (order by took), percentile_disc(0.95) within group (order by took)
    from (select extract(epoch from decided_at - submitted_at)::float8 as took from ticket where state in ('applied', 'refused', 'conflicted', 'cancelled')) t"""


def test_the_monitors_figures_are_those_of_the_book(line: Line, eventually: Eventually) -> None:
    orders = [line.state_order(shopify_order(8000 + n)) for n in range(6)]
    for n in range(4):
        line.send_raw(b"{cut short", key=str(8100 + n).encode())
    line.send_raw(b"no order", channel="x12")
    eventually(lambda: line.one("select count(*) from orders") == 6, what="the orders in the book")
    first = [order.lines[0].line_id for order in orders]
    tickets = [
        line.ticket(order.order_id, ("change_quantity", {"line_id": line_id, "quantity": n + 1}), base=1)
        for order, line_id in zip(orders[:4], first, strict=False)
        for n in range(3, 6)
    ]
    tickets.append(line.ticket(orders[5].order_id, ("set_payment_date", {"at": "2026-11-01"})))
    eventually(lambda: line.one("select count(*) from ticket where decided_at is not null") == len(tickets), what="every ticket decided")
    eventually(lambda: line.one("select count(*) from dead_letter") == 5, what="every broken document a letter")
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="all of it sent")

    for _ in range(2):  # the second one starts from nothing: all is rebuilt from the topics
        bootstrap.prepare(line.settings)  # the monitor reads the dead letters of every channel
        monitor = bootstrap.monitor(line.settings, Health())
        running = Running({"monitor": monitor.run})
        try:
            _await(eventually, monitor, (6, len(tickets), 5))
        finally:
            running.stop()
        assert running.failure is None
        assert list(Path.cwd().glob("*monitor-*")) == [], "the monitor leaves nothing where it was started"
        figures = monitor.figures()
        assert line.one("select count(*) from orders") == figures.orders
        assert line.one("select count(distinct order_id) from ticket where state = 'applied'") == figures.orders_modified == 4
        assert line.rows(RESOLUTION) == [(figures.resolution_p50, figures.resolution_p95)]
        assert {(start, channel, kind): count for start, channel, kind, count in line.rows(WINDOWS)} == monitor.failures()


def _await(eventually: Eventually, monitor: Monitor, wanted: tuple[int, int, int]) -> None:
    def read() -> bool:
        figures = monitor.figures()
        return (figures.orders, figures.tickets_decided, figures.letters) == wanted

    eventually(read, 60, what="everything read")
