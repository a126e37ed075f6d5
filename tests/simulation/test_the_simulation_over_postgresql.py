"""The simulation over the real PostgreSQL store: a few seeds, twice the same, and how its sessions wait for each other. In full: `make test-simulation`."""

import random
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors

from ordermend.local.stack import Stack
from tests.simulation.planted import hunt
from tests.simulation.postgres.database import PostgresDatabase
from tests.simulation.postgres.server import Server, a_schema, serving
from tests.simulation.postgres.session import Session
from tests.simulation.run import simulate
from tests.simulation.scheduler import BEGINNING, Process, Scheduler, Trace

pytestmark = pytest.mark.server
SEEDS = (1, 10, 16, 17)
FEW = 12


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[Server]:
    urls = stack.database_url, stack.owner_database_url
    with a_schema(*urls) as schema, serving(*urls, schema) as found:
        yield found


def test_nothing_is_lost_doubled_or_reordered_and_a_seed_does_the_same_in_any_schema(stack: Stack, server: Server) -> None:
    first = {seed: simulate(seed, server=server, keep=True) for seed in SEEDS}
    assert dict.fromkeys(SEEDS, ()) == {seed: result.violations for seed, result in first.items()}
    assert all(result.messages > 0 for result in first.values())
    assert any(line.endswith(" lock") for result in first.values() for line in result.lines), "nobody ever waited for a lock"
    urls = stack.database_url, stack.owner_database_url
    with a_schema(*urls) as schema, serving(*urls, schema) as other:
        again = {seed: simulate(seed, server=other, keep=True) for seed in reversed(SEEDS)}
    for seed in SEEDS:
        assert first[seed].lines == again[seed].lines
    assert len(SEEDS) == len({result.digest for result in first.values()})


@pytest.mark.parametrize("name", ["lane_opened_for_all_topics", "no_dedupe"])
def test_a_mistake_in_a_statement_or_above_it_is_found(server: Server, name: str) -> None:
    found = hunt(name, FEW, server=server)
    assert found.kind is not None, f"{name}: not in {FEW} seeds"


class Room:
    """Sessions over one small table of `order_head`, as tasks of one scheduler."""

    def __init__(self, server: Server) -> None:
        self.scheduler = Scheduler(random.Random(1), Trace(keep=True))
        self.database = PostgresDatabase(server, self.scheduler)
        self.said: list[str] = []
        holder = self.session("maker")
        holder.execute("insert into order_head (order_id) values (%s), (%s)", (ONE, TWO))
        holder.commit()

    def session(self, name: str) -> Session:
        return self.database.connect(name)

    def task(self, name: str, *steps: Callable[[], object]) -> Process:
        """Take the steps one after the other, and say how it ended."""
        process = Process(name)

        def run() -> None:
            try:
                for step in steps:
                    step()
                self.said.append(f"{name}: done")
            except psycopg.Error as error:
                self.said.append(f"{name}: {type(error).__name__}")

        self.scheduler.spawn(process, "task", run)
        return process

    def until(self, *points: str) -> None:
        """Go on until everybody who is left stands at one of these points."""
        self.scheduler.run(lambda: False, 200, strict=False) if not points else self._until(points)

    def _until(self, points: tuple[str, ...]) -> None:
        for _ in range(200):
            if self.scheduler.tasks and all(task.point in points for task in self.scheduler.tasks):
                return
            self.scheduler.run(lambda: False, 1, strict=False)
        raise AssertionError(self.scheduler.standing())


ONE, TWO = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2))


@pytest.fixture
def room(server: Server) -> Iterator[Room]:
    found = Room(server)
    yield found
    found.database.close()


def change(session: Session, order: str, version: int) -> Callable[[], object]:
    return lambda: session.execute("update order_head set version = version + %s where order_id = %s", (version, order))


def versions(room: Room) -> list[int]:
    return sorted(row.version for row in room.database.committed("order_head"))


def test_who_waits_for_a_lock_gives_the_turn_away_and_sees_what_was_committed_meanwhile(room: Room) -> None:
    holder, second, third = (room.session(name) for name in ("holder", "second", "third"))
    change(holder, ONE, 1)()
    for name, session, by in (("second", second, 10), ("third", third, 100)):
        room.task(name, change(session, ONE, by), session.commit)
    room.until("lock")
    assert room.database.blocked in (second, third), "one of them stands in the server's queue"
    assert [] == room.said
    holder.commit()
    room.until()
    assert {"second: done", "third: done"} == set(room.said)
    assert [0, 111] == versions(room)


def test_a_wait_ends_as_the_products_limits_would_have_it(room: Room) -> None:
    holder, second, third = (room.session(name) for name in ("holder", "second", "third"))
    change(holder, ONE, 1)()
    began = room.scheduler.clock.seconds
    room.task("second", change(second, ONE, 10))
    room.task("third", change(third, ONE, 10))
    room.until()
    assert {"second: LockNotAvailable", "third: LockNotAvailable"} == set(room.said)
    assert began + 5 <= room.scheduler.clock.seconds < began + 6
    with pytest.raises(errors.InFailedSqlTransaction):
        third.execute("select 1")
    holder.commit()
    assert [0, 1] == versions(room)


def test_a_circle_is_found_when_it_closes(room: Room) -> None:
    first, second = room.session("first"), room.session("second")
    room.task("first", change(first, ONE, 1), lambda: room.scheduler.wait(None, 1.0, "first"), change(first, TWO, 1), first.commit)
    room.task("second", change(second, TWO, 10), lambda: room.scheduler.wait(None, 1.0, "second"), change(second, ONE, 10), second.commit)
    room.task("cut", lambda: room.scheduler.wait(None, 3.0, "third"), first.cut, second.cut)
    room.until()
    assert 1 == len([word for word in room.said if word.endswith("DeadlockDetected")]), room.said


def test_who_is_cut_off_while_it_waits_hears_of_it_and_leaves_nothing(room: Room) -> None:
    holder, second = room.session("holder"), room.session("second")
    change(holder, ONE, 1)()
    room.task("second", change(second, TWO, 10), change(second, ONE, 10))
    room.until("lock")
    second.cut()
    change(holder, TWO, 1)()
    room.until()
    assert ["second: AdminShutdown"] == room.said
    holder.commit()
    assert [1, 1] == versions(room)


@pytest.mark.parametrize(("outcome", "at_once", "later"), [("lost_before", 0, 0), ("lost_after", 1, 1), ("late", 0, 1)])
def test_a_commit_ends_as_it_is_decided(room: Room, outcome: str, at_once: int, later: int) -> None:
    room.database.outcome = lambda _session: outcome
    session = room.session("one")
    change(session, ONE, 1)()
    with pytest.raises(psycopg.OperationalError, match="server closed the connection unexpectedly"):
        session.commit()
    assert session.closed
    assert [0, at_once] == versions(room)
    room.task("waits", lambda: room.scheduler.wait(None, 1.0, "waits"))
    room.until()
    assert [0, later] == versions(room)


def test_the_databases_time_is_the_simulations(room: Room) -> None:
    session = room.session("one")
    row = session.execute("select now(), (select updated_at from partition_owner)").fetchone()
    assert row is not None
    assert 0 <= (row[0] - BEGINNING).total_seconds() < 1
    session.rollback()
    room.scheduler.clock.seconds += 3600
    session.execute("insert into partition_owner (grp, topic, part, topic_id, owner, epoch) values ('g', 't', 0, 'i', 'o', 1)")
    row = session.execute("select updated_at from partition_owner").fetchone()
    assert row is not None
    assert 3600 <= (row[0] - BEGINNING).total_seconds() < 3601
