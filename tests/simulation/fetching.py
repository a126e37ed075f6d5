"""The real fetcher as a process of the simulation: the channel it asks, and the intake that hears what it publishes, are ours.

The channel knows each order in the newest version that anybody was told of, answers late, or not, or that it has no such order yet.
What the fetcher puts on the raw topic is a statement on the canonical topic at once: intake keeps no state.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from intake.fetching import IDLE_SECONDS, OUTAGES, Fetcher
from intake.sources import AskedTooOften, NoSuchOrder, Wanted
from normalizers.channel import Document
from store.rounds import keep_at_it
from streaming.producer import DeliveryFailed, Record
from tests.simulation.posts import RESTATED, document_of, fetched
from tests.simulation.scheduler import Process
from tests.simulation.stepped import stop_of
from tests.simulation.world import World

FETCHED_FAIL = 0.4
"""How often what was fetched cannot be stored at first, so that other things come before it."""
ANSWER_SECONDS = (0.0, 0.0, 0.5, 3.0)
"""How old an answer is when it comes: what the channel knows by then is not in it."""
REFUSALS_OF_A_FETCH = 3
"""An order that the channel does not know four times is given up: it is not asked so often in vain here."""


class Straight:
    """What runs side by side in the fetcher runs one after the other: who asks whom first is no matter."""

    @staticmethod
    def map(function: Callable[[Any], Any], asked: Iterable[Any]) -> list[Any]:
        return [function(one) for one in asked]


class Channel:
    """Where orders are fetched from."""

    def __init__(self, world: World) -> None:
        self._world = world

    def fetch(self, wanted: Wanted, _timeout_seconds: float) -> tuple[Document, ...]:
        world, number = self._world, int(wanted.channel_order_id)
        world.scheduler.pause("ask the channel")
        if not world.mended and world.refused_fetches[number] < REFUSALS_OF_A_FETCH and world.dice.random() < 0.4:
            world.refused_fetches[number] += 1
            world.faults["fetch: no answer"] += 1
            raise world.dice.choice((NoSuchOrder(), AskedTooOften(), AskedTooOften(3.0), ConnectionResetError()))
        document = Document(document_of(number, world.told_versions.get(number, 0)), {})
        world.scheduler.wait(None, world.dice.choice(ANSWER_SECONDS), "the channel answers")
        return (document,)


class Intake:
    """Makes a statement of each raw record, when it is published."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, records: Sequence[Record]) -> None:
        how = self._world.how_a_send_ends()
        if how == "before":
            raise DeliveryFailed("Kafka did not confirm the batch: nothing of it")
        for record in records:
            self._world.scheduler.pause("publish what was fetched")
            headers: Mapping[str, Any] = dict(record.headers)
            self._world.answer(fetched(int(record.key or b""), record.value, headers["message_id"]), FETCHED_FAIL)
        if how != "no":
            raise DeliveryFailed("Kafka did not confirm the batch: all of it is there")


def tasks(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    """Return what a fetcher's process runs."""
    fetcher = Fetcher(world.connector(process, "fetches"), {"shopify": Channel(world)}, Intake(world))
    pool = cast("ThreadPoolExecutor", Straight())
    once = partial(_once, fetcher, pool)
    return (("rounds", partial(keep_at_it, world.connector(process, "fetches"), once, stop_of(world), "fetcher", None, OUTAGES)),)


def _once(fetcher: Fetcher, pool: ThreadPoolExecutor, connection: Any) -> float:
    return 0.0 if fetcher.round(connection, pool) else IDLE_SECONDS


assert RESTATED == 1, "the version of a document is told by the second line"
