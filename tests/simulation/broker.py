"""Kafka in memory: logs with offsets, groups that give partitions to their members, and clients that may be late to hear of it.

A member learns of a rebalance when it polls, as with librdkafka. One that is frozen past its session's end, or cut off from the
coordinator, keeps what it had and goes on with it: a zombie. Records are never lost and never move; that a message comes again
is the reader's doing, by where it starts.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, Message, TopicPartition

from streaming.consumer import Place
from streaming.producer import DeliveryFailed, Record
from tests.simulation.scheduler import Process, Scheduler, Task

SESSION_SECONDS = 10.0
Callback = Callable[[Consumer, list[TopicPartition]], None]


class Entry(NamedTuple):
    """A record as it lies in a log."""

    topic: str
    part: int
    off: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, Any], ...]
    at: datetime


class Heard:
    """A record as a client gives it out."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def topic(self) -> str:
        return self.entry.topic

    def partition(self) -> int:
        return self.entry.part

    def offset(self) -> int:
        return self.entry.off

    def key(self) -> bytes | None:
        return self.entry.key

    def value(self) -> bytes:
        return self.entry.value

    def headers(self) -> list[tuple[str, Any]]:
        return list(self.entry.headers)

    def timestamp(self) -> tuple[int, int]:
        return 2, int(self.entry.at.timestamp() * 1000)

    def error(self) -> None:
        return None


class Broker:
    """The logs and the groups."""

    def __init__(self, scheduler: Scheduler, dice: random.Random, parts: int) -> None:
        self.scheduler = scheduler
        self.dice = dice
        self.parts = parts
        self.logs: dict[Place, list[Entry]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self.clients: list[Client] = []

    def append(self, topic: str, key: bytes | None, value: bytes, headers: Iterable[tuple[str, Any]]) -> Entry:
        """Append a record to the partition of its key."""
        part = sum(key or b"") % self.parts
        log = self.logs[topic, part]
        log.append(Entry(topic, part, len(log), key, value, tuple(headers), self.scheduler.clock.now()))
        return log[-1]

    def end(self, place: Place) -> int:
        """Where a log ends."""
        return len(self.logs[place])

    def client(self, process: Process, config: dict[str, Any]) -> "Client":
        """Make a member of the group that the configuration names."""
        name = str(config["group.id"])
        client = Client(self, self.groups.setdefault(name, Group(self, name)), process, config.get("stats_cb"))
        self.clients.append(client)
        return client

    def clients_of(self, process: Process) -> list["Client"]:
        """Return the clients of one process."""
        return [client for client in self.clients if client.process is process and not client.closed]


class Group:
    """A consumer group: who has which partition, as the coordinator sees it."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.broker = broker
        self.name = name
        self.members: list[Client] = []
        self.topics: Sequence[str] = ()
        self.generation = 0
        self.hasty = False
        """Whether partitions are given on before their last owner has heard that they are gone."""

    def rebalance(self) -> None:
        """Begin a new generation: every member gives up what it has, and gets its share."""
        self.generation += 1

    def give(self) -> None:
        """Work out the shares, once every member has given up what it had (or at once, where it is done in haste)."""
        here = [member for member in self.members if not member.cut_off]
        if not self.hasty and any(member.generation != self.generation for member in here):
            return
        for index, member in enumerate(here):
            member.share = [
                (topic, part)
                for topic in sorted(self.topics)
                for part in range(self.broker.parts)
                if part % len(here) == (index + self.generation) % len(here)
            ]
            member.share_of = self.generation

    def evict(self, member: "Client") -> None:
        """Go on without a member that the coordinator hears nothing from."""
        if member in self.members:
            self.members.remove(member)
            self.rebalance()


class Client:
    """A member's client: what `BatchConsumer` asks of confluent-kafka's."""

    def __init__(self, broker: Broker, group: Group, process: Process, told: Callable[[str], None] | None = None) -> None:
        """`told` gets what a client's statistics say of its membership."""
        self._told = told or (lambda _text: None)
        self._steady = False
        self._broker = broker
        self.group = group
        self.process = process
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._assign: Callback = lambda _c, _p: None
        self._revoke: Callback = lambda _c, _p: None
        self.generation = 0
        """The generation it has joined."""
        self.share: list[Place] = []
        self.share_of = 0
        self._has_share_of = 0
        self._given: list[Place] = []
        """What the group gave, whether it is read or not."""
        self.cut_off = False
        """The coordinator is out of reach, and this client does not know it yet: it keeps fetching."""
        self.closed = False
        self._polled_by: Task | None = None
        process.on_death.append(self._die)

    def subscribe(self, topics: Sequence[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        """Join the group."""
        del on_lost
        self._assign, self._revoke = on_assign, on_revoke
        self.group.topics = topics
        self.group.members.append(self)
        self.group.rebalance()

    def consume(self, limit: int, timeout: float) -> list[Message]:
        """Serve a rebalance, then give out what is there; wait where nothing is and there is time for it."""
        self._broker.scheduler.pause("poll")
        self._polled_by = self._broker.scheduler.current
        self._serve()
        self._tell()
        found = self._fetched(limit)
        if not found and timeout > 0.01:
            alarm = self.process.alarm()
            seconds = None if alarm is None else max(alarm - self._broker.scheduler.clock.seconds, 0.0)
            self._broker.scheduler.wait(lambda: self._process_has_work() or self.process.alarm() != alarm, seconds, "idle")
        return found

    def _tell(self) -> None:
        steady = self._has_share_of == self.group.generation
        if steady != self._steady and not self.cut_off:
            self._steady = steady
            self._told(json.dumps({"cgrp": {"state": "up", "join_state": "steady" if steady else "init"}}))

    def _process_has_work(self) -> bool:
        return any(client.has_work() for client in self._broker.clients_of(self.process))

    def has_work(self) -> bool:
        """Whether a poll would find something."""
        if not self.cut_off and self._has_share_of != self.group.generation:
            return not self._is_joined() or self.share_of == self.group.generation
        return any(off < self._broker.end(place) for place, off in self._positions.items() if place not in self._paused)

    def _serve(self) -> None:
        group = self.group
        if self.cut_off or self._has_share_of == group.generation:
            return
        if not self._is_joined():
            self._give_up()
            if self.cut_off:  # so long did it take
                return
            self._join()
        if self.share_of == self.generation == group.generation:
            self._has_share_of = group.generation
            self._given = list(self.share)
            self._assign(cast(Consumer, self), [TopicPartition(*place) for place in self._given])

    def _is_joined(self) -> bool:
        return self.generation == self.group.generation and self in self.group.members

    def _give_up(self) -> None:
        """Have the owner let go of all that was given; that takes its time, in which the group goes on."""
        given, self._given = self._given, []
        if given:
            self._revoke(cast(Consumer, self), [TopicPartition(*place) for place in given])
        self._positions.clear()
        self._paused.clear()

    def _join(self) -> None:
        """Join the generation there is; where the group went on without this member, that begins another."""
        if self not in self.group.members:
            self.group.members.append(self)
            self.group.rebalance()
        self.generation = self.group.generation
        self.group.give()

    def _fetched(self, limit: int) -> list[Message]:
        limit = min(limit, self._broker.dice.choice((1, 2, 4, 8, 16)))
        found: list[Message] = []
        places = [place for place in self._positions if place not in self._paused]
        self._broker.dice.shuffle(places)
        for place in places:
            log = self._broker.logs[place]
            new = log[self._positions[place] : self._positions[place] + limit - len(found)]
            self._positions[place] += len(new)
            found += [cast(Message, Heard(entry)) for entry in new]
        return found

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Read these, from where they say."""
        self._positions = {(tp.topic, tp.partition): max(tp.offset, 0) for tp in partitions}

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Fetch no more of these."""
        self._paused |= {(tp.topic, tp.partition) for tp in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Fetch these again."""
        self._paused -= {(tp.topic, tp.partition) for tp in partitions}

    def seek(self, partition: TopicPartition) -> None:
        """Go on from there."""
        if (partition.topic, partition.partition) in self._positions:
            self._positions[partition.topic, partition.partition] = max(partition.offset, 0)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        """Tell the group's offsets: nobody reads them."""
        self._asked_by_whoever_polls()

    def get_watermark_offsets(self, partition: TopicPartition, *, timeout: float = 0.0, cached: bool = False) -> tuple[int, int]:
        """Where the log begins and ends."""
        self._asked_by_whoever_polls()
        return 0, self._broker.end((partition.topic, partition.partition))

    def _asked_by_whoever_polls(self) -> None:
        """The real client keeps another thread waiting while it is polled, for seconds: it must be asked by the one that polls."""
        polls = self._polled_by in (None, self._broker.scheduler.current)
        assert polls or not self.process.alive, "Kafka's client is asked by a thread that does not poll it"

    def close(self) -> None:
        """Leave the group."""
        self.closed = True
        self.group.evict(self)

    def hear_again(self) -> None:
        """Reach the coordinator again."""
        self.cut_off = False

    def step_back(self, count: int) -> None:
        """Fetch again what was given out already."""
        self._positions = {place: max(off - count, 0) for place, off in self._positions.items()}

    def _die(self) -> None:
        self.closed = True
        self._broker.scheduler.after(SESSION_SECONDS, lambda: self.group.evict(self))


class Sender:
    """The idempotent producer of one process: what `Relay` asks of `BatchProducer`."""

    def __init__(self, broker: Broker, fails: Callable[[], str]) -> None:
        """`fails` says how a batch goes: "no", "before", "between" or "after" (sent, and nobody told)."""
        self._broker = broker
        self._fails = fails

        self._batch: list[Record] = []

    def enqueue(self, record: Record) -> None:
        """Take a record; it counts as sent only after `confirm`."""
        self._batch.append(record)

    def confirm(self) -> None:
        """Append all, or say that it is not known."""
        batch, self._batch, how = self._batch, [], self._fails()
        if how == "before":
            raise DeliveryFailed("Kafka did not confirm the batch: nothing of it")
        for index, record in enumerate(batch):
            self._broker.scheduler.pause("produce")
            if how == "between" and index >= len(batch) / 2:
                raise DeliveryFailed("Kafka did not confirm the batch: some of it")
            self._broker.append(record.topic, record.key, record.value, record.headers)
        if how == "after":
            raise DeliveryFailed("Kafka did not confirm the batch: all of it is there")
