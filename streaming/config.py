"""The client settings we rely on, each against a default that loses or reorders messages.

Source: librdkafka CONFIGURATION.md 2.12-2.16 (defaults in brackets), read 2026-11-23.
"""

import logging
from typing import Any

from schemas.topics import MAX_MESSAGE_BYTES

Config = dict[str, Any]


def consumer_config(bootstrap: str, group: str, instance: str | None = None, *, reset: str = "error") -> Config:
    """Return settings for a consumer whose offsets are advanced by us alone.

    `reset` is `error` [largest]: an offset outside the log is an incident, not a jump. Auto commit and auto
    store are off [true]. CRCs are checked [false]. Classic protocol, range assignor: equal subscriptions give
    one process all partitions of an order.
    """
    config: Config = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": reset,
        "check.crcs": True,
        "group.protocol": "classic",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 10_000,
        "max.poll.interval.ms": 300_000,
        "fetch.wait.max.ms": 50,
        "fetch.max.bytes": 4 * MAX_MESSAGE_BYTES,
        "max.partition.fetch.bytes": MAX_MESSAGE_BYTES + 65_536,
        "queued.max.messages.kbytes": 65_536,
        "fetch.message.max.bytes": MAX_MESSAGE_BYTES + 65_536,
        "statistics.interval.ms": 5_000,
    }
    if instance:
        config["group.instance.id"] = instance
    return config


def reader_config(bootstrap: str, *, wait_ms: int = 500) -> Config:
    """Return settings for reading a topic whole, outside any group: nothing is committed, nothing rebalances.

    The broker keeps a request that finds nothing for `wait_ms`, and whatever is asked next on the connection waits behind it: long
    for who follows an idle topic, short for who goes from partition to partition.
    """
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "none",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "check.crcs": True,
        "fetch.wait.max.ms": wait_ms,
    }


def producer_config(bootstrap: str) -> Config:
    """Return settings for a producer that neither loses, doubles nor reorders.

    Idempotence [false] with acks=all; murmur2 [consistent_random] so that every client, Java's too, sends one
    key to one partition; two minutes to deliver [5 min] before we are told it failed.
    """
    return {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.timeout.ms": 120_000,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 200_000,
    }


CLIENT_LOG = logging.getLogger("ordermend.kafka_client")
CLIENT_LOG.addHandler(logging.NullHandler())  # silent where nobody set up logging: a command's output is the command's
"""Where the client's own log lines go, instead of straight to standard error."""
