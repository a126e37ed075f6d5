"""A topic read whole, from what it still has to its end as it is at the start: for checks and rebuilding, outside any group."""

import time
from collections.abc import Iterator

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
        if low >= end:
            return
        consumer.assign([TopicPartition(self._topic, part, OFFSET_BEGINNING)])
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = consumer.consume(1000, POLL_SECONDS)  # waits that long for a thousand, so not for long
            if found:
                deadline = time.monotonic() + WAIT_SECONDS
            elif time.monotonic() > deadline:
                raise DependencyUnavailable(f"{self._topic}[{part}] could not be read to offset {end}")
            for message in found:
                if message.error() is None:
                    yield message
                    if (message.offset() or 0) + 1 >= end:
                        return
