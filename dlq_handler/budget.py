"""The retry budget: how many lanes may be tried again now, so that retries never crowd out what is live.

Input:   where the stored offsets stand (their advance is the live rate), and `retry_budget.toml`.
Output:  how many lanes of each kind may be tried: `failed` before, or `released` by a breaker that has closed. What an operator sends
         back, and what waited for its order alone, is work and no retry: it has no budget.
"""

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from store import partitions
from store.database import Cursor
from store.letters import FAILED, RELEASED
from store.pace import Pace


@dataclass(frozen=True)
class Limits:
    """The figures of `retry_budget.toml`."""

    share: float
    released_share: float
    lanes_at_once: int
    floor_per_second: float
    released_floor_per_second: float
    rate_over_seconds: float


def default_limits() -> Limits:
    """Return the figures this version ships."""
    data = tomllib.loads(files("dlq_handler").joinpath("retry_budget.toml").read_text())
    return Limits(**{name: value for name, value in data.items() if name != "version"})


class Budget:
    """One retrier's budget; there is one retrier."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or default_limits()
        self._clock = clock
        self._shares = {
            FAILED: (self._limits.share, self._limits.floor_per_second),
            RELEASED: (self._limits.released_share, self._limits.released_floor_per_second),
        }
        self._paces = {kind: Pace(self._limits.lanes_at_once, floor, clock) for kind, (_, floor) in self._shares.items()}
        self._burst: float = self._limits.lanes_at_once
        self._seen: tuple[float, int] | None = None

    def measure(self, cursor: Cursor) -> None:
        """Look how fast offsets advance, every few seconds, and set the budget by it."""
        now = self._clock()
        if self._seen is not None and now - self._seen[0] < self._limits.rate_over_seconds:
            return
        total = partitions.handled(cursor)
        if self._seen is not None:
            self.set_live_rate(max(total - self._seen[1], 0) / (now - self._seen[0]))
        self._seen = now, total

    def set_live_rate(self, per_second: float) -> None:
        """Set the budget by the number of messages handled a second."""
        for kind, (share, floor) in self._shares.items():
            allowed = max(share * per_second, floor)
            # A second's worth at once: more would be a peak of its own.
            burst = min(max(allowed, 1.0), self._limits.lanes_at_once)
            self._paces[kind].set(burst, allowed)
            if kind == FAILED:
                self._burst = burst

    def room(self, kind: str) -> int:
        """Return how many lanes of this kind may be tried now."""
        return min(self._paces[kind].room(), self._limits.lanes_at_once)

    def used(self) -> float:
        """Return which share of what failed lanes may take is taken, 0 to 1."""
        return 1.0 - min(self.room(FAILED) / max(int(self._burst), 1), 1.0)

    def spend(self, kind: str, count: int) -> None:
        """Say that so many were tried."""
        self._paces[kind].take(count)
