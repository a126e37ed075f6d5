"""What the figures' page shows: over time, by channel, with the tickets behind each number; and how the book and the line are now.

Lag is what lies on Kafka and is not in the book yet; integrity is a sample that is checked when somebody looks, by the same code as
`ordermend verify`; a refusal was false where somebody sent the document back as it was and it was taken.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

import psycopg

from console.api import models as m
from console.queries import measures
from console.queries.measures import Asked, ByChannel, Day, Listed
from console.rule_tuning import RuleTuning
from console.services import Services
from modification_processor import LookedOver, check_some
from schemas.failures import DependencyUnavailable

Ends = Callable[[Sequence[str]], Mapping[tuple[str, int], int]]
"""Topics -> where each of their partitions ends."""
SAMPLE: Final = 300


class Refusals(NamedTuple):
    """What intake's rules refused, and how much of it somebody sent back as it was."""

    refused: int
    overturned: int


class Found(NamedTuple):
    """All figures of a look. None: it cannot be said here, or who knows it does not answer."""

    figures: m.KpisView
    days: tuple[Day, ...]
    channels: tuple[ByChannel, ...]
    refusals: Refusals | None
    lag: Mapping[str, int] | None


@dataclass(frozen=True)
class Measures:
    """The figures' part of the services. `topics`: those that the processor reads; `ends` says where they end."""

    services: Services
    rules: RuleTuning
    topics: tuple[str, ...] = ()
    ends: Ends | None = None

    def look(self, days: int) -> Found:
        """Return the figures of the last days."""
        with self.services.book.read() as cursor:
            by_day, by_channel = measures.by_day(cursor, days), measures.by_channel(cursor, days)
        return Found(self.services.kpis(days), tuple(by_day), tuple(by_channel), self._refusals(), self._lag())

    def check(self) -> LookedOver:
        """Check a sample of the book now."""
        try:
            with closing(self.services.book.connect()) as connection:
                return check_some(connection, self.services.vault, SAMPLE)
        except psycopg.OperationalError as error:
            raise DependencyUnavailable(f"the order book does not answer: {type(error).__name__}", field="book") from None

    def tickets(self, asked: Asked, after: str | None, limit: int) -> tuple[list[Listed], str | None]:
        """Return the tickets behind a figure."""
        with self.services.book.read() as cursor:
            return measures.tickets(cursor, asked, after, limit)

    def _refusals(self) -> Refusals | None:
        try:
            told = [one.told for one in self.rules.rules()]
        except DependencyUnavailable:
            return None
        return Refusals(sum(one.refused for one in told), sum(one.overturned for one in told))

    def _lag(self) -> Mapping[str, int] | None:
        if self.ends is None:
            return None
        try:
            ends = self.ends(self.topics)
        except DependencyUnavailable:
            return None
        with self.services.book.read() as cursor:
            done = measures.offsets(cursor, list(self.topics))
        found = dict.fromkeys(self.topics, 0)
        for (topic, part), end in ends.items():
            found[topic] += max(0, end - done.get((topic, part), 0))
        return found
