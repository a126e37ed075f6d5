"""Every event the book calls sent lies on the topic with the same bytes; each planted fault is found at its order and named."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from ordermend import bootstrap
from ordermend.local.processes import free_port
from ordermend.serving import Running
from schemas.failures import DependencyUnavailable
from store.database import connect
from streaming import reading
from streaming.producer import Headers, Record
from streaming.reading import Reader
from telemetry.health import Health
from telemetry.metrics import RECONCILE_EVENTS, RECONCILE_FINDINGS
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_what_was_sent_is_what_arrived(line: Line, eventually: Eventually, owner: psycopg.Connection[tuple[object, ...]]) -> None:
    orders = [line.state_order(shopify_order(7100 + number)) for number in range(4)]
    eventually(lambda: line.one("select count(*) from orders") == 4, what="the orders in the book")
    for order in orders:
        line.ticket(order.order_id, ("set_note", {"note": "ring twice"}))
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 4, what="the edits applied")
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="all of it sent")
    clean = bootstrap.reconciled(line.settings)
    assert (clean.records, clean.events, clean.findings) == (8, 8, ())

    ids = [order.order_id for order in orders]
    (value,) = line.rows("select value from outbox where order_id = %s and event_seq = 1", ids[0])[0]
    line.stop("relay")
    _send(line, ids[0], 1, bytes(value))  # the same again: delivery is at least once
    _send(line, ids[0], 2, b"other bytes")
    _send(line, uuid.uuid4(), 1, b"never made by the book")
    _send(line, None, None, b"says nothing of itself")
    lost = "insert into outbox (order_id, event_seq, event_id, topic, key, value, headers, sent_at) values (%s, 9, %s, 't', null, 'x', '{}', now())"
    owner.execute(lost, (ids[1], uuid.uuid4()))
    for seq in (12, 11):
        owner.execute(lost.replace(", 9,", f", {seq},"), (ids[2], uuid.uuid4()))
        _send(line, ids[2], seq, b"x")
    found = bootstrap.reconciled(line.settings)
    assert sorted((finding.rule, finding.order_id in ids) for finding in found.findings) == [
        ("event_changed", True), ("event_foreign", False), ("event_foreign", False), ("event_inverted", True), ("event_lost", True),
    ]  # fmt: skip
    assert {finding.rule: finding.order_id for finding in found.findings if finding.order_id in ids} == {
        "event_changed": ids[0], "event_lost": ids[1], "event_inverted": ids[2],
    }  # fmt: skip


def test_what_never_stops_comparing_finds_the_same(
    line: Line, eventually: Eventually, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    worker = bootstrap.reconciler(line.settings, Health())
    worker._every = 0.2
    line.services["verifier"] = Running({"reconciler": worker.run})
    orders = [line.state_order(shopify_order(7200 + number)) for number in range(3)]
    before = RECONCILE_EVENTS._value.get()
    eventually(lambda: line.one("select count(*) from outbox where sent_at is not null") == 3, what="three events sent")
    eventually(lambda: RECONCILE_EVENTS._value.get() >= before + 3, what="the events compared")
    assert 0 == RECONCILE_FINDINGS._value.get()

    line.stop("relay")
    ids = [order.order_id for order in orders]
    lost = "insert into outbox (order_id, event_seq, event_id, topic, key, value, headers, sent_at) values (%s, %s, %s, 't', null, 'x', '{}', now())"
    owner.execute(lost, (ids[0], 9, uuid.uuid4()))
    _send(line, ids[1], 1, b"other bytes")
    _send(line, uuid.uuid4(), 1, b"never made by the book")
    for seq in (12, 11):
        _send(line, ids[2], seq, b"x")
        owner.execute(lost, (ids[2], seq, uuid.uuid4()))
    rules = {"event_lost": ids[0], "event_changed": ids[1], "event_inverted": ids[2]}
    eventually(lambda: rules.items() <= {(f.rule, f.order_id) for f in worker._standing.values()}, what="each fault found at its order")
    assert {*rules, "event_foreign"} == {finding.rule for finding in worker._standing.values()}
    assert len(worker._standing) == RECONCILE_FINDINGS._value.get()


def test_a_broker_that_does_not_answer_is_waited_for(
    line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.5)
    events = bootstrap.topics_of(line.settings).events
    with pytest.raises(DependencyUnavailable, match=events):
        list(Reader(f"127.0.0.1:{free_port()}", events).messages())

    away = line.settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}"})
    worker = bootstrap.reconciler(away, Health())
    line.services["verifier"] = running = Running({"reconciler": worker.run})
    seen: list[str] = []

    def waits() -> bool:
        seen.append(capsys.readouterr().out)
        return "".join(seen).count("reconciler_waits") >= 2

    eventually(waits, what="the comparison waits and asks again")
    assert not running.ended.is_set()
    assert running.failure is None


def _send(line: Line, order_id: uuid.UUID | None, seq: int | None, value: bytes) -> None:
    headers: Headers = [] if seq is None else [("event_seq", str(seq).encode())]
    line.producer.send([Record(line.topics.events, str(order_id).encode() if order_id else b"nobody", value, headers)])


@pytest.fixture
def owner(line: Line) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Somebody who may write what the application never would."""
    with connect(line.settings.migration_url or "", line.settings.db_schema, autocommit=True) as connection:
        yield connection
