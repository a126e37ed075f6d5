"""Searches of orders that a person keeps under a name of their own. Only the console writes them."""

from typing import NamedTuple

from psycopg.types.json import Json

from store.database import Cursor

MOST = 50
"""How many one person may keep."""


class SavedView(NamedTuple):
    """A search under a name. `filters` is what the list of orders was asked for."""

    name: str
    filters: dict[str, str]


def of(cursor: Cursor, user_id: str) -> list[SavedView]:
    """Return a person's views, by name."""
    cursor.execute("select name, filters from saved_view where user_id = %s order by name", (user_id,))
    return [SavedView(*row) for row in cursor.fetchall()]


def keep(cursor: Cursor, user_id: str, view: SavedView) -> bool:
    """Keep a view, in the place of one of the same name; say whether there was room."""
    cursor.execute(
        """insert into saved_view (user_id, name, filters, at) select %(user)s, %(name)s, %(filters)s, now()
            where exists (select 1 from saved_view where user_id = %(user)s and name = %(name)s)
               or (select count(*) from saved_view where user_id = %(user)s) < %(most)s
           on conflict (user_id, name) do update set filters = excluded.filters, at = excluded.at""",
        {"user": user_id, "name": view.name, "filters": Json(view.filters), "most": MOST},
    )
    return cursor.rowcount == 1


def forget(cursor: Cursor, user_id: str, name: str) -> None:
    """Drop a view."""
    cursor.execute("delete from saved_view where user_id = %s and name = %s", (user_id, name))
