"""Stock as people look at it: what lies where and how much of it is promised, page by page; and which orders' lines hold a SKU."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from console import cursors
from store.database import Cursor


class Level(NamedTuple):
    """A SKU at a location: units that lie there, of which `reserved` are promised; what comes and when. `counted_at` None: only promised, never counted."""

    sku: str
    name: str
    location: str
    on_hand: int
    reserved: int
    incoming: int
    incoming_at: datetime | None
    backorder: bool
    counted_at: datetime | None


class Held(NamedTuple):
    """Units that an order's line holds."""

    order_id: UUID
    order_number: str
    channel: str
    line_id: str
    location: str
    units: int
    changed_at: datetime


_LEVELS = """select s.sku, coalesce(n.doc ->> 'name', ''), s.location, s.on_hand, s.reserved, s.incoming, s.incoming_at, s.backorder, s.counted_at
  from stock s
  left join lateral (select doc from catalogue_entry where kind = 'product' and key = s.sku order by version desc limit 1) n on true"""


def levels(cursor: Cursor, text: str, after: str | None, limit: int) -> tuple[list[Level], str | None]:
    """Return a page of levels of SKUs that begin like this, by SKU and location, and where the next one begins."""
    place = cursors.decode(after, str, str) if after else ["", ""]
    cursor.execute(
        f"""{_LEVELS} where starts_with(lower(s.sku), lower(%s)) and (s.sku, s.location) > (%s, %s) order by s.sku, s.location limit %s""",
        (text, *(part.replace("\x00", "") for part in place), limit + 1),
    )
    rows = [Level(*row) for row in cursor.fetchall()]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more.sku, more.location) if more else None


def levels_of(cursor: Cursor, sku: str) -> list[Level]:
    """Return the levels of exactly this SKU."""
    cursor.execute(f"{_LEVELS} where s.sku = %s order by s.location", (sku,))
    return [Level(*row) for row in cursor.fetchall()]


def held(cursor: Cursor, sku: str, most: int) -> tuple[list[Held], int]:
    """Return which lines hold units of a SKU, the newest changed first, at most so many; and how many there are."""
    cursor.execute(
        """select r.order_id, o.order_number, o.channel, r.line_id, r.location, r.units, r.changed_at, count(*) over ()
             from reservation r join orders o using (order_id) where r.sku = %s and r.units > 0
            order by r.changed_at desc, r.order_id, r.line_id limit %s""",
        (sku, most),
    )
    rows = cursor.fetchall()
    return [Held(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
