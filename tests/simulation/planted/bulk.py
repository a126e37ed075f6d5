"""Mistakes about edits of many orders at once."""

from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

from modification_processor import service, together
from modification_processor.incoming import Read
from modification_processor.transaction import Means
from store import bulk
from store.database import Cursor
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("a job forgets what it has sent")
def bulk_forgets_what_it_sent(world: World, stack: ExitStack) -> None:
    world.put(stack, bulk, "move", lambda *_: None)


@bug("all or nothing applies to the orders that take it")
def bulk_half_done(world: World, stack: ExitStack) -> None:
    original = together.apply_together

    def apply_together(cursor: Cursor, means: Means, batch: Sequence[Read]) -> dict[UUID, str]:
        refused = original(cursor, means, batch)
        if refused and len(refused) < len(batch):
            original(cursor, means, [read for read in batch if read.order_id not in refused])
            return {}
        return refused

    world.put(stack, service, "apply_together", apply_together)
