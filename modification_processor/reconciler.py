"""Reconciling that never stops: what the book says it sent, against what has arrived, minute by minute and now and then from the beginning.

Input:   the outbox, and the events topic read on from where it was read to.
Output:  findings, by the rules of `reconcile.py`: logged once each, counted by a gauge that pages when it is not 0, and a gauge of when the
         last round ended. A finding stands until a whole pass no longer has it.
Bounds:  a round compares the newest minutes, in a temporary table of its connection: neither the topic's nor the outbox's length matters.
         The whole pass, at the start and once a day, reads the topic from its beginning. A lost connection begins a new window.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Event
from typing import Protocol
from uuid import UUID

import psycopg

from modification_processor.reconcile import Heard, Reconciled
from modification_processor.verify import IntegrityFinding
from schemas.failures import DependencyUnavailable
from store.database import Connection
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INFRA_FAULTS, RECONCILE_EVENTS, RECONCILE_FINDINGS, RECONCILE_TIMESTAMP_SECONDS

EVERY_SECONDS = 20.0
WHOLE_EVERY_SECONDS = 86_400.0
WINDOW = timedelta(minutes=3)
MARGIN = timedelta(minutes=1)
"""How far the broker's clock may be from the database's, and an event's mark behind its arrival."""
LISTED = 1000

_TABLE = """create temporary table if not exists heard_lately (
    order_id uuid, event_seq bigint, digest bytea not null, place bigint generated always as identity, at text not null,
    appended_at timestamptz not null)"""
_SENT = """with sent as (select order_id, event_seq, value, sent_at from outbox
    where event_seq is not null and (sent_at is null or sent_at >= %(since)s - %(margin)s))"""
_QUERIES = {
    "event_lost": f"""{_SENT} select o.order_id, o.event_seq, 'event ' || o.event_seq || ' was sent at ' || o.sent_at || ' and is not on the topic'
        from sent o left join heard_lately h using (order_id, event_seq)
        where o.sent_at > %(since)s and o.sent_at <= %(until)s and h.order_id is null""",
    "event_changed": f"""{_SENT} select h.order_id, h.event_seq, 'event ' || h.event_seq || ' at ' || h.at || ' has other bytes than the book sent'
        from heard_lately h join sent o using (order_id, event_seq) where sha256(o.value) <> h.digest""",
    "event_foreign": f"""{_SENT} select h.order_id, h.event_seq, 'the record at ' || h.at || ' was never sent by the book'
        from heard_lately h left join sent o using (order_id, event_seq)
        where o.order_id is null and h.appended_at >= %(since)s
          and not exists (select 1 from outbox x where x.order_id = h.order_id and x.event_seq = h.event_seq)""",
    "event_inverted": """select order_id, event_seq, 'event ' || event_seq || ' came after a later one of its order' from (
          select order_id, event_seq, place, max(place) over (partition by order_id order by event_seq rows between unbounded preceding and 1 preceding) as before
            from (select order_id, event_seq, min(place) as place from heard_lately where order_id is not null group by order_id, event_seq) firsts) x
        where before > place""",
}


class Follow(Protocol):
    """Reads the events topic on."""

    def since(self, at: datetime) -> None:
        """Read from what was appended at that time."""

    def news(self) -> Iterable[Heard]:
        """Yield what came since the last time, to the topic's end as it is now."""

    def close(self) -> None:
        """Let go."""


Key = tuple[str, UUID | None, str]


class Reconciler:
    """Compares until told to stop."""

    def __init__(
        self, connect: Callable[[], Connection], whole: Callable[[], Reconciled], follow: Callable[[], Follow], health: Health | None = None,
        every_seconds: float = EVERY_SECONDS, whole_every_seconds: float = WHOLE_EVERY_SECONDS,
    ) -> None:  # fmt: skip
        """`whole` compares everything there is, `follow` opens what reads on; a round every so many seconds."""
        self._connect = connect
        self._whole = whole
        self._follow = follow
        self._health = health
        self._every = every_seconds
        self._whole_every = whole_every_seconds
        self._standing: dict[Key, IntegrityFinding] = {}
        self._log = logger("verifier")

    def run(self, stop: Event) -> None:
        """Compare, wait; wait out an outage of either side."""
        while not stop.is_set():
            try:
                self._tick()
                began = time.monotonic()
                with self._connect() as connection:
                    since = _now(connection)
                    self._pass_whole()
                    self._go_on(connection, since, began + self._whole_every, stop)
            except (psycopg.Error, DependencyUnavailable) as error:
                INFRA_FAULTS.labels("postgresql" if isinstance(error, psycopg.Error) else "kafka").inc()
                self._log.warning("reconciler_waits", error=type(error).__name__)
                stop.wait(1.0)

    def _pass_whole(self) -> None:
        result = self._whole()
        self._standing = {}
        self._stand(result.findings)
        self._done(result.events)

    def _go_on(self, connection: Connection, since: datetime, until_monotonic: float, stop: Event) -> None:
        """Go round until the next whole pass is due."""
        follow = self._follow()
        try:
            follow.since(since - MARGIN)
            connection.execute(_TABLE)
            connection.commit()
            while not stop.is_set() and time.monotonic() < until_monotonic:
                since = max(since, self.round(connection, follow, since) - WINDOW)
                stop.wait(self._every)
        finally:
            follow.close()

    def round(self, connection: Connection, follow: Follow, since: datetime) -> datetime:
        """Compare what was sent after `since` with what has come; return up to when."""
        self._tick()
        until = _now(connection)
        with connection.transaction(), connection.cursor() as cursor:
            count = 0
            cursor.execute("set local statement_timeout = 0")
            with cursor.copy("copy heard_lately (order_id, event_seq, digest, at, appended_at) from stdin (format binary)") as copy:
                copy.set_types(("uuid", "int8", "bytea", "text", "timestamptz"))
                for heard in follow.news():
                    copy.write_row((heard.order_id, heard.event_seq, sha256(heard.value).digest(), heard.at, heard.appended_at))
                    count += 1
                    self._tick()
            bounds = {"since": since, "until": until, "margin": MARGIN}
            found = [
                IntegrityFinding(rule, order_id, detail)
                for rule, query in _QUERIES.items()
                for order_id, _, detail in cursor.execute(f"{query} limit {LISTED}", bounds if "%(" in query else None).fetchall()
            ]
            cursor.execute("delete from heard_lately where appended_at < %s", (until - WINDOW - 2 * MARGIN,))
        self._stand(found)
        self._done(count)
        return until

    def _stand(self, findings: Iterable[IntegrityFinding]) -> None:
        for finding in findings:
            key = (finding.rule, finding.order_id, finding.detail)
            if key not in self._standing:
                self._standing[key] = finding
                self._log.error("reconcile_finding", rule=finding.rule, order=str(finding.order_id), detail=finding.detail)
        RECONCILE_FINDINGS.set(len(self._standing))

    @staticmethod
    def _done(events: int) -> None:
        RECONCILE_EVENTS.inc(events)
        RECONCILE_TIMESTAMP_SECONDS.set_to_current_time()

    def _tick(self) -> None:
        if self._health:
            self._health.tick()


def _now(connection: Connection) -> datetime:
    row = connection.execute("select now()").fetchone()
    connection.commit()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]
