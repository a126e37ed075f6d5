"""A few seeds of the simulation, the planted bugs that few seeds find, and that a seed always does the same. In full: `make test-simulation`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import run
from tests.simulation.planted import BUGS, hunt
from tests.simulation.run import Result, simulate

SEEDS = range(1, 21)
FEW = 20
SOON_FOUND = (
    "offset_before_commit", "fence_removed", "unknown_commit_is_done_again", "relay_by_cursor", "relay_marks_first", "relay_newest_first",
    "retry_without_head_check", "retry_order_reversed", "dedupe_without_hash", "no_dedupe", "inbox_mark_outside_the_transaction",
    "event_seq_reset", "followers_not_parked", "lane_reopened_too_early",
)  # fmt: skip
CHECKOUT = Path(__file__).parents[2]


def test_nothing_is_lost_doubled_or_reordered_in_a_few_seeds() -> None:
    results = [simulate(seed) for seed in SEEDS]
    assert [] == [(result.seed, violation) for result in results for violation in result.violations]
    assert all(result.messages > 0 for result in results)
    assert len({name for result in results for name in result.faults}) > 10


@pytest.mark.parametrize("name", SOON_FOUND)
def test_a_planted_bug_is_found_soon(name: str) -> None:
    found = hunt(name, FEW)
    assert found.kind is not None, f"{name}: not in {FEW} seeds"


def test_every_planted_bug_has_a_name_of_its_own_and_is_gone_afterwards() -> None:
    names = [bug.name for bug in BUGS]
    assert len(names) >= 20
    assert len(set(names)) == len(names)
    assert set(SOON_FOUND) <= set(names)
    assert () == simulate(3).violations


def test_a_seed_does_the_same_to_the_byte_in_any_process() -> None:
    first, second = simulate(7, keep=True), simulate(7, keep=True)
    assert first.lines == second.lines
    assert len(first.lines) >= first.steps
    assert first.digest != simulate(8).digest
    script = "from tests.simulation.run import simulate; print(simulate(7).digest)"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
        assert first.digest == done.stdout.strip()


def test_a_seed_that_fails_says_how_to_run_it_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(seed: int, **_: object) -> Result:
        return simulate(seed, prepare=next(bug for bug in BUGS if bug.name == "event_seq_reset").plant)

    monkeypatch.setattr(run, "simulate", fails)
    assert 1 == run.main(["--seed", "1"])
    said = capsys.readouterr().out.splitlines()
    assert any(line.startswith("seed 1: event_") for line in said)
    assert 'run it again: make test-simulation ARGS="--seed 1"' in said
    assert said[-1].startswith("1 seeds (1 to 1)")
