"""The services, where they wait, start threads or processes, or measure: here the scheduler waits, tasks run, and nobody measures."""

from collections.abc import Callable
from dataclasses import replace
from queue import Empty, Full
from threading import Event
from typing import Any, cast

from confluent_kafka import Message

from dlq_handler.retrier import Retrier
from modification_processor import app as app_module
from modification_processor.app import ProcessorApp
from modification_processor.incoming import Incoming, Read, read
from modification_processor.outcomes import Failed
from modification_processor.reader import Batch, Reader
from modification_processor.workbench import Workbench
from store.database import Connection
from tests.simulation.posts import KEYS
from tests.simulation.scheduler import Scheduler
from tests.simulation.seeded import NoCatalogue
from tests.simulation.world import World, killed


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
        return killed() if name in self._killers else None

    def close(self) -> None:
        """Nothing to end."""


def stop_of(world: World) -> Event:
    """Return what a service is told to stop by."""
    return cast("Event", Stop(world))


class StillWorkbench(Workbench):
    """The processor at the desk, without a catalogue."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._looking = replace(self._looking, catalogue=lambda _cursor: NoCatalogue())
