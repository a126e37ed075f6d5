"""Orders in lists: found by what people say, filtered, page by page, newest arrival first."""

from datetime import datetime
from typing import Any, NamedTuple
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


def listing(
    cursor: Cursor, query: str | None, lifecycle: str | None, channel: str | None, after: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Return a page and where the next one begins."""
    conditions: list[str] = ["true"]
    values: list[Any] = []
    if query and query.strip():
        asked = wanted(query)
        conditions.append("exists (select 1 from order_search s where s.order_id = o.order_id and (s.terms && %s or s.terms @> %s))")
        # An order has all of no words; that must find nothing, not everything.
        values += [asked.any_of, asked.all_of or ["-"]]
    for column, value in (("lifecycle", lifecycle), ("channel", channel)):
        if value:
            conditions.append(f"o.{column} = %s")
            values.append(value)
    if after:
        conditions.append("(o.created_at, o.order_id) < (%s, %s)")
        values += cursors.place(after) or ()
    cursor.execute(
        f"select {', '.join(f'o.{name}' for name in FIELDS)} from orders o where {' and '.join(conditions)}"
        " order by o.created_at desc, o.order_id desc limit %s",
        [*values, limit + 1],
    )
    rows = [Row(*row) for row in cursor.fetchall()]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more.created_at.isoformat(), str(more.order_id)) if more else None
