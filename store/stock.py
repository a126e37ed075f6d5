"""The embedded inventory: what was counted of each SKU at each location, and which order's line has what of it; in sets.

Shelves are locked in the order of SKU and location, after the heads and after promotions' uses, by every transaction that may move a
promise, and until it ends: who comes second sees what the first was promised. A shared advisory lock says that somebody reads shelves;
a load takes it alone, so that no order is written beside the first count of a SKU: the open lines the book has of it are reserved with it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from schemas.stock import EVERYWHERE, Reservation, Shelf, StockEntry
from store.database import Cursor

_LOCK = "hashtext(current_schema() || ':stock')"
_COLUMNS = ", ".join(Shelf._fields)


class Loaded(NamedTuple):
    """How many shelves a load brought: new ones, other counts, and the same counts."""

    added: int
    changed: int
    unchanged: int


def shelves(cursor: Cursor, skus: Collection[str]) -> list[Shelf]:
    """Return the shelves of SKUs, for somebody who only looks."""
    cursor.execute(f"select {_COLUMNS} from stock where sku = any(%b::text[]) order by sku, location", (list(skus),))
    return [Shelf(*row) for row in cursor.fetchall()]


def lock_shelves(cursor: Cursor, skus: Collection[str]) -> list[Shelf]:
    """Return the shelves of SKUs and lock them until the transaction ends; no load counts a new SKU meanwhile."""
    # A statement of its own: the next one has to see what a load committed while this one waited for it.
    cursor.execute(f"select pg_advisory_xact_lock_shared({_LOCK})")
    cursor.execute(f"select {_COLUMNS} from stock where sku = any(%b::text[]) order by sku, location for update", (list(skus),))
    return [Shelf(*row) for row in cursor.fetchall()]


def held(cursor: Cursor, order_ids: Collection[UUID]) -> list[Reservation]:
    """Return the reservations of orders."""
    cursor.execute(
        "select order_id, line_id, sku, location, units, revision from reservation where order_id = any(%b::uuid[])", (list(order_ids),)
    )
    return [Reservation(*row) for row in cursor.fetchall()]


def hold(cursor: Cursor, rows: Sequence[Reservation]) -> None:
    """Write reservations as they are now."""
    cursor.execute(
        """insert into reservation (order_id, line_id, reservation_id, sku, location, units, revision, changed_at)
           select u.*, now() from unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::int8[], %b::int4[]) u
           on conflict (order_id, line_id) do update set sku = excluded.sku, location = excluded.location, units = excluded.units,
                  revision = excluded.revision, changed_at = excluded.changed_at""",
        tuple(
            map(list, zip(*((r.order_id, r.line_id, r.reservation_id, r.sku, r.location, r.units, r.revision) for r in rows), strict=True))
        ),
    )


def move(cursor: Cursor, promised: Mapping[tuple[str, str], int], left: Mapping[tuple[str, str], int]) -> None:
    """Move what is promised of shelves, and take from them what left; a shelf nobody counted is empty."""
    places = sorted({*promised, *left})
    cursor.execute(
        """insert into stock as s (sku, location, on_hand, reserved) select u.sku, u.location, - u.gone, u.promised
             from unnest(%b::text[], %b::text[], %b::int8[], %b::int8[]) u(sku, location, promised, gone) order by 1, 2
           on conflict (sku, location) do update set on_hand = s.on_hand + excluded.on_hand, reserved = s.reserved + excluded.reserved""",
        (
            [sku for sku, _ in places],
            [location for _, location in places],
            [promised.get(place, 0) for place in places],
            [left.get(place, 0) for place in places],
        ),
    )


def save(cursor: Cursor, entries: Sequence[StockEntry]) -> Loaded:
    """Store counts; what was counted before is replaced, what is promised stands. All or nothing, with the caller's transaction.

    Of a SKU that is counted for the first time the open lines of the book are reserved, whether there is enough or not.
    """
    cursor.execute(f"select pg_advisory_xact_lock({_LOCK})")
    names = [entry.sku for entry in entries]
    old = {(shelf.sku, shelf.location): shelf for shelf in shelves(cursor, names)}
    new = {entry.sku for entry in entries} - {sku for sku, _ in old}
    cursor.execute(
        """insert into stock (sku, location, on_hand, incoming, incoming_at, backorder, counted_at)
           select u.*, now() from unnest(%b::text[], %b::text[], %b::int8[], %b::int8[], %b::timestamptz[], %b::bool[]) u
           on conflict (sku, location) do update set on_hand = excluded.on_hand, incoming = excluded.incoming,
                  incoming_at = excluded.incoming_at, backorder = excluded.backorder, counted_at = excluded.counted_at""",
        (
            names,
            [entry.location for entry in entries],
            [entry.on_hand for entry in entries],
            [entry.incoming for entry in entries],
            [entry.incoming_at for entry in entries],
            [entry.backorder for entry in entries],
        ),
    )
    if new:
        _reserve_open_lines(cursor, sorted(new))
    added = sum((entry.sku, entry.location) not in old for entry in entries)
    same = sum(_counted(old.get((entry.sku, entry.location))) == _stated(entry) for entry in entries)
    return Loaded(added, len(entries) - added - same, same)


def _counted(shelf: Shelf | None) -> tuple[object, ...] | None:
    return None if shelf is None else (shelf.on_hand, shelf.incoming, shelf.incoming_at, shelf.backorder)


def _stated(entry: StockEntry) -> tuple[object, ...]:
    return (entry.on_hand, entry.incoming, entry.incoming_at, entry.backorder)


def _reserve_open_lines(cursor: Cursor, skus: Sequence[str]) -> None:
    """Reserve what the book's open orders want of SKUs that had no stock record: from their warehouse, else where most lies."""
    cursor.execute(
        """select o.order_id, l.value ->> 'line_id', l.value ->> 'sku', coalesce(
                    (select s.location from stock s where s.sku = l.value ->> 'sku' and s.location = o.doc ->> 'warehouse'),
                    (select s.location from stock s where s.sku = l.value ->> 'sku' and s.location = %(everywhere)s),
                    o.doc ->> 'warehouse',
                    (select s.location from stock s where s.sku = l.value ->> 'sku' order by s.on_hand desc, s.location limit 1)),
                  (l.value ->> 'ordered')::int8 - coalesce((l.value ->> 'cancelled')::int8, 0) - coalesce((l.value ->> 'shipped')::int8, 0)
             from orders o cross join json_array_elements(o.doc -> 'lines') l
            where o.lifecycle not in ('cancelled', 'closed') and l.value ->> 'sku' = any(%(skus)s)
              and coalesce((l.value ->> 'quantity_exponent')::int, 0) = 0""",
        {"everywhere": EVERYWHERE, "skus": list(skus)},
    )
    rows = [Reservation(order_id, line_id, sku, location, units, 1) for order_id, line_id, sku, location, units in cursor if units > 0]
    if not rows:
        return
    hold(cursor, rows)
    promised: dict[tuple[str, str], int] = {}
    for row in rows:
        promised[row.sku, row.location] = promised.get((row.sku, row.location), 0) + row.units
    move(cursor, promised, {})


def counted(cursor: Cursor, sku: str | None = None) -> list[Shelf]:
    """Return every shelf, or those of one SKU; for people to look at."""
    cursor.execute(f"select {_COLUMNS} from stock where %b::text is null or sku = %b order by sku, location", (sku, sku))
    return [Shelf(*row) for row in cursor.fetchall()]
