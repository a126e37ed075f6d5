"""What is committed in PostgreSQL, as rows of the same kinds as the book in memory has: for those who look into the book from outside.

Each table is read when somebody asks for it, and again after somebody has committed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import psycopg

from schemas.order import Order
from store.actions import ActionRow
from store.bulk import ItemRow, JobRow
from store.claims import Repair
from store.history import HistoryRow
from store.inbox import Received, Repeat
from store.letters import Item, Letter, Parked
from store.orders import Origin
from store.tickets import TicketRow
from tests.simulation.memory.database import Table
from tests.simulation.memory.fetches import FetchRow
from tests.simulation.memory.heads import HeadRow, LaneRow
from tests.simulation.memory.orders import OrderRow
from tests.simulation.memory.outbox import OutboxRow
from tests.simulation.memory.partitions import Owner

Reader = Callable[[tuple[Any, ...]], Any]


class Shown(NamedTuple):
    """How a table is shown: its columns in the order of `make`'s, of which the first `key` are its key, unless `key_of` says another."""

    columns: str
    make: Reader
    key_of: Callable[[Any], tuple[Any, ...]]


def _of(kind: Any, key: int, columns: str = "") -> Shown:
    return Shown(columns or ", ".join(kind._fields), kind._make, lambda row: tuple(row[:key]))


def _order(row: tuple[Any, ...]) -> OrderRow:
    return OrderRow._make((*row, Order.model_validate_json(row[-1])))


SHOWN: Mapping[str, Shown] = {
    "partition_owner": _of(Owner, 3, "grp, topic, part, topic_id, owner, epoch, next_offset, starts, released"),
    "order_head": _of(HeadRow, 1),
    "lane": _of(LaneRow, 2),
    "parked": _of(Parked, 3),
    "dead_letter": _of(Letter, 2),
    "inbox": _of(Received, 2),
    "repeat": _of(Repeat, 4),
    "ticket": _of(TicketRow, 2),
    "action": _of(ActionRow, 2),
    "bulk_job": _of(JobRow, 1),
    "bulk_item": _of(ItemRow, 2),
    "order_fetch": _of(FetchRow, 2),
    "work_item": _of(Item, 2),
    "repair": _of(Repair, 2),
    "history": _of(HistoryRow, 2),
    "order_origin": _of(Origin, 1),
    "orders": Shown("order_id, version, statement_id, edits, doc::text", _order, lambda row: (row[0],)),
    "outbox": Shown(", ".join(OutboxRow._fields), OutboxRow._make, lambda row: (row.order_id, row.id)),
}


class Mirror:
    """The tables, by name, as of the last commit."""

    def __init__(self, looking: "psycopg.Connection[tuple[Any, ...]]", commits: Callable[[], int]) -> None:
        """`commits` counts what could have changed anything."""
        self._looking = looking
        self._commits = commits
        self._tables: dict[str, Table] = {}
        self._as_of: dict[str, int] = {}

    def __getitem__(self, name: str) -> Table:
        """Return a table's rows, by the first part of their key and by their key."""
        if self._as_of.get(name) != self._commits():
            self._tables[name] = self._read(name)
            self._as_of[name] = self._commits()
        return self._tables[name]

    def _read(self, name: str) -> Table:
        shown, table = SHOWN[name], Table()
        query = f"select {shown.columns} from {name}"
        rows = [shown.make(row) for row in self._looking.execute(query, binary=True).fetchall()]
        for key, row in sorted(((shown.key_of(row), row) for row in rows), key=lambda pair: pair[0]):
            table.setdefault(key[0], {})[key] = row
        return table


class Change:
    """What one transaction left behind in the tables that onlookers watch: the difference it made."""

    def __init__(self, process: str, mirror: Mirror, before: Mapping[str, Table]) -> None:
        self.process = process
        self._mirror = mirror
        self._before = before

    def written(self, table: str) -> Iterator[Any]:
        """Yield the rows that are there now and were not, or were others; None for each that went."""
        before, after = self._before[table], self._mirror[table]
        for first in {**before, **after}:
            old, new = before.get(first, {}), after.get(first, {})
            yield from (row for key, row in new.items() if old.get(key) != row)
            yield from (None for key in old if key not in new)

    def rows(self, table: str, first: Any) -> list[Any]:
        """Return the rows whose key begins with `first`, in the order of their keys."""
        return list(self._mirror[table].get(first, {}).values())

    def get(self, table: str, *key: Any) -> Any:
        """Return a row as it is now."""
        return self._mirror[table].get(key[0], {}).get(key)

    def before(self, table: str, *key: Any) -> Any:
        """Return a row as it was before."""
        return self._before[table].get(key[0], {}).get(key)
