"""What the simulation found about orders that are fetched and letters that are repaired, step by step, once more."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dlq_handler.desk import Desk, Handler
from modification_processor.replay import send_back
from schemas.assertion import Actor
from schemas.statement import fetched_message_id
from store import fetches, heads
from tests.simulation.bench import NUMBER, ORDER, Bench, a_bench
from tests.simulation.operator import ROLES
from tests.simulation.posts import AGENTS, RESTATED, TOPICS, document_of, fetched, named, repair_of, stated, ticket
from tests.simulation.scheduler import Crash
from tests.simulation.seeded import VAULT
from tests.simulation.stepped import StillWorkbench
from tests.simulation.world import OutsideIsAway


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as found:
        yield found


def asked_for(bench: Bench, version: int) -> str:
    """Let the fetcher ask for what was named; return the message id of what it is answered."""
    with bench.book.connect() as connection, connection.cursor() as cursor:
        heads.lock(cursor, [ORDER])
        (fetch,) = fetches.claim(cursor, fetches.due(cursor, 10), timedelta(seconds=5))
    return fetched_message_id(fetch.fetch_id, 1, str(version))


def fetches_and_items(bench: Bench) -> tuple[list[str], list[str]]:
    tables = bench.book.database.tables
    return [row.state for row in tables["order_fetch"][ORDER].values()], [row.status for row in tables["work_item"][ORDER].values()]


def test_a_fetched_statement_that_is_superseded_while_it_waits_ends_its_fetch(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    assert "incomplete" == bench.send(named(NUMBER, 1))
    answer = fetched(NUMBER, document_of(NUMBER, 1), asked_for(bench, 1))
    bench.fails = {answer.message_id: OutsideIsAway()}
    assert "waiting" == bench.send(answer)
    assert "restated" == bench.send(stated(NUMBER, 2))
    assert "superseded" == bench.outcome(answer.message_id)
    assert (["stored"], ["closed"]) == fetches_and_items(bench)


def test_a_notification_that_waits_is_superseded_by_no_statement_for_it_may_tell_of_a_newer_one(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    bench.fails = {named(NUMBER, 2).message_id: OutsideIsAway()}
    assert "waiting" == bench.send(named(NUMBER, 2))
    assert "restated" == bench.send(stated(NUMBER, 1))
    bench.fails = {}
    assert 1 == bench.retry(TOPICS.canonical)
    assert (["planned"], ["open"]) == fetches_and_items(bench)
    assert "restated" == bench.send(fetched(NUMBER, document_of(NUMBER, 2), asked_for(bench, 2)))
    assert (["stored"], ["closed"]) == fetches_and_items(bench)
    assert 3 == bench.ordered(RESTATED)


def test_a_letter_is_repaired_though_a_message_behind_it_kills_whoever_handles_it(bench: Bench) -> None:
    refused, killer = ticket(NUMBER, 103), ticket(NUMBER, 4)
    bench.book.database.refuses = lambda order: order.lines[AGENTS].ordered >= 100
    assert ["accepted", "dead", "waiting"] == [bench.send(post) for post in (stated(NUMBER, 0), refused, killer)]
    bench.fails = {killer.message_id: Crash()}
    workbench = StillWorkbench(bench.book.connect, VAULT, TOPICS, bench.step)
    handler = Handler(
        send_back=lambda cursor, letter, repaired: send_back(cursor, VAULT, TOPICS, letter, repaired),
        rehearse=workbench.rehearse, discard=workbench.discard, normalise=lambda _channel, _raw: [], close=workbench.close,
    )  # fmt: skip
    desk, operator, letter = Desk(bench.book.connect, VAULT, handler), Actor("operator", ROLES, "cli"), bench.letter()
    desk.edit(letter.letter_id, operator, repair_of(refused))
    assert "tried again in its place, 1 messages follow" == desk.replay(letter.letter_id, operator)
    bench.fails = {}
    assert 2 == bench.retry(TOPICS.modifications)
    assert ("applied", "applied") == (bench.outcome(refused.message_id), bench.outcome(killer.message_id))
    assert [63, 4] == [json.loads(row.new) for row in bench.book.database.committed("history") if row.path.endswith("/ordered")]
