"""Who watches an order is woken when the book says that something was committed.

One listening connection a process, in a thread of its own; what happened is then read from the book, by key. A missed
notification costs a watcher no more than `LOOK_SECONDS`.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

import psycopg

from store.database import Connection
from telemetry.logs import logger

LOOK_SECONDS: Final = 2.0


class Bell:
    """Rings for every watcher of this process. `connect` opens a connection to the book."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._waiting: set[asyncio.Future[None]] = set()
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

    def _ring(self) -> None:
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
                    while not self._stop.is_set():
                        for _ in connection.notifies(timeout=1.0, stop_after=1):
                            assert self._loop is not None
                            self._loop.call_soon_threadsafe(self._ring)
            except (psycopg.Error, RuntimeError) as error:
                if not self._stop.wait(1.0):
                    logger("console").warning("bell_silent", error=type(error).__name__)
