"""A tuning says a rule's mode: the narrowest scope that fits an order counts; a text that cannot be used names what is wrong."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.accept import RawRecord, statements
from intake.rules import discover
from intake.rules.rule import SHADOW, Mode, Rule, judge
from intake.rules.tuning import (
    MODES,
    SHIPPED,
    Scope,
    Told,
    Tuning,
    TuningInvalid,
    parse,
    read_record,
    record_of,
    with_scope,
    without_scope,
    write,
)
from normalizers import discover as channels
from normalizers.channel import Document, StatedOrder
from schemas.money import NO_CURRENCY
from schemas.statement import Finding, IntakeFailed, OrderStated
from tests.line import order_in, shopify_order

TEXT = """
[lines_present]
mode = "warn"
[[lines_present.scope]]
channel = "shopify"
mode = "enforce"
[[lines_present.scope]]
channel = "shopify"
account = "north"
mode = "shadow"
[[lines_present.scope]]
country = "FR"
mode = "warn"
"""
RULE = next(rule for rule in discover() if rule.name == "lines_present")
ORDER = order_in(shopify_order(1))


def stated(**changes: Any) -> StatedOrder:
    (found,) = channels()["shopify"].normalize((Document(shopify_order(1)),))
    assert isinstance(found, StatedOrder)
    return replace(found, order=found.order.with_(**changes))


@pytest.mark.parametrize(
    ("channel", "account", "country", "mode"),
    [
        ("ebay", "a", "GB", "warn"),
        ("shopify", "a", "GB", "enforce"),
        ("shopify", "north", "FR", "shadow"),
        ("ebay", "north", "FR", "warn"),
        ("shopify", "a", "FR", "warn"),  # as narrow as the channel's, and later
    ],
)
def test_the_narrowest_scope_that_fits_counts(channel: str, account: str, country: str, mode: str) -> None:
    assert ORDER.ship_to is not None
    order = ORDER.with_(source=ORDER.source.with_(channel=channel, account=account), ship_to=ORDER.ship_to.with_(country=country))
    assert parse(TEXT, discover()).mode_of(RULE, order) == mode


def test_what_is_not_named_is_as_shipped() -> None:
    other = next(rule for rule in discover() if rule.name == "quantities_positive")
    assert parse(TEXT, discover()).mode_of(other, ORDER) == other.mode
    assert parse("", discover()) == SHIPPED


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[", "cannot be read"),
        ("[nobody]\nmode = 'warn'", "no rule 'nobody'"),
        ("[lines_present]\nmode = 'loud'", "'loud' is no mode"),
        ("[lines_present]\nmode = []", "is no mode"),
        ("[lines_present]\nverdict = 'reject'", "nothing else"),
        ("lines_present = 1", "nothing else"),
        ("[lines_present]\nscope = 1", "[[lines_present.scope]]"),
        ("[[lines_present.scope]]\nmode = 'warn'", "names channel, account or country"),
        ("[[lines_present.scope]]\nchannel = 1\nmode = 'warn'", "names channel, account or country"),
        ("[[lines_present.scope]]\nchannel = 'x12'", "is no mode"),
    ],
)
def test_a_text_that_cannot_be_used_says_why(text: str, named: str) -> None:
    with pytest.raises(TuningInvalid) as refused:
        parse(text, discover())
    assert named in refused.value.message


def test_a_record_gives_back_its_tuning_and_nothing_else_does() -> None:
    assert read_record(record_of(7, TEXT), discover()) == parse(TEXT, discover(), 7)
    for value in (b"", b"{", b"[]", b'{"version": "1", "text": ""}', b'{"version": 1}', b'{"version": 1, "text": 2}'):
        with pytest.raises(TuningInvalid):
            read_record(value, discover())


def test_a_rule_in_shadow_says_what_it_would_have_done_and_changes_nothing() -> None:
    empty = stated(lines=())
    cases: list[tuple[Mode, str]] = [("shadow", "accept"), ("warn", "accept_with_warning"), ("enforce", "quarantine")]
    for mode, verdict in cases:
        tuning = Tuning(1, {"lines_present": (Scope(mode),)})
        found, findings, spoke = judge(empty, [RULE], tuning.mode_of)
        assert (found, spoke) == (verdict, (("lines_present", mode),))
        assert findings[-1].message.startswith(SHADOW) == (mode == "shadow")


def test_a_refusals_first_reason_is_the_rule_and_an_order_says_by_which_tuning_it_was_judged() -> None:
    refusing = Rule("always", "enforce", "reject", "nobody", lambda _: Finding(path="/", rule="always", message="no"))
    record = RawRecord("orders.raw.shopify.v1", 0, 1, None, shopify_order(1, created_at="2026-11-01T09:00:00"), {})
    ((_, refused),) = statements(record, channels()["shopify"], [refusing], Tuning(3))
    assert isinstance(refused, IntakeFailed)
    assert len(refused.findings) > 1
    assert refused.findings[0].rule == "always"
    ((_, taken),) = statements(record, channels()["shopify"], [refusing], Tuning(4, {"always": (Scope("shadow"),)}))
    assert isinstance(taken, OrderStated)
    assert taken.order.source.rules_version == 4


def test_an_order_without_a_known_currency_is_held_and_only_warned_of_where_a_tuning_says_so() -> None:
    found, findings, _ = judge(stated(currency=NO_CURRENCY), discover())
    assert found == "accept_with_hold"
    warned = Tuning(1, {"currency_known": (Scope("warn"),)})
    assert judge(stated(currency=NO_CURRENCY), discover(), warned.mode_of)[0] == "accept_with_warning"
    assert [finding.rule for finding in findings] == ["currency_known"]
    assert judge(stated(), discover())[0] == "accept"


NAMES = st.none() | st.text(min_size=1, max_size=8)
SCOPES = st.builds(Scope, st.sampled_from(MODES), NAMES, NAMES, NAMES)


@given(st.dictionaries(st.sampled_from([rule.name for rule in discover()]), st.lists(SCOPES, max_size=5).map(tuple)), SCOPES, NAMES)
def test_a_tuning_is_written_as_it_is_read(scopes: dict[str, tuple[Scope, ...]], asked: Scope, other: str | None) -> None:
    tuning = Tuning(3, scopes)
    again = parse(write(tuning), discover(), 3)
    order = ORDER.with_(source=ORDER.source.with_(channel=asked.channel or "x", account=asked.account or other or "y"))
    for rule in discover():
        assert tuning.mode_of(rule, order) == again.mode_of(rule, order)


def test_a_mode_is_set_and_taken_away_in_one_place() -> None:
    tuning = with_scope(parse(TEXT, discover()), "lines_present", Scope("warn", "shopify"))
    assert [scope.mode for scope in tuning.scopes["lines_present"]] == ["warn", "warn", "shadow", "warn"]
    assert with_scope(tuning, "lines_present", Scope("shadow", "ebay")).scopes["lines_present"][-1] == Scope("shadow", "ebay")
    assert with_scope(SHIPPED, "lines_present", Scope("shadow")).scopes == {"lines_present": (Scope("shadow"),)}
    left = without_scope(tuning, "lines_present", ("shopify", "north", None))
    assert [scope.place for scope in left.scopes["lines_present"]] == [(None, None, None), ("shopify", None, None), (None, None, "FR")]
    for place, named in (((None, None, "IT"), "for IT"), (("ebay", "a", None), "for ebay a")):
        with pytest.raises(TuningInvalid, match=f"not tuned {named}"):
            without_scope(tuning, "lines_present", place)
    with pytest.raises(TuningInvalid, match="not tuned for everywhere"):
        without_scope(SHIPPED, "lines_present", (None, None, None))


def test_precision_is_the_share_of_refusals_that_stood() -> None:
    assert Told().precision is None
    assert Told(4, 1).precision == 0.75
