"""Bugs, planted into the product or under it, each of which the simulation has to find: who finds nothing proves nothing.

    python -m tests.simulation.planted --seeds 5000
    python -m tests.simulation.planted --store postgresql --seeds 200

Each is a mistake that somebody could make in a day's work, or did: those that begin with "found" are what the simulation found in
the product itself, put back. The command says how many seeds each one needed.
"""

from tests.simulation.planted import bulk, fetched, lanes, offsets, outgoing, outside, people, receipts, retries, statements
from tests.simulation.planted.bugs import BUGS, Bug
from tests.simulation.planted.hunt import Hunt, hunt

__all__ = [
    "BUGS",
    "Bug",
    "Hunt",
    "bulk",
    "fetched",
    "hunt",
    "lanes",
    "offsets",
    "outgoing",
    "outside",
    "people",
    "receipts",
    "retries",
    "statements",
]
