"""A topic read whole, or on from where it was read to: to its end as it is at the start, for checks and rebuilding, outside any group."""

import time
from collections.abc import Iterator
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from schemas.failures import DependencyUnavailable
from streaming.config import CLIENT_LOG, reader_config

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.2
FETCH_WAIT_MS = 10


class Reader:
    """Reads one topic."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Nothing is read before `messages` is asked for."""
        self._bootstrap = bootstrap
        self._topic = topic

    def whole(self) -> bool:
        """Whether the topic still has the first record of every partition."""
        consumer = Consumer(reader_config(self._bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        try:
            return all(self._marks(consumer, part)[0] == 0 for part in self._parts(consumer))
        finally:
            consumer.close()

    def messages(self) -> Iterator[Message]:
        """Yield every message, partition by partition. Raises `DependencyUnavailable` where the broker stops answering."""
        consumer = Consumer(reader_config(self._bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        try:
            for part in self._parts(consumer):
                yield from self._part(consumer, part)
        finally:
            consumer.close()

    def _parts(self, consumer: Consumer) -> list[int]:
        return sorted(consumer.list_topics(self._topic, timeout=WAIT_SECONDS).topics[self._topic].partitions)

    def _marks(self, consumer: Consumer, part: int) -> tuple[int, int]:
        low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, part), timeout=WAIT_SECONDS)
        return int(low), int(high)

    def _part(self, consumer: Consumer, part: int) -> Iterator[Message]:
        low, end = self._marks(consumer, part)
        if low < end:
            yield from _until(consumer, TopicPartition(self._topic, part, OFFSET_BEGINNING), end)


class Follower:
    """Reads one topic on from where it was read to; says nothing to any group."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Begins at the topic's beginning, unless `since` is called."""
        self._consumer = Consumer(reader_config(bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        self._topic = topic
        self._next: dict[int, int] = {}

    def since(self, at: datetime) -> None:
        """Go to the first record of every partition that was appended at that time or later."""
        parts = self._consumer.list_topics(self._topic, timeout=WAIT_SECONDS).topics[self._topic].partitions
        wanted = [TopicPartition(self._topic, part, int(at.timestamp() * 1000)) for part in parts]
        for found in self._consumer.offsets_for_times(wanted, timeout=WAIT_SECONDS):
            end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, found.partition), timeout=WAIT_SECONDS)[1]
            self._next[found.partition] = found.offset if found.offset >= 0 else end

    def messages(self) -> Iterator[Message]:
        """Yield what came since the last time, to the end as it is now. Raises `DependencyUnavailable`."""
        for part in sorted(self._consumer.list_topics(self._topic, timeout=WAIT_SECONDS).topics[self._topic].partitions):
            low, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, part), timeout=WAIT_SECONDS)
            begin = max(self._next.get(part, low), low)
            if begin < end:
                yield from _until(self._consumer, TopicPartition(self._topic, part, begin), end)
            self._next[part] = end

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


def _until(consumer: Consumer, begin: TopicPartition, end: int) -> Iterator[Message]:
    """Yield the records from a place up to an offset."""
    consumer.assign([begin])
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = consumer.consume(1000, POLL_SECONDS)  # waits that long for a thousand, so not for long
        if found:
            deadline = time.monotonic() + WAIT_SECONDS
        elif time.monotonic() > deadline:
            raise DependencyUnavailable(f"{begin.topic}[{begin.partition}] could not be read to offset {end}")
        for message in found:
            if message.error() is None:
                yield message
                if (message.offset() or 0) + 1 >= end:
                    return
