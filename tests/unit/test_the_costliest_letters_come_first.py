"""1,000 labelled failures: the top tenth of the list holds nine tenths of the value at risk, in the labels' order.

The labels are made without the score: what is lost on average if nobody acts, money times a chance that halves with
every four hours to the deadline and never falls below a quarter, a tenth more for each follower. One in twelve orders
is a trading partner's, a hundred times a consumer's.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_handler.impact import PARTS, ImpactRulesInvalid, Stakes, deadline, default_rules, eur, impact, load_rules, priority

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
RULES = default_rules()


def ranks(values: Sequence[float]) -> list[float]:
    """Mean ranks: equal values share theirs."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + end - 1) / 2
        start = end
    return found


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's, ties at their mean rank."""
    a, b, middle = ranks(left), ranks(right), (len(left) - 1) / 2
    both = sum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    squares = sum((x - middle) ** 2 for x in a) * sum((y - middle) ** 2 for y in b)
    return both / sqrt(squares)


def labelled(noise: random.Random) -> tuple[Stakes, float, float]:
    """Return (what is known of a failure, its value, its label), both in EUR."""
    value = noise.lognormvariate(4.1, 1.0) if noise.random() < 0.92 else noise.lognormvariate(9.0, 1.0)
    minutes = noise.uniform(0, 240) if noise.random() < 0.3 else noise.uniform(240, 2880)
    followers, group = noise.choice([0, 0, 0, 0, 1, 2, 5]), noise.choice([1, 1, 3, 20, 200])
    stakes = Stakes(int(value * 100), "EUR", AT + timedelta(minutes=minutes), followers, group, noise.randint(1, group))
    return stakes, value, value * (1 + 0.1 * followers) * (0.25 + 0.75 * 2 ** (-minutes / 240))


@pytest.mark.parametrize("seed", range(5))
def test_the_top_tenth_holds_nine_tenths_of_the_value(seed: int) -> None:
    noise = random.Random(seed)
    failures = [labelled(noise) for _ in range(1000)]
    scores = [impact(stakes, AT, RULES).score for stakes, _, _ in failures]
    top = sorted(range(1000), key=lambda i: scores[i], reverse=True)[:100]
    assert 0.9 <= sum(failures[i][1] for i in top) / sum(value for _, value, _ in failures)
    assert 0.9 <= rank_correlation(scores, [label for _, _, label in failures])


STAKES = st.builds(
    Stakes,
    value_minor=st.none() | st.integers(-(10**6), 10**15),
    currency=st.sampled_from(["EUR", "GBP", "JPY", "XXX"]),
    due_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    followers=st.integers(0, 300),
    group=st.integers(1, 10**6),
    group_last_hour=st.integers(0, 10**6),
    tags=st.lists(st.sampled_from(["VIP", "gold", "newsletter"])),
)


@given(STAKES)
def test_a_score_is_the_sum_of_its_parts_and_within_bounds(stakes: Stakes) -> None:
    found = impact(stakes, AT, RULES)
    assert set(PARTS) == set(found.parts)
    assert all(0 <= points <= RULES.points[part] for part, points in found.parts.items())
    assert Decimal(1) > abs(found.score - sum(found.parts.values(), Decimal(0)))
    assert 0 <= found.score <= 100


@given(STAKES, st.integers(0, 10**9), st.integers(0, 50))
def test_more_money_or_more_followers_never_lower_a_score(stakes: Stakes, money: int, followers: int) -> None:
    more = Stakes(
        (stakes.value_minor or 0) + money, stakes.currency, stakes.due_at, stakes.followers + followers, stakes.group, stakes.group_last_hour, stakes.tags
    )  # fmt: skip
    known = Stakes(
        stakes.value_minor or 0, stakes.currency, stakes.due_at, stakes.followers, stakes.group, stakes.group_last_hour, stakes.tags
    )
    assert impact(known, AT, RULES).score <= impact(more, AT, RULES).score


def test_money_is_read_in_its_currencys_own_units() -> None:
    assert Decimal("11.50") == eur(1000, "GBP", RULES)
    assert Decimal(6) == eur(1000, "JPY", RULES)
    assert RULES.unknown_eur == eur(None, None, RULES)


def test_the_deadline_is_the_earlier_of_the_orders_and_the_channels() -> None:
    placed = AT - timedelta(hours=10)
    assert placed + timedelta(hours=24) == deadline("amazon", placed, AT + timedelta(days=9), RULES)
    assert AT == deadline("amazon", placed, AT, RULES)
    assert deadline("amazon", None, None, RULES) is None


def test_priorities_cover_every_score() -> None:
    assert ["P1", "P2", "P3", "P4"] == sorted({priority(score) for score in range(101)})


@pytest.mark.parametrize("text", ["", "[points]\nmoney = 1", "= broken"])
def test_rules_that_cannot_be_used_are_named(text: str) -> None:
    with pytest.raises(ImpactRulesInvalid, match="impact rules"):
        load_rules(text)
