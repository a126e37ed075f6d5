"""Hundreds of commits a second ring the bell: only whoever watches an order that moved is woken, and nothing that happens is missed."""

import asyncio
from uuid import UUID

from console.watching import Bell
from ordermend.local.stack import Stack
from store.database import Connection, connect, role_of
from store.migrating import migrate

MINE, OTHER = UUID(int=1), UUID(int=2)


def test_an_ear_hears_of_its_order_alone_and_also_between_two_waits(stack: Stack, db_schema: str) -> None:
    migrate(stack.owner_database_url, db_schema, role_of(stack.database_url))

    def book() -> Connection:
        return connect(stack.database_url, db_schema, autocommit=True)

    async def watch() -> None:
        bell = Bell(book)
        bell.start(asyncio.get_running_loop())
        with book() as writer, bell.ear(MINE) as mine, bell.ear(OTHER) as other, bell.ear() as all_of_it:

            async def move(order_id: UUID) -> None:
                def commit() -> None:
                    with writer.transaction():
                        writer.execute(
                            """insert into order_head (order_id, event_seq) values (%s, 1)
                               on conflict (order_id) do update set event_seq = order_head.event_seq + 1""",
                            (order_id,),
                        )
                        writer.execute("notify outbox")

                await asyncio.to_thread(commit)

            for _ in range(50):  # until the bell listens, and knows both orders
                await move(MINE)
                await move(OTHER)
                await asyncio.sleep(0.05)
                if mine.heard.is_set() and other.heard.is_set():
                    break
            await asyncio.wait_for(all_of_it.heard.wait(), 30)
            await asyncio.sleep(1.0)
            for ear in (mine, other, all_of_it):
                ear.heard.clear()
            await move(OTHER)
            await asyncio.wait_for(other.heard.wait(), 30)
            await asyncio.wait_for(all_of_it.heard.wait(), 30)
            assert not mine.heard.is_set()
            # What happened while nobody waited is heard at the next wait, at once.
            await move(MINE)
            await asyncio.wait_for(mine.heard.wait(), 30)
            assert not await _waits(mine.wait(30))
            other.heard.clear()
            bell.close()
            await asyncio.wait_for(other.heard.wait(), 30)
        await asyncio.to_thread(bell.stop)

    asyncio.run(watch())


async def _waits(waiting: object) -> bool:
    """Return whether this takes longer than a moment."""
    try:
        await asyncio.wait_for(waiting, 5)  # type: ignore[arg-type]  # a coroutine
    except TimeoutError:
        return True
    return False
