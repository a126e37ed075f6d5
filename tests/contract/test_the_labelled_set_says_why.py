"""The labelled set is what it says: enough cases of every channel, the same ones each time, each label with the section it stands on."""

import pytest

from normalizers import discover
from tests.verdicts.cases import Case, channels, grave, harmless
from tests.verdicts.defects import FATAL, HARMLESS, HOLDING, TABLE

TOPICS = ("parties", "lines", "money", "times", "identity")


def test_every_channel_is_in_the_set() -> None:
    assert {row.get("channel", name) for name, row in channels().items()} == set(discover())


@pytest.mark.parametrize("name", sorted(channels()))
def test_a_channel_cites_its_document_for_each_topic(name: str) -> None:
    channel = channels()[name]
    assert channel["document"]
    assert channel["read"].startswith("2026-11-")
    assert all(len(channel[topic]) > 20 for topic in TOPICS)


@pytest.mark.parametrize("name", sorted(channels()))
def test_a_seed_makes_the_same_cases_each_time(name: str) -> None:
    assert _some(name) == _some(name)
    assert len({case.bodies for case in _some(name)}) > len(_some(name)) * 0.8


@pytest.mark.parametrize("name", sorted(channels()))
def test_a_channel_meets_most_of_the_table(name: str) -> None:
    met = {defect for case in _some(name) for defect in case.defects}
    assert len(met & {row.name for row in HARMLESS}) >= 11
    assert len(met & {row.name for row in (*HOLDING, *FATAL)}) >= 11
    assert all(case.reason for case in _some(name))


def test_no_defect_has_two_labels() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert {row.label for row in HARMLESS} <= {"accept", "accept_with_warning"}
    assert {row.label for row in HOLDING} == {"accept_with_hold"}
    assert {row.label for row in FATAL} == {"quarantine", "reject", "dead_letter"}


def _some(name: str) -> list[Case]:
    return [*harmless(name, 30), *grave(name, 30)]
