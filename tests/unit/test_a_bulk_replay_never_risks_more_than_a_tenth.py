"""Canaries first, then at most a tenth of what has proved itself; above one failure in ten it stops. And who must agree."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_handler.rules import DeskRulesInvalid, bulk_four_eyes, default_rules, four_eyes, load_rules, must_stop, next_step

RULES = default_rules()


def sent_and_failed(fails: list[bool]) -> tuple[int, int]:
    """Go on as a bulk does; return how many were sent and how many of them failed when it ended."""
    sent = failed = 0
    while sent < len(fails) and not must_stop(sent, failed, RULES):
        step = fails[sent : sent + next_step(sent, RULES)]
        sent, failed = sent + len(step), failed + sum(step)
    return sent, failed


def test_one_then_ten_then_a_tenth() -> None:
    sent, steps = 0, []
    while sent < 1000:
        steps.append(next_step(sent, RULES))
        sent += steps[-1]
    assert [1, 10, 10, 10] == steps[:4]
    assert all(step <= max(10, sum(steps[:index]) / 10) for index, step in enumerate(steps))


@given(st.lists(st.booleans(), max_size=400))
def test_failures_never_pass_a_tenth_by_more_than_one_step(fails: list[bool]) -> None:
    sent, failed = sent_and_failed(fails)
    assert failed <= max(11, sent // 10 + next_step(sent, RULES))


@pytest.mark.parametrize("seed", range(200))
def test_a_fix_that_breaks_three_in_ten_of_ten_thousand_is_stopped_within_eleven_failures(seed: int) -> None:
    noise = random.Random(seed)
    sent, failed = sent_and_failed([noise.random() < 0.3 for _ in range(10_000)])
    assert failed <= 11
    assert sent < 100


def test_a_good_fix_goes_through_whole() -> None:
    assert (10_000, 0) == sent_and_failed([False] * 10_000)


def test_money_score_and_count_ask_for_a_second_person() -> None:
    assert () == four_eyes("replay", RULES.score - 1, RULES, moved_eur=RULES.money_eur, paid=True)
    assert ("four_eyes.score",) == four_eyes("replay", RULES.score, RULES)
    assert ("four_eyes.money",) == four_eyes("replay", 0, RULES, moved_eur=RULES.money_eur + Decimal("0.01"))
    assert ("four_eyes.paid_order",) == four_eyes("discard", 0, RULES, paid=True)
    assert () == bulk_four_eyes(RULES.bulk, 0, edited=False, rules=RULES)
    assert ("four_eyes.bulk",) == bulk_four_eyes(RULES.bulk + 1, 0, edited=False, rules=RULES)
    assert ("four_eyes.score", "four_eyes.bulk_edit") == bulk_four_eyes(1, RULES.score, edited=True, rules=RULES)


@pytest.mark.parametrize("text", ["", "= broken", "[claim]\nminutes = 0"])
def test_rules_that_cannot_be_used_are_named(text: str) -> None:
    with pytest.raises(DeskRulesInvalid, match="desk's rules"):
        load_rules(text)
