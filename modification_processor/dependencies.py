"""A breaker per dependency: whom the settlement worker leaves alone, who tries first, and how fast it is taken up again.

Input:   how each call fared: answered (a no is an answer), or no answer, perhaps with the time the dependency asks for.
Output:  how many calls each dependency may get now; none stands for any number.
Rules:   `dependencies.toml`. Half of the newest twenty calls without an answer, or a Retry-After, open its breaker: nothing is asked of
         it, and what is to be asked waits, uncounted, in the book. One call at a time tries, of all workers one; its answer closes the
         breaker. What has gathered meanwhile is then asked at no more than one and a half times the rate at which requests come.
Layers:  this is the only place that asks again. A port makes one attempt a call and leaves the rest to us, or attempts multiply.

Open breakers are rows (`store/breakers.py`), seen by every worker and by `ordermend breakers list`; what was counted is a worker's own.
"""

import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files

from store import actions, breakers
from store.database import Cursor
from store.pace import Pace
from telemetry.logs import logger
from telemetry.metrics import DEPENDENCIES_OPEN

PROBE = "probe"
SMOOTH_SECONDS = 0.2
"""Share of a second's calls that may be made at once while a dependency recovers: part of its peak."""
MEASURE_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """The figures of `dependencies.toml`."""

    calls: int
    within_seconds: float
    open_at: float
    probe_after: timedelta
    longest_wait: timedelta
    peak: float
    rate_over: timedelta
    floor_per_second: float


def load_limits(text: str) -> Limits:
    """Read the figures."""
    data = tomllib.loads(text)
    breaker, recovery = data["breaker"], data["recovery"]
    return Limits(
        calls=breaker["calls"],
        within_seconds=breaker["within_seconds"],
        open_at=breaker["open_at"],
        probe_after=timedelta(seconds=breaker["probe_after_seconds"]),
        longest_wait=timedelta(seconds=breaker["longest_wait_seconds"]),
        peak=recovery["peak"],
        rate_over=timedelta(seconds=recovery["rate_over_seconds"]),
        floor_per_second=recovery["floor_per_second"],
    )


def default_limits() -> Limits:
    """Return the figures this version ships."""
    return load_limits(files("modification_processor").joinpath("dependencies.toml").read_text())


@dataclass
class Calls:
    """A dependency's newest calls: when each ended [monotonic s], and whether it was answered."""

    newest: deque[tuple[float, bool]] = field(default_factory=deque)

    def note(self, at: float, *, answered: bool, limits: Limits) -> None:
        """Add a call; older ones than count are forgotten."""
        self.newest.append((at, answered))
        while len(self.newest) > limits.calls or self.newest[0][0] < at - limits.within_seconds:
            self.newest.popleft()

    def unanswered(self) -> int:
        """Return how many of them got no answer."""
        return sum(not answered for _, answered in self.newest)

    def is_down(self, limits: Limits) -> bool:
        """Whether so many went unanswered that the dependency is left alone."""
        return len(self.newest) >= limits.calls and self.unanswered() >= limits.open_at * limits.calls


class Gates:
    """All dependencies of a worker. `holds` and `note` are for the threads that ask, the rest for the one that claims and reports."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or default_limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, Calls] = {}
        self._tripped: dict[str, timedelta] = {}
        """Opened since the last report -> when it is tried."""
        self._answered: set[str] = set()
        self._open: set[str] = set()
        self._probing: set[str] = set()
        self._recovering: dict[str, Pace] = {}
        self._recovering_since: dict[str, float] = {}
        self._measured_at: dict[str, float] = {}
        self._is_new = True
        self._log = logger("settlement")

    def quotas(self, cursor: Cursor) -> dict[str, int]:
        """Return how many calls each dependency may get now; one that is not named may get any number."""
        standing = breakers.dependencies(cursor)
        recovered = self._open - standing.keys()
        if self._is_new:
            recovered |= breakers.closed_lately(cursor, self._limits.rate_over)
            self._is_new = False
        for name in recovered - standing.keys():
            self._recovering[name] = Pace(1, self._limits.floor_per_second, self._clock)
            self._recovering_since[name] = self._clock()
        self._say(set(standing))
        self._probing = breakers.take_probes(cursor, self._limits.probe_after) if any(standing.values()) else set()
        self._pace(cursor)
        recovering = {name: pace.room() for name, pace in self._recovering.items() if name not in standing}
        return recovering | {name: int(name in self._probing) for name in standing}

    def _say(self, standing: set[str]) -> None:
        for name in self._open - standing:
            DEPENDENCIES_OPEN.labels(name).set(0)
        for name in standing:
            DEPENDENCIES_OPEN.labels(name).set(1)
        self._open = standing

    def _pace(self, cursor: Cursor) -> None:
        """Set the recovering ones' rates by how fast requests for them come."""
        now = self._clock()
        stale = [name for name in self._recovering if now - self._measured_at.get(name, -MEASURE_SECONDS) >= MEASURE_SECONDS]
        if not stale:
            return
        coming = actions.rates(cursor, self._limits.rate_over)
        for name in stale:
            # Burst and rate together stay within the peak in any second.
            per_second = max(self._limits.peak * coming.get(name, 0.0), self._limits.floor_per_second) / (1 + SMOOTH_SECONDS)
            self._recovering[name].set(max(SMOOTH_SECONDS * per_second, 1.0), per_second)
            self._measured_at[name] = now

    def claimed(self, quotas: Mapping[str, int], counts: Mapping[str, int]) -> None:
        """Hear how many calls were claimed of what was allowed. One that has room left has caught up, once its repeats have come too."""
        for name, pace in tuple(self._recovering.items()):
            pace.take(counts.get(name, 0))
            long_ago = self._clock() - self._recovering_since[name] > self._limits.rate_over.total_seconds()
            if long_ago and counts.get(name, 0) < quotas.get(name, 0):
                self._forget(name)

    def _forget(self, name: str) -> None:
        for about in (self._recovering, self._recovering_since, self._measured_at):
            about.pop(name, None)

    def holds(self, name: str) -> bool:
        """Whether the dependency was found to be down since the call was claimed: it is not made."""
        with self._lock:
            return name in self._tripped

    def note(self, name: str, *, answered: bool, retry_after_seconds: float | None = None) -> None:
        """Count a call."""
        with self._lock:
            if answered:
                self._answered.add(name)
            if name in self._probing:
                if retry_after_seconds is not None:
                    self._tripped[name] = self._wait(retry_after_seconds)
                return
            calls = self._calls.setdefault(name, Calls())
            calls.note(self._clock(), answered=answered, limits=self._limits)
            if retry_after_seconds is not None:
                self._tripped[name] = self._wait(retry_after_seconds)
            elif calls.is_down(self._limits):
                self._tripped.setdefault(name, self._limits.probe_after)

    def _wait(self, seconds: float) -> timedelta:
        return min(timedelta(seconds=max(seconds, 1.0)), self._limits.longest_wait)

    def report(self, cursor: Cursor) -> None:
        """Write down what the calls since the last report opened and closed."""
        with self._lock:
            tripped, self._tripped = self._tripped, {}
            closed = (self._probing & self._answered) - tripped.keys()
            self._answered = set()
            failures = {name: self._calls.pop(name, Calls()).unanswered() for name in tripped}
        for name, wait in tripped.items():
            if name in self._probing:
                breakers.postpone(cursor, [name], wait)
            else:
                breakers.trip(cursor, {name: failures[name]}, wait)
                self._forget(name)
                self._log.error("dependency_open", dependency=name, unanswered=failures[name], tries_in_seconds=wait.total_seconds())
        if closed:
            breakers.close(cursor, closed, PROBE)
            for name in sorted(closed):
                self._log.warning("dependency_closed", dependency=name)
