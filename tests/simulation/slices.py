"""Bulk jobs: somebody who edits all orders at once, and the real service that carries such jobs on.

A job puts a tag of its own on every order: what came of it, order by order, shows by the tag.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import uuid5

import psycopg

from modification_processor import bulk
from modification_processor.bulk import BulkRunner, BulkService, Request
from modification_processor.edit import BULK_DOOR
from modification_processor.snapshot import context_of
from schemas.assertion import Signer
from schemas.order import NAMESPACE
from schemas.ticket import Operation
from tests.simulation.counterparts import Counterpart
from tests.simulation.posts import SIGNERS, TOPICS
from tests.simulation.scheduler import BEGINNING, Process
from tests.simulation.seeded import VAULT
from tests.simulation.stepped import stop_of
from tests.simulation.world import World

MODES = ("skip_failed", "stop_after", "all_or_nothing", "all_or_nothing")


@dataclass(frozen=True)
class SeededSigner:
    """Signs as of the beginning: the same job leaves the same bytes."""

    signer: Signer

    def sign(self, value: bytes, *, message_id: str, order_id: str, sub: str, roles: Iterable[str]) -> bytes:
        return self.signer.sign(value, message_id=message_id, order_id=order_id, sub=sub, roles=roles, now=BEGINNING.timestamp())


class Planner(Counterpart):
    """Somebody who submits a few jobs over all orders, known or not."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "planner")
        self._connect = world.connector(world.processes["outside"], "planner")

    def look(self) -> None:
        """Submit what is to be submitted, once more where it is not known whether it was."""
        world = self.world
        for index in range(world.plan.jobs):
            if self.count.get(index) or self.dice.random() < 0.8:
                continue
            name = f"job-{world.seed}-{index}"
            operation = Operation(name="set_tags", arguments=f'{{"add": ["{name}"]}}')
            request = Request(
                (operation,),
                "customer_request",
                "planner",
                frozenset({"Order_Modify", "Order_Bulk"}),
                self.dice.choice(MODES),
                stop_after=1,
            )
            try:
                with self._connect() as connection:
                    bulk.submit(connection, request, list(world.numbers.values()), uuid5(NAMESPACE, name))
            except psycopg.errors.UniqueViolation:
                """It was, though nobody said so."""
            except psycopg.Error:
                continue
            self.count[index] = 1


def tasks(world: World, process: Process) -> Sequence[tuple[str, Callable[[], None]]]:
    """Return what the process runs that carries jobs on."""
    worker = world.processor(process, "bulk work")
    signer = cast("Signer", SeededSigner(SIGNERS[BULK_DOOR]))
    runner = BulkRunner(VAULT, signer, TOPICS.modifications, context_of, worker.together, worker.close)
    return (("jobs", lambda: BulkService(world.connector(process, "bulk"), runner).run(stop_of(world))),)
