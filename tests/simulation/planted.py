"""Bugs, planted into the product or under it, each of which the simulation has to find: who finds nothing proves nothing.

    python -m tests.simulation.planted --seeds 5000

Each is a mistake that somebody could make in a day's work, or did: the last ones are those the simulation found in the product
itself, put back. The command says how many seeds each one needed.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast
from uuid import UUID

from modification_processor import (
    approvals,
    decide,
    deciding,
    earlier_tickets,
    edit,
    facts,
    fence,
    handling,
    lanes,
    replay,
    reports,
    retrying,
    service,
    undo,
    workbench,
)
from modification_processor.app import ProcessorApp
from modification_processor.fence import Fenced
from modification_processor.incoming import Read
from modification_processor.loading import Seen
from modification_processor.outcomes import Failed, Outcome, Refused, Stored
from modification_processor.retrying import LaneRetry
from modification_processor.settle import Settler
from modification_processor.transaction import Means, Transaction
from modification_processor.work import OrderWork, Writes
from schemas.order import Order
from schemas.statement import ChangeStated
from store import heads, inbox, letters, outbox, partitions
from store.database import Connection, Cursor
from store.heads import Head, Lane
from store.letters import Letter, Parked
from store.outbox import Unsent
from store.partitions import Advance
from streaming.consumer import BatchConsumer
from tests.simulation.memory import partitions as memory_partitions
from tests.simulation.memory.database import Transaction as MemoryTransaction
from tests.simulation.run import simulate
from tests.simulation.world import World

Plant = Callable[[World, ExitStack], None]


@dataclass(frozen=True)
class Bug:
    """A mistake, and how it is made."""

    name: str
    what: str
    plant: Plant


BUGS: list[Bug] = []


def bug(what: str) -> Callable[[Plant], Plant]:
    """Register a bug."""

    def register(plant: Plant) -> Plant:
        BUGS.append(Bug(plant.__name__, what, plant))
        return plant

    return register


@bug("the offset is committed before the work")
def offset_before_commit(world: World, stack: ExitStack) -> None:
    original = fence.pass_fence

    def pass_fence(cursor: Cursor, group: str, advances: Sequence[Advance]) -> None:
        original(cursor, group, advances)
        cursor.connection.commit()

    world.put(stack, fence, "pass_fence", pass_fence)


@bug("the offset is moved without any condition")
def fence_removed(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, _epoch, _expected: row is not None)


@bug("the fence does not look at the epoch: a zombie may commit")
def zombie_epoch_ignored(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, _epoch, expected: row is not None and row.next_offset == expected)


@bug("the fence does not look at the offset: a batch may be stored twice")
def fence_ignores_the_offset(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, epoch, _expected: row is not None and row.epoch == epoch)


@bug("a claim does not raise the epoch")
def epoch_never_raised(world: World, stack: ExitStack) -> None:
    original = partitions.claim

    def claim(cursor: Cursor, group: str, owner: str, places: Sequence[tuple[str, int, str]]) -> Any:
        found = original(cursor, group, owner, places)

        def lower(tx: MemoryTransaction) -> None:
            for topic, part, _ in places:
                tx.update("partition_owner", (group, topic, part), lambda row: row._replace(epoch=1))

        cast("Any", cursor).session.run(lower, "lower")
        return {place: one._replace(epoch=1) for place, one in found.items()}

    world.put(stack, partitions, "claim", claim)


@bug("a commit whose answer never came counts as done")
def unknown_commit_is_done(world: World, stack: ExitStack) -> None:
    world.put(stack, fence, "is_committed", lambda *_: True)


@bug("a commit whose answer never came is done again from where the row stands, whatever it has done")
def unknown_commit_is_done_again(world: World, stack: ExitStack) -> None:
    world.put(stack, fence, "is_committed", lambda *_: False)

    def is_next(self: ProcessorApp, r: Read, epochs: Any) -> bool:
        place = (r.incoming.topic, r.incoming.part)
        return place in self._epochs and self._epochs[place] == epochs.get(place)

    world.put(stack, ProcessorApp, "_is_next", is_next)


@bug("heads are read and not locked")
def heads_not_locked(world: World, stack: ExitStack) -> None:
    world.put(stack, heads, "lock", heads.peek)


@bug("whether a lane is closed is looked up before the head is locked")
def lane_check_outside_the_lock(world: World, stack: ExitStack) -> None:
    original = Means.heads

    def locked(self: Means, cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, Head]:
        before = heads.peek(cursor, ids)
        found = original(self, cursor, ids)
        for order_id, head in found.items():
            head.depth = before[order_id].depth
        return found

    world.put(stack, Means, "heads", locked)


@bug("the relay goes by the highest number it has seen")
def relay_by_cursor(world: World, stack: ExitStack) -> None:
    original, seen = outbox.unsent, [0]

    def unsent(cursor: Cursor, limit: int, but: Any = ()) -> list[Unsent]:
        found = [row for row in original(cursor, limit, but) if row.id > seen[0]]
        seen[0] = max([seen[0], *(row.id for row in found)])
        return found

    world.put(stack, outbox, "unsent", unsent)


@bug("the relay marks before Kafka has confirmed")
def relay_marks_first(world: World, stack: ExitStack) -> None:
    original = outbox.unsent

    def unsent(cursor: Cursor, limit: int, but: Any = ()) -> list[Unsent]:
        found = original(cursor, limit, but)
        outbox.mark_sent(cursor, found)
        return found

    world.put(stack, outbox, "unsent", unsent)


@bug("the relay sends the newest first")
def relay_newest_first(world: World, stack: ExitStack) -> None:
    original = outbox.unsent
    world.put(stack, outbox, "unsent", lambda cursor, limit, but=(): original(cursor, limit, but)[::-1])


@bug("the retrier tries followers though their head failed")
def retry_without_head_check(world: World, stack: ExitStack) -> None:
    original = retrying.drain

    def drain(tx: Transaction, work: OrderWork, batch: Sequence[Read], topic: str, seen: Seen) -> list[Read]:
        left = original(tx, work, batch[:1], topic, seen)
        if not left and len(batch) > 1 and topic in work.lanes:
            # The head failed: the next one is tried, and leaves the lane where it fares well.
            follower = batch[1]
            outcome = deciding.tried(tx, work, follower)
            if not isinstance(outcome, Failed):
                tx.settler.settle(work, follower, outcome)
                tx.writes.done.append((work.head.order_id, topic, follower.seq or 0))
                work.lanes[topic].depth -= 1
                work.head.depth -= 1
        return left

    world.put(stack, retrying, "drain", drain)


@bug("a lane is tried from its end")
def retry_order_reversed(world: World, stack: ExitStack) -> None:
    original = letters.waiting

    def waiting(cursor: Cursor, order_id: UUID, topic: str, limit: int) -> list[Parked]:
        return original(cursor, order_id, topic, 10_000)[::-1][:limit]

    world.put(stack, letters, "waiting", waiting)


class _Any(bytes):
    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = bytes.__hash__


@bug("other content under the same id counts as a repeat")
def dedupe_without_hash(world: World, stack: ExitStack) -> None:
    original = inbox.seen

    def seen(cursor: Cursor, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], tuple[bytes, str]]:
        return {key: (_Any(digest), outcome) for key, (digest, outcome) in original(cursor, keys).items()}

    world.put(stack, inbox, "seen", seen)


@bug("nobody looks whether a message was received before")
def no_dedupe(world: World, stack: ExitStack) -> None:
    world.put(stack, inbox, "seen", lambda _cursor, _keys: {})


@bug("the mark that a message was received is committed by itself")
def inbox_mark_outside_the_transaction(world: World, stack: ExitStack) -> None:
    original = inbox.add

    def add(_cursor: Cursor, received: Any) -> None:
        with cast("Connection", world.database.connect("mark")) as connection, connection.cursor() as cursor:
            original(cursor, received)

    world.put(stack, inbox, "add", add)


@bug("event numbers begin anew with each transaction")
def event_seq_reset(world: World, stack: ExitStack) -> None:
    original = heads.lock

    def lock(cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, Head]:
        found = original(cursor, ids)
        for head in found.values():
            head.event_seq = 0
        return found

    world.put(stack, heads, "lock", lock)


@bug("a statement supersedes changes that wait")
def changes_superseded(world: World, stack: ExitStack) -> None:
    world.put(stack, lanes, "is_superseded", lambda _waiting, _by: True)
    world.put(stack, retrying, "is_superseded", lambda _waiting, _by: True)


@bug("edits that wait for their order are not woken by it")
def wake_up_lost(world: World, stack: ExitStack) -> None:
    original = Settler._stored

    def stored(self: Settler, work: OrderWork, read: Read, outcome: Stored) -> str:
        closed, work.lanes = work.lanes, {}
        try:
            return original(self, work, read, outcome)
        finally:
            work.lanes = closed

    world.put(stack, Settler, "_stored", stored)


@bug("a message does not look whether its lane is closed")
def followers_not_parked(world: World, stack: ExitStack) -> None:
    original = handling.handle

    def handle(tx: Transaction, work: OrderWork, read: Read, seen: Seen) -> str:
        closed, work.lanes = work.lanes, {}
        try:
            return original(tx, work, read, seen)
        finally:
            work.lanes = {**closed, **work.lanes}

    world.put(stack, service, "handle", handle)


@bug("a lane opens with the first message that leaves it")
def lane_reopened_too_early(world: World, stack: ExitStack) -> None:
    original = lanes.let_out

    def opened(work: OrderWork, lane: Lane, leaving: int, writes: Writes) -> None:
        original(work, lane, leaving, writes)
        if lane.topic in work.lanes:
            del work.lanes[lane.topic]
            writes.lanes.pop((work.head.order_id, lane.topic), None)
            writes.opened.append((work.head.order_id, lane.topic))

    for module in (lanes, retrying, earlier_tickets, workbench):
        world.put(stack, module, "let_out", opened)


@bug("a replayed message goes to the end of its lane")
def replay_gets_a_new_place(world: World, stack: ExitStack) -> None:
    original = replay._try_now

    def try_now(cursor: Cursor, letter: Letter, key: Any, repaired: Any) -> str:
        def move(tx: MemoryTransaction) -> None:
            row = tx.get("parked", letter.order_id, letter.topic, letter.seq)
            head = tx.get("order_head", letter.order_id)
            tx.write("order_head", (letter.order_id,), head._replace(parked_seq=head.parked_seq + 1))
            tx.delete("parked", letter.order_id, letter.topic, letter.seq)
            moved = row._replace(seq=head.parked_seq + 1, value_sealed=_sealed_anew(key, row, head.parked_seq + 1))
            tx.insert("parked", moved[:3], moved)

        said = original(cursor, letter, key, repaired)
        cast("Any", cursor).session.run(move, "move")
        return said

    world.put(stack, replay, "_try_now", try_now)


def _sealed_anew(key: Any, row: Parked, seq: int) -> bytes:
    plain = key.open(row.value_sealed, f"parked:{row.topic}:{row.seq}")
    sealed: bytes = key.seal(plain, f"parked:{row.topic}:{seq}")
    return sealed


@bug("a lane takes any number of tickets")
def depth_bound_off(world: World, stack: ExitStack) -> None:
    world.put(stack, handling, "MAX_DEPTH", 1_000_000)


@bug("the numbers of waiting messages come again once a lane has opened")
def numbers_come_again(world: World, stack: ExitStack) -> None:
    original = heads.save

    def save(cursor: Cursor, rows_: Sequence[Head]) -> None:
        for head in rows_:
            head.parked_seq = head.depth
        original(cursor, rows_)

    world.put(stack, heads, "save", save)


@bug("a dead letter has no copy on its topic")
def letter_without_its_copy(world: World, stack: ExitStack) -> None:
    original = Settler._bury

    def bury(self: Settler, work: OrderWork, read: Read, failure: Failed, seq: int | None, attempts: int) -> None:
        original(self, work, read, failure, seq, attempts)
        self.writes.outgoing.pop()

    world.put(stack, Settler, "_bury", bury)


@bug("a letter stays open though its message went through")
def letter_not_resolved(world: World, stack: ExitStack) -> None:
    world.put(stack, letters, "resolve", lambda *_: None)


@bug("starts without progress are not counted: a killer kills for ever")
def starts_not_counted(world: World, stack: ExitStack) -> None:
    original = partitions.claim

    def claim(*arguments: Any) -> Any:
        return {place: one._replace(starts=0) for place, one in original(*arguments).items()}

    world.put(stack, partitions, "claim", claim)


@bug("starts on a lane are not counted: a killer in it kills for ever")
def lane_starts_not_counted(world: World, stack: ExitStack) -> None:
    world.put(stack, letters, "suspect", lambda *_: 0)


@bug("a withdrawn ticket leaves its lane, and is left in it")
def withdrawn_and_left_waiting(world: World, stack: ExitStack) -> None:
    original = letters.set_status

    def set_status(cursor: Cursor, messages: Any, status: str) -> None:
        if status != "discarded":
            original(cursor, messages, status)

    world.put(stack, letters, "set_status", set_status)


@bug("a batch goes on though its partition was lost and taken again meanwhile")
def epoch_of_the_batch_ignored(world: World, stack: ExitStack) -> None:
    original = ProcessorApp._advances

    def advances(self: ProcessorApp, batch: Sequence[Read], epochs: Any) -> list[Advance]:
        found = original(self, batch, epochs)
        return [one._replace(epoch=self._epochs.get((one.topic, one.partition), one.epoch)) for one in found]

    def is_next(self: ProcessorApp, r: Read, _epochs: Any) -> bool:
        return (r.incoming.topic, r.incoming.part) in self._epochs

    world.put(stack, ProcessorApp, "_advances", advances)
    world.put(stack, ProcessorApp, "_is_next", is_next)


@bug("found: a partition whose commit went unheard is given up, and nobody reads it")
def moved_partition_is_forgotten(world: World, stack: ExitStack) -> None:
    original = Fenced.__init__

    def init(self: Fenced, lost: set[tuple[str, int]], ahead: Any = None) -> None:
        original(self, lost | set(ahead or ()))

    world.put(stack, Fenced, "__init__", init)
    world.put(stack, BatchConsumer, "take_again", lambda _self: None)


@bug("found: a partition that a late claim took away is never claimed again")
def taken_partition_is_given_up(world: World, stack: ExitStack) -> None:
    world.put(stack, BatchConsumer, "take_again", lambda _self: None)


@bug("found: a newer statement that waits is superseded by an older one that came late")
def newer_statement_superseded(world: World, stack: ExitStack) -> None:
    for module in (lanes, retrying):
        world.put(stack, module, "is_superseded", lambda waiting, _by: not isinstance(waiting.body, ChangeStated))


@bug("found: a follower that kills is tried together with its head, and takes it along")
def killer_behind_a_good_head(world: World, stack: ExitStack) -> None:
    original = LaneRetry.once

    def once(self: LaneRetry, order_id: UUID, topic: str, _limit: int, failure: Failed | None) -> int:
        return original(self, order_id, topic, 50, failure)

    world.put(stack, LaneRetry, "once", once)


@bug("found: what the tables refuse in a lane stops the retrier")
def refusal_stops_the_retrier(world: World, stack: ExitStack) -> None:
    def singly(_self: LaneRetry, _order_id: UUID, _topic: str, error: Exception) -> int:
        raise error

    world.put(stack, LaneRetry, "singly", singly)


@bug("found: a message that waited under another id than its own is never settled")
def settled_under_the_wrong_id(world: World, stack: ExitStack) -> None:
    original = inbox.settle

    def settle(cursor: Cursor, outcomes: Sequence[tuple[UUID, str, str]]) -> None:
        original(cursor, [one for one in outcomes if one[1].startswith(("ticket:", "fact:", "stated:", "changed:"))])

    world.put(stack, inbox, "settle", settle)


@bug("found: a review that had to wait is heard, and its ticket is not")
def parked_review_does_nothing(world: World, stack: ExitStack) -> None:
    def carry_out(tx: Transaction, work: OrderWork, read: Read) -> tuple[Outcome, str]:
        outcome = deciding.tried(tx, work, read)
        return outcome, tx.settler.settle(work, read, outcome)

    world.put(stack, retrying, "carry_out", carry_out)


@bug("an approval is of the ticket, whatever it would do by now")
def approval_of_whatever_it_does(world: World, stack: ExitStack) -> None:
    original = deciding.decided_again

    def decided_again(tx: Transaction, work: OrderWork, ticket: Read, approved: Any) -> Outcome:
        with ExitStack() as meanwhile:
            if approved is not None:
                world.put(meanwhile, decide, "preview_hash", lambda *_: approved[1])
            return original(tx, work, ticket, approved)

    world.put(stack, earlier_tickets, "decided_again", decided_again)


def _ignoring(world: World, stack: ExitStack, *codes: str) -> None:
    """Let a review pass that is refused for one of these reasons."""
    original = approvals.may_review

    def may_review(*arguments: Any) -> Refused | None:
        refusal = original(*arguments)
        return None if refusal is not None and refusal.code in codes else refusal

    world.put(stack, earlier_tickets, "may_review", may_review)


@bug("an author may approve their own ticket")
def author_approves(world: World, stack: ExitStack) -> None:
    _ignoring(world, stack, "own_ticket")


@bug("a ticket is approved again after it was applied")
def approved_twice(world: World, stack: ExitStack) -> None:
    _ignoring(world, stack, "not_awaiting", "stale_preview")


@bug("a ticket is taken back though it was taken back before")
def undone_twice(world: World, stack: ExitStack) -> None:
    original = undo.undoable

    def undoable(body: Any, ticket: Any) -> Refused | None:
        refusal = original(body, ticket)
        return None if refusal is not None and refusal.code == "not_applied" and ticket.state == "undone" else refusal

    world.put(stack, undo, "undoable", undoable)


@bug("a report adds its payment to the ledger whether it is there or not")
def payment_added_twice(world: World, stack: ExitStack) -> None:
    original = facts.with_payment

    def with_payment(order: Order, payment: Any, at: Any) -> Order:
        again = sum(row.transaction == payment.transaction for row in order.payments)
        return original(order, payment.model_copy(update={"transaction": payment.transaction + "'" * again}), at)

    world.put(stack, reports, "with_payment", with_payment)


@bug("a report ends its step, and the money it moved is not in the ledger")
def reported_payment_is_lost(world: World, stack: ExitStack) -> None:
    original = reports.report

    def report(order: Order, body: Any, pending: Any) -> Any:
        return replace(original(order, body, pending), order=order)

    world.put(stack, decide, "report", report)


@bug("an edit does not wait until the warehouse has given back")
def recall_not_awaited(world: World, stack: ExitStack) -> None:
    original = edit.edit

    def edited(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        return replace(found, recalls=()) if isinstance(found, edit.Edited) else found

    world.put(stack, decide, "edit", edited)


@bug("a ticket goes on as soon as the warehouse says anything, be it no")
def refused_recall_goes_on(world: World, stack: ExitStack) -> None:
    original = decide._recall_answered

    def answered(order: Order, body: Any, asked: Any) -> Any:
        return original(order, body.model_copy(update={"outcome": "done"}), asked)

    world.put(stack, decide, "_recall_answered", answered)


@dataclass(frozen=True)
class Hunt:
    """How a bug was looked for: how many seeds it took, and what gave it away; None: it was not found."""

    bug: str
    seeds: int
    seconds: float
    kind: str | None
    detail: str = ""


def hunt(name: str, most: int, first: int = 1) -> Hunt:
    """Look for a planted bug, seed after seed."""
    planted, began = next(one for one in BUGS if one.name == name), time.monotonic()
    for count, seed in enumerate(range(first, first + most), start=1):
        result = simulate(seed, prepare=planted.plant)
        if result.violations:
            one = result.violations[0]
            return Hunt(name, count, time.monotonic() - began, one.kind, f"{one.where}: {one.detail}"[:160])
    return Hunt(name, most, time.monotonic() - began, None)


def main(arguments: list[str] | None = None) -> int:
    """Hunt all of them and say what each took; 1 where one was not found."""
    parser = argparse.ArgumentParser(description="Planted bugs, each of which the simulation has to find.")
    parser.add_argument("--seeds", type=int, default=5000, help="in how many seeds each has to be found")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes share them")
    parser.add_argument("bugs", nargs="*", help="which of them; all where none is named")
    asked = parser.parse_args(arguments)
    names, found = asked.bugs or [one.name for one in BUGS], 0
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        for result in pool.imap(partial(hunt, most=asked.seeds), names):
            found += result.kind is not None
            how = f"{result.kind}: {result.detail}" if result.kind else "NOT FOUND"
            sys.stdout.write(f"{result.bug}: {result.seeds} seeds, {result.seconds:.1f} s, {how}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found} of {len(names)} planted bugs found within {asked.seeds} seeds\n")
    return 0 if found == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
