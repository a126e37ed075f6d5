"""Mistakes about what waits: heads and lanes, who is in one, and in which order it is left."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from modification_processor import (
    deciding,
    earlier_tickets,
    handling,
    lanes,
    retrying,
    service,
    workbench,
)
from modification_processor.incoming import Read
from modification_processor.loading import Seen
from modification_processor.outcomes import Failed, Stored
from modification_processor.settle import Settler
from modification_processor.transaction import Means, Transaction
from modification_processor.work import OrderWork, Writes
from store import heads, letters
from store.database import Cursor
from store.heads import Head, Lane
from store.letters import Parked
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


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


@bug("a withdrawn ticket leaves its lane, and is left in it")
def withdrawn_and_left_waiting(world: World, stack: ExitStack) -> None:
    original = letters.set_status

    def set_status(cursor: Cursor, messages: Any, status: str) -> None:
        if status != "discarded":
            original(cursor, messages, status)

    world.put(stack, letters, "set_status", set_status)
