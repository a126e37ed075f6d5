"""Intake as a process: a consumer for each discovered channel, whole batches, confirmed before the offset moves.

The loop overlaps work with delivery: while a batch is on its way to Kafka the next one is normalised. A batch's
source offset is committed only after Kafka has confirmed every record made from it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from confluent_kafka import KafkaException, Message

from intake.accept import Accepted, RawRecord, accept, headers_of, signed
from intake.rules import discover as rules
from intake.rules.tuning import SHIPPED, Tuning
from normalizers.channel import Channel
from schemas.assertion import Signer
from streaming.config import consumer_config
from streaming.consumer import BatchConsumer, Place
from streaming.producer import BatchProducer, DeliveryFailed, Record
from telemetry import failpoints
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INFRA_FAULTS, INTAKE_RECORDS, RULE_FINDINGS

BATCH = 2000
IDLE_SECONDS = 0.1
Transform = Callable[[Sequence[Message]], Sequence[Record]]


class IntakeLoop:
    """Kafka in, a function over a batch, Kafka out. The function must not raise for what a sender can do wrong."""

    def __init__(
        self, bootstrap: str, group: str, topic: str, transform: Transform, health: Health | None = None, instance: str | None = None
    ) -> None:
        self._topic = topic
        self._transform = transform
        self._health = health
        self._log = logger("intake")
        self._producer = BatchProducer(bootstrap)
        self._consumer = BatchConsumer(consumer_config(bootstrap, group, instance), [topic], self._start, self._lost, health)
        self._pending: dict[Place, int] = {}

    def _start(self, places: Sequence[Place]) -> Mapping[Place, int | None]:
        """Go on where the group's confirmed offset is; at the log's start the first time."""
        return self._consumer.committed(places)

    def _lost(self, places: set[Place]) -> None:
        for place in places:
            self._pending.pop(place, None)

    def run(self, stop: Event) -> None:
        """Handle batches until told to stop; finish what is under way."""
        if self._health:
            self._health.started = True
        try:
            while not stop.is_set():
                self.step(stop)
            self.settle(stop)
        finally:
            self._consumer.close()
            self._producer.close()

    def step(self, stop: Event) -> int:
        """Poll a batch, transform and send it; confirm the batch before. Returns how many messages were polled."""
        if self._health:
            self._health.tick()
        messages = self._consumer.poll(BATCH, IDLE_SECONDS)
        records = self._transform(messages)
        if messages:
            failpoints.hit("intake.read")
        if not self.settle(stop):
            # The batch before is read again, and this one after it: sending it now would let its offset overtake.
            return 0
        for record in records:
            self._producer.enqueue(record)
        if messages:
            failpoints.hit("intake.enqueued")
        for message in messages:
            self._pending[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        if not messages:
            self.settle(stop)
        return len(messages)

    def settle(self, stop: Event) -> bool:
        """Wait until what was sent is confirmed, then advance the offsets; False: it failed and is read again."""
        if not self._pending:
            return True
        try:
            self._producer.confirm()
        except DeliveryFailed as error:
            self._again(error, stop)
            return False
        failpoints.hit("intake.delivered")
        try:
            self._consumer.commit(self._pending)
        except KafkaException as error:
            # The next commit covers this one; a crash before it only means doing the batch again.
            self._log.warning("commit_waits", error=str(error))
        self._pending = {}
        failpoints.hit("intake.committed")
        return True

    def _again(self, error: DeliveryFailed, stop: Event) -> None:
        """Kafka did not confirm: wait, and read everything since the last confirmed offset again."""
        INFRA_FAULTS.labels("kafka").inc()
        self._log.warning("delivery_failed", error=error.message)
        behind, self._pending = set(self._pending), {}
        while not stop.wait(1.0):
            if self._health:
                self._health.tick()
            try:
                known = self._consumer.committed(behind)
                self._consumer.seek(
                    {place: offset if offset is not None else self._consumer.watermarks(place)[0] for place, offset in known.items()}
                )
            except KafkaException as fault:
                self._log.warning("kafka_waits", error=str(fault))
            else:
                return


def headers_in(message: Message) -> dict[str, str]:
    """Return a record's headers, lower case, as text."""
    found = {}
    for header in message.headers() or ():
        name, value = header[0], header[1]
        found[name.lower()] = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return found


def channel_transform(channel: Channel, canonical_topic: str, signer: Signer, tuning: Callable[[], Tuning] = lambda: SHIPPED) -> Transform:
    """Return the function of a channel's loop: `accept` around Kafka's message, by the tuning in force."""
    active = rules()

    def transform(messages: Sequence[Message]) -> Sequence[Record]:
        now = tuning()
        accepted = signed([item for message in messages for item in accept(_record_of(message), channel, active, now)], signer)
        _count(channel.name, accepted)
        return [Record(canonical_topic, item.key, item.value, headers_of(item)) for item in accepted]

    return transform


def _record_of(message: Message) -> RawRecord:
    place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
    return RawRecord(*place, message.key(), message.value() or b"", headers_in(message))


def _count(channel: str, accepted: Sequence[Accepted]) -> None:
    """Count a batch, each kind at once."""
    for verdict, times in Counter(item.verdict for item in accepted).items():
        INTAKE_RECORDS.labels(channel, verdict).inc(times)
    for (rule, mode), times in Counter(spoke for item in accepted for spoke in item.spoke).items():
        RULE_FINDINGS.labels(rule, mode, channel).inc(times)
