"""Letters of one cause sent back together: those frozen and no other, canaries first, stopped above one failure in ten."""

import json
import subprocess
import sys
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest

from dlq_handler import bulk
from dlq_handler.desk import Desk, DeskRefused, NotPermitted
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.assertion import Actor
from schemas.failures import SameIdOtherContent
from telemetry.health import Health
from tests.conftest import Eventually
from tests.integration.test_many_orders_are_edited_as_one_job import environment
from tests.line import Line, shopify_order

OLGA = Actor("olga", frozenset({"DLQ_Operate", "Order_Modify"}), "test")
OTTO = Actor("otto", frozenset({"DLQ_Operate", "Order_Approve"}), "test")


@pytest.fixture
def desk(still_line: Line) -> Any:
    at = bootstrap.desk(still_line.settings)
    yield at
    at.close()


class Broken:
    """Fails the tickets named, or all."""

    def __init__(self) -> None:
        self.every, self.tickets = True, set[UUID]()

    def __call__(self, step: str) -> None:
        if step.startswith("decide ticket:") and (self.every or UUID(step.removeprefix("decide ticket:")) in self.tickets):
            raise SameIdOtherContent


def some_letters(line: Line, eventually: Eventually, broken: Broken, count: int) -> list[UUID]:
    """Return tickets that are dead letters of one cause, in the order of the list."""
    app = bootstrap.processor_app(line.settings, Health(), faultpoint=broken)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    orders = [line.state_order(shopify_order(6000 + n)) for n in range(count)]
    eventually(lambda: line.one("select count(*) from orders") == count, what="the orders in the book")
    for order in orders:
        line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3}))
    eventually(lambda: line.one("select count(*) from dead_letter") == count, what="the letters")
    found = line.rows("select message_id from dead_letter order by score desc, first_failed_at, letter_id")
    return [UUID(message_id.removeprefix("ticket:")) for (message_id,) in found]


def cause(line: Line) -> str:
    found: str = line.one("select distinct fingerprint from dead_letter")
    return found


def retry_with(line: Line, broken: Broken) -> None:
    """Start the retry worker under the same faults."""
    from dlq_handler.retrier import Retrier  # noqa: PLC0415 -- put together as the composition root does

    worker = bootstrap.processor(line.settings, "retrier-work", broken)
    retrier = Retrier(bootstrap.connector(line.settings, "retrier"), worker.retry_lanes, worker.expire, worker.close)
    line.services["retrier"] = Running({"retrier": retrier.run})


def test_a_fix_that_still_fails_is_stopped_at_the_canaries(still_line: Line, eventually: Eventually, desk: Desk) -> None:
    line, broken, bulk_id = still_line, Broken(), uuid4()
    tickets = some_letters(line, eventually, broken, 40)
    # The cure helps the first four and then breaks: one canary passes, the ten do not.
    broken.every, broken.tickets = False, set(tickets[4:])
    retry_with(line, broken)
    prepared = bulk.prepare(desk, bulk_id, cause(line), OLGA)
    assert ("awaiting_approval", 40) == (prepared.state, prepared.frozen)
    with pytest.raises(DeskRefused, match="approval"):
        bulk.run(desk, bulk_id, OLGA, Event())
    with pytest.raises(DeskRefused, match="their own"):
        bulk.approve(desk, bulk_id, Actor("olga", OTTO.roles, "test"))
    bulk.approve(desk, bulk_id, OTTO)
    ended = bulk.run(desk, bulk_id, OLGA, Event())
    assert ("stopped", 4, 7, 29) == (ended.state, ended.done, ended.failed, ended.frozen)
    assert "7 of 11 failed, more than 10 %" == ended.reason
    assert 11 == line.one("select count(*) from audit where action = 'letter_replayed'")
    assert ended == bulk.run(desk, bulk_id, OLGA, Event())
    assert () == line.findings()


def test_membership_is_frozen_and_a_killed_runner_is_gone_on_from(still_line: Line, eventually: Eventually, desk: Desk) -> None:
    line, broken, bulk_id = still_line, Broken(), uuid4()
    some_letters(line, eventually, broken, 15)
    bulk.prepare(desk, bulk_id, cause(line), OLGA)
    late = line.state_order(shopify_order(6900))
    eventually(lambda: line.order(late.order_id), what="a late order")
    line.ticket(late.order_id, ("change_quantity", {"line_id": late.lines[0].line_id, "quantity": 3}))
    eventually(lambda: line.one("select count(*) from dead_letter") == 16, what="the late letter")
    broken.every = False

    first = bulk.advance(desk, bulk_id, OLGA)
    assert (14, 1) == (first.frozen, first.sent)
    assert first == bulk.advance(desk, bulk_id, OLGA), "the canary is awaited"
    desk.close()  # the runner is gone; what it had sent is on its way
    retry_with(line, broken)
    other = bootstrap.desk(line.settings)
    try:
        ended = bulk.run(other, bulk_id, OLGA, Event())
    finally:
        other.close()
    assert ("done", 15, 0, 0) == (ended.state, ended.done, ended.failed, ended.skipped)
    assert 15 == line.one("select count(*) from audit where action = 'letter_replayed'")
    assert [("unresolved", 1), ("resolved", 15)] == sorted(
        line.rows("select status, count(*) from dead_letter group by status"), reverse=True
    )
    assert () == line.findings()


def test_a_replay_whose_runner_is_killed_is_paused_by_itself_and_gone_on_with(
    still_line: Line, eventually: Eventually, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner is a process of its own, killed while it awaits its canary. Nobody has to notice; whoever goes on sends no letter twice."""
    line, broken, bulk_id = still_line, Broken(), uuid4()
    monkeypatch.setattr(bulk, "SILENT_SECONDS", 4.0)
    some_letters(line, eventually, broken, 12)
    broken.every = False
    bulk.prepare(desk, bulk_id, cause(line), OLGA)
    with line.book.transaction():
        line.book.execute("update bulk_replay set updated_at = now() - interval '1 day'")
    assert 0 == bulk.pause_abandoned(line.book), "one that nobody has run yet is nobody's to lose"

    call = [sys.executable, "-m", "ordermend", "letters", "bulk-replay", "--resume", str(bulk_id), "--actor", "olga"]
    runner = subprocess.Popen([*call, "--role", "DLQ_Operate", "--role", "Order_Modify"], env=environment(line), stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: line.one("select count(*) from bulk_member where state = 'sent'") == 1, what="the canary sent")
        begun = line.one("select alive_at from bulk_replay")
        eventually(lambda: line.one("select alive_at from bulk_replay") > begun, what="another sign of life")
        assert 0 == bulk.pause_abandoned(line.book), "whoever runs it says so"
    finally:
        runner.kill()
        runner.wait(30)
    retry_with(line, broken)
    eventually(lambda: bulk.progress(desk, bulk_id).state == "paused", what="the replay paused by the retrier")
    assert "whoever ran it is gone; run it again to go on" == bulk.progress(desk, bulk_id).reason
    ended = bulk.run(desk, bulk_id, OLGA, Event())
    assert ("done", 12, 0, 0) == (ended.state, ended.done, ended.failed, ended.skipped)
    assert 12 == line.one("select count(*) from audit where action = 'letter_replayed'")
    assert () == line.findings()


def test_a_patch_goes_to_every_letter_and_is_kept_for_each(still_line: Line, eventually: Eventually, desk: Desk) -> None:
    line, broken, bulk_id = still_line, Broken(), uuid4()
    tickets = some_letters(line, eventually, broken, 5)
    broken.every = False
    retry_with(line, broken)
    fix = json.dumps([{"op": "replace", "path": "/operations/0/arguments/quantity", "value": 4}])
    with pytest.raises(NotPermitted):
        bulk.prepare(desk, bulk_id, cause(line), OTTO, fix)
    assert "awaiting_approval" == bulk.prepare(desk, bulk_id, cause(line), OLGA, fix).state
    bulk.approve(desk, bulk_id, OTTO)
    ended = bulk.run(desk, bulk_id, OLGA, Event())
    assert ("done", 5) == (ended.state, ended.done)
    assert {"applied"} == {line.state(ticket) for ticket in tickets}
    eventually(lambda: line.rows("select distinct outcome from repair") == [("applied",)], what="the repairs' outcomes")
    assert 5 == line.one("select count(*) from repair where actor = 'olga'")
    assert 5 == line.one("select count(*) from history where path like '/lines/%%/ordered' and user_id = 'olga' and on_behalf_of = 'ana'")
    assert () == line.findings()
