"""What of `store.fetches` a stored order asks for: no document of the simulation only names an order, so no fetch is ever planned."""

from collections.abc import Sequence
from uuid import UUID

from tests.simulation.memory.database import Transaction


def stored(tx: Transaction, keys: Sequence[tuple[UUID, UUID]]) -> None:
    for key in keys:
        assert tx.get("order_fetch", *key) is None
