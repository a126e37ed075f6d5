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
FEW, MANY = 5000, 40_000
"""Up to so many hits are sorted, the more where another filter leaves few of them; beyond, walking the orders from the newest on is faster."""


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
    condition, values = _condition(filters)
    hits: list[UUID] | None = None
    if filters.query and filters.query.strip():
        asked = wanted(filters.query)
        # An order has all of no words; that must find nothing, not everything.
        terms = [asked.any_of, asked.all_of or ["-"]]
        most = MANY if values else FEW
        hits = _hits(cursor, terms, most)
        if len(hits) > most:
            condition += " and exists (select 1 from order_search s where s.order_id = o.order_id and (s.terms && %s or s.terms @> %s))"
            values += terms
        else:
            condition += " and o.order_id = any(%s)"
            values.append(hits)
    cursor.execute(
        f"select {columns} from orders o where {condition}{place} order by o.created_at desc, o.order_id desc limit %s",
        [*values, *place_values, limit],
    )
    return cursor.fetchall()


def _hits(cursor: Cursor, terms: list[list[str]], most: int) -> list[UUID]:
    """Return orders with these terms, at most one more than `most`: by the index, whatever the planner thinks of a rare word."""
    cursor.execute("set local enable_seqscan = off")
    cursor.execute("select order_id from order_search where terms && %s or terms @> %s limit %s", [*terms, most + 1])
    hits = [row[0] for row in cursor.fetchall()]
    cursor.execute("set local enable_seqscan = on")
    return hits


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
