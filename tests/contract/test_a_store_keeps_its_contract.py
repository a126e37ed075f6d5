"""What the services rely on in their book, case by case, over PostgreSQL and over both books that the simulation runs on.

A simulation is worth what its store is: a lock that excludes nobody, or a fence that always matches, would find no bug and
prove nothing. Where the two differ, PostgreSQL is right.
"""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from ordermend.local.stack import Stack
from schemas.failures import PartitionHalted
from schemas.leaves import member_of
from store import breakers, bulk, claims, fetches, heads, history, inbox, letters, orders, outbox, partitions, tickets
from store.bulk import ItemRow, JobRow
from store.database import Connection, now
from store.fetches import Fetch, Tried
from store.heads import Head, Lane
from store.history import HistoryRow
from store.inbox import Received, Repeat
from store.letters import Audit, Item, Letter, Parked
from store.orders import Origin, Statement, Written
from store.outbox import Outgoing
from store.partitions import Advance, Claim
from store.tickets import TicketRow
from tests.conftest import Eventually
from tests.line import order_in, shopify_order
from tests.simulation.memory import installed as memory
from tests.simulation.postgres.server import Server, a_schema, serving
from tests.stores import Book, PostgresBook, memory_book, postgres_book, simulated_book

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))
TOPIC = "orders.modifications.v1"


@pytest.fixture(scope="module")
def real_book(stack: Stack) -> Iterator[PostgresBook]:
    with postgres_book(stack.owner_database_url, stack.database_url) as found:
        yield found


@pytest.fixture(scope="module")
def simulated_server(stack: Stack) -> Iterator[Server]:
    urls = stack.database_url, stack.owner_database_url
    with a_schema(*urls) as schema, serving(*urls, schema) as server:
        yield server


@pytest.fixture(params=["memory", *(pytest.param(name, marks=pytest.mark.server) for name in ("postgresql", "simulated"))])
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    if request.param == "memory":
        with memory_book() as found:
            yield found
    elif request.param == "simulated":
        with simulated_book(request.getfixturevalue("simulated_server")) as found:
            yield found
    else:
        real: PostgresBook = request.getfixturevalue("real_book")
        real.empty(request.getfixturevalue("stack").owner_database_url)
        yield real


@pytest.fixture
def first(book: Book) -> Iterator[Connection]:
    yield from _opened(book)


@pytest.fixture
def second(book: Book) -> Iterator[Connection]:
    yield from _opened(book)


def _opened(book: Book) -> Iterator[Connection]:
    connection = book.connect()
    yield connection
    if not connection.closed:
        connection.close()


def owned(connection: Connection, *places: tuple[str, int], owner: str = "a") -> dict[tuple[str, int], Claim]:
    found = partitions.claim(connection.cursor(), "g", owner, [(topic, part, f"id-{topic}") for topic, part in places])
    connection.commit()
    return found


class TestFence:
    def test_it_moves_what_is_ours_and_where_we_think_it_is(self, first: Connection) -> None:
        owned(first, ("t", 0), ("t", 1), ("t", 2))
        assert {("t", 0)} == partitions.fence(first.cursor(), "g", [Advance("t", 0, 1, None, 5)])
        wanted = [
            Advance("t", 0, 1, 5, 9),  # as it is
            Advance("t", 1, 2, None, 3),  # another epoch
            Advance("t", 2, 1, 7, 9),  # another offset
            Advance("t", 3, 1, None, 1),  # nobody ever claimed it
        ]
        assert {("t", 0)} == partitions.fence(first.cursor(), "g", wanted)
        first.commit()
        assert {("t", 0): Claim(1, 9), ("t", 1): Claim(1, None)} == partitions.stored(first.cursor(), "g", [("t", 0), ("t", 1), ("u", 0)])

    def test_a_claim_raises_the_epoch_and_counts_starts_without_progress(self, first: Connection) -> None:
        assert {("t", 0): Claim(1, None, 0)} == owned(first, ("t", 0))
        assert {("t", 0): Claim(2, None, 1)} == owned(first, ("t", 0), owner="b")
        partitions.fence(first.cursor(), "g", [Advance("t", 0, 2, None, 4)])
        first.commit()
        assert {("t", 0): Claim(3, 4, 1)} == owned(first, ("t", 0))
        partitions.release(first.cursor(), "g", [("t", 0, 2), ("u", 0, 3)])
        first.commit()
        assert {("t", 0): Claim(4, 4, 2)} == owned(first, ("t", 0))
        partitions.release(first.cursor(), "g", [("t", 0, 4)])
        first.commit()
        assert {("t", 0): Claim(5, 4, 0)} == owned(first, ("t", 0))

    def test_a_topic_made_anew_is_not_claimed(self, first: Connection) -> None:
        owned(first, ("t", 0))
        with pytest.raises(PartitionHalted):
            partitions.claim(first.cursor(), "g", "a", [("t", 0, "another id")])
        first.rollback()
        assert {("t", 0): Claim(1, None)} == partitions.stored(first.cursor(), "g", [("t", 0)])

    def test_a_claim_waits_for_a_fence_and_a_fence_for_a_claim(self, book: Book, first: Connection, second: Connection) -> None:
        owned(first, ("t", 0))
        partitions.fence(first.cursor(), "g", [Advance("t", 0, 1, None, 5)])
        assert {("t", 0): Claim(2, 5, 1)} == book.blocked(lambda: owned(second, ("t", 0)), first.commit)
        partitions.claim(first.cursor(), "g", "a", [("t", 0, "id-t")])
        assert set() == book.blocked(lambda: partitions.fence(second.cursor(), "g", [Advance("t", 0, 2, 5, 6)]), first.commit)


class TestHeads:
    def test_missing_heads_are_made_and_all_are_locked(self, first: Connection) -> None:
        found = heads.lock(first.cursor(), [TWO, ONE])
        assert Head(ONE, 0, 0, 0, b"", 0, 0, None) == found[ONE]
        assert {ONE, TWO} == found.keys()
        head = Head(ONE, 2, 3, 4, b"c", 1, 6, None)
        heads.save(first.cursor(), [head])
        heads.save_keys(first.cursor(), [(ONE, b"key")])
        first.commit()
        again = heads.lock(first.cursor(), [ONE])[ONE]
        assert (2, 3, 4, b"c", 1, 6, b"key") == (
            again.version, again.event_seq, again.history_seq, bytes(again.chain), again.depth, again.parked_seq, bytes(again.wrapped_key or b"")
        )  # fmt: skip
        assert b"key" == heads.wrapped_key(first.cursor(), ONE)
        assert b"" == heads.wrapped_key(first.cursor(), TWO)

    def test_who_peeks_neither_locks_nor_makes_heads(self, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        assert 0 == heads.peek(second.cursor(), [ONE])[ONE].version
        assert 0 == heads.peek(second.cursor(), [THREE])[THREE].version

    def test_who_waits_for_a_head_sees_it_as_it_was_left(self, book: Book, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        first.commit()
        heads.lock(first.cursor(), [ONE])
        heads.save(first.cursor(), [Head(ONE, 7, 0, 0, b"", 0, 0, None)])
        assert 7 == book.blocked(lambda: heads.lock(second.cursor(), [ONE])[ONE].version, first.commit)

    def test_two_that_meet_at_a_new_order_do_not_both_make_it(self, book: Book, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        heads.save(first.cursor(), [Head(ONE, 1, 0, 0, b"", 0, 0, None)])
        heads.save_keys(first.cursor(), [(ONE, b"key")])
        found = book.blocked(lambda: heads.lock(second.cursor(), [ONE])[ONE], first.commit)
        assert (1, b"key") == (found.version, bytes(found.wrapped_key or b""))

    def test_what_stands_beside_a_locked_head_is_as_of_the_statements_start(
        self, book: Book, first: Connection, second: Connection
    ) -> None:
        heads.lock(first.cursor(), [ONE])
        first.commit()
        heads.lock(first.cursor(), [ONE])
        heads.save_keys(first.cursor(), [(ONE, b"key")])
        assert book.blocked(lambda: heads.lock(second.cursor(), [ONE])[ONE].wrapped_key, first.commit) is None
        assert b"key" == bytes(heads.lock(second.cursor(), [ONE])[ONE].wrapped_key or b"")
        with pytest.raises(psycopg.errors.UniqueViolation):
            heads.save_keys(second.cursor(), [(ONE, b"another")])

    def test_a_lock_that_is_not_given_in_time_is_55p03(self, book: Book, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        if book.name == "postgresql":
            second.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            heads.lock(second.cursor(), [ONE])
        assert "55P03" == refused.value.sqlstate

    def test_a_circle_of_waiting_is_40p01_for_one_of_them(self, book: Book, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        heads.lock(second.cursor(), [TWO])
        theirs: list[str] = []

        def locked(connection: Connection, order_id: UUID) -> str:
            try:
                heads.lock(connection.cursor(), [order_id])
            except psycopg.errors.DeadlockDetected as error:
                connection.rollback()
                return error.sqlstate or ""
            return "locked"

        ours = book.blocked(lambda: locked(first, TWO), lambda: theirs.append(locked(second, ONE)))
        assert ["40P01", "locked"] == sorted([ours, *theirs])


class TestTransactions:
    def test_a_rollback_leaves_nothing(self, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        inbox.add(first.cursor(), [received("a")])
        outbox.add(first.cursor(), [event(ONE, 1)])
        assert {(ONE, "a"): (b"hash", "applied")} == inbox.seen(first.cursor(), [(ONE, "a")])
        assert {} == inbox.seen(second.cursor(), [(ONE, "a")])
        first.rollback()
        assert {} == inbox.seen(first.cursor(), [(ONE, "a")])
        assert [] == outbox.unsent(first.cursor(), 9)

    def test_after_an_error_it_takes_nothing_but_a_rollback(self, first: Connection) -> None:
        inbox.add(first.cursor(), [received("a")])
        with pytest.raises(psycopg.errors.UniqueViolation):
            inbox.add(first.cursor(), [received("a")])
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            inbox.seen(first.cursor(), [(ONE, "a")])
        first.commit()
        assert {} == inbox.seen(first.cursor(), [(ONE, "a")])

    def test_its_time_stands_still(self, first: Connection) -> None:
        begun = now(first.cursor())
        heads.lock(first.cursor(), [ONE])
        assert begun == now(first.cursor())
        first.commit()
        assert begun < now(first.cursor())

    def test_a_block_is_committed_or_rolled_back_as_a_whole(self, first: Connection) -> None:
        with first.transaction(), first.cursor() as cursor:
            inbox.add(cursor, [received("a")])

        def half() -> None:
            with first.transaction(), first.cursor() as cursor:
                inbox.add(cursor, [received("b")])
                raise ValueError("on purpose")

        with pytest.raises(ValueError, match="on purpose"):
            half()
        assert {(ONE, "a")} == inbox.seen(first.cursor(), [(ONE, "a"), (ONE, "b")]).keys()

    def test_each_statement_counts_at_once_with_autocommit(self, first: Connection, second: Connection) -> None:
        first.autocommit = True
        inbox.add(first.cursor(), [received("a")])
        assert {(ONE, "a")} == inbox.seen(second.cursor(), [(ONE, "a")]).keys()

    def test_a_session_that_is_closed_gives_its_locks_back_and_takes_nothing(self, first: Connection, second: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        cursor = first.cursor()
        first.close()
        assert 0 == heads.lock(second.cursor(), [ONE])[ONE].version
        with pytest.raises(psycopg.OperationalError):
            heads.lock(cursor, [ONE])


class TestInbox:
    def test_what_was_received_is_seen_with_its_hash_and_its_last_outcome(self, first: Connection) -> None:
        inbox.add(first.cursor(), [received("a"), received("b")])
        inbox.settle(first.cursor(), [(ONE, "b", "superseded"), (TWO, "b", "applied")])
        wanted = [(ONE, "a"), (ONE, "b"), (ONE, "c"), (TWO, "a")]
        assert {(ONE, "a"): (b"hash", "applied"), (ONE, "b"): (b"hash", "superseded")} == inbox.seen(first.cursor(), wanted)

    def test_one_goes_by_its_own_id_once_that_is_known_and_is_nobodys(self, first: Connection) -> None:
        inbox.add(first.cursor(), [received("t:0:1"), received("t:0:2"), received("own")])
        inbox.rename(first.cursor(), [(ONE, "t:0:1", "mine"), (ONE, "t:0:2", "own"), (ONE, "t:0:3", "nobody")])
        keys = [(ONE, name) for name in ("t:0:1", "mine", "t:0:2", "own", "nobody")]
        assert {"mine", "t:0:2", "own"} == {name for _, name in inbox.seen(first.cursor(), keys)}

    def test_two_first_receipts_of_one_message_cannot_both_be(self, book: Book, first: Connection, second: Connection) -> None:
        inbox.add(first.cursor(), [received("a")])

        def again() -> str:
            with pytest.raises(psycopg.errors.UniqueViolation) as refused:
                inbox.add(second.cursor(), [received("a")])
            return refused.value.sqlstate or ""

        assert "23505" == book.blocked(again, first.commit)

    def test_a_repeat_is_one_row_a_place(self, book: Book, first: Connection) -> None:
        row = Repeat(ONE, TOPIC, 0, 7, "a", "ModificationTicket", AT)
        inbox.add_repeats(first.cursor(), [row])
        # The same place is read again after a batch that was redone; another place of the same message is a repeat of its own.
        inbox.add_repeats(first.cursor(), [row, row._replace(off=8)])
        inbox.add_repeats(first.cursor(), [row._replace(part=1)])
        first.commit()
        assert 3 == book.count("repeat")


class TestOutbox:
    def test_rows_are_sent_by_their_flag_in_their_order(self, first: Connection, second: Connection) -> None:
        outbox.add(first.cursor(), [event(ONE, 1)])
        outbox.add(second.cursor(), [event(TWO, 1), event(TWO, 2)])
        second.commit()
        sent = outbox.unsent(second.cursor(), 9)
        assert [TWO, TWO] == [row.order_id for row in sent]
        outbox.mark_sent(second.cursor(), sent[:1])
        second.commit()
        # A lower number that is committed late is not passed over.
        first.commit()
        left = outbox.unsent(second.cursor(), 9)
        assert [(ONE, b"1"), (TWO, b"2")] == [(row.order_id, bytes(row.value)) for row in left]
        assert left == outbox.unsent(second.cursor(), 2)
        assert left[:1] == outbox.unsent(second.cursor(), 1)
        assert sorted(row.id for row in left) == [row.id for row in left]

    def test_what_is_no_event_goes_before_events_however_many_wait(self, first: Connection) -> None:
        ticket = event(ONE, 7)._replace(event_seq=None, value=b"ticket")
        outbox.add(first.cursor(), [event(ONE, 1), event(TWO, 1), event(ONE, 2), ticket, ticket._replace(value=b"its withdrawal")])
        order = [(row.order_id, bytes(row.value)) for row in outbox.unsent(first.cursor(), 2)]
        assert [(ONE, b"ticket"), (ONE, b"its withdrawal"), (ONE, b"1"), (TWO, b"1")] == order
        assert [(TWO, b"1")] == [(row.order_id, bytes(row.value)) for row in outbox.unsent(first.cursor(), 9, [ONE])]

    def test_one_session_leads(self, first: Connection, second: Connection, eventually: Eventually) -> None:
        first.autocommit = second.autocommit = True
        assert outbox.lead(first.cursor())
        assert outbox.lead(first.cursor())
        assert not outbox.lead(second.cursor())
        first.close()
        eventually(lambda: outbox.lead(second.cursor()), what="the leadership of a session that is gone")


class TestLanes:
    def test_they_are_saved_kept_and_removed(self, first: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        heads.save_lanes(first.cursor(), [lane(ONE, depth=2)], [])
        heads.save_lanes(first.cursor(), [lane(ONE, depth=3, blocked_since=AT + timedelta(hours=1))], [(TWO, TOPIC)])
        assert {(ONE, TOPIC): lane(ONE, depth=3)} == heads.lanes(first.cursor(), [ONE, TWO])
        heads.save_lanes(first.cursor(), [], [(ONE, TOPIC)])
        assert {} == heads.lanes(first.cursor(), [ONE])

    def test_starts_on_it_are_counted_until_it_is_saved(self, first: Connection) -> None:
        heads.save_lanes(first.cursor(), [lane(ONE)], [])
        assert [1, 2] == [letters.suspect(first.cursor(), [(ONE, TOPIC)])[ONE, TOPIC] for _ in range(2)]
        assert {} == letters.suspect(first.cursor(), [(TWO, TOPIC)])
        heads.save_lanes(first.cursor(), [lane(ONE)], [])
        assert {(ONE, TOPIC): 1} == letters.suspect(first.cursor(), [(ONE, TOPIC), (TWO, TOPIC)])

    def test_those_are_due_that_wait_for_a_time_that_has_come_oldest_first(self, first: Connection) -> None:
        at = now(first.cursor())
        wanted = [
            lane(ONE, state="retrying", due=at - timedelta(seconds=1)),
            lane(TWO, state="ordering", due=at - timedelta(seconds=2)),
            lane(THREE, state="retrying", due=at + timedelta(hours=1)),
            lane(UUID(int=4), state="blocked", due=at - timedelta(seconds=3)),
            lane(UUID(int=5), state="retrying"),
        ]
        heads.save_lanes(first.cursor(), wanted, [])
        first.commit()
        assert [(TWO, TOPIC, "failed"), (ONE, TOPIC, "failed")] == letters.due_lanes(first.cursor(), {"failed": 9})
        assert [(TWO, TOPIC, "failed")] == letters.due_lanes(first.cursor(), {"failed": 1, "work": 9})
        heads.try_now(first.cursor(), THREE, TOPIC)
        letters.bury(first.cursor(), [letter(1)._replace(order_id=THREE)])
        letters.set_letter(first.cursor(), THREE, UUID(int=1), "replaying")
        assert [(THREE, TOPIC, "work")] == letters.due_lanes(first.cursor(), {"work": 9})
        letters.postpone(first.cursor(), THREE, TOPIC, timedelta(hours=1))
        assert [] == letters.due_lanes(first.cursor(), {"work": 9})

    def test_a_message_that_leaves_opens_it_or_makes_it_due(self, first: Connection) -> None:
        heads.lock(first.cursor(), [ONE])
        heads.save(first.cursor(), [Head(ONE, 0, 0, 0, b"", 2, 0, None)])
        heads.save_lanes(first.cursor(), [lane(ONE, depth=2)], [])
        heads.leave(first.cursor(), lane(ONE, depth=2))
        left = heads.lanes(first.cursor(), [ONE])[ONE, TOPIC]
        assert (1, "retrying", 0) == (left.depth, left.state, left.attempt)
        heads.leave(first.cursor(), left)
        assert {} == heads.lanes(first.cursor(), [ONE])
        assert 0 == heads.lock(first.cursor(), [ONE])[ONE].depth

    def test_a_start_is_counted_while_somebody_has_the_orders_head(self, first: Connection, second: Connection) -> None:
        heads.save_lanes(first.cursor(), [lane(ONE)], [])
        first.commit()
        heads.lock(first.cursor(), [ONE])
        assert {(ONE, TOPIC): 1} == letters.suspect(second.cursor(), [(ONE, TOPIC)])

    def test_a_start_is_not_counted_on_one_that_somebody_is_writing(self, first: Connection, second: Connection) -> None:
        heads.save_lanes(first.cursor(), [lane(ONE), lane(TWO)], [])
        first.commit()
        heads.save_lanes(first.cursor(), [lane(ONE, depth=2)], [])
        assert {(TWO, TOPIC): 1} == letters.suspect(second.cursor(), [(ONE, TOPIC), (TWO, TOPIC)])


class TestParked:
    def test_they_wait_in_the_order_of_their_numbers(self, first: Connection) -> None:
        letters.park(
            first.cursor(), [parked(2), parked(10), parked(1), parked(3, status="done"), parked(4, topic="other", status="waiting")]
        )
        assert [1, 2, 10] == [row.seq for row in letters.waiting(first.cursor(), ONE, TOPIC, 9)]
        assert [1, 2] == [row.seq for row in letters.waiting(first.cursor(), ONE, TOPIC, 2)]
        found = letters.waiting_in(first.cursor(), [(TWO, TOPIC), (ONE, TOPIC), (ONE, "other")], 2)
        assert {(ONE, TOPIC): [1, 2], (ONE, "other"): [4]} == {place: [row.seq for row in rows] for place, rows in found.items()}
        assert 1 == letters.head_seq(first.cursor(), ONE, TOPIC)
        assert letters.head_seq(first.cursor(), TWO, TOPIC) is None
        assert parked(2) == letters.find_parked(first.cursor(), ONE, "m2")
        assert letters.find_parked(first.cursor(), ONE, "m3") is None
        letters.set_status(first.cursor(), [(ONE, TOPIC, 1), (ONE, TOPIC, 99)], "discarded")
        assert [2, 10] == [row.seq for row in letters.waiting(first.cursor(), ONE, TOPIC, 9)]
        assert letters.parked_at(first.cursor(), ONE, TOPIC, 1) is None
        with pytest.raises(psycopg.errors.UniqueViolation):
            letters.park(first.cursor(), [parked(2)])

    def test_those_named_are_superseded_with_their_letters(self, first: Connection) -> None:
        letters.park(first.cursor(), [parked(1), parked(2), parked(3)])
        letters.bury(first.cursor(), [letter(1, seq=1), letter(2, seq=3)])
        assert (["m1", "m2"], 1) == letters.supersede(first.cursor(), ONE, TOPIC, [1, 2, 7])
        assert [3] == [row.seq for row in letters.waiting(first.cursor(), ONE, TOPIC, 9)]
        assert ["superseded", "unresolved"] == [_letter(first, n).status for n in (1, 2)]

    def test_a_repaired_one_stands_in_the_place_of_the_failed_one(self, first: Connection) -> None:
        letters.park(first.cursor(), [parked(1)])
        letters.replace_parked(first.cursor(), ONE, TOPIC, 1, b"repaired", {"user_id": "olga"})
        found = letters.parked_at(first.cursor(), ONE, TOPIC, 1)
        assert found is not None
        assert (b"repaired", {"user_id": "olga"}, "m1") == (bytes(found.value_sealed), found.actor, found.message_id)


class TestLetters:
    def test_one_that_fails_again_keeps_its_row_and_counts(self, first: Connection) -> None:
        letters.bury(first.cursor(), [letter(1)])
        letters.set_letter(first.cursor(), ONE, UUID(int=1), "replaying")
        letters.bury(first.cursor(), [letter(1, code="other", detail="again")])
        found = _letter(first, 1)
        assert ("unresolved", 2, "other", "again", AT) == (found.status, found.attempts, found.code, found.detail, found.first_failed_at)

    def test_only_an_open_one_is_resolved(self, first: Connection) -> None:
        letters.bury(first.cursor(), [letter(1, seq=1), letter(2, seq=2)])
        letters.set_letter(first.cursor(), ONE, UUID(int=2), "discarded")
        for seq in (1, 2, 3):
            letters.resolve(first.cursor(), [(ONE, TOPIC, seq)], "resolved")
        assert ["resolved", "discarded"] == [_letter(first, n).status for n in (1, 2)]
        assert letters.find(first.cursor(), uuid4()) is None

    def test_the_costliest_come_first(self, first: Connection) -> None:
        later = AT + timedelta(seconds=1)
        letters.bury(first.cursor(), [letter(1, score=5), letter(2, score=9), letter(3, score=9, at=later), letter(4, score=5, at=later)])
        assert [2, 3, 1, 4] == [row.letter_id.int for row in letters.listing(first.cursor(), "unresolved", 9)]
        assert [2] == [row.letter_id.int for row in letters.listing(first.cursor(), "all", 1)]
        assert [] == letters.listing(first.cursor(), "resolved", 9)

    def test_an_act_is_recorded_once(self, first: Connection) -> None:
        rows = [Audit(ONE, UUID(int=n), AT + timedelta(seconds=n), "olga", "letter_replayed", "s", f"done {n}") for n in (1, 2)]
        for row in (*rows, rows[0]):
            letters.record_once(first.cursor(), row)
        assert "done 1" == letters.recorded(first.cursor(), ONE, UUID(int=1), "letter_replayed")
        assert letters.recorded(first.cursor(), ONE, UUID(int=1), "letter_discarded") is None
        assert rows[1] == letters.last_recorded(first.cursor(), ONE, "s", ("letter_replayed", "other"))
        assert letters.last_recorded(first.cursor(), ONE, "s", ("other",)) is None
        with pytest.raises(psycopg.errors.UniqueViolation):
            letters.record(first.cursor(), rows[:1])

    def test_a_claim_is_one_persons_until_it_ends(self, first: Connection) -> None:
        letter_id = UUID(int=1)
        mine = claims.take(first.cursor(), ONE, letter_id, "olga", 1, 30)
        first.commit()
        assert "olga" == claims.take(first.cursor(), ONE, letter_id, "pia", 1, 30).actor
        claims.set_patch(first.cursor(), mine, b"sealed", "digest")
        claims.approve(first.cursor(), mine, "carla", "act")
        renewed = claims.take(first.cursor(), ONE, letter_id, "olga", 1, 30)
        assert (mine.claimed_at, b"sealed", "carla") == (renewed.claimed_at, bytes(renewed.patch_sealed or b""), renewed.approved_by)
        assert renewed.expires_at > mine.expires_at
        # Another failure of the same letter is up to whoever comes first.
        other = claims.take(first.cursor(), ONE, letter_id, "pia", 2, 30)
        assert ("pia", None, None) == (other.actor, other.patch_sealed, other.approved_by)
        claims.drop(first.cursor(), ONE, letter_id)
        assert claims.find(first.cursor(), ONE, letter_id) is None
        expired = claims.take(first.cursor(), ONE, letter_id, "olga", 2, 0)
        assert claims.find(first.cursor(), ONE, letter_id) is None
        assert "pia" == claims.take(first.cursor(), ONE, letter_id, "pia", 2, 30).actor
        assert "olga" == expired.actor


class TestTickets:
    def test_they_are_inserted_once_decided_and_closed(self, first: Connection) -> None:
        tickets.insert(first.cursor(), [ticket(1), ticket(2)])
        tickets.decide(first.cursor(), [ticket(1, "applied")._replace(new_version=3, request_sealed=b""), ticket(9, "applied")])
        tickets.close(first.cursor(), ONE, UUID(int=2), "cancelled", AT)
        done = tickets.find(first.cursor(), ONE, UUID(int=1))
        assert done is not None
        assert ("applied", 3, b"request") == (done.state, done.new_version, bytes(done.request_sealed))
        keys = [(ONE, UUID(int=n)) for n in (1, 2, 9)]
        assert {keys[0]: "applied", keys[1]: "cancelled", keys[2]: "applied"} == tickets.states(first.cursor(), keys)
        assert tickets.find(first.cursor(), ONE, UUID(int=8)) is None
        assert {f"ticket:{UUID(int=n)}": ticket(n).operations for n in (1, 2, 9)} == tickets.operations_of(first.cursor(), ONE)
        with pytest.raises(psycopg.errors.UniqueViolation):
            tickets.insert(first.cursor(), [ticket(1)])

    def test_a_text_with_nul_is_refused(self, first: Connection) -> None:
        with pytest.raises(psycopg.DataError):
            tickets.insert(first.cursor(), [ticket(1)._replace(reason_code="a\x00b")])

    def test_those_are_due_that_wait_beyond_their_deadline(self, first: Connection) -> None:
        past = now(first.cursor()) - timedelta(seconds=1)
        rows = [
            ticket(1)._replace(due_at=past),
            ticket(2)._replace(due_at=past + timedelta(hours=1)),
            ticket(3, "dead")._replace(due_at=past),
        ]
        tickets.insert(first.cursor(), [*rows, ticket(4, "awaiting_approval")._replace(due_at=past - timedelta(seconds=1))])
        assert [(ONE, UUID(int=4)), (ONE, UUID(int=1))] == tickets.due(first.cursor(), 9)

    def test_states_move_only_from_where_they_may(self, first: Connection) -> None:
        tickets.insert(first.cursor(), [ticket(1, "applied"), ticket(2, "refused"), ticket(3, "settling"), ticket(4, "waiting")])
        tickets.mark_undone(first.cursor(), [(ONE, UUID(int=n)) for n in (1, 2)])
        tickets.settle(
            first.cursor(), [(ONE, UUID(int=3), "settled"), (ONE, UUID(int=3), "settlement_failed"), (ONE, UUID(int=4), "settled")]
        )
        keys = [(ONE, UUID(int=n)) for n in (1, 2, 3, 4)]
        assert ["undone", "refused", "settled", "waiting"] == [tickets.states(first.cursor(), keys)[key] for key in keys]


class TestOrders:
    def test_they_are_loaded_as_they_were_written_and_edits_add_up(self, first: Connection) -> None:
        order = order_in(shopify_order(1))
        orders.insert(first.cursor(), [Written(order, 1, "s1", 0)])
        orders.update(first.cursor(), [Written(order, 2, "s1", 1)])
        orders.update(first.cursor(), [Written(order, 3, "s2", 2), Written(order_in(shopify_order(2)), 2, "s", 1)])
        found = orders.load(first.cursor(), [order.order_id, ONE])
        assert {order.order_id: (order, 3, "s2", 3)} == found
        assert [] == orders.payment_kinds(first.cursor(), order.order_id)
        with pytest.raises(psycopg.errors.UniqueViolation):
            orders.insert(first.cursor(), [Written(order, 1, "s1", 0)])

    def test_statements_are_found_by_their_message(self, first: Connection) -> None:
        row = Statement(ONE, "s1", "OrderStated", "create", "accepted", "shopify", AT, b"sealed", "digest", "raw", 0, 1, 1)
        orders.insert_statements(first.cursor(), [row])
        assert {ONE: (b"sealed", "digest")} == orders.load_statements(first.cursor(), [(ONE, "s1"), (TWO, "s1")])

    def test_how_one_was_placed_is_read_with_its_key_while_there_is_one(self, first: Connection) -> None:
        row = Origin(ONE, "{}", b"sealed", b"sha", AT)
        orders.insert_origins(first.cursor(), [row])
        assert (row, None) == orders.origin(first.cursor(), ONE)
        heads.save_keys(first.cursor(), [(ONE, b"wrapped")])
        assert (row, b"wrapped") == orders.origin(first.cursor(), ONE)
        assert orders.origin(first.cursor(), TWO) is None

    def test_requested_changes_after_a_version_come_in_their_order(self, first: Connection) -> None:
        rows = [_change(1, 2, "/a"), _change(2, 3, "/b"), _change(3, 3, "/total", derived=True), _change(4, 4, "/c")]
        history.insert(first.cursor(), rows)
        found = history.requested_since(first.cursor(), [(ONE, 2), (TWO, 0)])
        assert {ONE: [("/b", 3), ("/c", 4)]} == {order: [(c.path, c.version) for c in changes] for order, changes in found.items()}
        assert [1, 2, 3, 4] == [row.seq for row in history.read(first.cursor(), ONE)]

    def test_of_a_set_only_those_members_count_as_changed_that_came_or_went(self, first: Connection) -> None:
        row = _change(1, 2, "/tags")._replace(old=b'["a", "b"]', new=b'["b", "c"]')
        history.insert(first.cursor(), [row])
        found = history.requested_since(first.cursor(), [(ONE, 1)])
        assert {member_of("/tags", "a"), member_of("/tags", "c")} == {change.path for change in found[ONE]}


class TestFetches:
    def test_one_is_asked_for_under_its_turn_and_ends_with_its_order(self, first: Connection) -> None:
        cursor, wait = first.cursor(), timedelta(seconds=5)
        letters.open_items(cursor, [Item(ONE, TWO, "fetch_order", "fetch it", "open", AT)])
        fetches.plan(cursor, [_fetch(ONE), _fetch(TWO), _fetch(ONE)])
        assert {ONE, TWO} == fetches.planned(cursor, [ONE, TWO, THREE])
        assert {(ONE, ONE), (TWO, ONE)} == set(fetches.due(cursor, 10))
        (asked,) = fetches.claim(cursor, [(ONE, ONE)], wait)
        assert ("asked", 1) == (asked.state, asked.attempts)
        assert [] == fetches.claim(cursor, [(ONE, ONE)], wait)
        assert {TWO} == fetches.planned(cursor, [ONE, TWO])
        assert [(TWO, ONE)] == fetches.due(cursor, 10)
        fetches.record(cursor, [Tried(ONE, ONE, "sent", None, now(cursor) - wait)])
        assert {(ONE, ONE), (TWO, ONE)} == set(fetches.due(cursor, 10))
        fetches.stored(cursor, [(ONE, ONE)])
        fetches.record(cursor, [Tried(ONE, ONE, "failed", "too late", None), Tried(TWO, ONE, "failed", "gone", None)])
        assert [] == fetches.due(cursor, 10)

    def test_what_the_channel_said_is_counted_apart_from_attempts(self, first: Connection) -> None:
        cursor, wait = first.cursor(), timedelta(seconds=-60)
        fetches.plan(cursor, [_fetch(ONE)])
        fetches.claim(cursor, [(ONE, ONE)], wait)
        fetches.record(cursor, [Tried(ONE, ONE, "asked", "no such order", now(cursor) + wait, 1)])
        (again,) = fetches.claim(cursor, [(ONE, ONE)], wait)
        assert (2, 1) == (again.attempts, again.not_found)

    def test_an_account_that_wants_a_pause_is_left_alone_and_no_other(self, first: Connection) -> None:
        cursor = first.cursor()
        fetches.plan(cursor, [_fetch(ONE), _fetch(TWO)._replace(account="another")])
        fetches.postpone(cursor, "shopify", "default", now(cursor) + timedelta(seconds=60))
        assert [(TWO, ONE)] == fetches.due(cursor, 10)


def _fetch(order_id: UUID) -> Fetch:
    return Fetch(order_id, ONE, TWO, "shopify", "default", "1", "all", 1, "planned", 0, AT - timedelta(days=3650), AT)


class TestBulk:
    def test_a_job_is_in_one_pair_of_hands_and_counts_what_became_of_its_orders(self, first: Connection, second: Connection) -> None:
        job = JobRow(ONE, "running", "[]", "r", None, "skip_failed", 10, "u", "", None, AT, None)
        items = [ItemRow(ONE, order, 1, order, "planned", None) for order in (ONE, TWO, THREE)]
        bulk.add_job(first.cursor(), job, items)
        first.commit()
        assert [ONE] == bulk.running(first.cursor())
        taken = bulk.take(first.cursor(), ONE)
        assert taken is not None
        assert ONE == taken.job_id
        assert bulk.take(second.cursor(), ONE) is None
        assert items[:2] == bulk.planned(first.cursor(), ONE, 2)
        tickets.insert(first.cursor(), [ticket(1)])
        bulk.move(first.cursor(), [items[0]._replace(state="sent"), items[1]._replace(state="sent")])
        bulk.skip_rest(first.cursor(), ONE, "stopped")
        assert {"waiting": 1, "sent": 1, "skipped": 1} == bulk.counts(first.cursor(), ONE)
        bulk.set_state(first.cursor(), ONE, "done")
        first.commit()
        assert [] == bulk.running(second.cursor())

    def test_only_orders_of_the_book_have_a_version(self, first: Connection) -> None:
        assert {} == bulk.versions(first.cursor(), [ONE])


class TestBreakers:
    def test_one_a_key_is_open_and_what_waits_is_woken_when_it_closes(self, first: Connection) -> None:
        wait = timedelta(seconds=30)
        breakers.trip(first.cursor(), {"k": 20}, wait)
        first.commit()
        breakers.trip(first.cursor(), {"k": 20, "other": 1}, wait)
        assert {"k", "other"} == breakers.standing(first.cursor()).keys()
        older = AT - timedelta(hours=1)
        closed = [lane(ONE, state="paused", code="breaker:k"), lane(TWO, state="paused", code="breaker:k", blocked_since=older)]
        heads.save_lanes(first.cursor(), [*closed, lane(THREE, state="paused", code="breaker:gone")], [])
        breakers.wake(first.cursor())
        assert {ONE: "paused", TWO: "paused", THREE: "retrying"} == _states(first)
        # When its time has come, the one that waits longest tries.
        breakers.postpone(first.cursor(), ["k"], timedelta(seconds=-1))
        breakers.wake(first.cursor())
        assert {ONE: "paused", TWO: "retrying", THREE: "retrying"} == _states(first)
        assert 1 == breakers.close(first.cursor(), ["k", "unknown"], "a message")
        assert 0 == breakers.close(first.cursor(), ["k"], "a message")
        breakers.wake(first.cursor())
        assert {ONE: "retrying", TWO: "retrying", THREE: "retrying"} == _states(first)


def test_the_functions_in_memory_are_asked_as_those_of_the_store() -> None:
    differing = {}
    for module, name, theirs, ours in memory.pairs():
        wanted, found = (list(inspect.signature(function).parameters.values())[1:] for function in (theirs, ours))
        if [(p.name, p.kind, p.default) for p in wanted] != [(p.name, p.kind, p.default) for p in found]:
            differing[f"{module.__name__}.{name}"] = (str(wanted), str(found))
    assert {} == differing


def received(message_id: str) -> Received:
    return Received(ONE, message_id, b"hash", TOPIC, 0, 1, "ModificationTicket", "applied", AT)


def event(order_id: UUID, number: int) -> Outgoing:
    return Outgoing(order_id, number, uuid4(), "orders.events.v1", b"key", str(number).encode(), {"event_seq": str(number)})


def lane(
    order_id: UUID, *, state: str = "blocked", depth: int = 1, due: datetime | None = None, code: str = "c", blocked_since: datetime = AT
) -> Lane:
    return Lane(order_id, TOPIC, state, 1, depth, 0, due, "BUG", code, blocked_since)


def parked(seq: int, *, status: str = "waiting", topic: str = TOPIC) -> Parked:
    return Parked(ONE, topic, seq, f"m{seq}", "ModificationTicket", b"key", b"sealed", {"user_id": "ana"}, 0, seq, AT, status, AT)


def letter(number: int, *, seq: int | None = None, score: int = 1, code: str = "c", detail: str = "d", at: datetime = AT) -> Letter:
    return Letter(
        ONE, UUID(int=number), TOPIC, 0, number, seq, f"m{number}", "ModificationTicket", "shopify", "BUG", code, "decide", None, None, detail,
        "v1:f", score, 1, "unresolved", b"key", b"sealed", at, at, None,
    )  # fmt: skip


def ticket(number: int, state: str = "waiting") -> TicketRow:
    return TicketRow(
        ONE, UUID(int=number), state, "ana", "Order_Modify", "console", None, "customer_request", None, None, "change_quantity", b"request",
        None, None, None, None, None, AT, AT, None,
    )  # fmt: skip


def _change(seq: int, version: int, path: str, *, derived: bool = False) -> HistoryRow:
    return HistoryRow(
        ONE, seq, version, "ticket", "ticket:1", path, b"1", b"2", False, derived, "ana", "Order_Modify", None, None, AT, b"hash"
    )


def _letter(connection: Connection, number: int) -> Letter:
    found = letters.find(connection.cursor(), UUID(int=number))
    assert found is not None
    return found


def _states(connection: Connection) -> dict[UUID, str]:
    return {row.order_id: row.state for row in heads.lanes(connection.cursor(), [ONE, TWO, THREE]).values()}
