"""The demo's report closes exactly when every message sent has one outcome, and says what is missing otherwise."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ordermend.local.demo.feed import FeedUnusable, read_feed
from ordermend.local.demo.report import EDIT_KEYS, FACT_KEYS, STATEMENT_KEYS, Latencies, Outcomes, Report, Tally, Times, build, percentiles

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONTRACT = [
    "sent",
    "accepted",
    "duplicates",
    "stale",
    "incomplete",
    "quarantined",
    "rejected",
    "dead_letters",
    "held",
    "edits_sent",
    "edits_applied",
    "edits_refused",
    "edits_conflicted",
    "edits_awaiting",
    "edits_waiting",
    "edits_dead",
    "edits_duplicates",
    "facts",
    "integrity_errors",
    "seconds",
    "orders_per_second",
    "edits_per_second",
    "edit_latency_ms",
]


def one_of_each(keys: Mapping[str, str], repeats: int) -> Outcomes:
    return Outcomes(dict.fromkeys(keys, 1), repeats)


FULL = Tally(
    statements=one_of_each(STATEMENT_KEYS, 2),
    edits=one_of_each(EDIT_KEYS, 1),
    facts=one_of_each(FACT_KEYS, 3),
    extra_statements=3,
    held_on_arrival=4,
    latencies=Latencies((1.0, 2.0, 3.0), (900.0,)),
    last_statement_at=BEGAN + timedelta(seconds=2),
    first_edit_at=BEGAN + timedelta(seconds=1),
    last_edit_at=BEGAN + timedelta(seconds=3),
)
STATEMENTS, EDITS, FACTS = len(STATEMENT_KEYS) + 2, len(EDIT_KEYS) + 1, len(FACT_KEYS) + 3


def report(documents: int = STATEMENTS - 3, edits: int = EDITS, facts: int = FACTS, tally: Tally = FULL, errors: int = 0) -> Report:
    return build(documents, edits, facts, tally, Times(BEGAN, 4.0), errors)


def test_a_run_in_which_everything_has_an_outcome_closes() -> None:
    made = report()

    assert made.problems == ()
    assert made.good
    outcomes = (made.accepted, made.duplicates, made.stale, made.incomplete, made.quarantined, made.rejected, made.dead_letters)
    assert made.sent == sum(outcomes) == STATEMENTS


def test_a_document_of_several_orders_counts_as_several() -> None:
    assert report().sent == STATEMENTS - 3 + FULL.extra_statements


def test_held_orders_are_part_of_the_accepted() -> None:
    made = report()

    assert made.held == 1 + FULL.held_on_arrival
    assert made.accepted == 3


@pytest.mark.parametrize(("documents", "edits", "facts", "name"), [(1, 0, 0, "sent"), (0, 1, 0, "edits_sent"), (0, 0, -1, "facts_sent")])
def test_a_message_without_an_outcome_is_named(documents: int, edits: int, facts: int, name: str) -> None:
    made = report(STATEMENTS - 3 + documents, EDITS + edits, FACTS + facts)

    assert not made.good
    assert made.problems[0].startswith(f"{name} does not close")
    assert made.as_json()["closes"] is False


def test_an_outcome_without_a_place_in_the_report_does_not_close() -> None:
    tally = Tally(edits=Outcomes({"applied": 1, "vanished": 1}))
    made = build(0, 1, 0, tally, Times(BEGAN, 1.0), 0)

    assert "vanished" in made.problems[0]


def test_an_integrity_error_is_never_good() -> None:
    made = report(errors=1)

    assert made.as_json()["closes"] is True
    assert not made.good


def test_the_json_has_every_key_of_the_contract() -> None:
    found = json.loads(json.dumps(report().as_json()))

    assert set(CONTRACT) <= found.keys()
    assert found["edit_latency_ms"] == {"p50": 2.0, "p95": 3.0, "p99": 3.0}
    assert found["edit_latency_waited_ms"]["p50"] == 900.0


def test_rates_are_of_the_time_the_traffic_took() -> None:
    made = report()

    assert made.orders_per_second == 1.5
    assert made.edits_per_second == 3.0


def test_percentiles_of_nothing_are_null() -> None:
    assert percentiles(()) == {"p50": None, "p95": None, "p99": None}


def test_a_feed_leaves_out_answers_and_takes_each_part_by_itself(tmp_path: Path) -> None:
    for name in ("amazon/a.part-order.json", "amazon/a.part-items.json", "amazon/a.expected.json", "stripe/b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    feed = read_feed(tmp_path, {"amazon", "shopify"})

    assert [payload.path.name for payload in feed.payloads] == ["a.part-items.json", "a.part-order.json"]
    assert feed.unread == ("stripe",)


def test_a_feed_without_a_payload_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedUnusable, match="amazon, shopify"):
        read_feed(tmp_path, {"amazon", "shopify"})
