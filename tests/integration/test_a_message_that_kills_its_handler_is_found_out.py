"""Crash poison: messages that kill whoever handles them become dead letters after a few deaths; everything else goes on.

Five kinds, all waiting at once: death in the decision, death as native code dies, death while the record is decoded,
a decision that never ends, and one that uses memory without end.
"""

import uuid
from pathlib import Path

from ordermend import bootstrap
from tests.conftest import Eventually
from tests.faults.fleet import Fleet
from tests.line import Line, order_in, shopify_order

MOST_STARTS = 5


def test_a_message_that_kills_its_handler_is_found_out(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    line = still_line
    bootstrap.prepare(line.settings)
    line.start("intake", "relay")
    orders = [line.state_order(shopify_order(90_000 + number)) for number in range(12)]
    killers = [uuid.uuid4() for _ in range(4)]
    unread = orders[4].order_id
    kinds = ("exit", "segv", "spin", "hog")
    armed = " ".join(f"decide[{killer}]={kind}%100" for killer, kind in zip(killers, kinds, strict=True)) + f" read[{unread}]=exit%100"
    good = []
    with Fleet(line.settings, tmp_path) as fleet:
        fleet.start("processor-0")
        eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders in the book")
        fleet.stop("processor-0")

        for number, order in enumerate(orders):
            change = ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3})
            ticket = line.ticket(order.order_id, change, ticket_id=killers[number] if number < len(killers) else None)
            if number > len(killers):
                good.append(ticket)
        starts = 0

        def good_is_done() -> bool:
            nonlocal starts
            if "processor-0" not in fleet.names:
                fleet.start("processor-0", armed)
                starts += 1
            starts += fleet.revive({"processor-0": armed})
            return all(line.state(ticket) == "applied" for ticket in good) and letters(line) == 5

        eventually(good_is_done, 150, what="the good edits applied, the five others dead letters")
        assert starts <= MOST_STARTS
        assert 0 == fleet.stop("processor-0")
    assert [("POISON_CRASH", "poison_crash", "unresolved")] == line.rows("select distinct error_class, code, status from dead_letter")
    assert 1 == line.one("select count(*) from dead_letter where detail like '%%MiB of memory'")
    assert () == line.findings()


def letters(line: Line) -> int:
    return int(line.one("select count(*) from dead_letter"))


def test_a_lane_whose_head_kills_the_retrier_waits_for_a_person(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    line = still_line
    bootstrap.prepare(line.settings)
    early, other = order_in(shopify_order(91_000)), order_in(shopify_order(91_001))
    changes = [("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3}) for order in (early, other)]
    killer, follower = line.ticket(early.order_id, changes[0]), line.ticket(early.order_id, changes[0])
    fine = line.ticket(other.order_id, changes[1])
    line.start("intake", "relay", "processor")
    eventually(lambda: line.one("select count(*) from lane where state = 'ordering'") == 2, 60, what="tickets that wait for their order")
    line.send_raw(shopify_order(91_000))
    line.send_raw(shopify_order(91_001))
    armed = {"retrier": f"decide[{killer}]=exit%100"}
    with Fleet(line.settings, tmp_path) as fleet:
        fleet.start("retrier", armed["retrier"])

        def is_found_out() -> bool:
            fleet.revive(armed)
            return line.state(killer) == "dead" and line.state(fine) == "applied"

        eventually(is_found_out, 120, what="the killer a dead letter, the other order's ticket applied")
        assert 0 == fleet.stop("retrier")
    assert [("POISON_CRASH", "unresolved", "ModificationTicket")] == line.rows("select error_class, status, message from dead_letter")
    assert "waiting" == line.state(follower)
    assert () == line.findings()
