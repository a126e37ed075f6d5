"""Bugs that seeds of the simulation brought to light, each as the shortest scenario that shows it: the product's, and in the end its own."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID

import pytest

from modification_processor import undo as undo_module
from modification_processor.fence import Fenced
from modification_processor.retrying import POSTPONED
from modification_processor.service import Processor
from modification_processor.workbench import Workbench
from schemas.assertion import Actor
from store import heads, letters, partitions, tickets
from store.database import Cursor
from store.partitions import Advance
from store.sealing import KeyVault
from store.tickets import TicketRow
from telemetry.metrics import LANES_POSTPONED
from tests.simulation.bench import NUMBER, ORDER, Bench, a_bench
from tests.simulation.broker import Broker
from tests.simulation.posts import (
    AGENTS,
    CHANGED,
    PLACED,
    RESTATED,
    TOPICS,
    UNDONE,
    Post,
    changed,
    large,
    reviewed,
    stated,
    ticket,
    ticket_id,
    undo,
    undoable,
    unmappable,
    withdrawn,
)
from tests.simulation.run import simulate
from tests.simulation.scheduler import Crash, Process, Scheduler, Trace
from tests.simulation.seeded import VAULT, NoCatalogue
from tests.simulation.world import OutsideIsAway


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as found:
        yield found


def test_of_two_statements_that_waited_together_the_newer_one_stands(bench: Bench) -> None:
    bench.fails = {stated(NUMBER, version).message_id: OutsideIsAway() for version in (0, 1)}
    assert ["waiting", "waiting"] == [bench.send(stated(NUMBER, version)) for version in (0, 1)]
    bench.fails = {}
    assert 1 == bench.retry(TOPICS.canonical)
    assert ("superseded", "accepted") == (bench.outcome("stated:700001:0"), bench.outcome("stated:700001:1"))
    assert 2 == bench.ordered(RESTATED)


def test_a_document_that_waited_and_cannot_be_read_is_dead_and_waits_no_more_nor_does_the_next_one_behind_it(bench: Bench) -> None:
    first, second = unmappable(1), unmappable(2)
    lane = UUID(first.order_id)

    def outcomes() -> list[str]:
        return [bench.book.database.tables["inbox"][lane][lane, post.message_id].outcome for post in (first, second)]

    bench.fails = {first.message_id: OutsideIsAway()}
    assert ["waiting", "dead"] == [bench.send(first), bench.send(second)]
    assert ["waiting", "dead"] == outcomes()
    bench.fails = {}
    bench.book.scheduler.clock.seconds += 60.0
    assert 1 == bench.processor.retry_lanes([(lane, TOPICS.canonical)])
    assert ["dead", "dead"] == outcomes()


def test_a_statement_that_comes_late_supersedes_no_newer_one_that_waits(bench: Bench) -> None:
    bench.fails = {"stated:700001:1": OutsideIsAway()}
    assert "waiting" == bench.send(stated(NUMBER, 1))
    assert "accepted" == bench.send(stated(NUMBER, 0))
    assert "waiting" == bench.outcome("stated:700001:1")
    bench.fails = {}
    assert 1 == bench.retry(TOPICS.canonical)
    assert 2 == bench.ordered(RESTATED)


def test_a_statement_goes_before_the_change_that_waits_for_its_order(bench: Bench) -> None:
    assert "waiting" == bench.send(changed(NUMBER, 5))
    bench.fails = {"stated:700001:0": OutsideIsAway()}
    assert "waiting" == bench.send(stated(NUMBER, 0))
    bench.fails = {}
    assert 2 == bench.retry(TOPICS.canonical)
    assert 5 == bench.ordered(CHANGED)


def test_a_statement_that_fails_for_longer_behind_such_a_change_is_tried_by_the_clock(bench: Bench) -> None:
    assert "waiting" == bench.send(changed(NUMBER, 5))
    bench.fails = {"stated:700001:0": OutsideIsAway()}
    assert "waiting" == bench.send(stated(NUMBER, 0))
    bench.book.scheduler.clock.seconds += 60.0
    assert 0 == bench.processor.retry_lanes([(ORDER, TOPICS.canonical)])
    bench.fails = {}
    bench.book.scheduler.clock.seconds += 60.0  # not the day for which a change may wait for its order
    assert 2 == bench.processor.retry_lanes([(ORDER, TOPICS.canonical)])
    assert 5 == bench.ordered(CHANGED)


def test_a_killer_behind_a_good_head_does_not_take_it_along(bench: Bench) -> None:
    good, killer = ticket(NUMBER, 3), ticket(NUMBER, 4)
    assert ["waiting", "waiting"] == [bench.send(post) for post in (good, killer)]
    assert "accepted" == bench.send(stated(NUMBER, 0))
    bench.fails = {killer.message_id: Crash()}
    for _ in range(3):
        with pytest.raises(Crash):
            bench.retry(TOPICS.modifications)
    assert 1 == bench.retry(TOPICS.modifications)
    assert ("applied", "waiting") == (bench.outcome(good.message_id), bench.outcome(killer.message_id))


def test_what_the_tables_refuse_in_a_lane_fails_alone_and_stops_nobody(bench: Bench) -> None:
    good, refused, follower = ticket(NUMBER, 3), ticket(NUMBER, 100), ticket(NUMBER, 5)
    assert ["waiting"] * 3 == [bench.send(post) for post in (good, refused, follower)]
    assert "accepted" == bench.send(stated(NUMBER, 0))
    bench.book.database.refuses = lambda order: order.lines[AGENTS].ordered == 100 and order.order_id == ORDER
    # All three at once leave the order at 5, which the table takes; so the follower must not be there yet.
    bench.fails = {follower.message_id: OutsideIsAway()}
    assert 1 == bench.retry(TOPICS.modifications)
    assert 0 == bench.retry(TOPICS.modifications)
    assert ("refused_by_tables", refused.message_id, "unresolved") == (
        bench.letter().code,
        bench.letter().message_id,
        bench.letter().status,
    )
    assert "dead" == _state(bench, 100)
    assert ("applied", "waiting") == (bench.outcome(good.message_id), bench.outcome(follower.message_id))


def test_a_ticket_that_the_tables_refuse_is_a_ticket_once_and_can_be_discarded(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    bench.book.database.refuses = lambda order: order.lines[AGENTS].ordered == 100
    assert "dead" == bench.send(ticket(NUMBER, 100))
    assert "duplicate" == bench.send(ticket(NUMBER, 100))
    assert "dead" == _state(bench, 100)
    _discard(bench)
    assert ("cancelled", "cancelled") == (_state(bench, 100), bench.outcome(ticket(NUMBER, 100).message_id))


def test_a_ticket_whose_row_the_tables_refuse_can_be_discarded_too(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    assert "dead" == bench.send(ticket(NUMBER, 3, reason="nul\x00"))
    assert f"{TOPICS.modifications}:0:0" == bench.letter().message_id
    assert "waiting" == bench.send(ticket(NUMBER, 4))
    _discard(bench)
    assert 1 == bench.retry(TOPICS.modifications)
    assert ("discarded", 4) == (bench.outcome(bench.letter().message_id), bench.ordered(AGENTS))


def test_a_message_that_waited_under_the_id_of_its_place_is_settled_and_goes_by_its_own(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    assert "dead" == bench.send(ticket(NUMBER, 3, reason="nul\x00"))
    with bench.book.connect() as connection:
        heads.try_now(connection.cursor(), ORDER, TOPICS.modifications)
    assert 1 == bench.retry(TOPICS.modifications)
    assert "refused" == bench.outcome(ticket(NUMBER, 3).message_id)


@pytest.mark.parametrize(("decision", "state"), [("approve", "applied"), ("decline", "declined")])
def test_a_review_that_had_to_wait_does_what_it_says(bench: Bench, decision: Literal["approve", "decline"], state: str) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    asked = large(NUMBER, 1)
    assert "awaiting_approval" == bench.send(asked)
    name = UUID(asked.message_id.removeprefix("ticket:"))
    review = reviewed(ORDER, name, 0, decision, None, "ruth")
    bench.fails = {review.message_id: OutsideIsAway()}
    assert "waiting" == bench.send(review)
    bench.fails = {}
    assert 1 == bench.retry(TOPICS.modifications)
    assert (state, "reviewed") == (bench.ticket(name).state, bench.outcome(review.message_id))


def test_a_review_of_what_was_erased_is_refused_and_stops_nobody(bench: Bench) -> None:
    # Keys that do not follow from their order: who makes one anew has another.
    bench.processor = Processor(bench.book.connect, "g", KeyVault(bytes(32)), TOPICS, catalogue=lambda _cursor: NoCatalogue())
    assert "accepted" == bench.send(stated(NUMBER, 0))
    asked = large(NUMBER, 1)
    assert "awaiting_approval" == bench.send(asked)
    bench.processor.erase(ORDER, "dana", "asked for it")
    name = UUID(asked.message_id.removeprefix("ticket:"))
    assert "refused" == bench.send(reviewed(ORDER, name, 0, "approve", None, "ruth"))
    assert "awaiting_approval" == bench.ticket(name).state


def test_what_goes_wrong_in_working_out_an_undo_costs_that_undo(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    done = undoable(NUMBER, 1)
    assert "applied" == bench.send(done)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(undo_module, "operations", fail)
    back = undo(NUMBER, 0, UUID(done.message_id.removeprefix("ticket:")), PLACED[UNDONE], 2)
    assert "waiting" == bench.send(back)
    monkeypatch.undo()
    assert 1 == bench.retry(TOPICS.modifications)
    assert ("applied", PLACED[UNDONE]) == (bench.outcome(back.message_id), bench.ordered(UNDONE))


def test_a_withdrawal_that_had_to_wait_ends_its_ticket_wherever_that_is(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    withdrawal, edit, follower = withdrawn(NUMBER, 7), ticket(NUMBER, 7), ticket(NUMBER, 8)
    bench.fails = {withdrawal.message_id: OutsideIsAway()}
    assert ["waiting"] * 3 == [bench.send(post) for post in (withdrawal, edit, follower)]
    bench.fails = {}
    assert 2 == bench.retry(TOPICS.modifications)
    assert ("cancelled", "applied", 8) == (_state(bench, 7), _state(bench, 8), bench.ordered(AGENTS))
    assert ("withdrawn", "cancelled") == (bench.outcome(withdrawal.message_id), bench.outcome(edit.message_id))
    assert not bench.book.database.tables["lane"][ORDER]


def test_a_defect_that_shows_when_a_lane_is_written_costs_its_head_an_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _waits(bench, ticket(NUMBER, 7))
    written = tickets.decide

    def decide(cursor: Cursor, rows: Sequence[TicketRow]) -> None:
        if any(row.state == "applied" for row in rows):
            raise ZeroDivisionError
        written(cursor, rows)

    monkeypatch.setattr(tickets, "decide", decide)
    assert 0 == bench.retry(TOPICS.modifications)
    (lane,) = bench.book.database.tables["lane"][ORDER].values()
    assert ("retrying", "BUG", "unexpected", "waiting") == (lane.state, lane.error_class, lane.code, _state(bench, 7))
    monkeypatch.setattr(tickets, "decide", written)
    assert 1 == bench.retry(TOPICS.modifications)
    assert 7 == bench.ordered(AGENTS)


def test_a_lane_that_cannot_be_written_at_all_is_put_off_and_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _waits(bench, ticket(NUMBER, 7))
    written, before = heads.save_lanes, LANES_POSTPONED._value.get()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(heads, "save_lanes", fail)
    assert 0 == bench.retry(TOPICS.modifications)
    assert 1 == LANES_POSTPONED._value.get() - before
    (lane,) = bench.book.database.tables["lane"][ORDER].values()
    left = lane.next_attempt_at - bench.book.scheduler.clock.now()
    assert POSTPONED.total_seconds() == pytest.approx(left.total_seconds(), abs=1)
    monkeypatch.setattr(heads, "save_lanes", written)
    assert 1 == bench.retry(TOPICS.modifications)
    assert 7 == bench.ordered(AGENTS)


def _waits(bench: Bench, edit: Post) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    bench.fails = {edit.message_id: OutsideIsAway()}
    assert "waiting" == bench.send(edit)
    bench.fails = {}


def test_of_two_that_waited_under_their_places_one_is_done_and_the_other_is_a_repeat(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    for _ in range(2):
        bench.send(ticket(NUMBER, 3, reason="nul\x00"))
    with bench.book.connect() as connection:
        cursor = connection.cursor()
        mended = ticket(NUMBER, 3)
        for row in letters.waiting(cursor, ORDER, TOPICS.modifications, 9):
            sealed = VAULT.create(ORDER).seal(mended.value, f"parked:{row.topic}:{row.seq}")
            letters.replace_parked(cursor, ORDER, row.topic, row.seq, sealed, row.actor or {})
        heads.try_now(cursor, ORDER, TOPICS.modifications)
    assert 2 == bench.retry(TOPICS.modifications)
    assert ("applied", "duplicate") == (bench.outcome(mended.message_id), bench.outcome(f"{TOPICS.modifications}:0:1"))
    assert 1 == len({row.version for row in bench.book.database.tables["history"][ORDER].values() if row.cause_id == mended.message_id})
    assert "duplicate" == bench.send(ticket(NUMBER, 3, reason="nul\x00"))


def test_a_partition_that_stands_further_is_told_from_one_that_is_lost(bench: Bench) -> None:
    assert "accepted" == bench.send(stated(NUMBER, 0))
    again = bench.reading(stated(NUMBER, 0), 0)
    with pytest.raises(Fenced) as moved:
        bench.processor.handle([again], [Advance(TOPICS.canonical, 0, 1, None, 1)])
    assert {(TOPICS.canonical, 0): 1} == moved.value.ahead
    with bench.book.connect() as connection:
        partitions.claim(connection.cursor(), "g", "heir", [(TOPICS.canonical, 0, "id")])
    with pytest.raises(Fenced) as lost:
        bench.processor.handle([replace(again)], [Advance(TOPICS.canonical, 0, 1, 1, 2)])
    assert {(TOPICS.canonical, 0)} == lost.value.lost
    assert {} == lost.value.ahead


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_member_of_the_simulated_group_that_is_put_out_while_it_lets_go_joins_again(is_cut_off: bool) -> None:
    broker = Broker(Scheduler(random.Random(1), Trace()), random.Random(1), 1)
    member = broker.client(Process("p"), {"group.id": "g"})

    def let_go(*_: object) -> None:
        member.cut_off = is_cut_off
        member.group.evict(member)

    member.subscribe(["t"], on_assign=lambda client, given: client.assign(given), on_revoke=let_go, on_lost=let_go)
    member.consume(1, 0.0)
    member.group.rebalance()
    member.consume(1, 0.0)
    if is_cut_off:
        assert not member.has_work()
        member.hear_again()
        assert member.has_work(), "it polls no more, and nobody reads its partitions"
        member.consume(1, 0.0)
    assert [member] == member.group.members
    broker.append("t", b"k", b"v", [])
    assert 1 == len(member.consume(1, 0.0))


def test_the_seed_of_such_a_member_comes_to_rest() -> None:
    assert () == simulate(2978).violations


def _state(bench: Bench, quantity: int) -> str:
    row = bench.book.database.tables["ticket"][ORDER][ORDER, ticket_id(NUMBER, quantity)]
    return str(row.state)


def _discard(bench: Bench) -> None:
    desk = Workbench(bench.book.connect, VAULT, TOPICS)
    with bench.book.connect() as connection, connection.cursor() as cursor:
        heads.lock(cursor, [ORDER])
        desk.discard(cursor, bench.letter(), Actor("olga", frozenset({"DLQ_Operate"}), "cli"))
    assert "discarded" == bench.letter().status
