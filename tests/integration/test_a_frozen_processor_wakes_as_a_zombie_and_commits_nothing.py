"""A processor freezes with a batch in hand, for longer than its group waits; another takes over; what wakes commits nothing.

Once in the suite; ORDERMEND_ZOMBIES says how often.
"""

import math
import os
from pathlib import Path

import pytest

from ordermend import bootstrap
from tests.conftest import Eventually
from tests.faults.fleet import Fleet
from tests.line import Line, shopify_order

CYCLES = int(os.environ.get("ORDERMEND_ZOMBIES", "1"))
ORDERS = 16
EDITS_EACH = 25
"""An order's thirty-first edit waits for somebody's approval: there are other orders by then."""
TAKEN_OVER = "select count(*) from partition_owner where owner = %s"


@pytest.mark.timeout(300 + 60 * CYCLES)
def test_what_wakes_commits_nothing(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    line = still_line
    bootstrap.prepare(line.settings)
    line.start("intake", "relay", "retrier")
    orders = [line.state_order(shopify_order(97_000 + number)) for number in range(ORDERS * math.ceil(CYCLES / EDITS_EACH))]
    with Fleet(line.settings, tmp_path) as fleet:
        fleet.start("processor-0")
        eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders in the book")
        fleet.stop("processor-0")
        for cycle in range(CYCLES):
            fleet.start("processor-0", "live.begun=stop")
            eventually(lambda: line.one(TAKEN_OVER, "processor-0") == 12, 60, what="the first processor owning every partition")
            turn, quantity = cycle // EDITS_EACH, 3 + cycle % EDITS_EACH
            for order in orders[turn * ORDERS : (turn + 1) * ORDERS]:
                line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": quantity}))
            eventually(lambda: fleet.is_stopped("processor-0"), 60, what="the first processor frozen")
            fleet.start("processor-1")
            applied = ORDERS * (cycle + 1)
            eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == applied, 90, what="the other's commits")  # noqa: B023
            fleet.wake("processor-0")
            eventually(lambda: "fenced" in fleet.log("processor-0"), 30, what="the zombie's commit refused")
            assert 0 == fleet.stop("processor-0")
            assert 0 == fleet.stop("processor-1")
            fleet.log("processor-0", clear=True)
    for number, order in enumerate(orders):
        edits = min(EDITS_EACH, CYCLES - number // ORDERS * EDITS_EACH)
        steps = line.rows("select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id)
        assert list(range(3, 3 + edits)) == [int(bytes(new)) for (new,) in steps]
    assert () == line.findings()
