"""Repeats, any order between topics, letters that fail again: each event, ticket and attempt counts once, in its window."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dlq_handler.kpis import Figures, Kpis, percentile, window_of
from schemas.events import ModificationRefused, OrderAccepted, OrderModified

AT = datetime(2026, 11, 24, 9, 2, 30, tzinfo=UTC)


def accepted(order: int) -> OrderAccepted:
    return OrderAccepted(
        event_id=UUID(int=order), order_id=UUID(int=order), event_seq=1, version=1, caused_by="m", at=AT, channel="shopify", account="a",
        order_number="1", currency="GBP", grand_total_minor=1, lifecycle="confirmed", lines=(),
    )  # fmt: skip


def modified(order: int, ticket: int, seconds: int) -> OrderModified:
    return OrderModified(
        event_id=UUID(int=1000 + ticket), order_id=UUID(int=order), event_seq=2, version=2, caused_by="t", at=AT + timedelta(seconds=seconds),
        ticket_id=UUID(int=ticket), user_id="ana", reason_code="r", changes=(), money_delta_minor=0, grand_total_minor=1,
    )  # fmt: skip


def refused(order: int, ticket: int, seconds: int) -> ModificationRefused:
    return ModificationRefused(
        event_id=UUID(int=2000 + ticket), order_id=UUID(int=order), event_seq=3, version=2, caused_by="t", at=AT + timedelta(seconds=seconds),
        ticket_id=UUID(int=ticket), user_id="ana", reason_code="r", code="c", message="m",
    )  # fmt: skip


@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_between_topics_and_repeats_change_nothing(shuffle: random.Random, times: int) -> None:
    kpis = Kpis()
    named = {"dlq.id": "a", "dlq.channel": "x12", "dlq.error.class": "BUG"}
    acts: list[Callable[[], None]] = [
        *(partial(kpis.event, accepted(n)) for n in range(1, 5)),
        *(partial(kpis.ticket, UUID(int=n), AT) for n in range(1, 4)),
        *(partial(kpis.event, event) for event in (modified(1, 1, 1), modified(1, 2, 5), refused(2, 3, 9))),
        *(partial(kpis.letter, named | {"dlq.attempts": str(n)}, AT + n * timedelta(minutes=5)) for n in range(2)),
    ] * times
    shuffle.shuffle(acts)
    for act in acts:
        act()
    assert Figures(4, 1, 3, 3, 5.0, 9.0, 2) == kpis.figures()
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert {(start, "x12", "BUG"): 1, (start + timedelta(minutes=5), "x12", "BUG"): 1} == dict(kpis.failures)


def test_without_edits_there_is_no_percentile() -> None:
    assert Figures(0, 0, 0, 0, None, None, 0) == Kpis().figures()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([50, 95]))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], per_cent: int) -> None:
    found = percentile(sorted(values), per_cent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= per_cent * len(values)


@given(st.integers(-(10**9), 10**9))
def test_a_moment_is_in_its_window(seconds: int) -> None:
    at, window = AT + timedelta(seconds=seconds), timedelta(minutes=5)
    assert window_of(at, window) <= at < window_of(at, window) + window
