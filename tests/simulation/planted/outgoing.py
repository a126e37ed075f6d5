"""Mistakes about what goes out: events, their numbers, and copies of dead letters."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from modification_processor.incoming import Read
from modification_processor.outcomes import Failed
from modification_processor.settle import Settler
from modification_processor.work import OrderWork
from store import heads, outbox
from store.database import Cursor
from store.heads import Head
from store.outbox import Unsent
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


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


@bug("a dead letter has no copy on its topic")
def letter_without_its_copy(world: World, stack: ExitStack) -> None:
    original = Settler._bury

    def bury(self: Settler, work: OrderWork, read: Read, failure: Failed, seq: int | None, attempts: int) -> None:
        original(self, work, read, failure, seq, attempts)
        self.writes.outgoing.pop()

    world.put(stack, Settler, "_bury", bury)


@bug("event numbers begin anew with each transaction")
def event_seq_reset(world: World, stack: ExitStack) -> None:
    original = heads.lock

    def lock(cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, Head]:
        found = original(cursor, ids)
        for head in found.values():
            head.event_seq = 0
        return found

    world.put(stack, heads, "lock", lock)
