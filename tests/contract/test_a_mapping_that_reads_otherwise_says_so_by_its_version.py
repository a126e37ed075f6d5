"""A channel's mapping reads its own fixtures as the recorded version did, or it has a newer version."""

import os

import pytest

from normalizers import discover
from tests.mappings import Mapping, record, recorded, today, unrecorded, unsaid


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_mapping_reads_as_its_version_was_recorded(name: str) -> None:
    was, now = recorded(name), today(name)
    assert unsaid(name, was, now) is None
    if os.environ.get("ORDERMEND_WRITE_FIXTURES"):
        record(name, now)
    assert unrecorded(name, recorded(name), now) is None


WAS = Mapping(2, {"plain": "aa", "cancelled": "bb"})


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (WAS, None),
        (Mapping(2, {**WAS.cases, "plain": "cc"}), "set MAPPING = 3 in normalizers/acme.py"),
        (Mapping(3, {**WAS.cases, "plain": "cc"}), None),
        (Mapping(2, {**WAS.cases, "new": "dd"}), None),
        (Mapping(1, WAS.cases), "older than 2"),
    ],
)
def test_what_reads_otherwise_has_to_say_so(now: Mapping, says: str | None) -> None:
    found = unsaid("acme", WAS, now)
    assert found is None if says is None else found is not None and says in found


@pytest.mark.parametrize("was", [None, Mapping(1, WAS.cases), Mapping(2, {"plain": "aa"})])
def test_what_is_new_has_to_be_recorded(was: Mapping | None) -> None:
    assert unsaid("acme", was, WAS) is None
    assert "ORDERMEND_WRITE_FIXTURES=1" in (unrecorded("acme", was, WAS) or "")
