"""Sessions of the pages, logins under way, and whom the door no longer takes.

Ids are kept as hashes and contents sealed: who reads these tables can sign in as nobody. Times are Unix seconds of the caller's clock.
"""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from store.database import Cursor
from store.letters import Audit, record

SWEEP = 200
"""Rows whose time is over that go with each new one."""


class SessionRow(NamedTuple):
    """A session as it is stored. `dark`: the colours that were chosen; None: those of the machine."""

    id_hash: bytes
    sub: str
    user_sealed: bytes
    opened_at: float
    used_at: float
    ends_at: float
    dark: bool | None = None


class Revocation(NamedTuple):
    """From when on whose tokens and sessions no longer count."""

    sub: str
    at: float


def begin(cursor: Cursor, state_hash: bytes, sealed: bytes, ends_at: float, now: float) -> None:
    """Keep a login under way."""
    cursor.execute(
        "delete from login where state_hash in (select state_hash from login where ends_at < to_timestamp(%s) limit %s)", (now, SWEEP)
    )
    cursor.execute("insert into login (state_hash, login_sealed, ends_at) values (%s, %s, to_timestamp(%s))", (state_hash, sealed, ends_at))


def take(cursor: Cursor, state_hash: bytes) -> bytes | None:
    """Return a login under way and forget it: of two who ask, one is answered."""
    row = cursor.execute("delete from login where state_hash = %s returning login_sealed", (state_hash,)).fetchone()
    return bytes(row[0]) if row else None


def add(cursor: Cursor, row: SessionRow, idle_seconds: float) -> None:
    """Keep a session; some of those that are over go."""
    cursor.execute(
        """delete from session where id_hash in (select id_hash from session
            where ends_at < to_timestamp(%s) or used_at < to_timestamp(%s) limit %s)""",
        (row.used_at, row.used_at - idle_seconds, SWEEP),
    )
    cursor.execute(
        """insert into session (id_hash, sub, user_sealed, opened_at, used_at, ends_at, dark)
           values (%s, %s, %s, to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), %s)""",
        row,
    )


def find(cursor: Cursor, id_hash: bytes) -> SessionRow | None:
    """Return a session that was neither ended nor revoked."""
    row = cursor.execute(
        """select s.id_hash, s.sub, s.user_sealed, extract(epoch from s.opened_at)::float8, extract(epoch from s.used_at)::float8,
                  extract(epoch from s.ends_at)::float8, s.dark
             from session s left join revocation r on r.sub = s.sub
            where s.id_hash = %s and (r.at is null or s.opened_at > r.at)""",
        (id_hash,),
    ).fetchone()
    return SessionRow(bytes(row[0]), row[1], bytes(row[2]), *row[3:]) if row else None


def use(cursor: Cursor, id_hash: bytes, at: float) -> None:
    """Note that a session was used."""
    cursor.execute("update session set used_at = greatest(used_at, to_timestamp(%s)) where id_hash = %s", (at, id_hash))


def colour(cursor: Cursor, id_hash: bytes, *, dark: bool) -> None:
    """Keep the colours somebody chose for their session."""
    cursor.execute("update session set dark = %s where id_hash = %s", (dark, id_hash))


def end(cursor: Cursor, id_hash: bytes) -> None:
    """End a session."""
    cursor.execute("delete from session where id_hash = %s", (id_hash,))


def standing(cursor: Cursor, limit: int) -> list[tuple[str, float, float, float]]:
    """Return (who, opened, last used, ends) of sessions, last used first."""
    cursor.execute(
        """select sub, extract(epoch from opened_at)::float8, extract(epoch from used_at)::float8, extract(epoch from ends_at)::float8
             from session where ends_at > now() order by used_at desc limit %s""",
        (limit,),
    )
    return cursor.fetchall()


def revoke(cursor: Cursor, sub: str, author: str, reason: str) -> int:
    """Let nothing count any more that somebody holds now, session or token; return how many sessions ended. It is in the audit log."""
    cursor.execute(
        """insert into revocation (sub, at, author, reason) values (%s, clock_timestamp(), %s, %s)
           on conflict (sub) do update set at = excluded.at, author = excluded.author, reason = excluded.reason""",
        (sub, author, reason),
    )
    record(cursor, [Audit(UUID(int=0), uuid4(), datetime.now(UTC), author, "access_revoked", sub, reason[:500])])
    return cursor.execute("delete from session where sub = %s", (sub,)).rowcount


def revocations(cursor: Cursor, since: float) -> list[Revocation]:
    """Return revocations since a moment; a token older than that is over by itself."""
    cursor.execute("select sub, extract(epoch from at)::float8 from revocation where at > to_timestamp(%s)", (since,))
    return [Revocation(*row) for row in cursor.fetchall()]
