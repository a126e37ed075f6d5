"""A fact with a slip of the keyboard, a document that was cut short with more behind it: repaired, rehearsed, sent back."""

import json
import threading
from typing import Any
from uuid import UUID

import pytest

from dlq_handler.desk import Desk
from dlq_handler.repair import FieldLocked
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.assertion import Actor
from schemas.failures import SameIdOtherContent
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

OLGA = Actor("olga", frozenset({"DLQ_Operate", "Order_Modify"}), "test")


@pytest.fixture
def desk(still_line: Line) -> Any:
    at = bootstrap.desk(still_line.settings)
    yield at
    at.close()


def patch(path: str, value: object) -> str:
    return json.dumps([{"op": "replace", "path": path, "value": value}])


def test_a_repaired_fact_names_who_repaired_it_and_who_sent_it(still_line: Line, eventually: Eventually, desk: Desk) -> None:
    line = still_line

    def refuse_one(step: str) -> None:
        if step == "decide fact:typo":
            raise SameIdOtherContent

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=refuse_one)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay", "retrier")
    order = line.state_order(shopify_order(9100))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first = order.lines[0].line_id
    line.fact(order.order_id, "allocated", (first, 22), fact_id="typo")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    line.fact(order.order_id, "released", (first, 2), fact_id="next")
    eventually(lambda: line.one("select count(*) from parked") == 2, what="the next fact waiting")
    letter: UUID = line.one("select letter_id from dead_letter")

    with pytest.raises(FieldLocked, match="/kind"):
        desk.edit(letter, OLGA, patch("/kind", "shipped"))
    desk.edit(letter, OLGA, patch("/lines/0/quantity", 2))
    said = desk.dry_run(letter, OLGA)
    assert [("fact:typo", "recorded"), ("fact:next", "recorded")] == [(step.message_id, step.outcome) for step in said.steps]
    desk.replay(letter, OLGA)
    eventually(lambda: line.one("select count(*) from lane") == 0, what="the lane open again")
    assert [("recorded",), ("recorded",)] == line.rows("select outcome from inbox where message like 'Fulfillment%%'")
    told = [(change.path, change.new) for step in said.steps for change in step.changes]
    assert told == [(path, bytes(new).decode()) for path, new in line.rows("select path, new from history where not sealed order by seq")]
    assert [("olga", "wms")] == line.rows("select distinct user_id, on_behalf_of from history where cause_id = 'fact:typo'")
    assert [("wms", None)] == line.rows("select distinct user_id, on_behalf_of from history where cause_id = 'fact:next'")
    assert () == line.findings()


def test_a_whole_document_that_is_retried_supersedes_what_waits_before_it(still_line: Line, eventually: Eventually) -> None:
    line = still_line
    failures = threading.Semaphore(0)

    def fail_once(step: str) -> None:
        if step.startswith("decide ") and failures.acquire(blocking=False):
            raise ZeroDivisionError

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail_once)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    line.send_raw(shopify_order(7960), key=b"7960")
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    line.send_raw(b"{cut short", key=b"7960")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the broken form a dead letter")
    failures.release()
    line.send_raw(shopify_order(7960, updated="2026-11-03T10:00:00Z", note="whole"), key=b"7960")
    eventually(lambda: line.one("select depth from lane") == 2, what="the whole document behind it, to be tried again")
    line.start("retrier")
    eventually(lambda: line.one("select doc->>'note' from orders") == "whole", 60, what="the whole document taken")
    assert [("superseded",)] == line.rows("select status from dead_letter")
    assert ["superseded", "done"] == [status for (status,) in line.rows("select status from parked order by seq")]
    assert (0, 0) == (line.one("select count(*) from lane"), line.one("select depth from order_head"))
    assert () == line.findings()


def test_a_whole_document_supersedes_what_waits_behind_its_broken_form(line: Line, eventually: Eventually) -> None:
    line.send_raw(shopify_order(9200), key=b"9200")
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    line.send_raw(b"{cut short", key=b"9200")
    eventually(lambda: line.one("select count(*) from lane where state = 'blocked'") == 1, what="the closed lane")
    line.send_raw(b"{cut short as well", key=b"9200")
    eventually(lambda: line.one("select depth from lane") == 2, what="the second one behind it")
    letter = line.one("select letter_id from dead_letter order by seq limit 1")
    whole = shopify_order(9200, updated="2026-11-05T10:00:00Z", note="whole again").decode()
    at = bootstrap.desk(line.settings)
    try:
        at.edit(letter, OLGA, patch("/body", whole))
        said = at.dry_run(letter, OLGA)
        assert [("restated", 2)] == [(step.outcome, step.version) for step in said.steps]
        told = {change.path: (change.sealed, change.new) for change in said.steps[0].changes}
        assert (True, None) == told["/note"], "what is personal is not shown"
        assert (False, '"2026-11-05T10:00:00+00:00"') == told["/source/channel_updated_at"]
        at.replay(letter, OLGA)
    finally:
        at.close()
    eventually(lambda: line.one("select version from orders") == 2, what="the order restated")
    eventually(lambda: line.one("select count(*) from lane") == 0, what="the lane open again")
    eventually(lambda: line.one("select outcome from repair") == "restated", what="the repair's outcome")
    assert 0 == line.one("select count(*) from dead_letter where status in ('unresolved', 'replaying')")
    assert () == line.findings()
