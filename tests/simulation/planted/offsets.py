"""Mistakes about whose a partition is, how far it was read, and whether a commit happened."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

from modification_processor import (
    fence,
)
from modification_processor.app import ProcessorApp
from modification_processor.fence import Fenced
from modification_processor.incoming import Read
from store import partitions
from store.database import Cursor
from store.partitions import Advance
from streaming.consumer import BatchConsumer
from tests.simulation.memory import partitions as memory_partitions
from tests.simulation.memory.database import Transaction as MemoryTransaction
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("the offset is committed before the work")
def offset_before_commit(world: World, stack: ExitStack) -> None:
    original = fence.pass_fence

    def pass_fence(cursor: Cursor, group: str, advances: Sequence[Advance]) -> None:
        original(cursor, group, advances)
        cursor.connection.commit()

    world.put(stack, fence, "pass_fence", pass_fence)


@bug("the offset is moved without any condition", in_sql={"and o.epoch = w.epoch and o.next_offset is not distinct from w.expected": ""})
def fence_removed(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, _epoch, _expected: row is not None)


@bug("the fence does not look at the epoch: a zombie may commit", in_sql={"and o.epoch = w.epoch ": ""})
def zombie_epoch_ignored(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, _epoch, expected: row is not None and row.next_offset == expected)


@bug(
    "the fence does not look at the offset: a batch may be stored twice", in_sql={" and o.next_offset is not distinct from w.expected": ""}
)
def fence_ignores_the_offset(world: World, stack: ExitStack) -> None:
    world.put(stack, memory_partitions, "_is_ours", lambda row, epoch, _expected: row is not None and row.epoch == epoch)


@bug("a claim does not raise the epoch", in_sql={"set epoch = o.epoch + 1,": "set epoch = o.epoch,"})
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


@bug("starts without progress are not counted: a killer kills for ever")
def starts_not_counted(world: World, stack: ExitStack) -> None:
    original = partitions.claim

    def claim(*arguments: Any) -> Any:
        return {place: one._replace(starts=0) for place, one in original(*arguments).items()}

    world.put(stack, partitions, "claim", claim)


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
