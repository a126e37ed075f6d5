"""Orders in lists: found by what people say, filtered, page by page, newest arrival first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from console import cursors
from store.database import Cursor
from store.search import wanted

FIELDS = (
    "order_id", "order_number", "channel", "account", "channel_order_id", "lifecycle", "currency", "grand_total_minor", "placed_at",
    "created_at", "version", "edits",
)  # fmt: skip


class Row(NamedTuple):
    """An order in a list."""

    order_id: UUID
    order_number: str
    channel: str
    account: str
    channel_order_id: str
    lifecycle: str
    currency: str
    grand_total_minor: int
    placed_at: datetime | None
    created_at: datetime
    version: int
    edits: int


class Filters(NamedTuple):
    """What a list of orders is asked for; None: anything. `age` is a key of `AGES`, `hold` a kind of hold."""

    query: str | None = None
    lifecycle: str | None = None
    channel: str | None = None
    hold: str | None = None
    age: str | None = None
    edited: bool | None = None


AGES: Final[Mapping[str, tuple[str, str]]] = {
    "hour": (">", "1 hour"), "day": (">", "1 day"), "week": (">", "7 days"), "month": (">", "30 days"),
    "over_day": ("<=", "1 day"), "over_week": ("<=", "7 days"), "over_month": ("<=", "30 days"),
}  # fmt: skip
"""How long ago an order arrived: within, or longer ago than."""
NEAR, NEAR_FILTERED = 3000, 10_000
"""So many of the newest terms are looked through first, more where another filter leaves few: what is frequent fills its page there."""
FEW, MANY = 2000, 30_000
"""Up to so many hits are sorted by arrival, the more where another filter leaves few of them; beyond, walking from the newest on is faster."""


def listing(cursor: Cursor, filters: Filters, after: str | None, limit: int) -> tuple[list[Row], str | None]:
    """Return a page and where the next one begins."""
    place, values = "", list[Any]()
    if after:
        place = " and (o.created_at, o.order_id) < (%s, %s)"
        values = [*(cursors.place(after) or ())]
    rows = [Row(*row) for row in _found(cursor, filters, ", ".join(f"o.{name}" for name in FIELDS), place, values, limit + 1)]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more.created_at.isoformat(), str(more.order_id)) if more else None


def ids(cursor: Cursor, filters: Filters, limit: int) -> list[UUID]:
    """Return the ids of all that fit, newest first, at most so many."""
    return [row[0] for row in _found(cursor, filters, "o.order_id", "", [], limit)]


def _found(cursor: Cursor, filters: Filters, columns: str, place: str, place_values: list[Any], limit: int) -> list[Any]:
    """Return rows of orders that fit, newest first. `place`: where the page begins."""
    condition, values = _condition(filters)
    if not (filters.query and filters.query.strip()):
        cursor.execute(
            f"select {columns} from orders o where {condition}{place} order by o.created_at desc, o.order_id desc limit %s",
            [*values, *place_values, limit],
        )
        return cursor.fetchall()
    asked = wanted(filters.query)
    # An order has all of no words; that must find nothing, not everything.
    beside, beside_values = _beside(filters)
    hit = f"(s.terms && %s or s.terms @> %s){beside}{place.replace('o.created_at', 's.arrived_at').replace('o.order_id', 's.order_id')}"
    hit_values = [asked.any_of, asked.all_of or ["-"], *beside_values, *place_values]
    order = f"lateral (select {columns} from orders o where o.order_id = s.order_id and {condition} limit 1) o"
    near = _walked(cursor, hit, hit_values, order, values, limit, NEAR_FILTERED if values else NEAR)
    if len(near) == limit:
        return near
    found = _sorted_hits(cursor, hit, hit_values, order, values, MANY if values else FEW, limit)
    return _walked(cursor, hit, hit_values, order, values, limit, None) if found is None else found


def _sorted_hits(cursor: Cursor, hit: str, hit_values: list[Any], order: str, values: list[Any], most: int, limit: int) -> list[Any] | None:
    """Return rows of the orders that are hit: found by the index of terms, sorted by arrival, and read one by one from the newest on.

    None where more than `most` are hit. The planner misjudges how rare a word is, so it is told not to read the whole table.
    """
    cursor.execute("set local enable_seqscan = off")
    cursor.execute(
        f"""with hit as materialized (select s.order_id, s.arrived_at from order_search s where {hit} limit %s)
            select (select count(*) from hit) > %s, n.* from (values (1)) once(x) left join lateral (
              select true, o.* from (select * from hit order by arrived_at desc, order_id desc offset 0) s cross join {order} where (select count(*) from hit) <= %s
              order by s.arrived_at desc, s.order_id desc limit %s) n on true""",
        [*hit_values, most + 1, most, *values, most, limit],
    )
    rows = cursor.fetchall()
    cursor.execute("set local enable_seqscan = on")
    return None if rows[0][0] else [row[2:] for row in rows if row[1]]


def _walked(
    cursor: Cursor, hit: str, hit_values: list[Any], order: str, values: list[Any], limit: int, rows_at_most: int | None
) -> list[Any]:
    """Return rows of the orders that are hit, by walking all terms, or so many, from the newest arrival on."""
    cursor.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
    newest = "(select * from order_search order by arrived_at desc, order_id desc limit %s)"
    cursor.execute(
        f"""select o.* from {newest} s cross join {order} where {hit}
             order by s.arrived_at desc, s.order_id desc limit %s""",
        [rows_at_most, *values, *hit_values, limit],
    )
    rows = cursor.fetchall()
    cursor.execute("set local enable_seqscan = on; set local enable_bitmapscan = on")
    return rows


def _beside(filters: Filters) -> tuple[str, list[Any]]:
    """Return what of the filters can be asked of an order's terms; the order is asked again. The channel of older rows is not known there."""
    found, values = "", list[Any]()
    if filters.channel:
        found += " and (s.channel = %s or s.channel is null)"
        values.append(filters.channel)
    if filters.age:
        sign, length = AGES[filters.age]
        found += f" and s.arrived_at {sign} now() - %s::interval"
        values.append(length)
    return found, values


def _condition(filters: Filters) -> tuple[str, list[Any]]:
    found: list[str] = ["true"]
    values: list[Any] = []
    for column, value in (("lifecycle", filters.lifecycle), ("channel", filters.channel)):
        if value:
            found.append(f"o.{column} = %s")
            values.append(value)
    if filters.hold:
        found.append("o.lifecycle = 'held' and exists (select 1 from json_array_elements(o.doc -> 'holds') h where h ->> 'kind' = %s)")
        values.append(filters.hold)
    if filters.age:
        sign, length = AGES[filters.age]
        found.append(f"o.created_at {sign} now() - %s::interval")
        values.append(length)
    if filters.edited is not None:
        found.append("(o.edits > 0) = %s")
        values.append(filters.edited)
    return " and ".join(found), values


def hold_kinds(cursor: Cursor) -> list[str]:
    """Return the kinds of hold that orders have now."""
    cursor.execute(
        """select distinct h ->> 'kind' from (select doc from orders where lifecycle = 'held' order by created_at desc limit 5000) o,
                  json_array_elements(o.doc -> 'holds') h order by 1"""
    )
    return [row[0] for row in cursor.fetchall()]
