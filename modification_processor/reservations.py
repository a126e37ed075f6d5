"""What an order's change asks of stock: which reservations move, and what is short. Pure.

A line's units that are still to be sent are reserved, at one location, under one id: `reserved = Σ owed` holds after every
change, whoever made it. A line that asks for as many units as before keeps its reservation untouched. Lines of SKUs without
a stock record are not looked at.

`plan` works on what the transaction has loaded under its locks (`Stock`) and on what its earlier messages left of it, so two
orders cannot be promised one unit. What is short is reserved all the same in the plan: whether the change may be at all is
`shortages.py`'s to say, of an edit; what a channel or a warehouse states has happened.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.order import Order, OrderLine
from schemas.stock import EVERYWHERE, Reservation, Shelf

NOTHING_LEFT_TO_SEND = frozenset({"cancelled", "closed"})
Place = tuple[str, str]
"""A SKU at a location."""


@dataclass
class Stock:
    """Stock as this transaction leaves it: shelves by SKU and location, reservations by order and line."""

    shelves: dict[str, dict[str, Shelf]] = field(default_factory=dict)
    held: dict[UUID, dict[str, Reservation]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """SKUs that were looked up under a lock, with or without a shelf."""
    orders: set[UUID] = field(default_factory=set)
    """Orders whose reservations were looked up."""
    changed: dict[tuple[UUID, str], Reservation] = field(default_factory=dict)
    promised: dict[Place, int] = field(default_factory=dict)
    """By how many units each shelf's promises moved."""
    left: dict[Place, int] = field(default_factory=dict)
    """How many units left each shelf."""

    def add(self, shelves: Iterable[Shelf]) -> None:
        """Take in shelves that were not known yet; those that are known stand as this transaction left them."""
        for shelf in shelves:
            self.shelves.setdefault(shelf.sku, {}).setdefault(shelf.location, shelf)


class Shortage(NamedTuple):
    """A line that wants more units than can be had; `possible` so many, all of them from `enough_at` on (None: never yet)."""

    line_id: str
    sku: str
    wanted: int
    possible: int
    backorder: bool
    enough_at: datetime | None


class Later(NamedTuple):
    """A line whose units are not all there yet, and come in time for its order."""

    line_id: str
    sku: str
    missing: int
    at: datetime


class Plan(NamedTuple):
    """What a change does to stock. `rows` are the reservations as they are then."""

    rows: tuple[Reservation, ...] = ()
    promised: Mapping[Place, int] = {}
    left: Mapping[Place, int] = {}
    short: tuple[Shortage, ...] = ()
    later: tuple[Later, ...] = ()


NO_MOVE = Plan()


def owed(order: Order, line: OrderLine) -> int:
    """Return how many units of a line are still to be sent."""
    if order.lifecycle in NOTHING_LEFT_TO_SEND or line.quantity_exponent:
        return 0
    return max(line.open - line.shipped, 0)


def plan(before: Order | None, after: Order, stock: Stock) -> Plan:
    """Return what becomes of the order's reservations; `before` None: the order is new, and what it shipped was never ours."""
    if after.order_id not in stock.orders or (before is not None and _asks_the_same(before, after)):
        return NO_MOVE
    return _Planning(after, stock).of(before)


def take(stock: Stock, planned: Plan) -> None:
    """Let later messages of the transaction see what was planned."""
    for row in planned.rows:
        stock.held.setdefault(row.order_id, {})[row.line_id] = row
        stock.changed[row.order_id, row.line_id] = row
    for total, moved in ((stock.promised, planned.promised), (stock.left, planned.left)):
        for place, units in moved.items():
            total[place] = total.get(place, 0) + units
    for sku, location in {*planned.promised, *planned.left}:
        shelves = stock.shelves.setdefault(sku, {})
        shelf = shelves.get(location) or Shelf(sku, location, 0)
        shelves[location] = shelf._replace(
            on_hand=shelf.on_hand - planned.left.get((sku, location), 0),
            reserved=shelf.reserved + planned.promised.get((sku, location), 0),
        )


def _asks_the_same(before: Order, after: Order) -> bool:
    return before.lines is after.lines and before.warehouse == after.warehouse and before.lifecycle == after.lifecycle


class _Planning:
    """One order's plan in the making."""

    def __init__(self, after: Order, stock: Stock) -> None:
        self._after = after
        self._stock = stock
        self._held = stock.held.get(after.order_id, {})
        self._promised: dict[Place, int] = {}
        self._left: dict[Place, int] = {}
        self._rows: list[Reservation] = []
        self._short: list[Shortage] = []
        self._later: list[Later] = []

    def of(self, before: Order | None) -> Plan:
        lines = [line for line in self._after.lines if line.line_id in self._held or line.sku in self._stock.shelves]
        # What gives units back goes first: another line of the order may want them.
        for line in sorted(lines, key=lambda line: (self._more(line), line.position, line.line_id)):
            self._line(line)
        self._lost(line.line_id for line in lines)
        if before is not None:
            self._shipped(before, lines)
        promised = {place: units for place, units in self._promised.items() if units}
        return Plan(tuple(self._rows), promised, self._left, tuple(self._short), tuple(self._later))

    def _more(self, line: OrderLine) -> int:
        return owed(self._after, line) - (self._held[line.line_id].units if line.line_id in self._held else 0)

    def _line(self, line: OrderLine) -> None:
        held, wanted = self._held.get(line.line_id), owed(self._after, line)
        if held is not None and held.sku != line.sku:
            self._move(held, -held.units)
        if line.sku is None or line.sku not in self._stock.shelves:
            wanted = 0
        here = [shelf.location for shelf in self._candidates(line.sku)] if wanted and line.sku else []
        if held is None and not wanted:
            return
        if held is not None and held.units == wanted and held.sku == line.sku and (not wanted or held.location in here):
            return
        mine = held if held is not None and held.sku == line.sku else None
        location = self._location(line, mine, wanted, here)
        if mine is not None:
            self._move(mine, -mine.units)
        row = Reservation(
            self._after.order_id, line.line_id, line.sku or (held.sku if held else ""), location, wanted, held.revision + 1 if held else 1
        )
        self._move(row, wanted)
        self._rows.append(row)

    def _location(self, line: OrderLine, mine: Reservation | None, wanted: int, here: list[str]) -> str:
        """Return from where the line's units are sent, and note what is missing there."""
        if not wanted or not here:
            return mine.location if mine is not None else EVERYWHERE
        assert line.sku is not None
        can = {location: self._free(line.sku, location) + (mine.units if mine and mine.location == location else 0) for location in here}
        stays = mine is not None and mine.location in can and (
            can[mine.location] >= wanted or wanted <= mine.units or any((line.allocated, line.released, line.packed, line.shipped))
        )  # fmt: skip
        best = mine.location if mine is not None and stays else min(here, key=lambda name: (-can[name], name))
        if mine is None or wanted > mine.units or best != mine.location:
            self._note(line, wanted, best, can)
        return best

    def _note(self, line: OrderLine, wanted: int, location: str, can: Mapping[str, int]) -> None:
        """Note what a line that asks for more, or elsewhere, does not get, or not at once."""
        assert line.sku is not None
        if can[location] < wanted:
            self._short.append(self._shortage(line, wanted, max(can.values()), list(can)))
            return
        missing, at = wanted - can[location] + self._comes_in_time(line.sku, location), self._shelf(line.sku, location).incoming_at
        if missing > 0 and at is not None:
            self._later.append(Later(line.line_id, line.sku, missing, at))

    def _candidates(self, sku: str) -> list[Shelf]:
        """Return from where the order's units of a SKU may come: its warehouse, or anywhere while it has none."""
        shelves, warehouse = self._stock.shelves[sku], self._after.warehouse
        if warehouse is None:
            return [shelves[name] for name in sorted(shelves)]
        return [shelves[name] for name in (warehouse, EVERYWHERE) if name in shelves] or [Shelf(sku, warehouse, 0)]

    def _shelf(self, sku: str, location: str) -> Shelf:
        return self._stock.shelves[sku].get(location) or Shelf(sku, location, 0)

    def _free(self, sku: str, location: str) -> int:
        shelf = self._shelf(sku, location)
        return shelf.on_hand - shelf.reserved - self._promised.get((sku, location), 0) + self._comes_in_time(sku, location)

    def _comes_in_time(self, sku: str, location: str) -> int:
        """Return how many units come before the order has to be delivered; an order without a latest day waits for none."""
        shelf, window = self._shelf(sku, location), self._after.delivery_window
        latest = window.latest if window is not None else None
        return shelf.incoming if shelf.incoming_at is not None and latest is not None and shelf.incoming_at <= latest else 0

    def _shortage(self, line: OrderLine, wanted: int, possible: int, here: list[str]) -> Shortage:
        assert line.sku is not None
        shelves = [self._shelf(line.sku, location) for location in here]
        mine = self._held.get(line.line_id)
        own = mine.units if mine is not None and mine.sku == line.sku else 0
        enough = [
            shelf.incoming_at
            for shelf in shelves
            if shelf.incoming_at is not None
            and shelf.on_hand + shelf.incoming - shelf.reserved - self._promised.get((shelf.sku, shelf.location), 0) + own >= wanted
        ]
        return Shortage(
            line.line_id, line.sku, wanted, max(possible, 0), any(shelf.backorder for shelf in shelves), min(enough, default=None)
        )

    def _lost(self, line_ids: Iterable[str]) -> None:
        """Give back what lines had that the order has no more."""
        there = set(line_ids)
        for held in self._held.values():
            if held.line_id not in there and held.units:
                self._move(held, -held.units)
                self._rows.append(held._replace(units=0, revision=held.revision + 1))

    def _shipped(self, before: Order, lines: Collection[OrderLine]) -> None:
        """Let units that were sent leave the shelf they were promised on."""
        was = {line.line_id: line.shipped for line in before.lines}
        rows = self._held | {row.line_id: row for row in self._rows}
        for line in lines:
            gone = line.shipped - was.get(line.line_id, 0)
            row = rows.get(line.line_id)
            if gone and row is not None and row.sku in self._stock.shelves:
                place = (row.sku, row.location)
                self._left[place] = self._left.get(place, 0) + gone

    def _move(self, row: Reservation, units: int) -> None:
        place = (row.sku, row.location)
        self._promised[place] = self._promised.get(place, 0) + units
