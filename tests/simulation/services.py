"""Which services a world has, how many processes of each, and who answers to what they leave in the book."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from confluent_kafka import Consumer

from dlq_handler.budget import Budget
from modification_processor.app import AppConfig, Kafka
from modification_processor.relay import Relay
from modification_processor.trial import Trial, Tried
from streaming.producer import BatchProducer
from telemetry.health import Health
from tests.simulation import fetching, slices
from tests.simulation.broker import Sender
from tests.simulation.counterparts import Asked, Reviewer, Undoer
from tests.simulation.operator import Operator
from tests.simulation.posts import KEYS, TOPICS
from tests.simulation.scheduler import Process
from tests.simulation.slices import Planner
from tests.simulation.stepped import QuietRetrier, SimulatedTrial, SteppedApp, stop_of
from tests.simulation.world import GROUP, Cast, World


def _processor(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    def client(config: dict[str, Any], logger: object) -> Consumer:
        del logger
        return cast("Consumer", world.broker.client(process, config))

    kafka = Kafka(client, lambda _bootstrap, names: {name: f"id of {name}" for name in names})
    config = AppConfig("simulated", GROUP, process.name, TOPICS)
    trial = cast("Trial[Tried]", SimulatedTrial(world.plan.killers))
    health = Health(lambda: world.scheduler.clock.seconds)
    app = SteppedApp(config, world.processor(process, "work"), KEYS, world.connector(process, "claims"), health, trial, kafka)
    app.reads = world.reads
    process.alarm = app.alarm
    return ("reader", app.take_steps(world.scheduler)), ("handler", lambda: app.run(stop_of(world)))


def _retrier(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    worker = world.processor(process, "work")
    budget = Budget(clock=lambda: world.scheduler.clock.seconds)
    retrier = QuietRetrier(world.connector(process, "rounds"), worker.retry_lanes, worker.expire, worker.close, budget=budget)
    return (("rounds", lambda: retrier.run(stop_of(world))),)


def _relay(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    sender = cast("BatchProducer", Sender(world.broker, world.how_a_send_ends))
    return (("send", lambda: Relay(world.connector(process, "outbox"), sender).run(stop_of(world))),)


def _operator(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    return (("desk", Operator(world, process).run),)


def _outside(world: World) -> Sequence[tuple[str, Callable[[], None]]]:
    return ("review", Reviewer(world).run), ("undo", Undoer(world).run), ("asked", Asked(world).run), ("plan", Planner(world).run)


CAST = Cast(
    services={
        "processor": _processor,
        "retrier": _retrier,
        "relay": _relay,
        "operator": _operator,
        "fetcher": fetching.tasks,
        "bulk": slices.tasks,
    },
    numbers={"processor": (1, 3), "retrier": (1, 2), "relay": (1, 2), "operator": (1, 2), "fetcher": (1, 2), "bulk": (1, 2)},
    outside=_outside,
)
"""Everybody in a world."""
