"""A promotion for many orders: tried first, run, killed with SIGKILL in the middle, resumed, and taken back.

Every id gets exactly one outcome, no order is edited twice, nothing is skipped silently, and the undo restores all.
"""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import closing
from uuid import UUID

import pytest

from modification_processor import bulk
from modification_processor.bulk import WINDOW, BulkRefused, Request
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.ticket import Operation
from store import bulk as jobs
from telemetry.health import Health
from tests.conftest import PATIENCE, Eventually
from tests.line import Line, shopify_order

ORDERS = int(os.environ.get("ORDERMEND_BULK_ORDERS", "1500"))
TEN_OFF = Operation(name="apply_promotion", arguments=json.dumps({"code": "TENOFF"}))
BULK = frozenset({"Order_Modify", "Order_Bulk"})


def environment(line: Line) -> dict[str, str]:
    settings = line.settings
    return {
        **os.environ,
        "ORDERMEND_HOME": str(settings.home),
        "ORDERMEND_KEYS_DIR": str(settings.keys_dir),
        "ORDERMEND_TOPIC_PREFIX": settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": str(settings.database_url),
    }


def command(line: Line, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "ordermend", "bulk", *words]
    return subprocess.run(call, env=environment(line), capture_output=True, text=True, check=False, timeout=300 * PATIENCE)


def request(**changes: object) -> Request:
    return Request(**({"operations": (TEN_OFF,), "reason_code": "goodwill", "user_id": "ana", "roles": BULK} | changes))  # type: ignore[arg-type]  # the tests say it right


def placed(line: Line, eventually: Eventually, count: int, first: int) -> list[UUID]:
    ids = [line.state_order(shopify_order(first + number)).order_id for number in range(count)]
    eventually(lambda: line.one("select count(*) from orders") == count, 180.0, what="the orders in the book")
    return ids


def totals(line: Line) -> dict[UUID, int]:
    return dict(line.rows("select order_id, grand_total_minor from orders"))


def run_to_its_end(line: Line, job_id: UUID) -> str:
    runner = bootstrap.bulk_runner(line.settings)
    deadline, state = time.monotonic() + 120.0, "running"
    with closing(runner), bootstrap.connector(line.settings, "bulk")() as connection:
        while state in ("running", "busy"):
            state = runner.step(connection, job_id)
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return state


def outcomes(line: Line, job_id: UUID) -> Counter[str]:
    with line.book.transaction(), line.book.cursor() as cursor:
        return Counter(jobs.counts(cursor, job_id))


def test_a_job_that_is_killed_goes_on_without_a_second_effect_and_can_be_taken_back(line: Line, eventually: Eventually) -> None:
    placed(line, eventually, ORDERS, 900_000)
    before = totals(line)
    words = ("--operation", "apply_promotion", "--arguments", TEN_OFF.arguments, "--reason", "goodwill", "--channel", "shopify")
    tried = command(line, *words, "--dry-run")
    assert f"applied {ORDERS}" in " ".join(tried.stdout.split()), tried.stdout + tried.stderr
    assert 0 == line.one("select count(*) from ticket")

    child = subprocess.Popen(
        [sys.executable, "-m", "ordermend", "bulk", *words, "--user", "ana"], env=environment(line), stdout=subprocess.DEVNULL
    )
    eventually(lambda: line.one("select count(*) from ticket") >= ORDERS // 5, 60.0, what="a part of the job done")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (job_id,) = (row[0] for row in line.rows("select job_id from bulk_job"))
    resumed = command(line, "resume", str(job_id))
    assert 0 == resumed.returncode, resumed.stdout + resumed.stderr
    assert {"applied": ORDERS} == outcomes(line, job_id)
    assert {1} == {count for (count,) in line.rows("select count(*) from history where path like '%%/code' group by order_id")}
    assert all(total < before[order_id] for order_id, total in totals(line).items())
    assert 0 == line.one("select count(*) from action where port = 'notice'")

    sheet = list(csv.DictReader(io.StringIO(command(line, "outcomes", str(job_id)).stdout)))
    assert ({str(order_id) for order_id in before}, {"applied"}) == ({row["order_id"] for row in sheet}, {row["outcome"] for row in sheet})
    undone = command(line, "undo", str(job_id), "--user", "ben")
    assert 0 == undone.returncode, undone.stdout + undone.stderr
    assert (before, {"undone": ORDERS}) == (totals(line), outcomes(line, job_id))
    assert () == line.findings()


def test_every_id_has_one_outcome_also_those_that_cannot_be_edited(line: Line, eventually: Eventually) -> None:
    ids = placed(line, eventually, 12, 910_000)
    cancelled = line.ticket(ids[0], ("cancel_order", {}), reason="customer_request")
    already = line.ticket(ids[1], ("apply_promotion", {"code": "TENOFF"}), reason="goodwill")
    moved = line.ticket(ids[2], ("set_note", {"note": "seen"}))
    eventually(lambda: [line.state(t) for t in (cancelled, already, moved)] == ["applied"] * 3, what="three orders moved on")
    unknown, job_id = uuid.uuid4(), uuid.uuid4()
    bulk.submit(line.book, request(), [*ids, unknown, ids[3]], job_id)
    assert "done" == run_to_its_end(line, job_id)
    assert {"applied": 10, "refused": 2, "skipped": 1} == outcomes(line, job_id)
    with line.book.transaction(), line.book.cursor() as cursor:
        codes = {row.order_id: row.code for row in jobs.outcomes(cursor, job_id)}
    assert ("unknown_order", "promotion_already_applied") == (codes[unknown], codes[ids[1]])
    assert 13 == len(codes)


def test_a_job_stops_after_so_many_failures_and_says_which_orders_it_left(line: Line, eventually: Eventually) -> None:
    ids = placed(line, eventually, 230, 920_000)
    job_id = uuid.uuid4()
    bad = Operation(name="apply_promotion", arguments=json.dumps({"code": "NOSUCH"}))
    bulk.submit(line.book, request(operations=(bad,), mode="stop_after", stop_after=5), ids, job_id)
    assert "stopped" == run_to_its_end(line, job_id)
    found = outcomes(line, job_id)
    assert (230, True) == (sum(found.values()), found["skipped"] > 0 and found["refused"] >= 5)


def test_all_or_nothing_is_one_transaction(line: Line, eventually: Eventually) -> None:
    ids = placed(line, eventually, 20, 930_000)
    first, second = uuid.uuid4(), uuid.uuid4()
    before = totals(line)
    line.ticket(ids[7], ("apply_promotion", {"code": "TENOFF"}), reason="goodwill", ticket_id=first)
    eventually(lambda: line.state(first) == "applied", what="one order has it already")
    bulk.submit(line.book, request(mode="all_or_nothing"), ids, second)
    assert "stopped" == run_to_its_end(line, second)
    assert {order_id: total for order_id, total in before.items() if order_id != ids[7]} == {
        order_id: total for order_id, total in totals(line).items() if order_id != ids[7]
    }
    third = uuid.uuid4()
    bulk.submit(line.book, request(mode="all_or_nothing"), [one for one in ids if one != ids[7]], third)
    assert ("done", {"applied": 19}) == (run_to_its_end(line, third), outcomes(line, third))
    assert () == line.findings()


def test_all_or_nothing_is_refused_whole_where_something_waits_in_a_lane(still_line: Line, eventually: Eventually) -> None:
    """What waits is older than the job, and may change what the job would do: the order is not overtaken, and so none is edited."""
    line, failing = still_line, uuid.uuid4()

    def fail(step: str) -> None:
        if step == f"decide ticket:{failing}":
            raise ZeroDivisionError

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    ids = placed(line, eventually, 4, 935_000)
    line.ticket(ids[2], ("set_note", {"note": "not yet"}), ticket_id=failing)
    eventually(lambda: line.one("select count(*) from lane") == 1, what="a lane closed")
    before, job_id = totals(line), uuid.uuid4()
    bulk.submit(line.book, request(mode="all_or_nothing"), ids, job_id)
    assert "stopped" == run_to_its_end(line, job_id)
    with line.book.transaction(), line.book.cursor() as cursor:
        codes = {row.order_id: (row.outcome, row.code) for row in jobs.outcomes(cursor, job_id)}
    assert {order_id: ("skipped", "lane_closed" if order_id == ids[2] else "not_alone") for order_id in ids} == codes
    assert before == totals(line)


def test_a_job_that_is_resumed_goes_on_where_it_was_paused(line: Line, eventually: Eventually) -> None:
    ids = placed(line, eventually, WINDOW + 30, 945_000)
    job_id = uuid.uuid4()
    bulk.submit(line.book, request(), ids, job_id)
    with closing(bootstrap.bulk_runner(line.settings)) as runner, bootstrap.connector(line.settings, "bulk")() as connection:
        assert "running" == runner.step(connection, job_id)
    assert "paused" == bulk.steer(line.book, job_id, "pause")
    eventually(lambda: outcomes(line, job_id) == {"applied": WINDOW, "planned": 30}, 60.0, what="what was sent, decided; the rest kept")
    assert "paused" == run_to_its_end(line, job_id)
    assert "running" == bulk.steer(line.book, job_id, "resume")
    assert ("done", {"applied": WINDOW + 30}) == (run_to_its_end(line, job_id), outcomes(line, job_id))
    assert {1} == {count for (count,) in line.rows("select count(*) from ticket group by order_id")}
    assert () == line.findings()


def test_a_paused_job_sends_nothing_and_a_cancelled_one_never_will(line: Line, eventually: Eventually) -> None:
    ids = placed(line, eventually, 5, 940_000)
    job_id = uuid.uuid4()
    bulk.submit(line.book, request(), ids, job_id)
    assert "paused" == bulk.steer(line.book, job_id, "pause")
    assert ("paused", {"planned": 5}) == (run_to_its_end(line, job_id), outcomes(line, job_id))
    assert "cancelled" == bulk.steer(line.book, job_id, "cancel")
    assert {"skipped": 5} == outcomes(line, job_id)
    with pytest.raises(BulkRefused, match="is cancelled already"):
        bulk.steer(line.book, job_id, "resume")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"operations": (Operation(name="cancel_order", arguments="{}"),)}, "bulk.cancel_order"),
        ({"roles": frozenset({"Order_Modify"})}, "roles.order_bulk"),
        ({"mode": "all_at_once"}, "bulk_mode"),
        ({"mode": "all_or_nothing"}, "bulk_all_or_nothing"),
        ({"operations": (Operation(name="apply_promotion", arguments="{}"),)}, "missing"),
    ],
)
def test_what_no_order_could_take_is_refused_at_once(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(BulkRefused) as refused:
        bulk.checked(request(**changes), 501)
    assert rule == refused.value.rule


def test_the_processor_refuses_what_is_not_safe_in_bulk_whatever_was_asked_before(line: Line, eventually: Eventually) -> None:
    (order_id,) = placed(line, eventually, 1, 950_000)
    line.door = bootstrap.signer(line.settings, "door-bulk", "bulk")
    unsafe = line.ticket(order_id, ("cancel_order", {}), reason="customer_request", roles=tuple(BULK))
    no_role = line.ticket(order_id, ("apply_promotion", {"code": "TENOFF"}), reason="goodwill")
    eventually(lambda: line.state(unsafe) == "refused" and line.state(no_role) == "refused", what="both refused")
    assert ["not_bulk_safe", "role_missing"] == [line.one("select code from ticket where ticket_id = %s", one) for one in (unsafe, no_role)]
