"""A topic read whole, or on from where it was read to: to its end as it is at the start, for checks and rebuilding, outside any group."""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

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
        """Whether the topic still has the first record of every partition. Raises `DependencyUnavailable`."""
        consumer = Consumer(reader_config(self._bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        try:
            return all(_marks(consumer, self._topic, part)[0] == 0 for part in _parts(consumer, self._topic))
        finally:
            consumer.close()

    def messages(self) -> Iterator[Message]:
        """Yield every message, partition by partition. Raises `DependencyUnavailable` where the broker stops answering."""
        consumer = Consumer(reader_config(self._bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        try:
            for part in _parts(consumer, self._topic):
                low, end = _marks(consumer, self._topic, part)
                if low < end:
                    yield from _until(consumer, TopicPartition(self._topic, part, OFFSET_BEGINNING), end)
        finally:
            consumer.close()


class Follower:
    """Reads one topic on from where it was read to; says nothing to any group."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Begins at the topic's beginning, unless `since` is called."""
        self._consumer = Consumer(reader_config(bootstrap, wait_ms=FETCH_WAIT_MS), logger=CLIENT_LOG)
        self._topic = topic
        self._next: dict[int, int] = {}

    def since(self, at: datetime) -> None:
        """Go to the first record of every partition that was appended at that time or later. Raises `DependencyUnavailable`."""
        parts = _parts(self._consumer, self._topic)
        wanted = [TopicPartition(self._topic, part, int(at.timestamp() * 1000)) for part in parts]
        with _asking(self._topic):
            places = self._consumer.offsets_for_times(wanted, timeout=WAIT_SECONDS)
        for found in places:
            end = _marks(self._consumer, self._topic, found.partition)[1]
            self._next[found.partition] = found.offset if found.offset >= 0 else end

    def messages(self) -> Iterator[Message]:
        """Yield what came since the last time, to the end as it is now. Raises `DependencyUnavailable`."""
        for part in _parts(self._consumer, self._topic):
            low, end = _marks(self._consumer, self._topic, part)
            begin = max(self._next.get(part, low), low)
            if begin < end:
                yield from _until(self._consumer, TopicPartition(self._topic, part, begin), end)
            self._next[part] = end

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


@contextlib.contextmanager
def _asking(topic: str) -> Iterator[None]:
    """What Kafka cannot answer now it may answer soon (a partition between two leaders, a broker that starts): the caller waits and asks again."""
    try:
        yield
    except KafkaException as error:
        raise DependencyUnavailable(f"Kafka does not answer for {topic}: {error.args[0].name()}", field="kafka") from None


def _parts(consumer: Consumer, topic: str) -> list[int]:
    with _asking(topic):
        return sorted(consumer.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions)


def _marks(consumer: Consumer, topic: str, part: int) -> tuple[int, int]:
    with _asking(topic):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=WAIT_SECONDS)
    return int(low), int(high)


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
