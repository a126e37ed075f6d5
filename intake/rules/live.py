"""The tuning in force, as the compacted topic has it now: read to its end at the first look, then at most once a second.

One instance for all loops of a process; whichever looks first reads, the others go on with what is known. A record this version cannot use
is logged and leaves what was in force.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from intake.rules import discover
from intake.rules.tuning import SHIPPED, Tuning, TuningInvalid, read_record
from schemas.failures import DependencyUnavailable
from streaming.config import CLIENT_LOG, reader_config
from telemetry.logs import logger
from telemetry.metrics import RULES_VERSION

LOOK_SECONDS: Final = 1.0
CATCH_UP_SECONDS: Final = 30.0


class LiveTuning:
    """The newest tuning. Call it for what is in force."""

    def __init__(self, bootstrap: str, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._clock = clock
        self._lock = Lock()
        self._consumer: Consumer | None = None
        self._ready = False
        self._looked = 0.0
        self._tuning = SHIPPED

    def __call__(self) -> Tuning:
        """Return the tuning in force, looking for a newer one where the last look is long enough ago."""
        if not self._ready:
            with self._lock:  # whoever comes meanwhile waits: nothing is judged before the topic was read to its end
                if not self._ready:
                    self._catch_up()
                    self._ready = True
        elif self._clock() - self._looked >= LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._read(0.0)
            finally:
                self._lock.release()
        return self._tuning

    def _catch_up(self) -> None:
        """Read the topic to its end, so that no document is judged by a tuning that is out of force."""
        consumer = Consumer(reader_config(self._bootstrap), logger=CLIENT_LOG)
        place = TopicPartition(self._topic, 0, OFFSET_BEGINNING)
        consumer.assign([place])
        self._consumer = consumer
        deadline = self._clock() + CATCH_UP_SECONDS
        end = self._end(consumer, place, deadline)
        while end > 0 and self._read(0.2) < end:
            if self._clock() > deadline:
                raise DependencyUnavailable(f"{self._topic} could not be read to its end in {CATCH_UP_SECONDS:g} s")

    def _end(self, consumer: Consumer, place: TopicPartition, deadline: float) -> int:
        """Return where the topic ends now; a topic that was just made has no leader yet."""
        while True:
            try:
                _, end = consumer.get_watermark_offsets(place, timeout=max(deadline - self._clock(), 0.1))
            except KafkaException as error:
                if self._clock() > deadline:
                    raise DependencyUnavailable(f"{self._topic} could not be read: {error.args[0]}") from None
                time.sleep(0.1)
            else:
                return int(end)

    def _read(self, timeout_seconds: float) -> int:
        """Take over what has arrived; return the offset to read next."""
        assert self._consumer is not None
        self._looked = self._clock()
        for message in self._consumer.consume(100, timeout_seconds):
            if message.error() is not None or message.value() is None:
                continue
            try:
                found = read_record(message.value() or b"", discover())
            except TuningInvalid as error:
                logger("rules").error("tuning_unusable", error=error.message, offset=message.offset())
                continue
            self._tuning = found
            RULES_VERSION.set(found.version)
            logger("rules").info("tuning_in_force", version=found.version)
        (position,) = self._consumer.position([TopicPartition(self._topic, 0)])
        return int(position.offset)
