"""The figures over time and by channel, and the tickets behind each of them."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from console import cursors
from store.database import Cursor

GOAL_SECONDS = 120
"""How long an edit may take from being opened to its outcome."""


class Day(NamedTuple):
    """A day: orders that arrived, how many of them were edited, edits applied, and how long they took on average."""

    day: date
    orders: int
    edited: int
    applied: int
    seconds: int | None


class ByChannel(NamedTuple):
    """A channel: orders that arrived, edited, held now, and letters open."""

    channel: str
    orders: int
    edited: int
    held: int
    letters: int


class Listed(NamedTuple):
    """A ticket in a list."""

    order_id: UUID
    order_number: str
    channel: str
    ticket_id: UUID
    state: str
    user_id: str
    operations: str
    reason_code: str
    submitted_at: datetime
    seconds: int | None
    code: str | None
    message: str | None


class Asked(NamedTuple):
    """Which tickets: by state ("": any), channel, of the last days, and only those that took longer than the goal."""

    state: str = ""
    channel: str = ""
    days: int = 30
    slow: bool = False


def by_day(cursor: Cursor, days: int) -> list[Day]:
    """Return every day, the oldest first, also those on which nothing happened."""
    cursor.execute(
        """with d as (select generate_series((now() at time zone 'utc')::date - %(days)s + 1, (now() at time zone 'utc')::date, '1 day')::date as day),
                o as (select (created_at at time zone 'utc')::date as day, count(*) as n, count(*) filter (where edits > 0) as edited from orders
                       where created_at > now() - make_interval(days => %(days)s) group by 1),
                t as (select (submitted_at at time zone 'utc')::date as day, count(*) as n,
                             round(avg(extract(epoch from decided_at - least(opened_at, submitted_at))))::bigint as seconds
                        from ticket where submitted_at > now() - make_interval(days => %(days)s) and new_version is not null and door <> 'restatement' group by 1)
           select d.day, coalesce(o.n, 0), coalesce(o.edited, 0), coalesce(t.n, 0), t.seconds
             from d left join o using (day) left join t using (day) order by d.day""",
        {"days": days},
    )
    return [Day(*row) for row in cursor.fetchall()]


def by_channel(cursor: Cursor, days: int) -> list[ByChannel]:
    """Return channels that had orders or have letters, the busiest first."""
    cursor.execute(
        """with o as (select channel, count(*) as n, count(*) filter (where edits > 0) as edited, count(*) filter (where lifecycle = 'held') as held
                        from orders where created_at > now() - make_interval(days => %(days)s) group by 1),
                l as (select coalesce(channel, '-') as channel, count(*) as n from dead_letter where status = 'unresolved' group by 1)
           select channel, coalesce(o.n, 0), coalesce(o.edited, 0), coalesce(o.held, 0), coalesce(l.n, 0) from o full join l using (channel)
            order by 2 desc, 1""",
        {"days": days},
    )
    return [ByChannel(*row) for row in cursor.fetchall()]


def tickets(cursor: Cursor, asked: Asked, after: str | None, limit: int) -> tuple[list[Listed], str | None]:
    """Return a page of tickets, the newest first, and where the next one begins."""
    conditions = ["t.submitted_at > now() - make_interval(days => %s)", "t.door <> 'restatement'"]
    values: list[Any] = [asked.days]
    for column, value in (("t.state", asked.state), ("o.channel", asked.channel)):
        if value:
            conditions.append(f"{column} = %s")
            values.append(value)
    if asked.slow:
        conditions.append("t.new_version is not null and t.decided_at - least(t.opened_at, t.submitted_at) > make_interval(secs => %s)")
        values.append(GOAL_SECONDS)
    if after:
        conditions.append("(t.submitted_at, t.ticket_id) < (%s, %s)")
        values += cursors.place(after) or ()
    cursor.execute(
        f"""select t.order_id, o.order_number, o.channel, t.ticket_id, t.state, t.user_id, t.operations, t.reason_code, t.submitted_at,
                   extract(epoch from t.decided_at - least(t.opened_at, t.submitted_at))::bigint, t.code, t.message
              from ticket t join orders o using (order_id) where {" and ".join(conditions)}
             order by t.submitted_at desc, t.ticket_id desc limit %s""",
        [*values, limit + 1],
    )
    rows = [Listed(*row) for row in cursor.fetchall()]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more.submitted_at.isoformat(), str(more.ticket_id)) if more else None


def offsets(cursor: Cursor, topics: list[str]) -> dict[tuple[str, int], int]:
    """Return up to where the processor has handled each partition, as the book has it."""
    cursor.execute("select topic, part, max(next_offset) from partition_owner where topic = any(%s) group by 1, 2", (topics,))
    return {(topic, part): offset or 0 for topic, part, offset in cursor.fetchall()}
