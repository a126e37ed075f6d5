"""Failpoints do nothing unless armed, exactly what they are armed for, and refuse what names none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordermend import settings
from schemas.failures import SettingsInvalid
from telemetry import failpoints
from telemetry.failpoints import FailpointRaised, arm, hit


@pytest.fixture(autouse=True)
def _disarmed_again() -> Iterator[None]:
    yield
    arm("")


def test_nothing_happens_unless_armed() -> None:
    name = "live.fenced"
    arm(f"{name}=raise")
    with pytest.raises(FailpointRaised):
        hit(name)
    arm("")
    passed = []
    for name in failpoints.NAMES:
        hit(name)
        passed.append(name)
    assert passed == list(failpoints.NAMES)


def test_a_failpoint_acts_at_the_pass_it_is_armed_for() -> None:
    arm("decide=raise@3 live.written=sleep:0")
    hit("decide ticket:1")
    hit("live.written")
    hit("live.fenced")
    hit("decide ticket:2")
    with pytest.raises(FailpointRaised, match="decide ticket:3"):
        hit("decide ticket:3")
    hit("decide ticket:4")


def test_a_failpoint_may_be_armed_for_one_message_alone() -> None:
    arm("decide[ticket:7]=raise%100 decide[ticket:8]=raise@2")
    for step in ("decide ticket:6", "decide ticket:8"):
        hit(step)
    for step in ("decide ticket:7", "decide ticket:7", "decide ticket:8"):
        with pytest.raises(FailpointRaised):
            hit(step)


def test_a_share_of_passes_is_a_share() -> None:
    arm("decide=raise%5")
    raised = 0
    for _ in range(10_000):
        try:
            hit("decide x")
        except FailpointRaised:
            raised += 1
    assert 300 < raised < 700


@pytest.mark.parametrize("text", ["decide", "decide=", "nowhere=exit", "decide=fly", "decide=exit@0", "decide=raise%", "decide=sleep:x"])
def test_what_names_no_failpoint_is_refused_at_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERMEND_FAILPOINTS", text)
    with pytest.raises(SettingsInvalid, match="ORDERMEND_FAILPOINTS"):
        settings.load()


def test_every_failpoint_is_passed_somewhere_in_the_code() -> None:
    root = Path(failpoints.__file__).parents[1]
    code = "".join(
        path.read_text() for folder in ("intake", "modification_processor", "dlq_handler") for path in (root / folder).rglob("*.py")
    )
    assert [] == [name for name in failpoints.NAMES if f'"{name}"' not in code and f'"{name} ' not in code]
