"""The simulated world of one seed: the real services on a book and a broker in memory, and what may go wrong with them.

What runs is the product: `ProcessorApp.run` with its `Reader`, `Processor`, `Retrier.run`, `Relay.run`, `Desk`. What is ours is
under them: the book's connections, Kafka's clients and producers, the clock, the trial's child, and whoever pulls the plug.
"""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import cast
from uuid import UUID

from intake import fetching as fetching_module
from modification_processor import app as app_module
from modification_processor import bulk as bulk_module
from modification_processor import handling as handling_module
from modification_processor.incoming import Read
from modification_processor.outcomes import Failed
from modification_processor.service import Processor
from schemas.assertion import HEADER
from schemas.failures import OrdermendError
from store.database import Connection
from telemetry import failpoints
from tests.simulation.book import BookSession, open_book
from tests.simulation.broker import Broker
from tests.simulation.looks import Commit, Looks
from tests.simulation.memory.partitions import Owner
from tests.simulation.postgres.server import Server
from tests.simulation.posts import SOURCES, TOPICS, Post, order_of, told_version
from tests.simulation.scheduler import Process, Scheduler, Trace
from tests.simulation.seeded import VAULT, NoCatalogue
from tests.simulation.workload import Plan

GROUP = "modification-processor"
ANSWERS_FAIL = 0.15
"""How often handling an answer fails at first for want of something outside."""


class OutsideIsAway(OrdermendError):
    """Something outside does not answer: it may by and by."""

    code = "outside_is_away"
    error_class = "DEPENDENCY"


def killed() -> Failed:
    """Return what becomes of a message that kills."""
    return Failed("POISON_CRASH", "poison_crash", "handle", "it killed a process 3 times", rule="process_survives", where="child")


Tasks = Sequence[tuple[str, Callable[[], None]]]


@dataclass(frozen=True)
class Cast:
    """Who is in a world."""

    services: Mapping[str, Callable[["World", Process], Tasks]]
    """What a process of each service runs."""
    numbers: Mapping[str, tuple[int, int]]
    """How many processes of each there are, at least and at most."""
    outside: Callable[["World"], Tasks]
    """Who answers to what is in the book."""


class World:
    """Everything of one run."""

    def __init__(self, seed: int, plan: Plan, cast: Cast, *, keep: bool = False, server: Server | None = None) -> None:
        """`server`: the book is in PostgreSQL, else in memory."""
        dice = random.Random(f"{seed}:world")
        self.dice = random.Random(f"{seed}:faults")
        self.trace = Trace(keep=keep)
        self.scheduler = Scheduler(random.Random(f"{seed}:turns"), self.trace)
        self.seed = seed
        self.plan = plan
        self.cast = cast
        self.numbers = {number: order_of(number).order_id for number in plan.numbers}
        self.database = open_book(server, self.scheduler, self._how_a_commit_ends, self._measure)
        self.deepest = 0
        """The most tickets that ever waited in one lane."""
        self.stale_writes: list[str] = []
        """Offsets that were moved by somebody else than who had claimed the partition last."""
        self.broker = Broker(self.scheduler, random.Random(f"{seed}:broker"), dice.choice((1, 2, 3)))
        self.max_depth = dice.choice((3, 6, 200))
        self.counts = {name: dice.choice(range(low, high + 1)) for name, (low, high) in cast.numbers.items()}
        self.next_commits: list[tuple[str, str]] = []
        """How the next COMMITs end, where they do not just end; and whose, where it is not anybody's."""
        self.late_claims: list[float] = []
        """For how long whoever claims next is held up, while its group goes on without it."""
        self.next_sends: list[str] = []
        self.mended = False
        self.lingers = dice.choice((0, 200, 800))
        """So many steps longer things go wrong than messages come."""
        self.repeats_the_last = dice.random() < 0.5
        self.posted = self.posted_at = 0
        self.over = False
        """Nothing is left to do, and nobody sends anything any more."""
        self.discarded: set[str] = set()
        self.repaired: set[str] = set()
        """Messages that a person has repaired, and perhaps sent back."""
        self.faults: Counter[str] = Counter()
        self.failures: list[str] = []
        self.processes: dict[str, Process] = {}
        self.reads: dict[tuple[str, int, int], Read] = {}
        self._transient = dict(plan.transient)
        self._names = {post.value: post.message_id for _, post in plan.posts}
        self.answers: list[Post] = []
        """What was sent in answer to what somebody found in the book."""
        self.looks = Looks()
        self.told_versions: dict[int, int] = {}
        """Order number -> the newest version that anybody was told of."""
        self.refused_fetches: Counter[int] = Counter()
        """Order number -> how often its channel did not hand it out."""
        self._numbers = {str(order_id): number for number, order_id in self.numbers.items()}
        self._app_dice = random.Random(f"{seed}:app")

    def _how_a_commit_ends(self, session: BookSession) -> str:
        for index, (how, whose) in enumerate(self.next_commits):
            if session.name.startswith(whose):
                del self.next_commits[index]
                return self._named("commit", how)
        return "done"

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
            (fetching_module, "datetime", SimpleNamespace(now=lambda _zone: self.scheduler.clock.now())),
            (bulk_module, "datetime", SimpleNamespace(now=lambda _zone: self.scheduler.clock.now())),
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
        if name == "assign.claiming" and self.late_claims:
            self._hold_up(self.late_claims.pop())
        self.scheduler.pause(step if name == "decide" else name)
        if name == "decide":
            self._fail(about)

    def _hold_up(self, seconds: float) -> None:
        """Freeze who claims, and let its group give the same partitions to others meanwhile."""
        task = self.scheduler.current
        assert task is not None
        self.trace.add(f"{task.process.name} claims late")
        task.process.frozen_until = max(task.process.frozen_until, self.scheduler.clock.seconds + seconds)
        for client in self.broker.clients_of(task.process):
            client.group.hasty = True
            client.group.rebalance()

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
        for name, run in self.cast.outside(self):
            self.scheduler.spawn(sender, name, run)

    def begin(self, name: str) -> None:
        """Start a process anew."""
        process = Process(name)
        self.processes[name] = process
        for task, run in self.cast.services[name.partition("-")[0]](self, process):
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
        return killed() if self._names.get(value) in self.plan.killers else None

    def repeat_the_last(self) -> None:
        """Send what came last to each partition once more: it does nothing, but for showing whether anybody reads there."""
        for (topic, _), log in sorted(self.broker.logs.items()):
            if topic in SOURCES and log:
                self.broker.append(topic, log[-1].key, log[-1].value, log[-1].headers)

    def _post_all(self) -> None:
        for at, post in self.plan.posts:
            self.scheduler.wait(None, max(at - self.scheduler.clock.seconds, 0.0), "post")
            self._send(post)
            self.posted += 1

    def answer(self, post: Post, fails: float = ANSWERS_FAIL) -> None:
        """Send what nobody planned; handling it may fail for a while, as with anything else."""
        if post.value not in self._names and self.dice.random() < fails and not self.mended:
            self._transient[post.message_id] = self.dice.choice((1, 2))
            self.plan.transient[post.message_id] = self._transient[post.message_id]
        self._names[post.value] = post.message_id
        self.answers.append(post)
        self._send(post)

    def _send(self, post: Post) -> None:
        number, version = self._numbers[post.order_id], told_version(post)
        if version is not None:
            self.told_versions[number] = max(self.told_versions.get(number, 0), version)
        self.broker.append(post.topic, post.key, post.value, [(HEADER, post.assertion)])
