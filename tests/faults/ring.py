"""The fault ring: a workload, a schedule of faults, a history, and a judge. `python -m tests.faults.ring --help`.

Input:   a seed; how long, how fast. The same seed gives the same messages and the same faults; what meets what is up to
         the machine.
Output:  a report of violations, and one last line: what was injected, sent, lost, doubled, reordered.
Leaves:  nothing; it runs on a stack of its own, in a folder of its own.
"""

import argparse
import contextlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from modification_processor.verify import verify
from ordermend import bootstrap
from ordermend import settings as environment
from ordermend.local import stack as local_stack
from ordermend.local import state
from ordermend.local.kafka_jars import KAFKA_VERSION
from ordermend.local.processes import stop
from ordermend.settings import Settings
from store.sealing import KeyVault
from tests.faults.checker import Sent, Violation, check, counts
from tests.faults.cluster import NODES, Cluster
from tests.faults.fleet import SERVICES, Fleet
from tests.faults.observer import look
from tests.faults.workload import Workload

TRANSIENT = "decide=raise%{percent}"
QUIET_SECONDS = 420.0
READ_SECONDS = 90.0
FREEZE_SECONDS = (1.0, 14.0)
"""Shorter and longer than the group's session timeout of 10 s: some freezes make a zombie, some none."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int = 1
    seconds: float = 300.0
    rate: float = 100.0
    transient_percent: float = 5.0
    kill_every: tuple[float, float] = (3.0, 8.0)
    broker_every: float = 90.0
    database_every: float = 120.0
    brokers: int = 1


@dataclass
class Result:
    """What came of it."""

    options: Options
    injected: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    findings: int = 0
    latency_ms: tuple[float, float] = (0.0, 0.0)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.violations and not self.findings

    def line(self) -> str:
        """Return the last line."""
        injected = ", ".join(f"{name} {count}" for name, count in sorted(self.injected.items()))
        sent = ", ".join(f"{name} {count:,}" for name, count in self.sent.items())
        judged = " · ".join(f"{name} {count}" for name, count in counts(self.violations).items())
        return (
            f"seed {self.options.seed} · injected: {injected} · sent: {sent} · {judged} · integrity findings {self.findings}"
            f" · edits p50 {self.latency_ms[0]:.0f} ms, p99 {self.latency_ms[1]:.0f} ms (outages included)"
        )


@dataclass
class Servers:
    """The broker, or three of them, and the database: what can be killed and started again on its data."""

    settings: Settings
    cluster: Cluster | None
    turn: int = 0

    def restart(self, target: str) -> None:
        """Kill a server on the spot and start it again; of three brokers one, while the others go on."""
        if target == "broker" and self.cluster:
            self.cluster.await_all()
            self.cluster.kill(self.turn % NODES)
            self.cluster.start(self.turn % NODES)
            self.turn += 1
            return
        process = state.read(self.settings.home).parts["kafka" if target == "broker" else "postgres"].process
        assert process is not None
        stop(process, signal.SIGKILL, 10)
        local_stack.up(self.settings)


def run(options: Options, settings: Settings, folder: Path, say: Say = lambda _: None) -> Result:
    """Run the ring on `settings` (addresses unset) in `folder`; the stack and the processes are gone when it returns."""
    result = Result(options)
    say("starting a stack")
    with contextlib.ExitStack() as servers:
        cluster = (
            servers.enter_context(Cluster(folder / "brokers", settings.cache_dir / f"kafka-{KAFKA_VERSION}"))
            if options.brokers > 1
            else None
        )
        if cluster:
            settings = settings.model_copy(update={"kafka_bootstrap_servers": cluster.bootstrap})
        servers.enter_context(local_stack.ephemeral(settings))
        say("making topics and tables")
        here = local_stack.connected(settings)
        bootstrap.prepare(here)
        with Fleet(here, folder) as fleet:
            workload = _under_fault(options, Servers(settings, cluster), here, fleet, result, say)
            say("waiting until nothing moves any more")
            await_quiet(here, workload.sent)
            for name in SERVICES:
                if fleet.stop(name) != 0:
                    result.violations.append(Violation("unclean_stop", name, f"see {folder / name}.log"))
        _judge(here, workload, result, say)
    return result


def _under_fault(options: Options, servers: Servers, here: Settings, fleet: Fleet, result: Result, say: Say) -> Workload:
    """Send while faults happen; at its end every process runs, unarmed, and Kafka has confirmed all that was sent."""
    armed = dict.fromkeys(("processor-0", "processor-1"), TRANSIENT.format(percent=options.transient_percent))
    say("starting the processes")
    for name in SERVICES:
        fleet.start(name, armed.get(name, ""))
    _await_owners(here)
    workload, ending = Workload(here, options.seed), threading.Event()
    sending = threading.Thread(target=workload.run, args=(options.rate, options.seconds, ending), name="workload")
    sending.start()
    try:
        for fault, target in _schedule(options, sending):
            fleet.thaw()
            result.injected["death of its own"] += fleet.revive(armed)
            if fault is not None:
                _inject(fault, target, servers, fleet, armed, result)
                say(f"{sum(result.injected.values())} faults, {workload.messages:,} messages; last: {fault} {target}")
    finally:
        ending.set()
        sending.join()
    fleet.thaw(every=True)
    workload.finish()
    for name in SERVICES:
        if name in fleet.names:
            fleet.kill(name)
        fleet.start(name)
    result.injected += Counter({"death of its own": 0})
    return workload


def _schedule(options: Options, sending: threading.Thread) -> Iterator[tuple[str | None, str]]:
    """Yield faults as their time comes, and (None, "") in between, as long as something is sent."""
    dice, began = random.Random(options.seed), time.monotonic()
    due = {"kill": dice.uniform(*options.kill_every), "broker": options.broker_every / 2, "database": options.database_every / 2}
    while sending.is_alive():
        now = time.monotonic() - began
        fault = next((name for name, at in due.items() if at <= now), None)
        if fault == "kill":
            due["kill"] = now + dice.uniform(*options.kill_every)
            yield ("freeze" if dice.random() < 0.15 else "kill"), dice.choice(tuple(SERVICES))
        elif fault is not None:
            due[fault] = now + (options.broker_every if fault == "broker" else options.database_every)
            yield "restart", fault
        else:
            yield None, ""
            time.sleep(0.05)


def _inject(fault: str, target: str, servers: Servers, fleet: Fleet, armed: dict[str, str], result: Result) -> None:
    if fault == "restart":
        servers.restart(target)
    elif target not in fleet.names:
        return
    elif fault == "freeze":
        fleet.freeze(target, random.Random(f"{result.options.seed}{sum(result.injected.values())}").uniform(*FREEZE_SECONDS))
    else:
        fleet.kill(target)
        fleet.start(target, armed.get(target, ""))
    result.injected[f"{fault} {target}"] += 1


def _await_owners(here: Settings) -> None:
    _await(here, "select count(*) >= 12 from partition_owner", 90)


def await_quiet(here: Settings, sent: Sent, seconds: float = QUIET_SECONDS) -> None:
    """Wait until the book has an end for everything; what still has none when nothing has moved for so long is for the judge."""
    tickets = sum(len(edits) for edits in sent.edits.values())
    quiet = f"""select (select count(*) from orders) >= {len(sent.orders)}
        and (select count(*) from ticket where state not in ('waiting', 'dead')) >= {tickets}
        and (select count(*) from inbox where outcome = 'recorded') >= {len(sent.facts)}
        and (select count(*) from dead_letter where code = 'undecodable') >= {len(sent.poison)}
        and not exists (select from lane where depth > 0) and not exists (select from outbox where sent_at is null)"""
    _await_lanes(here, seconds)
    _await(here, quiet, seconds)
    _await_read(here)


def _await_lanes(here: Settings, seconds: float) -> None:
    """Wait until no lane is left, as long as some message leaves one now and then. What this costs the book does not grow with what it holds."""
    left, moved = -1, time.monotonic()
    while left and time.monotonic() - moved < seconds:
        with contextlib.suppress(psycopg.Error):
            now = int(str(_one(here, "select coalesce(sum(depth), 0) from lane")))
            if now != left:
                left, moved = now, time.monotonic()
        time.sleep(2.0 if left else 0.0)


def _await_read(here: Settings) -> None:
    """Repeats leave no trace in the figures above: wait until the book has passed all that lies on the topics."""
    consumer = Consumer({"bootstrap.servers": bootstrap.bootstrap_of(here), "group.id": "ring", "enable.auto.commit": False})
    deadline = time.monotonic() + READ_SECONDS
    with contextlib.closing(consumer):
        while time.monotonic() < deadline:
            with bootstrap.connector(here, "ring")() as book:
                passed = book.execute("select topic, part, coalesce(next_offset, 0) from partition_owner").fetchall()
            if all(consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)[1] == read for topic, part, read in passed):
                return
            time.sleep(0.5)


def _await(here: Settings, question: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error):
            if _one(here, question):
                return
        time.sleep(0.5)


def _one(here: Settings, question: str) -> object:
    with bootstrap.connector(here, "ring")() as book:
        row = book.execute(question).fetchone()
    return row[0] if row else None


def _judge(here: Settings, workload: Workload, result: Result, say: Say) -> None:
    say("judging")
    sent = workload.sent
    seen = look(str(here.database_url), here.db_schema, bootstrap.bootstrap_of(here), here.topic_prefix)
    result.violations += check(sent, seen)
    with bootstrap.connector(here, "ring")() as book:
        result.findings = len(verify(book, KeyVault.load(here.keys_dir)).findings)
    edits = sum(len(edits) for edits in sent.edits.values())
    result.sent = Counter(
        messages=workload.messages,
        orders=len(sent.orders),
        edits=edits,
        facts=len(sent.facts),
        poison=len(sent.poison),
        events=len(seen.outbox),
    )
    result.injected["transient"] = int(str(_one(here, "select count(*) from failure_attempt where code = 'unexpected'")))
    result.injected["repeats"] = int(str(_one(here, "select count(*) from repeat")))
    latency = (
        "select coalesce(percentile_cont({}) within group (order by extract(epoch from decided_at - submitted_at)), 0) * 1000 from ticket"
    )
    result.latency_ms = (float(str(_one(here, latency.format(0.5)))), float(str(_one(here, latency.format(0.99)))))


def main() -> int:
    """Run from the command line; exit code 1 where something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.ring", description="Kill, freeze and restart everything under load; then prove that nothing is lost.",
        epilog="example: make test-faults ARGS='--seed 7'; the long form: make test-faults ARGS='--minutes 60 --rate 400'",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of the messages and the faults (default 1)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to send (default 5)")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second (default 100)")
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3), help="3: two of three hold a write, and one is killed at a time")
    chosen = parser.parse_args()
    options = Options(chosen.seed, chosen.minutes * 60, chosen.rate, brokers=chosen.brokers)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is stopped whichever way it ends
    folder = Path(tempfile.mkdtemp(prefix="ordermend-faults-"))
    base = environment.load()
    unset = dict.fromkeys(("kafka_bootstrap_servers", "database_url", "owner_database_url", "issuer_url", "keys"))
    settings = base.model_copy(update={**unset, "home": folder / "home", "cache": base.cache_dir, "log_level": "WARNING"})
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        result = run(
            options,
            settings,
            folder,
            lambda text: progress.update(task, description=text) if console.is_terminal else console.print(f"{time.monotonic():.1f}", text),
        )
    lines = [" · ".join(violation) for violation in result.violations[:50]]
    if result.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        lines.append(f"the processes' logs are in {folder}")
    sys.stdout.write("\n".join([*lines, result.line()]) + "\n")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
