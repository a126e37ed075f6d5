"""One seed, from its plan to its judgement; and many of them, from the command line.

    python -m tests.simulation.run --seeds 5000 --first 1
    python -m tests.simulation.run --store postgresql --seeds 100

The last line says how many seeds, steps and faults there were, and how many violations. A seed that fails prints the command that
runs it again, alone and with its trace.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from store import fetches
from tests.faults.checker import Violation
from tests.simulation import observer
from tests.simulation.crew import STORES, alone, crew, server
from tests.simulation.judge import judge
from tests.simulation.memory.installed import installed
from tests.simulation.nemesis import Nemesis
from tests.simulation.postgres.server import Server
from tests.simulation.posts import SOURCES, repaired_quantity
from tests.simulation.scheduler import Stuck
from tests.simulation.services import CAST
from tests.simulation.workload import plan_of
from tests.simulation.world import GROUP, World

QUIET_AFTER = 1_200
FAULTY_STEPS = 5_000
"""For so many steps at least, and at most, things go wrong: as long as messages come."""
STEPS = 40_000
AFTERMATH_STEPS = 300
OPEN_STATES = ("awaiting_approval", "compensating")


@dataclass(frozen=True)
class Result:
    """What a seed came to."""

    seed: int
    steps: int
    messages: int
    faults: Counter[str]
    violations: tuple[Violation, ...]
    digest: str
    lines: tuple[str, ...]


def simulate(
    seed: int,
    *,
    keep: bool = False,
    prepare: Callable[[World, ExitStack], None] = lambda _world, _stack: None,
    server: Server | None = None,
) -> Result:
    """Run a seed, on PostgreSQL where there is a server. `prepare` may change the world before it begins, until the stack is unwound."""
    with ExitStack() as stack:
        stack.enter_context(installed())
        stack.enter_context(silence())
        world = World(seed, plan_of(seed), CAST, keep=keep, server=server)
        stack.callback(world.database.close)
        world.patched(stack)
        prepare(world, stack)
        nemesis = Nemesis(world)
        world.scheduler.every_step = nemesis.step
        violations = _lived(world, nemesis)
        for process in list(world.processes.values()):
            world.scheduler.kill(process)
    violations += [Violation("service_ended", "world", failure) for failure in world.failures]
    lines = tuple(world.trace.lines or ())
    return Result(seed, world.trace.steps, world.posted, world.faults, tuple(violations), world.trace.digest, lines)


def _lived(world: World, nemesis: Nemesis) -> list[Violation]:
    scheduler = world.scheduler
    world.start()
    stuck: list[Violation] = []
    mended_at = rest_at = 0.0
    try:
        scheduler.run(partial(_is_quiet, world), FAULTY_STEPS, strict=False)
        nemesis.end()
        mended_at = scheduler.clock.seconds
        if world.repeats_the_last:
            world.repeat_the_last()
        scheduler.run(lambda: _at_rest(world), STEPS)
        rest_at, world.over = scheduler.clock.seconds, True
        scheduler.run(lambda: False, AFTERMATH_STEPS, strict=False)
    except Stuck as error:
        stuck.append(Violation("no_rest", "world", str(error)))
    told = observer.told(world.plan, world.answers, world.broker, world.discarded, world.max_depth)
    told.reviews = world.looks.reviews
    told.repaired = {name: repaired_quantity(world.plan.unstorable[name]) for name in world.repaired}
    found = observer.found(world.database.committed, world.broker)
    found.deepest, found.rest_after_hours = world.deepest, (rest_at - mended_at) / 3600
    found.stale_writes = world.stale_writes
    told.reports, told.paid = world.looks.reports, world.looks.paid
    found.awaited, found.heard_in_vain = world.looks.awaited, world.looks.in_vain
    return stuck + judge(told, found)


def _is_quiet(world: World) -> bool:
    """Whether all was sent a while ago."""
    steps = world.scheduler.trace.steps
    if world.posted < len(world.plan.posts):
        world.posted_at = steps
    return steps > max(QUIET_AFTER, world.posted_at + world.lingers)


def _at_rest(world: World) -> bool:
    """Whether nothing is left to do for anybody."""
    database, tables = world.database, world.database.tables
    if world.posted < len(world.plan.posts) or any(tables["lane"].values()):
        return False
    if any(row.status in ("unresolved", "replaying") for row in database.committed("dead_letter")):
        return False
    asked = (row for row in database.committed("action") if row.port in ("payment", "warehouse"))
    if any(row.state in ("planned", "sent") for row in asked):
        return False
    if any(row.state in OPEN_STATES for row in database.committed("ticket")):
        return False
    if any(row.state == "running" for row in database.committed("bulk_job")):
        return False
    if any(row.state in fetches.OPEN for row in database.committed("order_fetch")):
        return False
    if any(row.sent_at is None for row in database.committed("outbox")):
        return False
    owners = tables["partition_owner"].get(GROUP, {})
    ends = {(topic, part): len(log) for (topic, part), log in world.broker.logs.items() if topic in SOURCES}
    offsets = {(row.topic, row.part): row.next_offset or 0 for row in owners.values()}
    return all(offsets.get(place, 0) >= end for place, end in ends.items())


@contextmanager
def silence() -> Iterator[None]:
    """Say nothing in the logs: thousands of faults are no news."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def main(arguments: list[str] | None = None) -> int:
    """Run seeds and say what they came to; 1 where one found a violation."""
    asked = _parser().parse_args(arguments)
    if asked.seed is not None:
        return _one(asked.seed, asked.store)
    seeds = range(asked.first, asked.first + asked.seeds)
    began, total, faults, violations = time.monotonic(), Total(), Counter[str](), 0
    with crew(asked.store, asked.jobs) as pool:
        for result in pool.imap_unordered(_simulated, seeds, chunksize=4):
            total.seeds, total.steps, total.messages = total.seeds + 1, total.steps + result.steps, total.messages + result.messages
            faults += result.faults
            violations += len(result.violations)
            _tell(result, asked.store)
            if total.seeds % 100 == 0:
                _say(f"{total.seeds} of {len(seeds)} seeds, {time.monotonic() - began:.0f} s, {violations} violations")
    for name, count in sorted(faults.items()):
        _say(f"  {count:>8} {name}")
    _say(
        f"{total.seeds} seeds ({seeds.start} to {seeds.stop - 1}), {total.messages} messages, {total.steps} steps,"
        f" {sum(faults.values())} faults injected, {violations} violations"
    )
    return 1 if violations else 0


def _simulated(seed: int) -> Result:
    return simulate(seed, server=server())


def _one(seed: int, store: str) -> int:
    """Run one seed and show each of its steps."""
    with alone(store):
        result = simulate(seed, keep=True, server=server())
    _say("\n".join(result.lines))
    _tell(result, store)
    _say(f"1 seeds ({seed} to {seed}), {result.messages} messages, {result.steps} steps, {sum(result.faults.values())} faults injected, "
         f"{len(result.violations)} violations")  # fmt: skip
    return 1 if result.violations else 0


@dataclass
class Total:
    """What was done so far."""

    seeds: int = 0
    steps: int = 0
    messages: int = 0


def _tell(result: Result, store: str) -> None:
    if not result.violations:
        return
    for violation in result.violations[:10]:
        _say(f"seed {result.seed}: {violation.kind} {violation.where}: {violation.detail}")
    words = f"--seed {result.seed}" if store == STORES[0] else f"--store {store} --seed {result.seed}"
    _say(f'run it again: make test-simulation ARGS="{words}"')


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The deterministic simulation of the protocol.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--store", choices=STORES, default=STORES[0], help="where the book is: in memory, or on a real server")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes share them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
