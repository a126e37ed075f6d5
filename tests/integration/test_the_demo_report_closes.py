"""`ordermend demo --once` plays everything as a user would: its report closes, also when the processor is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordermend.local.processes import start_time, wait_until
from ordermend.local.stack import Stack

CHECKOUT = Path(__file__).parents[2]


def start(stack: Stack, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **stack.environment(), "ORDERMEND_HOME": str(home), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "ordermend", "demo", "--once", *arguments]
    return subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def play(stack: Stack, home: Path, *arguments: str) -> dict[str, Any]:
    target = home / "report.json"
    with start(stack, home, "--report", str(target), *arguments) as process:
        try:
            said, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.terminate()
            raise
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return found


def test_the_demo_report_closes(stack: Stack, tmp_path: Path) -> None:
    report = play(stack, tmp_path, "--orders", "300", "--edits", "60", "--seed", "1")

    outcomes = ("accepted", "duplicates", "stale", "incomplete", "quarantined", "rejected", "dead_letters")
    assert report["sent"] == sum(report[name] for name in outcomes) > 300
    answers = ("applied", "refused", "conflicted", "awaiting", "waiting", "dead", "duplicates")
    assert report["edits_sent"] == sum(report[f"edits_{name}"] for name in answers) >= 60
    assert report["integrity_errors"] == 0
    # 2 % are broken, 1 % come twice, some edits are forbidden, and facts came in between.
    assert report["quarantined"] + report["dead_letters"] >= 6
    assert report["duplicates"] >= 3
    assert report["edits_applied"] > report["edits_refused"] > 0
    assert report["edits_waiting"] == 0
    assert report["facts"] > 0


def test_killing_the_processor_at_random_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    report = play(stack, tmp_path, "--orders", "1500", "--edits", "300", "--seed", "2", "--kills", "3")

    assert report["restarts"] >= 1
    assert report["closes"]
    assert report["integrity_errors"] == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the child processes through /proc")
def test_an_interrupted_demo_leaves_no_process(stack: Stack, tmp_path: Path) -> None:
    with start(stack, tmp_path, "--orders", "5000", "--edits", "100") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "documents sent" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 130, said
    assert len(children) == 2
    assert wait_until(lambda: not any(start_time(int(child)) for child in children), 5)
