"""The same document comes again and again under one message id, from eight senders, over several processors: it counts once. Under the same id
with other content it is a conflict for a person to look at, and changes nothing.

ORDERMEND_SAME says how often it comes: 1,000 times in the long form.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from ordermend import bootstrap
from ordermend.serving import Running, loops_of
from streaming.producer import BatchProducer, Record
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, order_in, shopify_order

TIMES = int(os.environ.get("ORDERMEND_SAME", "160"))
SENDERS = 8
ID = [("x-shopify-webhook-id", b"w-77")]


def test_one_message_id_is_one_message(line: Line, eventually: Eventually) -> None:
    more = [Running(loops_of("processor", line.settings, Health(), f"processor-{number}", ())) for number in (1, 2)]
    topic = f"{line.settings.topic_prefix}orders.raw.shopify.v1"
    body, other = shopify_order(9700), shopify_order(9700, lines=(("SKU-A", 9, "10.00"),))
    order_id = order_in(body).order_id

    def send(count: int) -> None:
        producer = BatchProducer(bootstrap.bootstrap_of(line.settings))
        # Without a key of its own it lands on any partition.
        producer.send(Record(topic, None, body, list(ID)) for _ in range(count))
        producer.close()

    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(send, [TIMES // SENDERS] * SENDERS))
        heard = "select (select count(*) from inbox) + (select count(*) from repeat)"
        eventually(lambda: line.one(heard) == TIMES // SENDERS * SENDERS, 120, what="every copy heard")
        assert [("accepted",)] == line.rows("select outcome from inbox")
        assert (1, 1) == (line.one("select count(*) from statement"), line.one("select version from orders"))
        assert ["OrderAccepted"] == [kind for (kind,) in line.rows("select headers->>'type' from outbox where event_seq is not null")]

        for _ in range(SENDERS):
            line.producer.send([Record(topic, None, other, list(ID))])
        conflicts = "select count(*) from dead_letter where error_class = 'IDEMPOTENCY_CONFLICT'"
        eventually(lambda: line.one(conflicts) == SENDERS, what="each of them a conflict")
    finally:
        for running in more:
            running.stop()
    assert (1, 2) == (line.one("select version from orders"), line.one("select (doc->'lines'->0->>'ordered')::int from orders"))
    assert 0 == line.one("select count(*) from lane where order_id = %s", order_id)
    assert () == line.findings()
