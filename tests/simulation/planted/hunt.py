"""Looks for a planted bug, seed after seed."""

import time
from dataclasses import dataclass

from tests.simulation import crew
from tests.simulation.planted.bugs import BUGS
from tests.simulation.postgres.server import Server
from tests.simulation.run import simulate


@dataclass(frozen=True)
class Hunt:
    """How a bug was looked for: how many seeds it took, and what gave it away; None: it was not found."""

    bug: str
    seeds: int
    seconds: float
    kind: str | None
    detail: str = ""


def hunt(name: str, most: int, first: int = 1, server: Server | None = None) -> Hunt:
    """Look for a planted bug, with the book in PostgreSQL where there is a server."""
    planted, began = next(one for one in BUGS if one.name == name), time.monotonic()
    for count, seed in enumerate(range(first, first + most), start=1):
        result = simulate(seed, prepare=planted.plant, server=server)
        if result.violations:
            one = result.violations[0]
            return Hunt(name, count, time.monotonic() - began, one.kind, f"{one.where}: {one.detail}"[:160])
    return Hunt(name, most, time.monotonic() - began, None)


def hunted(name: str, most: int) -> Hunt:
    """Look for it on what this process's seeds run on."""
    return hunt(name, most, server=crew.server())
