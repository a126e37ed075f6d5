"""Who has an order's edit form open: a hint that ends by itself, never a lock. Only the console writes it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor

SECONDS = 15
"""How long somebody is taken to be there after they were last heard of."""


class Present(NamedTuple):
    """Somebody who has the form open, and since when."""

    user_id: str
    name: str
    since: datetime


def note(cursor: Cursor, order_id: UUID, form_id: UUID, user_id: str, name: str) -> None:
    """Say that this form is open; what has ended of this order is cleared."""
    cursor.execute("delete from edit_presence where order_id = %s and expires_at < now()", (order_id,))
    cursor.execute(
        """insert into edit_presence (order_id, form_id, user_id, name, since, expires_at)
           values (%s, %s, %s, %s, now(), now() + make_interval(secs => %s))
           on conflict (order_id, form_id) do update set expires_at = excluded.expires_at""",
        (order_id, form_id, user_id, name, SECONDS),
    )


def gone(cursor: Cursor, order_id: UUID, form_id: UUID) -> None:
    """Say that this form is closed."""
    cursor.execute("delete from edit_presence where order_id = %s and form_id = %s", (order_id, form_id))


def others(cursor: Cursor, order_id: UUID, user_id: str) -> list[Present]:
    """Return which other people have a form of this order open, the longest first."""
    cursor.execute(
        """select user_id, min(name), min(since) from edit_presence where order_id = %s and user_id <> %s and expires_at > now()
            group by user_id order by 3""",
        (order_id, user_id),
    )
    return [Present(*row) for row in cursor.fetchall()]
