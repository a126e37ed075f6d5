"""The monitor: a Faust application that works out the line's figures from its topics, and serves them as metrics.

It reads tickets, events and the copies of dead letters from their beginning, under a group of its own that nobody
joins again, so what it knows is what the topics hold: throwing it away loses nothing. It decides nothing and writes
nothing. Faust acknowledges a record whose handler raised; here that is harmless, a record that cannot be read is counted.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Any

import faust

from dlq_handler.kpis import Figures, Kpis
from schemas.codec import decode
from schemas.events import OrderEvent
from schemas.ticket import ModificationTicket
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import EDIT_RESOLUTION_SECONDS, FAILURES_IN_WINDOW, MONITOR_UNREADABLE, ORDERS_MODIFIED_RATIO

SHOW_SECONDS = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Monitor:
    """Runs until told to stop. One instance, one thread; `kpis` may be read from others through `figures`."""

    def __init__(
        self, brokers: str, name: str, events: str, tickets: str, dead_letters: Sequence[str], health: Health | None = None
    ) -> None:
        """`name` begins the group's name; `dead_letters` are the dead-letter topics."""
        self._brokers, self._name = brokers, name
        self._events, self._tickets, self._dead_letters = events, tickets, dead_letters
        self._health = health
        self._lock = Lock()
        self._log = logger("monitor")
        self.kpis = Kpis()

    def figures(self) -> Figures:
        """Return the figures of now."""
        with self._lock:
            return self.kpis.figures()

    def failures(self) -> dict[tuple[datetime, str, str], int]:
        """Return dead letters by (start of window, channel, error class)."""
        with self._lock:
            return dict(self.kpis.failures)

    def run(self, stop: Event) -> None:
        """Read until told to stop, in an event loop of its own."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(loop, stop))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _serve(self, loop: asyncio.AbstractEventLoop, stop: Event) -> None:
        # Nothing is kept: Faust insists on a folder, and the working directory may not be writable.
        with TemporaryDirectory(prefix="ordermend-monitor-") as folder:
            await self._serve_from(self._app(loop, folder), stop)

    async def _serve_from(self, app: Any, stop: Event) -> None:
        await app.start()
        try:
            while not stop.is_set():
                if self._health:
                    self._health.tick()
                self.show()
                await asyncio.sleep(SHOW_SECONDS / 10)
        finally:
            await app.stop()

    def _app(self, loop: asyncio.AbstractEventLoop, folder: str) -> Any:
        app = faust.App(
            f"{self._name}-{time.time_ns()}",
            broker=f"kafka://{self._brokers.replace(',', ';')}",
            loop=loop,
            datadir=folder,
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            key_serializer="raw",
            value_serializer="raw",
        )
        self._agent(app, "events", [self._events], self._on_event)
        self._agent(app, "tickets", [self._tickets], self._on_ticket)
        self._agent(app, "letters", self._dead_letters, self._on_letter)
        app.finalize()
        return app

    def _agent(self, app: Any, name: str, topics: Sequence[str], handle: Callable[[bytes, dict[str, str], datetime], None]) -> None:
        topic = app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

        async def read(stream: Any) -> None:
            async for record in stream.events():
                message = record.message
                try:
                    headers = {key: bytes(value).decode() for key, value in dict(message.headers or {}).items()}
                    at = _EPOCH + timedelta(milliseconds=round(message.timestamp * 1000))
                    with self._lock:
                        handle(bytes(record.value or b""), headers, at)
                except Exception as error:  # noqa: BLE001 -- one unreadable record must not blind the monitor
                    MONITOR_UNREADABLE.labels(name).inc()
                    self._log.warning("monitor_cannot_read", topic=message.topic, error=type(error).__name__)

        app.agent(topic, name=f"monitor.{name}")(read)

    def _on_event(self, value: bytes, _headers: dict[str, str], _at: datetime) -> None:
        body = decode(value)
        if isinstance(body, OrderEvent):
            self.kpis.event(body)

    def _on_ticket(self, value: bytes, _headers: dict[str, str], at: datetime) -> None:
        body = decode(value)
        if isinstance(body, ModificationTicket):
            self.kpis.ticket(body.ticket_id, at)

    def _on_letter(self, _value: bytes, headers: dict[str, str], at: datetime) -> None:
        stated = headers.get("dlq.last_failed_at")
        self.kpis.letter(headers, datetime.fromisoformat(stated) if stated else at)

    def show(self) -> None:
        """Set the gauges: the newest window's failures, and the edits' figures."""
        figures, failures = self.figures(), self.failures()
        if figures.orders:
            ORDERS_MODIFIED_RATIO.set(figures.orders_modified / figures.orders)
        for name, seconds in (("0.5", figures.resolution_p50), ("0.95", figures.resolution_p95)):
            if seconds is not None:
                EDIT_RESOLUTION_SECONDS.labels(name).set(seconds)
        newest = max((window for window, _, _ in failures), default=None)
        FAILURES_IN_WINDOW.clear()
        for (window, channel, error_class), count in failures.items():
            if window == newest:
                FAILURES_IN_WINDOW.labels(channel or "none", error_class).set(count)
