"""The simulated world of one seed: the real services on a book and a broker in memory, and what may go wrong with them.

What runs is the product: `ProcessorApp.run` with its `Reader`, `Processor`, `Retrier.run`, `Relay.run`, `Desk`. What is ours is
under them: the book's connections, Kafka's clients and producers, the clock, the trial's child, and whoever pulls the plug.
"""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from queue import Empty, Full
from threading import Event
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from confluent_kafka import Consumer, Message
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dlq_handler.budget import Budget
from dlq_handler.desk import Desk, Handler
from dlq_handler.retrier import Retrier
from modification_processor import app as app_module
from modification_processor import handling as handling_module
from modification_processor.app import AppConfig, Kafka, ProcessorApp
from modification_processor.incoming import Incoming, Read, read
from modification_processor.outcomes import Failed
from modification_processor.reader import Batch, Reader
from modification_processor.relay import Relay
from modification_processor.replay import send_back
from modification_processor.service import Processor
from modification_processor.trial import Trial
from modification_processor.workbench import Workbench
from schemas.assertion import HEADER
from schemas.catalogue import PriceEntry, ProductEntry, Promotion, TaxRates
from schemas.failures import OrdermendError
from schemas.stock import Reservation, Shelf
from store.database import Connection
from store.sealing import KeyVault, OrderKey
from streaming.producer import BatchProducer
from telemetry import failpoints
from telemetry.health import Health
from tests.simulation.book import open_book
from tests.simulation.broker import Broker, Sender
from tests.simulation.looks import Commit, Looks
from tests.simulation.memory.partitions import Owner
from tests.simulation.postgres.server import Server
from tests.simulation.scheduler import Process, Scheduler, Trace
from tests.simulation.workload import KEYS, TOPICS, Plan, Post, order_of

GROUP = "modification-processor"
ANSWERS_FAIL = 0.15
"""How often handling an answer fails at first for want of something outside."""


class OutsideIsAway(OrdermendError):
    """Something outside does not answer: it may by and by."""

    code = "outside_is_away"
    error_class = "DEPENDENCY"


@dataclass(frozen=True)
class SeededKey(OrderKey):
    """An order's key whose nonces follow from what is sealed: the same run leaves the same bytes."""

    def seal(self, plain: bytes, place: str) -> bytes:
        nonce = sha256(place.encode() + plain).digest()[:12]
        return nonce + self.cipher.encrypt(nonce, plain, self.order_id.bytes + place.encode())


class SeededVault(KeyVault):
    """Keys that follow from their order."""

    def create(self, order_id: UUID) -> OrderKey:
        return self._key(order_id)

    def unwrap(self, order_id: UUID, wrapped: bytes) -> OrderKey:
        key = self._key(order_id)
        return key if wrapped == key.wrapped else super().unwrap(order_id, wrapped)

    @staticmethod
    def _key(order_id: UUID) -> OrderKey:
        data_key = sha256(order_id.bytes).digest()
        return SeededKey(order_id, AESGCM(data_key), b"wrapped" + data_key)


VAULT = SeededVault(bytes(32))


class NoCatalogue:
    """A catalogue without an entry: quantities keep their sold price."""

    def goods(self, skus: Collection[str]) -> tuple[list[ProductEntry], list[PriceEntry]]:
        return [], []

    def promotions(self, codes: Collection[str]) -> list[Promotion]:
        return []

    def promotions_of(self, carried: Collection[tuple[str, int]]) -> list[Promotion]:
        return []

    def uses(self, codes: Collection[str]) -> Mapping[str, int]:
        return {}

    def tax_rates(self, areas: Collection[str]) -> list[TaxRates]:
        return []

    def shelves(self, skus: Collection[str], *, to_promise: bool) -> list[Shelf]:
        return []

    def held(self, order_ids: Collection[UUID]) -> list[Reservation]:
        return []


class Stop:
    """What a service is told to stop by; its waiting is the scheduler's. The longer nothing comes, the longer it waits."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._idle = 0.0

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        commits = self._world.database.commits
        self._idle = min(max(seconds, self._idle * 2), 600.0)
        if self._world.scheduler.wait(lambda: self._world.database.commits != commits, self._idle, "idle"):
            self._idle = 0.0
        return False


class Slot:
    """The queue of one between the reader and the handler."""

    def __init__(self, scheduler: Scheduler, over: Callable[[], bool]) -> None:
        """`over`: nobody will put anything any more."""
        self._scheduler = scheduler
        self._over = over
        self._batch: Batch | None = None

    def put(self, batch: Batch, timeout: float) -> None:
        # Twenty-five looks at once: they differ in nothing.
        if not self._scheduler.wait(lambda: self._batch is None, 25 * timeout, "hand over"):
            raise Full
        self._batch = batch

    def get(self, timeout: float) -> Batch:
        del timeout
        self._scheduler.wait(lambda: self._batch is not None or self._over(), None, "next batch")
        batch, self._batch = self._batch, None
        if batch is None:
            raise Empty
        return batch


class SteppedReader(Reader):
    """The reader, as a task instead of a thread."""

    def step_with(self, scheduler: Scheduler) -> None:
        """Let the scheduler have its queue."""
        self._ready = Slot(scheduler, lambda: self.failure is not None)  # type: ignore[assignment]  # what a reader asks of its queue

    def start(self) -> None:
        """Its task runs already."""

    def stop(self) -> None:
        """It ends with its process."""


class SteppedApp(ProcessorApp):
    """The processor as a process, whose reader is a task."""

    def alarm(self) -> float | None:
        """When the polling loop wants to go round though nothing comes: to claim again what it has not."""
        times = []
        for name, consumer in (("express", self._express), ("channel", self._channel)):
            if any(place not in self._epochs and place not in self._halted for place in consumer.given):
                since = self._unclaimed_since.get(name)
                times.append(0.0 if since is None else since + app_module.RECLAIM_SECONDS + 0.01)
        return min(times, default=None)

    reads: dict[tuple[str, int, int], Read]
    """What was read before: reading is pure, and records come again and again."""

    def _read(self, message: Message) -> Read:
        place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        if place[:2] in self._careful:
            return super()._read(message)
        if place not in self.reads:
            self.reads[place] = super()._read(message)
        return self.reads[place]

    def take_steps(self, scheduler: Scheduler) -> Callable[[], None]:
        """Return what the reader's task runs."""
        self._reader = SteppedReader(self._express, self._channel, self._read, lambda: self._epochs, self._round)
        self._reader.step_with(scheduler)
        return self._reader._run


class QuietRetrier(Retrier):
    """The retrier, without gauges and scores: they decide nothing."""

    def measure(self, connection: Connection) -> None:
        """Leave the gauges."""

    def score(self, connection: Connection) -> None:
        """Leave the scores."""


class SimulatedTrial:
    """The child that tries a message first: it dies of killers, three times, and of nothing else."""

    def __init__(self, killers: set[str]) -> None:
        self._killers = killers

    def poison(self, incoming: Incoming) -> Failed | None:
        name = read(incoming, incoming.topic, KEYS).message_id
        return _killed() if name in self._killers else None

    def close(self) -> None:
        """Nothing to end."""


def _killed() -> Failed:
    return Failed("POISON_CRASH", "poison_crash", "handle", "it killed a process 3 times", rule="process_survives", where="child")


class World:
    """Everything of one run."""

    def __init__(self, seed: int, plan: Plan, *, keep: bool = False, server: Server | None = None) -> None:
        """`server`: the book is in PostgreSQL, else in memory."""
        dice = random.Random(f"{seed}:world")
        self.dice = random.Random(f"{seed}:faults")
        self.trace = Trace(keep=keep)
        self.scheduler = Scheduler(random.Random(f"{seed}:turns"), self.trace)
        self.seed = seed
        self.plan = plan
        self.numbers = {number: order_of(number).order_id for number in plan.numbers}
        self.database = open_book(server, self.scheduler, self._how_a_commit_ends, self._measure)
        self.deepest = 0
        """The most tickets that ever waited in one lane."""
        self.stale_writes: list[str] = []
        """Offsets that were moved by somebody else than who had claimed the partition last."""
        self.broker = Broker(self.scheduler, random.Random(f"{seed}:broker"), dice.choice((1, 2, 3)))
        self.max_depth = dice.choice((3, 6, 200))
        self.counts = {name: dice.choice(range(low, high + 1)) for name, (low, high) in PROCESSES.items()}
        self.next_commits: list[str] = []
        """How the next COMMITs end, where they do not just end."""
        self.next_sends: list[str] = []
        self.mended = False
        self.posted = 0
        self.over = False
        """Nothing is left to do, and nobody sends anything any more."""
        self.discarded: set[str] = set()
        self.faults: Counter[str] = Counter()
        self.failures: list[str] = []
        self.processes: dict[str, Process] = {}
        self.reads: dict[tuple[str, int, int], Read] = {}
        self._transient = dict(plan.transient)
        self._names = {post.value: post.message_id for _, post in plan.posts}
        self.answers: list[Post] = []
        """What was sent in answer to what somebody found in the book."""
        self.looks = Looks()
        self._app_dice = random.Random(f"{seed}:app")

    def _how_a_commit_ends(self, _session: object) -> str:
        return self._named("commit", self.next_commits.pop()) if self.next_commits else "done"

    def how_a_send_ends(self) -> str:
        """Say how the next batch goes to Kafka."""
        return self._named("send", self.next_sends.pop()) if self.next_sends else "no"

    def _named(self, what: str, how: str) -> str:
        self.faults[f"{what}: {how}"] += 1
        self.trace.add(f"{what} ends {how}")
        return how

    def _measure(self, transaction: Commit) -> None:
        for order_id in {row.order_id for row in transaction.written("parked") if row is not None}:
            waiting = [r for r in transaction.rows("parked", order_id) if r.topic == TOPICS.modifications and r.status == "waiting"]
            self.deepest = max(self.deepest, len([row for row in waiting if row.message_id.startswith("ticket:")]))
        self.looks.commit(transaction)
        for row in transaction.written("partition_owner"):
            self._look_who_moves(row, transaction)

    def _look_who_moves(self, row: Owner | None, transaction: Commit) -> None:
        before = None if row is None else transaction.before("partition_owner", row.group, row.topic, row.part)
        process = transaction.process
        if row is not None and before is not None and row.next_offset != before.next_offset and before.owner != process:
            self.stale_writes.append(f"{process} moved {row.topic}[{row.part}] to {row.next_offset}, which {before.owner} had claimed")

    def patched(self, stack: ExitStack) -> None:
        """Put our clock, our dice and our failpoints where the product has the world's; undone with the stack."""
        time = SimpleNamespace(
            monotonic=lambda: self.scheduler.clock.seconds, perf_counter=lambda: 0.0, sleep=lambda s: self.scheduler.wait(None, s, "sleep")
        )
        for module, name, value in (
            (app_module, "time", time),
            (app_module, "random", self._app_dice),
            (failpoints, "hit", self.failpoint),
            (handling_module, "MAX_DEPTH", self.max_depth),
        ):
            self.put(stack, module, name, value)

    @staticmethod
    def put(stack: ExitStack, where: object, name: str, value: object) -> None:
        """Replace something of the product's until the stack is unwound."""
        stack.callback(setattr, where, name, vars(where)[name])
        setattr(where, name, value)

    def failpoint(self, step: str) -> None:
        """A named step of the product: whoever takes it may be killed or frozen here, and a message may fail here."""
        name, _, about = step.partition(" ")
        if name == "read":
            return
        self.scheduler.pause(step if name == "decide" else name)
        if name == "decide":
            self._fail(about)

    def _fail(self, message_id: str) -> None:
        if message_id in self.plan.killers:
            task = self.scheduler.current
            assert task is not None
            self.faults["killed by a message"] += 1
            self.crash(task.process)
            self.scheduler.pause("dead")
        if self._transient.get(message_id, 0) > 0:
            self._transient[message_id] -= 1
            self.faults["transient failure"] += 1
            raise OutsideIsAway
        if message_id in self.plan.poison and not self.mended:
            self.faults["poison"] += 1
            raise RuntimeError("our own code cannot handle this one")

    def start(self) -> None:
        """Start everything: the services, the operators, and who posts."""
        for name, number in self.counts.items():
            for index in range(number):
                self.begin(f"{name}-{index}")
        sender = Process("outside")
        self.processes["outside"] = sender
        self.scheduler.spawn(sender, "post", self._post_all)
        for name, run in counterparts(self):
            self.scheduler.spawn(sender, name, run)

    def begin(self, name: str) -> None:
        """Start a process anew."""
        process = Process(name)
        self.processes[name] = process
        for task, run in SERVICES[name.partition("-")[0]](self, process):
            self.scheduler.spawn(process, task, partial(self._watched, process, run))

    def crash(self, process: Process) -> None:
        """Kill a process; whoever keeps it alive starts it again after a while."""
        if process.alive:
            self.trace.add(f"crash {process.name}")
            self.scheduler.kill(process)
            self.scheduler.after(self.dice.choice((0.05, 0.5, 5.0, 15.0)), lambda: self.begin(process.name))

    def _watched(self, process: Process, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 -- a service that ends by itself is a finding
            where = traceback.format_exception(error)
            self.failures.append(f"{process.name} ended by {error!r}\n{''.join(where[-6:])}")
            self.scheduler.after(1.0, lambda: self.crash(process))

    def connector(self, process: Process, name: str) -> Callable[[], Connection]:
        """Return what opens this process's connections: they go when it goes."""

        def connect() -> Connection:
            session = self.database.connect(f"{process.name} {name}")
            process.on_death.append(session.cut)
            return cast("Connection", session)

        return connect

    def processor(self, process: Process, name: str) -> Processor:
        """Return a writer of orders."""
        return Processor(
            self.connector(process, name), GROUP, VAULT, TOPICS, self.failpoint, catalogue=lambda _cursor: NoCatalogue(),
            poison_of=self._poison_of,
        )  # fmt: skip

    def _poison_of(self, order_id: UUID, topic: str) -> Failed | None:
        """Try the head of a lane in a child: what counts is the record, whatever name it was parked under."""
        rows = [row for row in self.database.tables["parked"].get(order_id, {}).values() if row.topic == topic and row.status == "waiting"]
        head = min(rows, key=lambda row: row.seq, default=None)
        if head is None:
            return None
        value = self.broker.logs[head.topic, head.part][head.off].value
        return _killed() if self._names[value] in self.plan.killers else None

    def _post_all(self) -> None:
        for at, post in self.plan.posts:
            self.scheduler.wait(None, max(at - self.scheduler.clock.seconds, 0.0), "post")
            self._send(post)
            self.posted += 1

    def answer(self, post: Post) -> None:
        """Send what nobody planned; handling it may fail for a while, as with anything else."""
        if post.value not in self._names and self.dice.random() < ANSWERS_FAIL and not self.mended:
            self._transient[post.message_id] = self.dice.choice((1, 2))
            self.plan.transient[post.message_id] = self._transient[post.message_id]
        self._names[post.value] = post.message_id
        self.answers.append(post)
        self._send(post)

    def _send(self, post: Post) -> None:
        self.broker.append(post.topic, post.key, post.value, [(HEADER, post.assertion)])


def _processor(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    def client(config: dict[str, Any], logger: object) -> Consumer:
        del logger
        return cast("Consumer", world.broker.client(process, config))

    kafka = Kafka(client, lambda _bootstrap, names: {name: f"id of {name}" for name in names})
    config = AppConfig("simulated", GROUP, process.name, TOPICS)
    trial = cast("Trial", SimulatedTrial(world.plan.killers))
    health = Health(lambda: world.scheduler.clock.seconds)
    app = SteppedApp(config, world.processor(process, "work"), KEYS, world.connector(process, "claims"), health, trial, kafka)
    app.reads = world.reads
    process.alarm = app.alarm
    return ("reader", app.take_steps(world.scheduler)), ("handler", lambda: app.run(_stop(world)))


def _retrier(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    worker = world.processor(process, "work")
    budget = Budget(clock=lambda: world.scheduler.clock.seconds)
    retrier = QuietRetrier(world.connector(process, "rounds"), worker.retry_lane, worker.expire, worker.close, budget=budget)
    return (("rounds", lambda: retrier.run(_stop(world))),)


def _relay(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    sender = cast("BatchProducer", Sender(world.broker, world.how_a_send_ends))
    return (("send", lambda: Relay(world.connector(process, "outbox"), sender).run(_stop(world))),)


def _stop(world: World) -> Event:
    return cast("Event", Stop(world))


def desk_of(world: World, process: Process) -> Desk:
    """Return a desk, put together as the composition root does."""
    bench = Workbench(world.connector(process, "workbench"), VAULT, TOPICS, world.failpoint)
    handler = Handler(
        send_back=lambda cursor, letter, repaired: send_back(cursor, VAULT, TOPICS, letter, repaired),
        rehearse=bench.rehearse,
        discard=bench.discard,
        normalise=lambda _channel, _raw: [],
        close=bench.close,
    )
    return Desk(world.connector(process, "desk"), VAULT, handler)


def counterparts(world: World) -> Sequence[tuple[str, Callable[[], None]]]:
    """Return who answers to what is in the book."""
    from tests.simulation.counterparts import Asked, Reviewer, Undoer  # noqa: PLC0415 -- they know the world

    return ("review", Reviewer(world).run), ("undo", Undoer(world).run), ("asked", Asked(world).run)


def _operator(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    from tests.simulation.operator import Operator  # noqa: PLC0415 -- it knows the world

    return (("desk", Operator(world, process).run),)


PROCESSES = {"processor": (1, 3), "retrier": (1, 2), "relay": (1, 2), "operator": (1, 2)}
Service = Callable[[World, Process], Sequence[tuple[str, Callable[[], None]]]]
SERVICES: dict[str, Service] = {"processor": _processor, "retrier": _retrier, "relay": _relay, "operator": _operator}
