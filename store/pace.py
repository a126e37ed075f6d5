"""Pace: so many at once, so many a second after that, at a rate that may be changed while it runs."""

import time
from collections.abc import Callable


class Pace:
    """A token bucket. Not for use from several threads."""

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`burst` may be taken at once; it is full at first."""
        self._clock = clock
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._at = clock()

    def set(self, burst: float, per_second: float) -> None:
        """Go on at another rate; what was gained so far stays, up to the new burst."""
        self._gain()
        self._burst, self._per_second = burst, per_second
        self._level = min(self._level, burst)

    def room(self) -> int:
        """Return how many may be taken now."""
        self._gain()
        return int(self._level)

    def take(self, count: int) -> None:
        """Take so many, no more than there is room for."""
        self._gain()
        self._level = max(self._level - count, 0.0)

    def _gain(self) -> None:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
