"""The demo tells exactly as many edits as asked for, the same ones for the same seed, and some of each kind."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modification_processor.edit import calls_of
from modification_processor.operations import discover
from modification_processor.outcomes import Refused
from ordermend.local.demo.edits import Edit, plain
from ordermend.local.demo.facts import Fact
from ordermend.local.demo.stories import Message, Story, Teller
from ordermend.local.traffic.schedule import plan

TAKE_BACK = {"release_hold", "remove_promotion", "remove_fee"}
"""They name a row that another ticket made, which the sketch of an order as stated does not have."""


def told(orders: int, edits: int, seed: int) -> list[Story]:
    teller = Teller(seed, edits)
    return [story for send in plan(orders, edits, seed) if (story := teller.tell(send))]


def messages(stories: list[Story]) -> Iterator[Message]:
    for story in stories:
        yield from story.early
        for step in story.steps:
            yield from step


def edits_of(stories: list[Story]) -> list[Edit]:
    return [message for message in messages(stories) if isinstance(message, Edit)]


@settings(deadline=None, max_examples=30)
@given(orders=st.integers(1, 60), edits=st.integers(0, 200), seed=st.integers(0, 1000))
def test_exactly_the_edits_of_the_plan_are_told(orders: int, edits: int, seed: int) -> None:
    found = edits_of(told(orders, edits, seed))

    assert len(found) == edits
    assert len({edit.ticket_id for edit in found}) == edits


def test_the_same_seed_tells_the_same_tickets() -> None:
    first, second = (edits_of(told(200, 100, 5)) for _ in range(2))

    assert [(edit.ticket_id, edit.agent, edit.twice) for edit in first] == [(edit.ticket_id, edit.agent, edit.twice) for edit in second]


def test_a_fact_is_told_once() -> None:
    ids = [message.message_id for message in messages(told(300, 900, 2)) if isinstance(message, Fact)]

    assert len(ids) == len(set(ids)) > 0


@pytest.fixture(scope="module")
def many() -> list[Story]:
    return told(9000, 4500, 1)


def test_every_operation_is_used(many: list[Story]) -> None:
    used = Counter(request.operation.name for edit in edits_of(many) for request in edit.requests)

    assert used.keys() == {name for name, operation in discover().items() if not operation.undo_only} - TAKE_BACK


def test_some_edits_are_forbidden_early_stale_forged_or_sent_twice(many: list[Story]) -> None:
    found = edits_of(many)

    assert any(not edit.agent.roles for edit in found)
    assert any(edit.base_version == 1 for edit in found)
    assert any(edit.forged for edit in found)
    assert any(edit.twice for edit in found)
    assert any(isinstance(message, Edit) for story in many for message in story.early)
    assert any(isinstance(message, Fact) for story in many for message in story.early)


def test_every_ticket_can_be_read() -> None:
    rng = random.Random(3)
    sends = [send for send in plan(200, 0, 3) if send.label == "order"]

    assert not [made for send in sends if isinstance(made := calls_of((plain(rng, send).operation,)), Refused)]
