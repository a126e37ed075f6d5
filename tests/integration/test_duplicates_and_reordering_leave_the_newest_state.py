"""Documents come five times, out of order, over several partitions and workers: one order a channel key, and the newest state wins.

Every order is stated in several versions; all copies are shuffled. In the end each order is there once, holds its newest version, and every
message has exactly one outcome: accepted once, restated, stale or a duplicate. ORDERMEND_DUPLICATES says how many messages (10,000 in the long
form, on eight workers).
"""

import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from ordermend import bootstrap
from ordermend.serving import Running, loops_of
from streaming.producer import BatchProducer, Record
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import CHANNELS, Line, order_in, shopify_order

MESSAGES = int(os.environ.get("ORDERMEND_DUPLICATES", "600"))
WORKERS = 8 if MESSAGES >= 10_000 else 2
COPIES, VERSIONS = 5, 4
ORDERS = MESSAGES // (COPIES * VERSIONS)


def stated(number: int, version: int) -> bytes:
    return shopify_order(number, updated=f"2026-11-{version + 1:02}T10:00:00Z", note=f"version {version}")


@pytest.mark.timeout(1500)
def test_duplicates_and_reordering_leave_the_newest_state(line: Line, eventually: Eventually) -> None:
    more = [Running(loops_of("processor", line.settings, Health(), f"processor-{n}", ())) for n in range(1, WORKERS)]
    more += [Running(loops_of("intake", line.settings, Health(), f"intake-{n}", CHANNELS)) for n in range(1, 3)]
    documents = [stated(60_000 + number, version) for number in range(ORDERS) for version in range(VERSIONS) for _ in range(COPIES)]
    random.Random(20261124).shuffle(documents)
    try:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda part: send(line, part), [documents[n::WORKERS] for n in range(WORKERS)]))
        # What intake sends twice, because its partitions moved, is a repeat of the same message and no message more.
        heard = "select count(*) from inbox where message = 'OrderStated' and outcome <> 'waiting'"
        eventually(lambda: line.one(heard) == len(documents), 600.0 if WORKERS > 2 else 90.0, what="every message heard")
    finally:
        for running in more:
            running.stop()
    for running in more:
        assert running.failure is None
    wanted = {str(order_in(stated(60_000 + number, 0)).order_id) for number in range(ORDERS)}
    assert {str(row[0]) for row in line.rows("select order_id from orders")} == wanted
    notes = line.rows("select distinct doc->>'note' from orders")
    assert notes == [(f"version {VERSIONS - 1}",)], "the newest state of each"
    words = dict(line.rows("select outcome, count(*)::int from inbox where message = 'OrderStated' group by outcome"))
    assert set(words) <= {"accepted", "restated", "stale", "duplicate"}
    assert words["accepted"] == ORDERS
    assert sum(words.values()) == len(documents)
    assert line.one("select count(*) from work_item") == 0
    assert line.findings() == ()


def send(line: Line, documents: list[bytes]) -> None:
    producer = BatchProducer(bootstrap.bootstrap_of(line.settings))
    topic = f"{line.settings.topic_prefix}orders.raw.shopify.v1"
    producer.send([Record(topic, None, body) for body in documents])
    producer.close()
