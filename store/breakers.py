"""Open breakers, seen by every process: which key, since when, when one message may try, who closed it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from store.database import Cursor


class BreakerRow(NamedTuple):
    """A breaker that opened; `closed_at` None: it is open."""

    key: str
    opened_at: datetime
    probe_at: datetime
    failures: int
    closed_at: datetime | None
    closed_by: str | None


DEPENDENCY = "port:"
"""What the key of a dependency's breaker begins with; all others are channels and operations."""


def standing(cursor: Cursor) -> dict[str, datetime]:
    """Return the open breakers of channels and operations, and when each may be probed."""
    return dict(cursor.execute("select key, probe_at from breaker where closed_at is null and key not like 'port:%'").fetchall())


def dependencies(cursor: Cursor) -> dict[str, bool]:
    """Return the open breakers of dependencies, and whether each may be probed now."""
    return dict(cursor.execute("select key, probe_at <= now() from breaker where closed_at is null and key like 'port:%'").fetchall())


def take_probes(cursor: Cursor, wait: timedelta) -> set[str]:
    """Take the probes that are due, so that no other worker does before `wait` is over; return the dependencies to try."""
    cursor.execute(
        "update breaker set probe_at = now() + %s where closed_at is null and key like 'port:%%' and probe_at <= now() returning key",
        (wait,),
    )
    return {row[0] for row in cursor.fetchall()}


def closed_lately(cursor: Cursor, since: timedelta) -> set[str]:
    """Return the dependencies whose breaker was closed within the time given."""
    cursor.execute("select distinct key from breaker where closed_at > now() - %s and key like 'port:%%'", (since,))
    return {row[0] for row in cursor.fetchall()}


def listing(cursor: Cursor, limit: int) -> list[BreakerRow]:
    """Return breakers, open ones first, newest first."""
    cursor.execute(f"select {', '.join(BreakerRow._fields)} from breaker order by closed_at is not null, opened_at desc limit %s", (limit,))
    return [BreakerRow(*row) for row in cursor.fetchall()]


def trip(cursor: Cursor, tripped: Mapping[str, int], wait: timedelta) -> None:
    """Open breakers; what another process opened meanwhile stays as it is."""
    cursor.execute(
        """insert into breaker (key, opened_at, probe_at, failures)
           select u.key, now(), now() + %s, u.failures from unnest(%b::text[], %b::int[]) u(key, failures)
           on conflict (key) where closed_at is null do nothing""",
        (wait, list(tripped), list(tripped.values())),
    )


def postpone(cursor: Cursor, keys: Iterable[str], wait: timedelta) -> None:
    """Say when the next message may try."""
    cursor.execute("update breaker set probe_at = now() + %s where key = any(%b::text[]) and closed_at is null", (wait, list(keys)))


def close(cursor: Cursor, keys: Iterable[str], by: str) -> int:
    """Close breakers; return how many were open. `wake` sees to what waited for them."""
    cursor.execute(
        "update breaker set closed_at = now(), closed_by = %s where key = any(%b::text[]) and closed_at is null", (by, list(keys))
    )
    return cursor.rowcount


def wake(cursor: Cursor) -> None:
    """Make due what waits for a breaker that is closed, and of each open one whose time to probe has come the oldest lane.

    Takes no head's lock: whoever writes a lane's old state over it at that moment leaves it to the next round.
    """
    cursor.execute(
        """update lane set state = 'retrying', next_attempt_at = now()
            where state = 'paused'
              and (code not in (select 'breaker:' || key from breaker where closed_at is null)
                   or (order_id, topic) in (select distinct on (l.code) l.order_id, l.topic from lane l
                        join breaker b on l.code = 'breaker:' || b.key and b.closed_at is null and b.probe_at <= now()
                       where l.state = 'paused' order by l.code, l.blocked_since))"""
    )
