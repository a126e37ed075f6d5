"""The processor as a process: gathers batches from Kafka and hands them to `Processor.handle`.

Two consumers make one: tickets and facts are polled first, what channels state fills the rest of the batch, so a
backlog of orders never delays an edit (`reader.py`, which also reads the next batch while this one is handled). Partitions start at the offset stored in PostgreSQL. An infrastructure
fault pauses fetching, keeps the group membership and tries the same batch again, for as long as it takes.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Lock

import psycopg
from confluent_kafka import Consumer, KafkaException, Message

from modification_processor.fence import Fenced
from modification_processor.incoming import Incoming, Read, read, unread
from modification_processor.loaded import load_what_edits_need
from modification_processor.outcomes import Failed
from modification_processor.reader import IDLE_SECONDS, Batch, Reader, express_first
from modification_processor.service import Processor, Redo
from modification_processor.settle import Topics
from modification_processor.trial import DEATHS, PROBE, Trial, Tried
from modification_processor.unwritable import Unstorable
from schemas.assertion import HEADER, KeyRing
from schemas.failures import PartitionHalted
from schemas.topics import CANONICAL, FULFILLMENT, MODIFICATIONS
from store import partitions
from store.database import Connection
from store.partitions import Advance
from streaming.admin import topic_ids
from streaming.config import consumer_config
from streaming.consumer import BatchConsumer, Place
from telemetry import failpoints
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import (
    BATCH_MESSAGES,
    BATCH_SECONDS,
    FENCE_REJECTS,
    INFRA_FAULTS,
    LAG_RECORDS,
    PARTITIONS_HALTED,
    PROCESSOR_MESSAGES,
)

LAG_SECONDS = 5.0
RECLAIM_SECONDS = 15.0
"""Longer than a group waits for a member: one that was replaced has heard of it by then, and claims nothing back."""
BATCH_BYTES = 8 * 1024 * 1024
BACKOFF_SECONDS = (0.05, 30.0)


@dataclass(frozen=True)
class AppConfig:
    """Where to read and who we are."""

    bootstrap: str
    group: str
    instance: str
    topics: Topics


@dataclass(frozen=True)
class Kafka:
    """How Kafka is reached: what makes a group member's client, and what tells the topics' ids."""

    client: Callable[..., Consumer] = Consumer
    topic_ids: Callable[[str, Iterable[str]], Mapping[str, str]] = topic_ids


KAFKA = Kafka()


class ProcessorApp:
    """Runs until `stop` is set. `connect` opens a connection for claims; the processor has its own."""

    def __init__(
        self,
        config: AppConfig,
        processor: Processor,
        keys: KeyRing,
        connect: Callable[[], Connection],
        health: Health,
        trial: Trial[Tried],
        kafka: Kafka = KAFKA,
    ) -> None:
        self._config = config
        self._kafka = kafka
        self._processor = processor
        self._keys = keys
        self._connect = connect
        self._health = health
        self._log = logger("processor")
        self._trial = trial
        self._careful: dict[Place, int] = {}
        """Partitions over which we died again and again -> up to which offset each message is tried in a child first."""
        self._epochs: dict[Place, int] = {}
        self._next: dict[Place, int | None] = {}
        self._untold: dict[Place, int] = {}
        """What is stored and Kafka does not know yet: the polling thread tells it."""
        self._telling = Lock()
        self._halted: set[Place] = set()
        """Partitions of a topic that was made anew."""
        self._unclaimed_since: dict[str, float] = {}
        self._measured_at = 0.0
        topics = config.topics
        self._logical = {topics.canonical: CANONICAL.name, topics.modifications: MODIFICATIONS.name, topics.fulfillment: FULFILLMENT.name}
        self._rank = {topics.canonical: 0, topics.fulfillment: 1, topics.modifications: 2}
        self._topic_ids = kafka.topic_ids(config.bootstrap, self._logical)
        self._express = self._consumer("express", (topics.modifications, topics.fulfillment))
        self._channel = self._consumer("channel", (topics.canonical,))
        self._reader = Reader(self._express, self._channel, self._read, lambda: self._epochs, self._round)

    def _consumer(self, name: str, topics: Sequence[str]) -> BatchConsumer:
        config = consumer_config(self._config.bootstrap, f"{self._config.group}.{name}", f"{self._config.instance}.{name}")
        return BatchConsumer(config, topics, self._claim, self._hand_back, self._health, self._kafka.client)

    def run(self, stop: Event) -> None:
        """Read ahead, handle; until told to stop. Leaves in good order."""
        load_what_edits_need()
        self._health.started = True
        self._reader.start()
        try:
            while not stop.is_set():
                batch = self._reader.next(IDLE_SECONDS)
                if batch is not None:
                    self._work(batch, stop)
                self._say_assignment()
        finally:
            self._leave()

    def _round(self) -> None:
        """The polling thread went round: say so, tell Kafka what is done, and claim again what it gives us and the book does not hold as ours.

        That is so after a claim for which the database was away, and after a fence that somebody else has left behind. No
        rebalance would come by itself and end it.
        """
        self._health.tick()
        # Only who polls may ask the client for anything: it keeps another thread waiting for as long as it is being polled.
        self._tell()
        self._measure()
        for name, consumer in (("express", self._express), ("channel", self._channel)):
            unclaimed = sorted(place for place in consumer.given if place not in self._epochs and place not in self._halted)
            self._health.ready(f"{name} claims", f"{_named(unclaimed)} not claimed" if unclaimed else None)
            if not unclaimed:
                self._unclaimed_since.pop(name, None)
            elif time.monotonic() - self._unclaimed_since.setdefault(name, time.monotonic()) > RECLAIM_SECONDS and consumer.is_member:
                self._log.warning("claims_again", partitions=_named(unclaimed))
                del self._unclaimed_since[name]
                consumer.take_again()

    def _work(self, batch: Batch, stop: Event) -> None:
        self._health.handling(begins=True)
        reads = sorted((r for r in batch.reads if self._is_next(r, batch.epochs)), key=lambda r: self._rank[r.incoming.topic])
        alone = any((r.incoming.topic, r.incoming.part) in self._careful for r in reads)
        parts = [part for some in express_first(reads, self._config.topics.canonical) for part in _by_size(some)]
        for part in [[r] for r in reads] if alone else parts:
            began = time.perf_counter()
            self._handle(part, batch.epochs, stop)
            self._reader.took(len(part), time.perf_counter() - began)
        self._health.handling(begins=False)
        BATCH_SECONDS.observe(time.perf_counter() - batch.polled_at)
        BATCH_MESSAGES.observe(len(reads))

    def _is_next(self, r: Read, epochs: Mapping[Place, int]) -> bool:
        """Whether the partition is still ours, in the epoch the message was polled in, and the message not yet handled."""
        place = (r.incoming.topic, r.incoming.part)
        expected = self._next.get(place)
        mine = self._epochs.get(place)
        return mine is not None and mine == epochs.get(place) and (expected is None or r.incoming.off >= expected)

    def _read(self, message: Message) -> Read:
        topic, (_, stamp) = message.topic() or "", message.timestamp()
        actor = next((header[1] for header in message.headers() or () if header[0] == HEADER), None)
        incoming = Incoming(
            topic=topic,
            part=message.partition() or 0,
            off=message.offset() or 0,
            key=message.key(),
            value=message.value() or b"",
            actor=actor.encode() if isinstance(actor, str) else actor,
            appended_at=datetime.fromtimestamp(stamp / 1000, UTC),
        )
        poison = self._poison(incoming)
        return read(incoming, self._logical[topic], self._keys) if poison is None else unread(incoming, poison, self._keys)

    def _poison(self, incoming: Incoming) -> Failed | None:
        """Try a message in a child first, where this partition has cost lives; return why it is poison."""
        until = self._careful.get((incoming.topic, incoming.part))
        if until is None:
            return None
        self._health.tick()
        if incoming.off >= until:
            del self._careful[incoming.topic, incoming.part]
            return None
        poison = self._trial.poison(incoming)
        if poison is not None:
            self._log.error("poison_crash", partition=f"{incoming.topic}[{incoming.part}]", offset=incoming.off, why=poison.detail)
        return poison

    def _handle(self, batch: list[Read], epochs: Mapping[Place, int], stop: Event) -> None:
        """Handle a batch, however long the database takes; a fenced partition is dropped, the rest goes on."""
        faults = 0
        batch = [r for r in batch if self._is_next(r, epochs)]
        while batch and not stop.is_set():
            advances = self._advances(batch, epochs)
            try:
                handled = self._processor.handle(batch, advances)
            except Fenced as fenced:
                self._refused(fenced, epochs)
                batch = [r for r in batch if self._is_next(r, epochs)]
            except Unstorable as error:
                self._halt(error)
                batch = [r for r in batch if self._is_next(r, epochs)]
            except (psycopg.Error, Redo, OSError) as error:
                faults += 1
                self._wait_out(error, faults, stop)
                batch = [r for r in batch if self._is_next(r, epochs)]
            else:
                self._advance(advances)
                self._health.ready("database")
                for message, word in handled.words:
                    PROCESSOR_MESSAGES.labels(message, word).inc()
                break

    def _refused(self, fenced: Fenced, epochs: Mapping[Place, int]) -> None:
        """Go on behind what a commit of our own did after all; let go of what is somebody else's."""
        ahead = {place: offset for place, offset in fenced.ahead.items() if self._epochs.get(place) == epochs.get(place)}
        if ahead:
            self._log.warning("commit_found", partitions=_named(ahead))
            self._next |= ahead
        if fenced.lost:
            FENCE_REJECTS.inc()
            self._log.warning("fenced", partitions=_named(fenced.lost))
            # Taken again since then, it is ours under another epoch, and this batch is merely late.
            self._forget({place for place in fenced.lost if self._epochs.get(place) == epochs.get(place)})

    def _halt(self, error: Unstorable) -> None:
        """Read a partition no more until somebody has acted and this process is started again; the others go on."""
        topic, part = error.place
        self._log.error("partition_halted", partition=f"{topic}[{part}]", why=error.message)
        self._health.ready(f"{topic}[{part}]", error.message)
        self._halted.add(error.place)
        self._forget({error.place})

    def _advances(self, batch: Sequence[Read], epochs: Mapping[Place, int]) -> list[Advance]:
        newest: dict[Place, int] = {}
        for r in batch:
            place = (r.incoming.topic, r.incoming.part)
            newest[place] = max(newest.get(place, 0), r.incoming.off + 1)
        return [Advance(t, p, epochs[t, p], self._next.get((t, p)), offset) for (t, p), offset in sorted(newest.items())]

    def _advance(self, advances: Sequence[Advance]) -> None:
        done = {(a.topic, a.partition): a.new for a in advances}
        self._next |= done
        with self._telling:
            self._untold |= done

    def _tell(self) -> None:
        """Tell Kafka the offsets that are stored: for lag tools only."""
        with self._telling:
            untold, self._untold = self._untold, {}
        for consumer in (self._express, self._channel):
            mine = {place: offset for place, offset in untold.items() if place in consumer.assigned}
            try:
                consumer.commit(mine)
            except KafkaException as error:
                self._log.debug("kafka_commit_failed", error=str(error))

    def _wait_out(self, error: Exception, faults: int, stop: Event) -> None:
        """Wait with full jitter before the next try; the reader keeps the group membership meanwhile."""
        INFRA_FAULTS.labels("postgresql").inc()
        self._health.ready("database", type(error).__name__)
        self._log.warning("infrastructure_fault", error=type(error).__name__, faults=faults)
        low, high = BACKOFF_SECONDS
        until = time.monotonic() + random.uniform(0, min(high, low * 2**faults))  # noqa: S311 -- jitter, no secret
        while time.monotonic() < until and not stop.is_set():
            self._health.handling(begins=True)
            stop.wait(0.05)

    def _claim(self, places: Sequence[Place]) -> Mapping[Place, int | None]:
        """Take partitions over in the database: a new epoch each, and where to go on."""
        found: dict[Place, int | None] = {}
        failpoints.hit("assign.claiming")
        for place in places:
            claim = self._claim_one(place)
            if claim is not None:
                self._epochs[place], self._next[place] = claim.epoch, claim.next_offset
                found[place] = claim.next_offset
                if claim.starts >= DEATHS:
                    self._careful[place] = (claim.next_offset or 0) + PROBE
                    self._log.warning("careful", partition=f"{place[0]}[{place[1]}]", starts=claim.starts)
        failpoints.hit("assign.claimed")
        self._log.info("assigned", partitions=_named(found))
        return found

    def _claim_one(self, place: Place) -> partitions.Claim | None:
        topic, part = place
        for attempt in range(60):
            self._health.tick()
            try:
                with self._connect() as connection, connection.cursor() as cursor:
                    return partitions.claim(cursor, self._config.group, self._config.instance, [(topic, part, self._topic_ids[topic])])[
                        place
                    ]
            except PartitionHalted as halted:
                self._halted.add(place)
                self._log.error("partition_halted", partition=f"{topic}[{part}]", why=halted.message)
                self._health.ready(f"{topic}[{part}]", halted.message)
                return None
            except psycopg.Error as error:
                self._log.warning("claim_waits", error=type(error).__name__, attempt=attempt)
                time.sleep(min(2.0, 0.05 * 2**attempt))
        return None

    def _hand_back(self, places: set[Place]) -> None:
        """Let go of what the group takes away, and say so in the book: a rebalance is no crash of ours."""
        self._release({place: epoch for place in places if (epoch := self._epochs.get(place)) is not None})
        self._halted -= places
        self._forget(places)

    def _forget(self, places: set[Place]) -> None:
        for place in places:
            self._epochs.pop(place, None)
            self._next.pop(place, None)

    def _release(self, held: Mapping[Place, int]) -> None:
        try:
            with self._connect() as connection, connection.cursor() as cursor:
                partitions.release(cursor, self._config.group, [(topic, part, epoch) for (topic, part), epoch in held.items()])
        except psycopg.Error as error:
            self._log.warning("release_failed", error=type(error).__name__)

    def _say_assignment(self) -> None:
        halted = {**self._express.halted, **self._channel.halted}
        PARTITIONS_HALTED.set(len(halted.keys() | self._halted))
        for (topic, part), why in halted.items():
            self._health.ready(f"{topic}[{part}]", why)
        self._health.ready("assignment", None if self._epochs else "no partition is assigned")

    def _measure(self) -> None:
        if time.monotonic() - self._measured_at > LAG_SECONDS:
            self._measured_at = time.monotonic()
            for (topic, part), lag in (self._express.lag(self._next) | self._channel.lag(self._next)).items():
                LAG_RECORDS.labels(topic, str(part)).set(lag)

    def _leave(self) -> None:
        self._reader.stop()
        self._tell()
        self._release(dict(self._epochs))
        self._express.close()
        self._channel.close()
        self._processor.close()
        self._trial.close()


def _named(places: Iterable[Place]) -> list[str]:
    return sorted(f"{topic}[{part}]" for topic, part in places)


def _by_size(batch: list[Read]) -> list[list[Read]]:
    """Cut a batch at 8 MiB, so that one transaction never holds more."""
    parts: list[list[Read]] = [[]]
    size = 0
    for r in batch:
        if size + len(r.incoming.value) > BATCH_BYTES and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(r)
        size += len(r.incoming.value)
    return [part for part in parts if part]
