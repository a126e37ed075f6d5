"""Orders that somebody chose in a list, by id or by a search, for a bulk edit. Only the console writes them; they live a few hours."""

from typing import NamedTuple
from uuid import UUID

from psycopg.types.json import Json

from store.database import Cursor

KEEP_SECONDS = 4 * 3600
MOST = 50
"""How many one person may have; the oldest go first."""


class Selection(NamedTuple):
    """What was chosen. `filters` is the search that says which orders, None where `order_ids` does."""

    order_ids: tuple[UUID, ...]
    filters: dict[str, str] | None


def keep(cursor: Cursor, selection_id: str, user_id: str, chosen: Selection) -> None:
    """Keep a selection; what is over, and what is beyond a person's share, goes."""
    cursor.execute(
        """delete from selection where at < now() - make_interval(secs => %(keep)s) or selection_id in (
             select selection_id from selection where user_id = %(user)s order by at desc offset %(most)s)""",
        {"keep": KEEP_SECONDS, "user": user_id, "most": MOST - 1},
    )
    cursor.execute(
        "insert into selection (selection_id, user_id, order_ids, filters, at) values (%s, %s, %b, %s, now())",
        (selection_id, user_id, list(chosen.order_ids), None if chosen.filters is None else Json(chosen.filters)),
    )


def find(cursor: Cursor, selection_id: str, user_id: str) -> Selection | None:
    """Return a selection of this person that is not over."""
    row = cursor.execute(
        "select order_ids, filters from selection where selection_id = %s and user_id = %s and at >= now() - make_interval(secs => %s)",
        (selection_id, user_id, KEEP_SECONDS),
    ).fetchone()
    return Selection(tuple(row[0]), row[1]) if row else None
