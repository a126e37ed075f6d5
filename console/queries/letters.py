"""Dead letters in lists, those that cost most first, and all that is known of one. Their payloads stay sealed."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from console import cursors
from console.cursors import CursorInvalid
from store import claims, replays
from store.claims import Claim
from store.database import Cursor
from store.inbox import goes_by
from store.letters import Letter
from store.replays import Bulk

FIELDS = tuple(name for name in Letter._fields if name not in {"key", "value_sealed", "part", "off", "seq"})


def listing(cursor: Cursor, status: str, after: str | None, limit: int) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of letters and where the next one begins."""
    place, values = "", [status, status]
    if after:
        score, letter_id = cursors.decode(after, int, str)
        if not 0 <= score < 2**31:
            raise CursorInvalid("the cursor is not one that this list gave", field="/query/cursor", rule="cursor")
        place = "and (-score, letter_id::text) > (%s, %s)"
        values += [-score, letter_id]
    cursor.execute(
        f"select {', '.join(FIELDS)} from dead_letter where (status = %s or %s = 'all') {place} order by -score, letter_id::text limit %s",
        [*values, limit + 1],
    )
    rows = [dict(zip(FIELDS, row, strict=True)) for row in cursor.fetchall()]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more["score"], str(more["letter_id"])) if more else None


def one(cursor: Cursor, letter_id: UUID) -> dict[str, object] | None:
    """Return a letter."""
    row = cursor.execute(f"select {', '.join(FIELDS)} from dead_letter where letter_id = %s", (letter_id,)).fetchone()
    return dict(zip(FIELDS, row, strict=True)) if row else None


class Attempt(NamedTuple):
    """One failed attempt."""

    n: int
    at: datetime
    error_class: str
    code: str
    detail: str


class Act(NamedTuple):
    """What somebody did with a letter."""

    at: datetime
    actor: str
    action: str
    detail: str


class Repaired(NamedTuple):
    """A repair that was sent, and what became of it."""

    at: datetime
    actor: str
    approved_by: str | None
    outcome: str


class Around(NamedTuple):
    """What is known of a letter beside its own row. `waiting`: messages behind it; `order_number` None: the order is not in the book."""

    order_number: str | None
    waiting: int
    claim: Claim | None
    attempts: tuple[Attempt, ...]
    acts: tuple[Act, ...]
    repairs: tuple[Repaired, ...]


def around(cursor: Cursor, letter_id: UUID) -> Around:
    """Return what is known of a letter that exists."""
    row = cursor.execute(
        """select d.order_id, d.topic, d.seq, o.order_number, coalesce(greatest(l.depth - 1, 0), 0)
             from dead_letter d left join orders o on o.order_id = d.order_id
             left join lane l on l.order_id = d.order_id and l.topic = d.topic and d.seq is not null and d.status = 'unresolved'
            where d.letter_id = %s""",
        (letter_id,),
    ).fetchone()
    assert row is not None
    order_id, topic, seq, order_number, waiting = row
    tried = cursor.execute(
        "select n, at, error_class, code, detail from failure_attempt where order_id = %s and topic = %s and seq = %s order by n",
        (order_id, topic, seq),
    ).fetchall()
    done = cursor.execute(
        "select at, actor, action, detail from audit where order_id = %s and subject = %s order by at desc, audit_id limit 200",
        (order_id, str(letter_id)),
    ).fetchall()
    sent = cursor.execute(
        f"""select r.at, r.actor, r.approved_by, case when r.outcome = 'pending' then coalesce(i.outcome, r.outcome) else r.outcome end
             from repair r left join inbox i on i.order_id = r.target_order_id and {goes_by("r.target_message_id")}
            where r.order_id = %s and r.letter_id = %s order by r.at""",
        (order_id, letter_id),
    ).fetchall()
    return Around(
        order_number,
        waiting,
        claims.find(cursor, order_id, letter_id),
        tuple(Attempt(*one) for one in tried),
        tuple(Act(*one) for one in done),
        tuple(Repaired(*one) for one in sent),
    )


class BulkMember(NamedTuple):
    """A letter of a bulk replay, and what became of it there."""

    letter_id: UUID
    state: str
    detail: str | None


def bulk(cursor: Cursor, bulk_id: UUID) -> tuple[str, str, str | None, bool, tuple[BulkMember, ...]]:
    """Return a bulk replay that exists: cause, who made it, who approved it, whether it edits, and its letters, troubles first."""
    row = cursor.execute(
        "select fingerprint, actor, approved_by, patch is not null from bulk_replay where bulk_id = %s", (bulk_id,)
    ).fetchone()
    assert row is not None
    cursor.execute(
        """select letter_id, state, detail from bulk_member where bulk_id = %s
            order by array_position(array['failed', 'skipped', 'sent', 'done', 'frozen'], state), n limit 200""",
        (bulk_id,),
    )
    return row[0], row[1], row[2], row[3], tuple(BulkMember(*one) for one in cursor.fetchall())


def bulk_exists(cursor: Cursor, bulk_id: UUID) -> bool:
    """Return whether there is such a bulk replay."""
    return cursor.execute("select 1 from bulk_replay where bulk_id = %s", (bulk_id,)).fetchone() is not None


def bulks(cursor: Cursor, after: str | None, limit: int) -> tuple[list[tuple[Bulk, datetime]], str | None]:
    """Return a page of bulk replays with when they were made, newest first, and where the next one begins."""
    rows = replays.listing(cursor, cursors.place(after), limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(last[1].isoformat(), str(last[0].bulk_id)) if last else None
