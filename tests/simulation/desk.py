"""A desk for dead letters, put together as the composition root does."""

from dlq_handler.desk import Desk, Handler
from modification_processor.replay import send_back
from tests.simulation.posts import TOPICS
from tests.simulation.scheduler import Process
from tests.simulation.seeded import VAULT
from tests.simulation.stepped import StillWorkbench
from tests.simulation.world import World


def desk_of(world: World, process: Process) -> Desk:
    """Return a desk, put together as the composition root does."""
    bench = StillWorkbench(world.connector(process, "workbench"), VAULT, TOPICS, world.failpoint)
    handler = Handler(
        send_back=lambda cursor, letter, repaired: send_back(cursor, VAULT, TOPICS, letter, repaired),
        rehearse=bench.rehearse,
        discard=bench.discard,
        normalise=lambda _channel, _raw: [],
        close=bench.close,
    )
    return Desk(world.connector(process, "desk"), VAULT, handler)
