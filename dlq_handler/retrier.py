"""The retry worker: tries closed lanes when they are due, head first, in order, and ends tickets that waited too long.

How a message is handled is the processor's business: `retry_lanes` is handed over by the composition root, takes the
same lock as the live path and writes the same rows. This loop only knows when. Between rounds it keeps the letters'
scores fresh, and pauses bulk replays whose runner is gone.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event
from uuid import UUID

from dlq_handler.budget import Budget
from dlq_handler.bulk import pause_abandoned
from dlq_handler.triage import rescore
from store import breakers, letters, tickets
from store.database import Connection
from store.letters import FAILED, RELEASED, WORK
from store.rounds import keep_at_it
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import (
    BREAKERS_OPEN,
    LANE_OLDEST_SECONDS,
    LANES_CLOSED,
    LANES_DUE,
    LETTERS_OPEN,
    OUTBOX_OLDEST_SECONDS,
    RETRIES,
    RETRY_BUDGET_RATIO,
)

RetryLanes = Callable[[Sequence[tuple[UUID, str]]], int]
"""Tries lanes (order id, topic); returns how many messages left them."""
Expire = Callable[[UUID, UUID], bool]
BATCH = 100
LANES = 320
"""So many lanes of work are tried a round: looking which are due costs more the more of them are, and is shared by so many."""
IDLE_SECONDS = 0.2
SCORE_SECONDS = 1.0


class Retrier:
    """Runs until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        retry_lanes: RetryLanes,
        expire: Expire,
        close: Callable[[], None],
        health: Health | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`expire` ends a ticket whose deadline has passed; `close` gives back what both work with; `budget` bounds retries."""
        self._budget = budget or Budget()
        self._expire = expire
        self._connect = connect
        self._retry_lanes = retry_lanes
        self._close = close
        self._health = health
        self._next_score = 0.0

    def run(self, stop: Event) -> None:
        """Try what is due; wait a little where nothing is; wait out an outage."""
        try:
            keep_at_it(self._connect, self._once, stop, "retrier", self._health)
        finally:
            self._close()

    def _once(self, connection: Connection) -> float:
        connection.autocommit = True
        if self.round(connection):
            return 0.0
        self.measure(connection)
        self.score(connection)
        return IDLE_SECONDS

    def round(self, connection: Connection) -> int:
        """Try the lanes that are due and have room in the budget, end every ticket that is due; return how many moved on."""
        with connection.cursor() as cursor:
            self._budget.measure(cursor)
            breakers.wake(cursor)
            due = letters.due_lanes(cursor, {WORK: LANES} | {kind: self._budget.room(kind) for kind in (FAILED, RELEASED)})
            overdue = tickets.due(cursor, BATCH)
        for kind in (FAILED, RELEASED):
            self._budget.spend(kind, sum(each == kind for _, _, each in due))
        left = self._retry_lanes([(order_id, topic) for order_id, topic, _ in due])
        RETRIES.inc(left)
        return left + sum(self._expire(order_id, ticket_id) for order_id, ticket_id in overdue)

    def score(self, connection: Connection) -> None:
        """Keep the letters' scores fresh and see to abandoned replays, once a second: a flood of them must not keep the database busy."""
        if time.monotonic() >= self._next_score:
            self._next_score = time.monotonic() + SCORE_SECONDS
            rescore(connection)
            if paused := pause_abandoned(connection):
                logger("retrier").warning("bulk_replay_abandoned", paused=paused)

    def measure(self, connection: Connection) -> None:
        """Set the gauges that the database knows best."""
        for state in ("ordering", "retrying", "paused", "blocked"):
            LANES_CLOSED.labels(state).set(0)
        for state, count in connection.execute("select state, count(*) from lane group by state").fetchall():
            LANES_CLOSED.labels(state).set(count)
        RETRY_BUDGET_RATIO.set(self._budget.used())
        LETTERS_OPEN.clear()
        for error_class, count in connection.execute(
            "select error_class, count(*) from dead_letter where status = 'unresolved' group by error_class"
        ).fetchall():
            LETTERS_OPEN.labels(error_class).set(count)
        for gauge, query in (
            (LANES_DUE, "select count(*) from lane where state = 'retrying' and next_attempt_at <= now()"),
            (BREAKERS_OPEN, "select count(*) from breaker where closed_at is null and key not like 'port:%'"),
            (LANE_OLDEST_SECONDS, "select coalesce(extract(epoch from now() - min(blocked_since)), 0) from lane"),
            (OUTBOX_OLDEST_SECONDS, "select coalesce(extract(epoch from now() - min(created_at)), 0) from outbox where sent_at is null"),
        ):
            row = connection.execute(query).fetchone()
            gauge.set(float(row[0]) if row else 0.0)
