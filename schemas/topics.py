"""Every topic, once: name, key, partitions, retention, size.

All topics take the broker's append time (`LogAppendTime`): assertions are judged by it. Topics that carry
personal data keep at most 30 days. A dead-letter topic is `<source>.dlt`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

DAY_MS = 86_400_000
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_VALUE_BYTES = MAX_MESSAGE_BYTES - 65_536
"""What a record's key and value may have: the rest is for headers and what Kafka puts around a batch."""
MAX_HEADER_BYTES = 8192
"""What all headers of a record of ours may have together, in UTF-8."""
PARTITIONS = 4
"""The same for every topic the processor reads, so that one order's messages meet in one process."""


@dataclass(frozen=True)
class Topic:
    """A topic as it has to be. `key` says what the record key is."""

    name: str
    key: str
    retention_ms: int
    partitions: int = PARTITIONS
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Return the broker-side settings we require."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }


CANONICAL = Topic("orders.canonical.v1", "order id", 30 * DAY_MS)
MODIFICATIONS = Topic("orders.modifications.v1", "order id", 30 * DAY_MS)
FULFILLMENT = Topic("orders.fulfillment.v1", "order id", 30 * DAY_MS)
EVENTS = Topic("orders.events.v1", "order id", 365 * DAY_MS)
RULES = Topic("rules.intake.v1", "kind of rules", -1, partitions=1, compacted=True)
"""The tuning of intake's rules: the newest record is in force."""
SOURCES = (CANONICAL, MODIFICATIONS, FULFILLMENT)
"""What the modification processor reads."""


def within(headers: Mapping[str, str], limit: int) -> dict[str, str]:
    """Return the headers that have room in `limit` bytes, in their order; one that has none leaves it to those behind it."""
    found, size = {}, 0
    for name, text in headers.items():
        more = len(name.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
        if size + more <= limit:
            found[name] = text
            size += more
    return found


def raw_topic(channel: str) -> Topic:
    """Return the topic on which `channel`'s documents arrive, as they come."""
    return Topic(f"orders.raw.{channel}.v1", "the channel's order id, or none", 30 * DAY_MS)


def dead_letter_topic(source: Topic) -> Topic:
    """Return the topic that gets a copy of each of `source`'s dead letters."""
    return Topic(f"{source.name}.dlt", source.key, 30 * DAY_MS)


def prefixed(topic: Topic, prefix: str) -> Topic:
    """Return the topic under a name of its own: tests and benchmarks never share topics."""
    return topic if not prefix else Topic(prefix + topic.name, topic.key, topic.retention_ms, topic.partitions, topic.compacted)
