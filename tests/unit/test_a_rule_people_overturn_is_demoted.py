"""When a rule is demoted: pure decisions over what people decided, and the tuning that follows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.rules import discover
from intake.rules.keeping import (
    Bounds,
    Demotion,
    Evidence,
    KeepingInvalid,
    beyond,
    default_bounds,
    demoted,
    enforced_since,
    load_bounds,
    mode_in,
)
from intake.rules.tuning import SHIPPED, Tuning, parse, write

T0 = datetime(2026, 11, 1, tzinfo=UTC)
BOUNDS = Bounds(days=7, overturned=3, percent=25)
LINES = next(rule for rule in discover() if rule.name == "lines_present")


def decided(overturned: int, stood: int, channel: str = "shopify") -> list[Evidence]:
    return [Evidence("lines_present", channel, T0, n < overturned) for n in range(overturned + stood)]


@pytest.mark.parametrize(("overturned", "stood", "goes"), [(2, 0, False), (3, 9, False), (3, 8, True), (30, 91, False), (30, 60, True)])
def test_a_rule_goes_beyond_both_bounds_or_stays(overturned: int, stood: int, goes: bool) -> None:
    found = beyond(decided(overturned, stood), BOUNDS)
    assert found == ([Demotion("lines_present", "shopify", overturned + stood, overturned)] if goes else [])


def test_each_channel_is_counted_by_itself() -> None:
    found = beyond([*decided(5, 0), *decided(0, 50, "ebay")], BOUNDS)
    assert [(one.rule, one.channel) for one in found] == [("lines_present", "shopify")]
    assert found[0].reason(BOUNDS) == "5 of 5 decided refusals in shopify within 7 days were overturned, more than 25 %: enforce -> warn"


def test_a_demotion_warns_in_that_channel_alone_whatever_its_accounts_were_told() -> None:
    text = '[[lines_present.scope]]\nchannel = "shopify"\naccount = "north"\nmode = "enforce"\n[[lines_present.scope]]\nchannel = "shopify"\naccount = "south"\nmode = "shadow"\n'
    made = parse(write(demoted(parse(text, discover()), Demotion("lines_present", "shopify", 5, 5))), discover())
    modes = {(scope.channel, scope.account): scope.mode for scope in made.scopes["lines_present"]}
    assert modes == {("shopify", None): "warn", ("shopify", "north"): "warn", ("shopify", "south"): "shadow"}
    assert mode_in(made, LINES, "shopify") == "warn"
    assert mode_in(made, LINES, "ebay") == "enforce"


def test_evidence_counts_from_when_the_rule_was_put_into_force_again() -> None:
    warns = demoted(SHIPPED, Demotion("lines_present", "shopify", 5, 5))
    account = parse('[[lines_present.scope]]\naccount = "north"\nmode = "shadow"\n', discover())
    hours = [T0 + timedelta(hours=n) for n in range(4)]
    assert enforced_since([], LINES, "shopify") is None
    assert enforced_since([(hours[0], account)], LINES, "shopify") is None  # an account's leave changes nothing for the others
    assert enforced_since([(hours[0], account), (hours[1], warns), (hours[2], account)], LINES, "shopify") == hours[2]
    assert enforced_since([(hours[0], account), (hours[1], warns), (hours[2], account)], LINES, "ebay") is None


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans()), max_size=60))
def test_no_rule_is_demoted_within_the_bounds(told: list[tuple[str, bool]]) -> None:
    evidence = [Evidence("r", channel, T0, overturned) for channel, overturned in told]
    for one in beyond(evidence, BOUNDS):
        own = [overturned for channel, overturned in told if channel == one.channel]
        assert (one.decided, one.overturned) == (len(own), sum(own))
        assert sum(own) >= BOUNDS.overturned
        assert sum(own) / len(own) > BOUNDS.percent / 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[window]\ndays = 0\n[bound]\noverturned = 1\npercent = 5",
        "[window",
        "[window]\ndays = 1\n[bound]\noverturned = 1\npercent = 100",
    ],
)
def test_bounds_that_cannot_be_used_say_so(text: str) -> None:
    with pytest.raises(KeepingInvalid):
        load_bounds(text)


def test_the_bounds_that_ship_can_be_used() -> None:
    assert default_bounds().overturned >= 1


def test_what_the_law_wants_is_marked() -> None:
    assert {rule.name for rule in discover() if rule.by_law} == {"country_embargoed", "country_sanctioned"}
    assert mode_in(Tuning(), LINES, "x12") == "enforce"
