"""Half of twenty calls without an answer open a dependency's breaker; retries stay within their share of what is live."""

import pytest

from dlq_handler.budget import Budget
from modification_processor.dependencies import Calls, default_limits
from store.letters import FAILED, RELEASED
from store.pace import Pace

LIMITS = default_limits()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("fared", "apart_seconds", "down"),
    [
        ([False] * 19, 0.1, False),
        ([False] * 20, 0.1, True),
        ([True, False] * 10, 0.1, True),
        ([True] * 11 + [False] * 9, 0.1, False),
        ([False] * 10 + [True] * 20, 0.1, False),
        ([False] * 40, 2.0, False),
    ],
    ids=["too few", "all", "half", "less than half", "long ago answered again", "too seldom"],
)
def test_half_of_twenty_within_thirty_seconds(fared: list[bool], apart_seconds: float, *, down: bool) -> None:
    calls = Calls()
    for number, answered in enumerate(fared):
        calls.note(number * apart_seconds, answered=answered, limits=LIMITS)
    assert down == calls.is_down(LIMITS)


def test_the_figures_are_those_that_were_decided() -> None:
    assert (20, 30, 0.5, 1.5) == (LIMITS.calls, LIMITS.within_seconds, LIMITS.open_at, LIMITS.peak)


def test_a_pace_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    pace = Pace(10, 4, clock)
    assert 10 == pace.room()
    pace.take(10)
    assert 0 == pace.room()
    clock.now += 0.5
    assert 2 == pace.room()
    clock.now += 100
    assert 10 == pace.room()
    pace.set(3, 1)
    assert 3 == pace.room()


@pytest.mark.parametrize(("live_per_second", "retries", "released"), [(0, 20, 100), (40, 20, 100), (400, 40, 200), (10_000, 1000, 5000)])
def test_retries_have_a_tenth_of_what_is_live_and_what_is_released_half_and_either_a_floor(
    live_per_second: float, retries: int, released: int
) -> None:
    clock = Clock()
    budget = Budget(clock=clock)
    for kind in (FAILED, RELEASED):
        budget.spend(kind, 1000)
    budget.set_live_rate(live_per_second)
    taken = {FAILED: 0, RELEASED: 0}
    for _ in range(1000):
        clock.now += 0.01
        for kind in taken:
            room = budget.room(kind)
            assert room <= 50
            budget.spend(kind, room)
            taken[kind] += room
    assert pytest.approx(10 * retries, rel=0.05, abs=2) == taken[FAILED]
    assert pytest.approx(10 * released, rel=0.05, abs=2) == taken[RELEASED]
    assert 0.9 <= budget.used() <= 1
