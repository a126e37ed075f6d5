"""What the topics tell of how the line does: failures by channel and class in windows, and the figures of the edits. Pure.

Fed with tickets, events and copies of dead letters in any order between topics, with repeats: an event counts once by
its id, a letter once per attempt. Everything can be rebuilt by reading the topics again, and nothing is decided here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.events import ModificationConflicted, ModificationRefused, OrderAccepted, OrderEvent, OrderModified, TicketClosed

WINDOW = timedelta(minutes=5)
_DECIDES = (OrderModified, ModificationRefused, ModificationConflicted, TicketClosed)
"""Events that end a ticket."""


@dataclass(frozen=True)
class Figures:
    """The figures of now. Rates are counts, not floats: whoever shows them divides. Times in seconds; None: no edit yet."""

    orders: int
    orders_modified: int
    tickets: int
    tickets_decided: int
    resolution_p50: float | None
    resolution_p95: float | None
    letters: int


@dataclass
class Kpis:
    """What was seen so far."""

    window: timedelta = WINDOW
    failures: Counter[tuple[datetime, str, str]] = field(default_factory=Counter)
    """By (start of the window, channel or "", error class)."""
    _letters: set[tuple[str, str]] = field(default_factory=set)
    _events: set[UUID] = field(default_factory=set)
    _orders: set[UUID] = field(default_factory=set)
    _modified: set[UUID] = field(default_factory=set)
    _submitted: dict[UUID, datetime] = field(default_factory=dict)
    _decided: dict[UUID, datetime] = field(default_factory=dict)

    def ticket(self, ticket_id: UUID, at: datetime) -> None:
        """A ticket was submitted; sent again it is the same."""
        self._submitted[ticket_id] = min(at, self._submitted.get(ticket_id, at))

    def event(self, event: OrderEvent) -> None:
        """Something happened to an order."""
        if event.event_id in self._events:
            return
        self._events.add(event.event_id)
        if isinstance(event, OrderAccepted):
            self._orders.add(event.order_id)
        if isinstance(event, OrderModified):
            self._modified.add(event.order_id)
        if isinstance(event, _DECIDES):
            self._decided[event.ticket_id] = event.at

    def letter(self, headers: Mapping[str, str], at: datetime) -> None:
        """A copy of a dead letter came."""
        name = headers.get("dlq.id", ""), headers.get("dlq.attempts", "")
        if name in self._letters:
            return
        self._letters.add(name)
        self.failures[window_of(at, self.window), headers.get("dlq.channel", ""), headers.get("dlq.error.class", "")] += 1

    def figures(self) -> Figures:
        """Return the figures."""
        took = sorted(
            (at - self._submitted[ticket_id]).total_seconds() for ticket_id, at in self._decided.items() if ticket_id in self._submitted
        )
        return Figures(
            len(self._orders), len(self._modified), len(self._submitted), len(took), percentile(took, 50), percentile(took, 95),
            len(self._letters),
        )  # fmt: skip


def window_of(at: datetime, window: timedelta) -> datetime:
    """Return the start of the window a moment is in, counted from the epoch."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (at - epoch) // window * window


def percentile(ordered: list[float], per_cent: int) -> float | None:
    """Return the value below or at which so many per cent lie (nearest rank, PostgreSQL's `percentile_disc`)."""
    return ordered[max(0, -(-len(ordered) * per_cent // 100) - 1)] if ordered else None
