"""Modes are set place by place, also by several people at once: each change is a version, none undoes another, and each goes to intake."""

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from intake.rules.tuning import Scope, TuningInvalid
from ordermend import bootstrap
from ordermend.rulebook import Rulebook
from tests.line import Line

EVERYWHERE = (None, None, None)


@pytest.fixture
def rules(still_line: Line) -> Rulebook:
    return Rulebook(bootstrap.connector(still_line.settings, "rules"), still_line.settings.topic_prefix)


def scopes(rules: Rulebook, name: str) -> tuple[Scope, ...]:
    return next(one.scopes for one in rules.tuned(30) if one.rule.name == name)


def test_eight_at_once_lose_no_change(still_line: Line, rules: Rulebook) -> None:
    accounts = [f"account-{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda name: rules.tune("lines_present", "warn", ("shopify", name, None), name, "at once"), accounts))
    assert list(range(1, 9)) == sorted(made)
    assert sorted(accounts) == sorted(scope.account or "" for scope in scopes(rules, "lines_present"))
    sent = still_line.rows("select value from outbox where topic like '%%rules.intake.v1' order by id")
    assert list(range(1, 9)) == [orjson.loads(bytes(value))["version"] for (value,) in sent]


def test_a_place_is_set_taken_away_and_put_back(rules: Rulebook) -> None:
    assert 1 == rules.tune("lines_present", "shadow", (" Shopify ", "", "de"), "rosa", "a pre-order shop")
    assert (Scope("shadow", "shopify", None, "DE"),) == scopes(rules, "lines_present")
    assert 2 == rules.tune("placed_at_plausible", "warn", EVERYWHERE, "rosa", "precise enough")
    assert 3 == rules.tune("lines_present", None, ("shopify", None, "DE"), "rosa", "the shop is gone")
    assert ((), (Scope("warn"),)) == (scopes(rules, "lines_present"), scopes(rules, "placed_at_plausible"))
    assert 4 == rules.revert(1, "rudi", "it is back")
    assert ((Scope("shadow", "shopify", None, "DE"),), ()) == (scopes(rules, "lines_present"), scopes(rules, "placed_at_plausible"))
    assert [(4, "rudi", "it is back"), (3, "rosa", "the shop is gone")] == [(v.version, v.author, v.reason) for v in rules.versions()[:2]]


@pytest.mark.parametrize(
    ("rule", "mode", "place", "reason", "named"),
    [
        ("nobody", "warn", EVERYWHERE, "x", "no rule 'nobody'"),
        ("lines_present", "loud", EVERYWHERE, "x", "'loud' is no mode"),
        ("lines_present", "warn", ("shopfy", None, None), "x", "no channel 'shopfy'"),
        ("lines_present", "warn", (None, None, "Germany"), "x", "'Germany' is no country code"),
        ("lines_present", None, EVERYWHERE, "x", "not tuned for everywhere"),
        ("lines_present", "warn", EVERYWHERE, " ", "has a reason"),
        ("lines_present", "warn", EVERYWHERE, "a\x00b", "cannot be stored"),
    ],
)
def test_what_cannot_be_set_says_why_and_changes_nothing(
    rules: Rulebook, rule: str, mode: str | None, place: tuple[str | None, str | None, str | None], reason: str, named: str
) -> None:
    with pytest.raises(TuningInvalid, match=named):
        rules.tune(rule, mode, place, "rosa", reason)
    with pytest.raises(TuningInvalid, match="no version 7"):
        rules.revert(7, "rosa", "why")
    assert [] == rules.versions()
