"""The integrity check that never stops: a sample of orders at a time, and now and then what hangs in the air.

Sets the gauge that pages when it is not 0. A sample begins at a chance id, so every order is looked at sooner or later;
an order with a finding is looked at again in every round, until it has none.
"""

import random
import time
from collections.abc import Callable, Sequence
from threading import Event
from uuid import UUID

from modification_processor.verify import IntegrityFinding, begin, orphans, verify_range
from store.database import Connection
from store.rounds import keep_at_it
from store.sealing import KeyVault
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INTEGRITY_CHECKED, INTEGRITY_FINDINGS

SAMPLE = 200
EVERY_SECONDS = 2.0
ORPHANS_EVERY_SECONDS = 300.0


class Sampler:
    """Looks until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        vault: KeyVault,
        health: Health | None = None,
        every_seconds: float = EVERY_SECONDS,
        orphans_every_seconds: float = ORPHANS_EVERY_SECONDS,
    ) -> None:
        """A round every so many seconds; one that looks for orphans as well less often: it reads whole tables."""
        self._connect = connect
        self._vault = vault
        self._health = health
        self._every = every_seconds
        self._orphans_every = orphans_every_seconds
        self._orphans_at: float | None = None
        self._orphans: Sequence[IntegrityFinding] = ()
        self._broken: dict[UUID, list[IntegrityFinding]] = {}
        self._log = logger("verifier")

    def run(self, stop: Event) -> None:
        """Take a sample, say what was found, wait; wait out an outage."""
        keep_at_it(self._connect, self._once, stop, "verifier", self._health)

    def _once(self, connection: Connection) -> float:
        self.round(connection)
        return self._every

    def round(self, connection: Connection) -> int:
        """Look at a sample and at what was broken before; return how many findings stand."""
        begin(connection)
        known = dict(self._broken)
        start = UUID(int=random.getrandbits(128))
        self._look(connection, start, None, SAMPLE)
        for order_id in known:
            self._look(connection, UUID(int=max(order_id.int - 1, 0)), order_id, 1)
        now = time.monotonic()
        if self._orphans_at is None or now - self._orphans_at >= self._orphans_every:
            self._orphans, self._orphans_at = orphans(connection), now
            self._say(self._orphans)
        connection.rollback()
        standing = len(self._orphans) + sum(len(found) for found in self._broken.values())
        INTEGRITY_FINDINGS.set(standing)
        return standing

    def _look(self, connection: Connection, after: UUID, upto: UUID | None, limit: int) -> None:
        if upto is not None:
            self._broken.pop(upto, None)
        for part in verify_range(connection, self._vault, after, upto, limit):
            INTEGRITY_CHECKED.inc(part.orders)
            new = [finding for finding in part.findings if finding.order_id not in self._broken]
            self._say(new)
            for finding in new:
                if finding.order_id is not None:
                    self._broken.setdefault(finding.order_id, []).append(finding)

    def _say(self, findings: Sequence[IntegrityFinding]) -> None:
        for finding in findings:
            self._log.error("integrity_finding", rule=finding.rule, order=str(finding.order_id), detail=finding.detail)
