"""Orders that channels only named: what is to be fetched, when it is asked for again, and how it ended; in sets.

A row is written by the processor, in the transaction that takes in the notification, beside the work item it stands for. The
fetcher claims due rows under their orders' heads and asks outside of any transaction; the processor ends a row, and closes
its work item, in the transaction that stores the order. States: `planned` (never asked for) → `asked` → `sent` (the answer lies on
the raw topic) → `stored`; exits `passed_on` (the answer names other orders, each of which is fetched) and `failed` (a person's).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor

OPEN = ("planned", "asked", "sent")


class Fetch(NamedTuple):
    """One order to be fetched. `missing` says what of it; `depth` is 1, or 2 where a fetched document named it.

    `attempts` counts claims, so also those of a fetcher that died; `not_found` how often the channel said that it has no such order.
    """

    order_id: UUID
    fetch_id: UUID
    item_id: UUID
    channel: str
    account: str
    channel_order_id: str
    missing: str
    depth: int
    state: str
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    not_found: int = 0


class Tried(NamedTuple):
    """What came of asking: the new state, why, when it is looked at again (None: never), and how often the channel had no such order."""

    order_id: UUID
    fetch_id: UUID
    state: str
    reason: str | None
    next_attempt_at: datetime | None
    not_found: int = 0


COLUMNS = ", ".join(Fetch._fields)


def plan(cursor: Cursor, rows: Sequence[Fetch]) -> None:
    """Add what is to be fetched."""
    cursor.executemany(
        f"insert into order_fetch ({COLUMNS}) values ({', '.join(['%s'] * len(Fetch._fields))}) on conflict do nothing", rows
    )


def planned(cursor: Cursor, order_ids: Sequence[UUID]) -> set[UUID]:
    """Return the orders of which a fetch is planned and nobody was asked yet: what it brings is newer than any notification till now."""
    cursor.execute("select distinct order_id from order_fetch where order_id = any(%b) and state = 'planned'", (list(order_ids),))
    return {row[0] for row in cursor.fetchall()}


def due(cursor: Cursor, limit: int) -> list[tuple[UUID, UUID]]:
    """Return (order id, fetch id) of what is to be looked at now."""
    cursor.execute(
        """select order_id, fetch_id from order_fetch where state in ('planned', 'asked', 'sent') and next_attempt_at <= now()
            order by next_attempt_at limit %s""",
        (limit,),
    )
    return cursor.fetchall()


def claim(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]], again_after: timedelta) -> list[Fetch]:
    """Mark fetches as asked, their orders' heads being locked; return those that were still due. Each attempt waits twice as long."""
    cursor.execute(
        f"""update order_fetch f set state = case f.state when 'sent' then 'sent' else 'asked' end, attempts = f.attempts + 1,
                   next_attempt_at = now() + %s * least(power(2, f.attempts), 64)
              from unnest(%b::uuid[], %b::uuid[]) u(order_id, fetch_id)
             where f.order_id = u.order_id and f.fetch_id = u.fetch_id and f.state in ('planned', 'asked', 'sent') and f.next_attempt_at <= now()
         returning {", ".join(f"f.{name}" for name in Fetch._fields)}""",
        (again_after, [key[0] for key in keys], [key[1] for key in keys]),
        binary=True,
    )
    return [Fetch(*row) for row in cursor.fetchall()]


def record(cursor: Cursor, rows: Sequence[Tried]) -> None:
    """Say what came of asking. What was stored meanwhile stays stored; a work item is closed, or says why it is still open."""
    keys = ([row.order_id for row in rows], [row.fetch_id for row in rows])
    cursor.execute(
        """update order_fetch f set state = u.state, reason = u.reason, next_attempt_at = u.next_attempt_at, not_found = u.not_found,
                  ended_at = case when u.state in ('passed_on', 'failed') then now() end
             from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::int[])
                  u(order_id, fetch_id, state, reason, next_attempt_at, not_found)
            where f.order_id = u.order_id and f.fetch_id = u.fetch_id and f.state in ('planned', 'asked', 'sent')""",
        (
            *keys,
            [row.state for row in rows],
            [row.reason for row in rows],
            [row.next_attempt_at for row in rows],
            [row.not_found for row in rows],
        ),
    )
    cursor.execute(
        """update work_item w set reason = f.reason, status = case f.state when 'passed_on' then 'closed' else w.status end,
                  closed_at = case f.state when 'passed_on' then now() end
             from order_fetch f join unnest(%b::uuid[], %b::uuid[]) u(order_id, fetch_id) using (order_id, fetch_id)
            where w.order_id = f.order_id and w.item_id = f.item_id and w.status = 'open'""",
        keys,
    )


def postpone(cursor: Cursor, channel: str, account: str, until: datetime) -> None:
    """Ask a channel's account for nothing more until then: it said that we ask too often."""
    cursor.execute(
        """update order_fetch set next_attempt_at = greatest(next_attempt_at, %s)
            where channel = %s and account = %s and state in ('planned', 'asked')""",
        (until, channel, account),
    )


def stored(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """The fetched orders are in the book: end their fetches and close their work items."""
    ids = ([key[0] for key in keys], [key[1] for key in keys])
    cursor.execute(
        """update order_fetch f set state = 'stored', reason = null, next_attempt_at = null, ended_at = now()
             from unnest(%b::uuid[], %b::uuid[]) u(order_id, fetch_id) where f.order_id = u.order_id and f.fetch_id = u.fetch_id""",
        ids,
    )
    cursor.execute(
        """update work_item w set status = 'closed', closed_at = now(), reason = 'the order was fetched and stored'
             from order_fetch f join unnest(%b::uuid[], %b::uuid[]) u(order_id, fetch_id) using (order_id, fetch_id)
            where w.order_id = f.order_id and w.item_id = f.item_id and w.status = 'open'""",
        ids,
    )


def oldest_seconds(cursor: Cursor) -> float:
    """Return how long the oldest open fetch has waited; 0 where none is open."""
    cursor.execute("select extract(epoch from now() - min(created_at)) from order_fetch where state in ('planned', 'asked', 'sent')")
    row = cursor.fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
