"""The systemic breaker: when everything of one channel, or every ticket with one operation, fails, it is us, not them.

Each statement belongs to its channel, each ticket to its operations. Failures that point at a defect or a wrong shape (BUG,
SCHEMA, SEMANTIC) are counted per key; twenty in a row, or more than two hundred in a thousand, open the key's
breaker. What waits for something else (its order has not come yet) was not tried: it neither breaks a row nor makes one, but
where more waits than fails, a row says nothing and the thousand decides. While it is open, messages of the key wait in their lanes, untried, in order; no partition stops, nothing becomes
a dead letter for it. Every half minute one message is let through: if it fares well the breaker closes, and what waited
goes on by itself. Pure: `store/breakers.py` keeps what every process has to see.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from modification_processor.incoming import Read
from modification_processor.outcomes import Failed, Outcome
from schemas.statement import ChangeStated, OrderStated
from schemas.ticket import ModificationTicket

COUNTED = frozenset({"BUG", "SCHEMA", "SEMANTIC"})
IN_A_ROW = 20
WINDOW = 1000
SHARE = 0.2
PROBE_AFTER = timedelta(seconds=30)
CODE = "breaker:"
"""What a waiting lane's code begins with; the key follows."""


def keys_of(read: Read) -> tuple[str, ...]:
    """Return what a message stands or falls with; empty for facts and reviews, which are never held up."""
    body = read.body
    if isinstance(body, OrderStated):
        return (f"channel:{body.order.source.channel}",)
    if isinstance(body, ChangeStated):
        return (f"channel:{body.channel}",)
    if isinstance(body, ModificationTicket):
        return tuple(dict.fromkeys(f"operation:{operation.name[:80]}" for operation in body.operations))
    return ()


class Tally(NamedTuple):
    """How the newest messages of a key fared: failures in a row; messages and failures of the current thousand; how many waited in the row."""

    in_a_row: int = 0
    seen: int = 0
    failed: int = 0
    waited: int = 0

    def after(self, *, failed: bool) -> "Tally":
        """Return the tally with one message more; after a thousand a new thousand begins."""
        fresh = self.seen >= WINDOW
        counted = (1 if fresh else self.seen + 1, (0 if fresh else self.failed) + failed)
        return Tally(self.in_a_row + 1, *counted, self.waited) if failed else Tally(0, *counted)

    def after_one_that_waits(self) -> "Tally":
        """Return the tally with one message more that was not tried."""
        return self._replace(waited=self.waited + 1) if self.in_a_row else self

    @property
    def is_systemic(self) -> bool:
        """Whether so much failed that the messages cannot be the cause."""
        return self.in_a_row >= max(IN_A_ROW, self.waited) or self.failed > SHARE * WINDOW


@dataclass
class Breaking:
    """The breakers as one transaction sees and moves them. `open`: key -> when one message may try again."""

    open: Mapping[str, datetime]
    at: datetime
    before: Mapping[str, Tally]
    tallies: dict[str, Tally] = field(default_factory=dict)
    """Those that moved; they count once the transaction is committed."""
    tripped: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    probing: set[str] = field(default_factory=set)

    def holds(self, read: Read) -> Failed | None:
        """Return why a message has to wait; None where it may be tried, be it as the one that probes."""
        if not self.open and not self.tripped:
            return None
        for key in keys_of(read):
            if key in self.closed or (key not in self.open and key not in self.tripped):
                continue
            if key in self.tripped or key in self.probing or self.open[key] > self.at:
                return Failed(
                    "DEPENDENCY",
                    f"{CODE}{key}",
                    "decide",
                    f"too much of {key} failed; it waits until one message of it fares well",
                    rule=key,
                )
            self.probing.add(key)
        return None

    def note(self, read: Read, outcome: Outcome) -> None:
        """Count how a message fared. What is tried again says nothing new: it is there because it failed."""
        failed = isinstance(outcome, Failed) and outcome.error_class in COUNTED
        waits = isinstance(outcome, Failed) and not failed
        for key in keys_of(read):
            if key in self.probing:
                if not failed and not waits:
                    self.closed.add(key)
                    self.tallies[key] = Tally()
            elif read.seq is None and key not in self.open:
                self._count(key, failed=failed, waits=waits)

    def _count(self, key: str, *, failed: bool, waits: bool) -> None:
        before = self.tallies.get(key) or self.before.get(key) or Tally()
        now = before.after_one_that_waits() if waits else before.after(failed=failed)
        self.tallies[key] = Tally() if now.is_systemic else now
        if now.is_systemic:
            self.tripped[key] = max(now.in_a_row, now.failed)

    @property
    def in_vain(self) -> set[str]:
        """The keys whose probe fared no better."""
        return self.probing - self.closed
