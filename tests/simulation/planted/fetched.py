"""Mistakes about orders that were only named, and are fetched."""

from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

from modification_processor import lanes, retrying
from schemas.statement import FetchNeeded
from store import fetches
from tests.simulation.memory.database import Transaction as MemoryTransaction
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("found: a fetched statement that is superseded leaves its fetch open")
def superseded_answer_forgotten(world: World, stack: ExitStack) -> None:
    world.put(stack, lanes, "fetch_of", lambda _message_id: None)


@bug("found: a notification that waits is superseded by a statement, which may be older")
def notification_superseded(world: World, stack: ExitStack) -> None:
    original = lanes.is_superseded
    for module in (lanes, retrying):
        world.put(stack, module, "is_superseded", lambda waiting, by: isinstance(waiting.body, FetchNeeded) or original(waiting, by))


@bug("an order is fetched, and nobody hears that it was")
def stored_order_ends_no_fetch(world: World, stack: ExitStack) -> None:
    world.put(stack, fetches, "stored", lambda *_: None)


@bug(
    "a notification plans no fetch where one is under way: what that brings may be older",
    in_sql={"any(%b) and state = 'planned'": "any(%b) and state in ('planned', 'asked', 'sent')"},
)
def fetch_under_way_is_enough(world: World, stack: ExitStack) -> None:
    def planned(tx: MemoryTransaction, order_ids: Sequence[UUID]) -> set[UUID]:
        return {row.order_id for order_id in order_ids for row in tx.rows("order_fetch", order_id) if row.state in fetches.OPEN}

    world.put(stack, fetches, "planned", lambda cursor, ids: cursor.session.run(planned, "fetches.planned", ids))
