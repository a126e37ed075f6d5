"""Outbox -> Kafka. An event is marked sent when Kafka has confirmed it, so a crash sends it again, never not.

One relay at a time (a session lock), and at most one unconfirmed event per order: of what is found, the first row of every
order is sent, and confirmed whole before it looks again. So a failure between two
events of an order can never put the later one before the earlier. Consumers drop what they have seen, by `event_seq`.

What Kafka will not take for its size cannot get here (`store/outbox.py`); if it does, it holds up its own order's events and no other's.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event
from uuid import UUID

import psycopg

from store import outbox
from store.database import Connection
from store.outbox import Unsent
from streaming.producer import BatchProducer, DeliveryFailed, Headers, Record, RecordTooLarge
from telemetry import failpoints
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INFRA_FAULTS, RELAY_SENT, RELAY_STUCK

BATCH = 200
"""At most so many messages, and so many events, before it looks again: a ticket that comes meanwhile waits for them."""
IDLE_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 300.0


class Relay:
    """Sends the outbox until told to stop."""

    def __init__(self, connect: Callable[[], Connection], producer: BatchProducer, health: Health | None = None) -> None:
        self._connect = connect
        self._producer = producer
        self._health = health
        self._log = logger("relay")
        self._stuck: dict[UUID, float] = {}
        """Orders whose next event is too large -> when that was found [monotonic s]."""

    def run(self, stop: Event) -> None:
        """Send, wait for a notification, send; an outage of either side is waited out."""
        while not stop.is_set():
            self._tick()
            try:
                with self._connect() as connection:
                    self._session(connection, stop)
            except (psycopg.Error, DeliveryFailed) as error:
                INFRA_FAULTS.labels("kafka" if isinstance(error, DeliveryFailed) else "postgresql").inc()
                self._log.warning("relay_waits", error=type(error).__name__)
                stop.wait(1.0)

    def _session(self, connection: Connection, stop: Event) -> None:
        connection.autocommit = True
        while not stop.is_set() and not self._lead(connection):
            self._tick()
            stop.wait(IDLE_SECONDS)
        with connection.cursor() as cursor:
            outbox.listen(cursor)
        while not stop.is_set():
            self._tick()
            if self.send(connection) == 0:
                for _ in connection.notifies(timeout=IDLE_SECONDS, stop_after=1):
                    break

    @staticmethod
    def _lead(connection: Connection) -> bool:
        """Become the one relay of this schema; the lock goes with the session."""
        with connection.cursor() as cursor:
            return outbox.lead(cursor)

    def send(self, connection: Connection) -> int:
        """Send the oldest unsent rows and mark them; return how many."""
        self._forget_stuck()
        with connection.cursor() as cursor:
            found = firsts(outbox.unsent(cursor, BATCH, self._stuck))
            self._tick()
            taken = [row for row in found if self._hand_over(row)]
            if taken:
                self._producer.confirm()
                failpoints.hit("relay.sent")
                outbox.mark_sent(cursor, taken)
                failpoints.hit("relay.marked")
        RELAY_SENT.inc(len(taken))
        return len(taken)

    def _hand_over(self, row: Unsent) -> bool:
        """Hand a row to the client; False where its order has to wait, for it or for one before it."""
        if row.order_id in self._stuck:
            return False
        try:
            self._producer.enqueue(_record(row))
        except RecordTooLarge as error:
            self._stuck[row.order_id] = time.monotonic()
            RELAY_STUCK.set(len(self._stuck))
            self._log.error("event_unsendable", order=str(row.order_id), outbox_id=row.id, why=error.message)
            return False
        return True

    def _forget_stuck(self) -> None:
        """Look again at what was too large, now and then: an operator may have acted."""
        old = [order_id for order_id, since in self._stuck.items() if time.monotonic() - since > LOOK_AGAIN_SECONDS]
        for order_id in old:
            del self._stuck[order_id]
        if old:
            RELAY_STUCK.set(len(self._stuck))

    def _tick(self) -> None:
        if self._health:
            self._health.tick()


def firsts(rows: Sequence[Unsent]) -> list[Unsent]:
    """Return the first row of every order."""
    found: dict[UUID, Unsent] = {}
    for row in rows:
        found.setdefault(row.order_id, row)
    return list(found.values())


def _record(row: Unsent) -> Record:
    headers: Headers = [(name, text.encode()) for name, text in row.headers.items()]
    return Record(row.topic, None if row.key is None else bytes(row.key), bytes(row.value), headers)
