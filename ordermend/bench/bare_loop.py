"""The bound of intake's loop: confluent-kafka and a function, and nothing else.

Batches of 2,000, an idempotent producer, offsets committed after every record of the batch was flushed. No rebalance
handling, no failed deliveries, no health: what our loop has to be measured against.
"""

import time

from confluent_kafka import Consumer, Producer

from ordermend.bench.function import Function

BATCH = 2000


def run(bootstrap: str, source: str, out: str, messages: int, function: Function) -> float:
    """Move `messages` records from `source` to `out`; return the seconds from the first record to the last commit."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": out, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([source])
    settings = {"enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    began, done = 0.0, 0
    while done < messages:
        batch = consumer.consume(BATCH, 0.2)
        if not batch:
            continue
        began = began or time.perf_counter()
        for message in batch:
            producer.produce(out, function(message.value() or b""), key=message.key())
        producer.flush()
        consumer.commit(asynchronous=False)
        done += len(batch)
    seconds = time.perf_counter() - began
    consumer.close()
    return seconds
