"""Who watches an order is woken when the book says that something was committed.

One listening connection a process, in a thread of its own. Hundreds of commits a second ring it, so it asks the book once for all
orders that have an ear here, and only those ears hear that whose order moved; each then reads its order, by key. An ear hears what
happens between two waits too. A missed notification costs a watcher no more than `LOOK_SECONDS`.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

import psycopg

from store.database import Connection
from telemetry.logs import logger

LOOK_SECONDS: Final = 2.0
GATHER_SECONDS: Final = 0.02
"""The book is asked at once, and no more often than this: commits between two questions are gathered."""


class Ear:
    """Hears of one order, or of every commit where `order_id` is None. Of one event loop."""

    def __init__(self, order_id: UUID | None) -> None:
        self.order_id = order_id
        self.heard = asyncio.Event()

    async def wait(self, seconds: float = LOOK_SECONDS) -> None:
        """Wait until something was heard since the last wait, or for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.heard.wait(), seconds)
        self.heard.clear()


class Bell:
    """Rings for every watcher of this process. `connect` opens a connection to the book."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._ears: set[Ear] = set()
        self._numbers: dict[UUID, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen."""
        self._loop = loop
        self._thread.start()

    def close(self) -> None:
        """Let every watcher go, for good; from any thread."""
        self._stop.set()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def stop(self) -> None:
        """Stop listening, and let every watcher go."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._ring()

    @contextlib.contextmanager
    def ear(self, order_id: UUID | None = None) -> Iterator[Ear]:
        """Lend an ear for what happens to an order, or to anything."""
        made = Ear(order_id)
        self._ears.add(made)
        if self.stopping:
            made.heard.set()
        try:
            yield made
        finally:
            self._ears.discard(made)

    @property
    def stopping(self) -> bool:
        """Whether the process is about to end."""
        return self._stop.is_set()

    async def wait(self, seconds: float = LOOK_SECONDS) -> None:
        """Wait until something was committed, or for so long."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(future)

    def _ring(self, moved: frozenset[UUID] | None = None) -> None:
        """Wake whoever waits for anything, and the ears of orders that moved; None: every ear."""
        for ear in self._ears:
            if moved is None or ear.order_id is None or ear.order_id in moved:
                ear.heard.set()
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    connection.autocommit = True
                    connection.execute("listen outbox")
                    asked = 0.0
                    while not self._stop.is_set():
                        if any(True for _ in connection.notifies(timeout=1.0, stop_after=1)):
                            self._stop.wait(max(0.0, asked + GATHER_SECONDS - time.monotonic()))
                            asked = time.monotonic()
                            for _ in connection.notifies(timeout=0):
                                pass
                            assert self._loop is not None
                            self._loop.call_soon_threadsafe(self._ring, self._moved(connection))
            except (psycopg.Error, RuntimeError) as error:
                if not self._stop.wait(1.0):
                    logger("console").warning("bell_silent", error=type(error).__name__)

    def _moved(self, connection: Connection) -> frozenset[UUID]:
        """Return those of the orders with an ear here to which something happened; one that was not known before counts."""
        wanted = [ear.order_id for ear in tuple(self._ears) if ear.order_id is not None]
        if not wanted:
            return frozenset()
        rows = connection.execute("select order_id, event_seq from order_head where order_id = any(%b)", (wanted,)).fetchall()
        found: dict[UUID, int] = dict(rows)
        moved = frozenset(order_id for order_id, number in found.items() if self._numbers.get(order_id) != number)
        self._numbers = found
        return moved
