"""An edit fails until it is a dead letter. Sent back after the cause is gone, it applies first, its followers after it."""

import threading
from uuid import uuid4

import pytest

from modification_processor.replay import NotReplayable, replay
from ordermend import bootstrap
from ordermend.serving import Running
from store.sealing import KeyVault
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_replayed_letter_goes_back_in_its_place(still_line: Line, eventually: Eventually) -> None:
    line, failing, broken = still_line, uuid4(), threading.Event()
    broken.set()

    def fail_while_broken(step: str) -> None:
        if step == f"decide ticket:{failing}" and broken.is_set():
            from schemas.failures import SameIdOtherContent  # noqa: PLC0415 -- any final failure will do

            raise SameIdOtherContent

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail_while_broken)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay", "retrier")
    order = line.state_order(shopify_order(4101))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    sku = order.lines[0].line_id
    line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 3}), ticket_id=failing)
    follower = line.ticket(order.order_id, ("change_quantity", {"line_id": sku, "quantity": 4}))
    eventually(lambda: line.state(failing) == "dead", what="the dead letter")
    eventually(lambda: line.state(follower) == "waiting", what="its follower waiting")
    letter = line.one("select letter_id from dead_letter")

    broken.clear()
    vault = KeyVault.load(line.settings.keys_dir)
    with bootstrap.connector(line.settings, "operator")() as connection:
        replay(connection, vault, line.topics, letter, "olga")
        with pytest.raises(NotReplayable):
            replay(connection, vault, line.topics, letter, "otto")
    eventually(lambda: line.state(follower) == "applied", what="the follower applied after it")
    assert "applied" == line.state(failing)
    steps = line.rows("select new from history where path like '/lines/%%/ordered' order by seq")
    assert [3, 4] == [int(bytes(new)) for (new,) in steps]
    assert [("resolved",)] == line.rows("select status from dead_letter")
    assert [("olga", "letter_replayed")] == line.rows("select actor, action from audit where action = 'letter_replayed'")
    assert () == line.findings()


def test_an_unreadable_document_goes_back_through_the_same_door(line: Line, eventually: Eventually) -> None:
    """Sent back unchanged it fails again, as a letter of its own; nothing is lost and nothing is stuck."""
    line.send_raw(b"{cut short", key=b"4200")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    letter = line.one("select letter_id from dead_letter")
    with bootstrap.connector(line.settings, "operator")() as connection:
        replay(connection, KeyVault.load(line.settings.keys_dir), line.topics, letter, "olga")
    eventually(lambda: line.one("select count(*) from dead_letter") == 2, what="the second letter")
    assert {"resent", "unresolved"} == {status for (status,) in line.rows("select status from dead_letter")}
    assert () == line.findings()


def test_a_document_goes_back_with_its_headers_and_key(line: Line, eventually: Eventually) -> None:
    """Account and topic travel in headers: without them a repaired mapping would file the order under another id."""
    headers = {"account": "north", "x-shopify-topic": "orders/create", "x-shopify-webhook-id": "w1", "cookie": "secret"}
    line.send_raw(b"{cut short", key=b"4300", headers=headers)
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    order_id, letter = line.rows("select order_id, letter_id from dead_letter")[0]
    with bootstrap.connector(line.settings, "operator")() as connection:
        replay(connection, KeyVault.load(line.settings.keys_dir), line.topics, letter, "olga")
    eventually(lambda: line.one("select count(*) from dead_letter") == 2, what="the second letter")
    assert {order_id} == {found for (found,) in line.rows("select order_id from dead_letter")}
    sent = line.one("select headers from outbox where topic like '%%raw.shopify.v1'")
    assert ("north", "orders/create") == (sent["account"], sent["x-shopify-topic"])
    assert "cookie" not in sent
    assert () == line.findings()
