"""A fetch is given up after the channel said four times that it has no such order, whatever else went wrong before and between."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.fetching import NOT_FOUND_TRIES, Asked, Outcome, Patience, tried
from store.fetches import Fetch

AT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(20.0, timedelta(seconds=5), timedelta(hours=24))
PASSING: tuple[Outcome, ...] = ("no_answer", "too_often", "incomplete")


def ended(outcomes: list[Outcome], lost: int = 0) -> str:
    """Return the state after these answers; `lost` askings were of fetchers that died, before the first that was recorded."""
    fetch = Fetch(UUID(int=1), UUID(int=2), UUID(int=3), "shopify", "default", "7", "all", 1, "asked", lost, AT, AT)
    now = AT
    for outcome in outcomes:
        now += timedelta(seconds=1)
        fetch = fetch._replace(attempts=fetch.attempts + 1)
        after = tried(Asked(fetch, outcome, "why"), now, PATIENCE)
        fetch = fetch._replace(state=after.state, next_attempt_at=after.next_attempt_at, not_found=after.not_found)
    return fetch.state


@given(st.lists(st.sampled_from((*PASSING, "no_such_order")), max_size=12), st.integers(0, 9))
def test_it_fails_with_the_fourth_such_answer_and_not_before(outcomes: list[Outcome], lost: int) -> None:
    for count in range(1, len(outcomes) + 1):
        said = outcomes[:count].count("no_such_order")
        assert ended(outcomes[:count], lost) == ("failed" if said == NOT_FOUND_TRIES else "asked")
        if said == NOT_FOUND_TRIES:
            return


@pytest.mark.parametrize("passing", PASSING)
def test_a_channel_that_was_away_for_long_may_say_that_it_has_none_yet(passing: Outcome) -> None:
    assert "asked" == ended([passing] * 8 + ["no_such_order"], lost=3)
