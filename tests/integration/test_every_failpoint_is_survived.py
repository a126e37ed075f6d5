"""Each process is killed at each of its named steps, in turn, while traffic goes on: nothing is lost, doubled or reordered."""

import subprocess
import sys
import uuid
from pathlib import Path

from ordermend import bootstrap
from schemas.assertion import HEADER
from streaming.producer import Record
from telemetry import failpoints
from tests.conftest import PATIENCE, Eventually
from tests.faults import ring
from tests.faults.checker import check
from tests.faults.fleet import Fleet, environment
from tests.faults.observer import look
from tests.faults.workload import Workload
from tests.line import Line, shopify_order

HOME = {"assign": "processor-0", "read": "processor-0", "live": "processor-0", "decide": "processor-0"}
"""Where a family of failpoints is passed; the others are named after their process."""
NAMED_OTHERWISE = {"retry": "retrier"}
BY_HAND = ("replay.written", "replay.committed", "fetcher.claimed", "fetcher.published")
"""Passed in scenarios of their own: below, and where orders are fetched."""


def steps() -> dict[str, list[str]]:
    """Return the failpoints of each process."""
    found: dict[str, list[str]] = {}
    for name in failpoints.NAMES:
        if name not in BY_HAND:
            family = name.partition(".")[0]
            found.setdefault(HOME.get(family) or NAMED_OTHERWISE.get(family, family), []).append(name)
    return found


def test_every_failpoint_is_survived(still_line: Line, eventually: Eventually, tmp_path: Path) -> None:
    line, left = still_line, steps()
    assert {"processor-0", "retrier", "relay", "intake", "settlement"} == left.keys()
    bootstrap.prepare(line.settings)
    workload, died = Workload(line.settings, seed=4), []
    with Fleet(line.settings, tmp_path) as fleet:
        for name, names in left.items():
            fleet.start(name, f"{names[0]}=exit")

        def every_step_was_fatal() -> bool:
            for name, names in left.items():
                if names and fleet.exit_code(name) is not None:
                    assert -9 == fleet.exit_code(name), (tmp_path / f"{name}.log").read_text()[-2000:]
                    died.append(names.pop(0))
                    fleet.kill(name)
                    fleet.start(name, f"{names[0]}=exit" if names else "")
            workload.step()
            return not any(left.values())

        eventually(every_step_was_fatal, 200, what="death at every failpoint")
        workload.finish()
        ring.await_quiet(line.settings, workload.sent, 90 * PATIENCE)
        for name in tuple(fleet.names):
            assert 0 == fleet.stop(name), (tmp_path / f"{name}.log").read_text()[-2000:]
    assert set(failpoints.NAMES) - set(BY_HAND) == set(died)
    seen = look(str(line.settings.database_url), line.settings.db_schema, bootstrap.bootstrap_of(line.settings), line.settings.topic_prefix)
    assert [] == check(workload.sent, seen)
    assert () == line.findings()


def test_a_replay_that_dies_is_done_or_not_done(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(4_321))
    eventually(lambda: line.order(order.order_id), what="the order")
    value, name = b"\x00no record", f"ticket:{uuid.uuid4()}"
    token = line.door.sign(value, message_id=name, order_id=str(order.order_id), sub="ana", roles=("Order_Modify",))
    line.producer.send([Record(line.topics.modifications, str(order.order_id).encode(), value, [(HEADER, token)])])
    letter = "select status, attempts from dead_letter where order_id = %s"
    audited = "select count(*) from audit where action = 'letter_replayed'"
    eventually(lambda: [("unresolved", 1)] == line.rows(letter, order.order_id), what="the dead letter")
    letter_id = line.one("select letter_id from dead_letter where order_id = %s", order.order_id)

    assert -9 == replay(line, letter_id, "replay.written=exit")
    assert ([("unresolved", 1)], 0) == (line.rows(letter, order.order_id), line.one(audited))
    assert -9 == replay(line, letter_id, "replay.committed=exit")
    eventually(lambda: [("unresolved", 2)] == line.rows(letter, order.order_id), what="the second failure of the letter")
    assert 1 == line.one(audited)


def replay(line: Line, letter_id: object, armed: str) -> int:
    command = [sys.executable, "-m", "ordermend", "letters", "replay", str(letter_id), "--actor", "olga"]
    return subprocess.run(command, env=environment(line.settings, armed), check=False, capture_output=True, timeout=60).returncode
