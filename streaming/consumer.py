"""The consumer: batches of messages from partitions that were given to us, starting exactly where we say.

Offsets are advanced by the caller, after its work is durable. `start` decides where each partition begins, and may
leave one out (halted): it is then not read, loudly, and the others go on. A stored offset outside Kafka's log halts
its partition; nothing is ever reset silently.

Source: librdkafka INTRODUCTION.md (rebalance callbacks, pausing), read 2026-11-23.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.failures import OrdermendError
from streaming.config import CLIENT_LOG, Config

Place = tuple[str, int]
Start = Callable[[Sequence[Place]], Mapping[Place, int | None]]
"""Places just assigned -> first offset to read (None: the log's start). A place left out is halted."""
Lost = Callable[[set[Place]], None]


class Watcher(Protocol):
    """What the consumer reports to; `telemetry.health.Health` is one."""

    fatal: str | None

    def join(self, state: str) -> None:
        """The group member's join state."""


class ClientFailed(OrdermendError):
    """The Kafka client failed for good; the process has to start anew."""

    code = "client_failed"
    error_class = "INFRA"


class BatchConsumer:
    """A group member that reads in batches. Not for use from several threads."""

    def __init__(
        self,
        config: Config,
        topics: Sequence[str],
        start: Start,
        lost: Lost,
        watcher: Watcher | None = None,
        client: Callable[..., Consumer] = Consumer,
    ) -> None:
        """`client` makes the Kafka client that does the reading."""
        self._watcher = watcher
        self._start = start
        self._lost = lost
        self.assigned: set[Place] = set()
        self.given: set[Place] = set()
        """What the group gave us, halted and unclaimed partitions included."""
        self.is_member = False
        """Whether the coordinator answers us as a steady member, as of the client's last statistics."""
        self.halted: dict[Place, str] = {}
        self._owed = False
        """Whether it is still to be asked where to read on in what the group gave us."""
        callbacks = {"stats_cb": self._stats} if watcher else {"statistics.interval.ms": 0}
        self._consumer = client({**config, **callbacks}, logger=CLIENT_LOG)
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, limit: int, timeout_seconds: float) -> list[Message]:
        """Return up to `limit` messages; errors are handled, never returned."""
        if self._owed:
            self.take_again()
        messages = self._consumer.consume(limit, timeout_seconds)
        return [message for message in messages if not self._is_error(message)]

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        if error.fatal():
            if self._watcher:
                self._watcher.fatal = error.str()
            raise ClientFailed(f"the Kafka client failed for good: {error.str()}")
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001 -- the client's own name for it
            self.halt((message.topic() or "", message.partition() or 0), f"the offset to read is outside Kafka's log: {error.str()}")
        return True

    def halt(self, place: Place, why: str) -> None:
        """Stop reading a partition and remember why; the others go on."""
        self.halted[place] = why
        self.assigned.discard(place)
        self._consumer.pause([TopicPartition(*place)])

    def pause(self) -> None:
        """Stop fetching everything, staying in the group; keep calling `poll`."""
        self._consumer.pause([TopicPartition(*place) for place in self.assigned])

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume([TopicPartition(*place) for place in self.assigned])

    def seek(self, positions: Mapping[Place, int]) -> None:
        """Read again from these offsets."""
        for (topic, partition), offset in positions.items():
            if (topic, partition) in self.assigned:
                self._consumer.seek(TopicPartition(topic, partition, offset))

    def commit(self, positions: Mapping[Place, int], *, wait: bool = False) -> None:
        """Tell Kafka our offsets; without `wait` the answer is not awaited (the next one says more)."""
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()]
        if not offsets:
            return
        if wait:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def committed(self, places: Iterable[Place], timeout_seconds: float = 15.0) -> dict[Place, int | None]:
        """Return the group's offsets in Kafka; None where there is none yet."""
        found = self._consumer.committed([TopicPartition(*place) for place in places], timeout=timeout_seconds)
        return {(tp.topic, tp.partition): tp.offset if tp.offset >= 0 else None for tp in found}

    def watermarks(self, place: Place, timeout_seconds: float = 15.0) -> tuple[int, int]:
        """Return the log's start and end."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=timeout_seconds)
        return low, high

    def lag(self, positions: Mapping[Place, int | None]) -> dict[Place, int]:
        """Return how far each assigned partition's log reaches beyond a position, from what the client last heard."""
        found = {}
        # A copy: a rebalance, served by the thread that polls, may take a position away while this one looks.
        known = dict(positions)
        for place in self.assigned & known.keys():
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            position = known[place]
            if high >= 0:
                found[place] = max(high - (max(low, 0) if position is None else position), 0)
        return found

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def take_again(self) -> None:
        """Take all that the group gave us as if it were given now: claimed anew, read from where `start` says."""
        self._on_assign(self._consumer, [TopicPartition(*place) for place in sorted(self.given)])

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(tp.topic, tp.partition) for tp in partitions]
        self.given = set(places)
        starts: Mapping[Place, int | None] = {}
        try:
            starts, self._owed = self._start(places), False
        except KafkaException as error:
            # The client makes a mess of what a callback raises, also while it closes. Nothing is read until the places are known.
            self._owed = True
            CLIENT_LOG.warning("where to read on is not known yet: %s", error)
        chosen = []
        for place in places:
            if place not in starts:
                continue
            offset = starts[place]
            if offset is not None and not self._inside(place, offset):
                continue
            chosen.append(TopicPartition(*place, OFFSET_BEGINNING if offset is None else offset))
        self.assigned = {(tp.topic, tp.partition) for tp in chosen}
        consumer.assign(chosen)

    def _inside(self, place: Place, offset: int) -> bool:
        try:
            low, high = self.watermarks(place)
        except KafkaException:
            return True
        if low <= offset <= high:
            return True
        self.halted[place] = f"offset {offset} is stored, Kafka's log runs from {low} to {high}"
        return False

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {(tp.topic, tp.partition) for tp in partitions}
        self.assigned -= gone
        self.given -= gone
        self._lost(gone)

    def _stats(self, text: str) -> None:
        group = json.loads(text).get("cgrp", {})
        self.is_member = (group.get("state"), group.get("join_state")) == ("up", "steady")
        if self._watcher:
            self._watcher.join(group.get("join_state", "init"))
