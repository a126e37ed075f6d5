"""A worker's loop over the book: rounds until it is told to stop, a pause where there was nothing to do, and an outage waited out.

What a round did before the connection was lost is in the book or is not; the next one begins with what the book says then. Each round
is a sign of life, and so is each try to connect: that the book is away is no reason to start the worker again.
"""

from collections.abc import Callable, Mapping
from threading import Event

import psycopg

from store.database import Connection
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INFRA_FAULTS

BOOK_ONLY: Mapping[type[Exception], str] = {psycopg.Error: "postgresql"}
AWAY_SECONDS = 1.0
"""How long is waited before the next try to connect."""


def keep_at_it(
    connect: Callable[[], Connection],
    once: Callable[[Connection], float],
    stop: Event,
    name: str,
    health: Health | None = None,
    outages: Mapping[type[Exception], str] = BOOK_ONLY,
) -> None:
    """Take rounds until `stop`. `once` is one of them, and returns how many seconds to wait before the next.

    `outages`: errors that mean that something is away, and what; the log says `<name>_waits`. Any other error ends the worker.
    """
    log = logger(name)
    while not stop.is_set():
        _tick(health)
        try:
            with connect() as connection:
                while not stop.is_set():
                    _tick(health)
                    seconds = once(connection)
                    if seconds > 0:
                        stop.wait(seconds)
        except tuple(outages) as error:
            INFRA_FAULTS.labels(next(what for kind, what in outages.items() if isinstance(error, kind))).inc()
            waits = f"{name}_waits"
            log.warning(waits, error=type(error).__name__)
            stop.wait(AWAY_SECONDS)


def _tick(health: Health | None) -> None:
    if health is not None:
        health.tick()
