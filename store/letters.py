"""Parked messages, dead letters, and what a person has to look at."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from store.database import Cursor


class Parked(NamedTuple):
    """A message that waits in its lane, with who sent it (verified when it first came)."""

    order_id: UUID
    topic: str
    seq: int
    message_id: str
    message: str
    key: bytes | None
    value_sealed: bytes
    actor: dict[str, Any] | None
    part: int
    off: int
    appended_at: datetime
    status: str
    parked_at: datetime


class Letter(NamedTuple):
    """A dead letter."""

    order_id: UUID
    letter_id: UUID
    topic: str
    part: int
    off: int
    seq: int | None
    message_id: str
    message: str
    channel: str | None
    error_class: str
    code: str
    stage: str
    field: str | None
    rule: str | None
    detail: str
    fingerprint: str
    score: int
    attempts: int
    status: str
    key: bytes | None
    value_sealed: bytes
    first_failed_at: datetime
    last_failed_at: datetime
    resolved_at: datetime | None


class Attempt(NamedTuple):
    """One failed attempt at a parked message."""

    order_id: UUID
    topic: str
    seq: int
    n: int
    at: datetime
    error_class: str
    code: str
    detail: str


class Item(NamedTuple):
    """A work item."""

    order_id: UUID
    item_id: UUID
    kind: str
    detail: str
    status: str
    opened_at: datetime


class Audit(NamedTuple):
    """Who did or tried what."""

    order_id: UUID
    audit_id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


def _marks(row: type[Any]) -> str:
    return ", ".join(["%s"] * len(row._fields))


def park(cursor: Cursor, rows: Sequence[Parked]) -> None:
    """Add messages to their lanes."""
    cursor.executemany(
        f"insert into parked ({', '.join(Parked._fields)}) values ({_marks(Parked)})",
        [(*r[:7], None if r.actor is None else orjson.dumps(r.actor).decode(), *r[8:]) for r in rows],
    )


def waiting(cursor: Cursor, order_id: UUID, topic: str, limit: int) -> list[Parked]:
    """Return a lane's waiting messages in their order."""
    return waiting_in(cursor, [(order_id, topic)], limit).get((order_id, topic), [])


def waiting_in(cursor: Cursor, places: Sequence[tuple[UUID, str]], limit: int) -> dict[tuple[UUID, str], list[Parked]]:
    """Return the waiting messages of lanes (order id, topic), of each at most so many, in their order."""
    cursor.execute(
        f"""select {", ".join(f"p.{name}" for name in Parked._fields)} from unnest(%b::uuid[], %b::text[]) u(order_id, topic) cross join lateral (
                select * from parked l where l.order_id = u.order_id and l.topic = u.topic and l.status in ('waiting', 'dead')
                 order by l.seq limit %s) p
             order by p.order_id, p.topic, p.seq""",
        ([place[0] for place in places], [place[1] for place in places], limit),
    )
    found: dict[tuple[UUID, str], list[Parked]] = {}
    for row in map(Parked._make, cursor.fetchall()):
        found.setdefault((row.order_id, row.topic), []).append(row)
    return found


def set_status(cursor: Cursor, rows: Sequence[tuple[UUID, str, int]], status: str) -> None:
    """Say what became of parked messages (order id, topic, seq)."""
    cursor.execute(
        """update parked p set status = %s from unnest(%b::uuid[], %b::text[], %b::bigint[]) u(order_id, topic, seq)
            where p.order_id = u.order_id and p.topic = u.topic and p.seq = u.seq""",
        (status, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
    )


def supersede(cursor: Cursor, order_id: UUID, topic: str, seqs: Sequence[int]) -> tuple[list[str], int]:
    """Mark messages that wait in a lane as superseded; their letters are resolved.

    Returns the message ids, and how many messages still wait.
    """
    cursor.execute(
        """update parked set status = 'superseded' where order_id = %s and topic = %s and status in ('waiting', 'dead')
              and seq = any(%b::bigint[]) returning message_id""",
        (order_id, topic, list(seqs)),
    )
    ids = [row[0] for row in cursor.fetchall()]
    cursor.execute(
        """update dead_letter set status = 'superseded', resolved_at = now() where order_id = %s and topic = %s
           and status in ('unresolved', 'replaying') and seq = any(%b::bigint[])""",
        (order_id, topic, list(seqs)),
    )
    cursor.execute("select count(*) from parked where order_id = %s and topic = %s and status = 'waiting'", (order_id, topic))
    row = cursor.fetchone()
    assert row is not None
    return ids, row[0]


def find_parked(cursor: Cursor, order_id: UUID, message_id: str) -> Parked | None:
    """Return the waiting message of that id."""
    cursor.execute(
        f"select {', '.join(Parked._fields)} from parked where order_id = %s and message_id = %s and status in ('waiting', 'dead')",
        (order_id, message_id),
    )
    row = cursor.fetchone()
    return Parked(*row) if row else None


def bury(cursor: Cursor, rows: Sequence[Letter]) -> None:
    """Add dead letters; one that failed again after a replay keeps its row and first failure."""
    cursor.executemany(
        f"""insert into dead_letter as l ({", ".join(Letter._fields)}) values ({_marks(Letter)})
            on conflict (order_id, letter_id) do update set status = 'unresolved', resolved_at = null, attempts = l.attempts + 1,
               error_class = excluded.error_class, code = excluded.code, stage = excluded.stage, field = excluded.field,
               rule = excluded.rule, detail = excluded.detail, fingerprint = excluded.fingerprint, score = excluded.score,
               last_failed_at = excluded.last_failed_at""",
        rows,
    )


def resolve(cursor: Cursor, rows: Sequence[tuple[UUID, str, int]], status: str) -> None:
    """End the letters of parked messages (order id, topic, seq) that have one."""
    cursor.execute(
        """update dead_letter l set status = %s, resolved_at = now() from unnest(%b::uuid[], %b::text[], %b::bigint[]) u(order_id, topic, seq)
            where l.order_id = u.order_id and l.topic = u.topic and l.seq = u.seq and l.status in ('unresolved', 'replaying')""",
        (status, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]),
    )


def attempts(cursor: Cursor, rows: Sequence[Attempt]) -> None:
    """Record failed attempts."""
    cursor.executemany(
        f"insert into failure_attempt ({', '.join(Attempt._fields)}) values ({_marks(Attempt)}) on conflict do nothing", rows
    )


def open_items(cursor: Cursor, rows: Sequence[Item]) -> None:
    """Open work items."""
    cursor.executemany(f"insert into work_item ({', '.join(Item._fields)}) values ({_marks(Item)}) on conflict do nothing", rows)


def record(cursor: Cursor, rows: Sequence[Audit]) -> None:
    """Append to the audit log."""
    cursor.executemany(f"insert into audit ({', '.join(Audit._fields)}) values ({_marks(Audit)})", rows)


def record_once(cursor: Cursor, row: Audit) -> None:
    """Append to the audit log, once for the same id."""
    cursor.execute(f"insert into audit ({', '.join(Audit._fields)}) values ({_marks(Audit)}) on conflict do nothing", row)


def recorded(cursor: Cursor, order_id: UUID, audit_id: UUID, action: str) -> str | None:
    """Return the detail of an act in the audit log; None where it is not there."""
    cursor.execute("select detail from audit where order_id = %s and audit_id = %s and action = %s", (order_id, audit_id, action))
    row = cursor.fetchone()
    return row[0] if row else None


def last_recorded(cursor: Cursor, order_id: UUID, subject: str, actions: Sequence[str]) -> Audit | None:
    """Return the newest of these acts on a subject."""
    cursor.execute(
        f"select {', '.join(Audit._fields)} from audit where order_id = %s and subject = %s and action = any(%b) order by at desc limit 1",
        (order_id, subject, list(actions)),
    )
    row = cursor.fetchone()
    return Audit(*row) if row else None


FAILED, RELEASED, WORK = "failed", "released", "work"
_KIND = """case when l.error_class not in ('BUG', 'DEPENDENCY') then 'work'
    when exists (select 1 from dead_letter d where d.order_id = l.order_id and d.topic = l.topic and d.status = 'replaying') then 'work'
    when l.code like 'breaker:%%' then 'released' else 'failed' end"""
"""Why a lane is due: what it waits behind failed, its breaker has closed, or neither: its order came, or an operator sent it back."""


def due_lanes(cursor: Cursor, budget: Mapping[str, int]) -> list[tuple[UUID, str, str]]:
    """Return (order, topic, kind) of lanes whose next attempt is due by the database's clock: of each kind at most so many.

    Each kind is read along the index from what has been due longest: after an outage a hundred thousand lanes may be due.
    """
    cursor.execute(
        f"""select due.order_id, due.topic, q.name from unnest(%b::text[], %b::int[]) q(name, most) cross join lateral (
                select l.order_id, l.topic, l.next_attempt_at from lane l
                 where l.state in ('retrying', 'ordering') and l.next_attempt_at <= now() and q.most > 0 and {_KIND} = q.name
                 order by l.next_attempt_at limit q.most) due
             order by due.next_attempt_at""",
        (list(budget), list(budget.values())),
    )
    return cursor.fetchall()


def postpone(cursor: Cursor, order_id: UUID, topic: str, wait: timedelta) -> None:
    """Try a lane later."""
    cursor.execute("update lane set next_attempt_at = now() + %s where order_id = %s and topic = %s", (wait, order_id, topic))


def suspect(cursor: Cursor, places: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], int]:
    """Count a start on lanes (order id, topic) before their heads are handled: a head that kills the process is not tried for ever.

    Returns the starts of those there are, but for the ones that somebody is writing: no lane is waited for while another is held.
    """
    cursor.execute(
        """with mine as (
               select l.order_id, l.topic from lane l join unnest(%b::uuid[], %b::text[]) u(order_id, topic) using (order_id, topic)
                  for update of l skip locked)
           update lane l set crash_suspect = l.crash_suspect + 1 from mine
            where l.order_id = mine.order_id and l.topic = mine.topic returning l.order_id, l.topic, l.crash_suspect""",
        ([place[0] for place in places], [place[1] for place in places]),
    )
    return {(order_id, topic): starts for order_id, topic, starts in cursor.fetchall()}


def find(cursor: Cursor, letter_id: UUID) -> Letter | None:
    """Return a dead letter by id."""
    cursor.execute(f"select {', '.join(Letter._fields)} from dead_letter where letter_id = %s", (letter_id,))
    row = cursor.fetchone()
    return Letter(*row) if row else None


def listing(cursor: Cursor, status: str, limit: int) -> list[Letter]:
    """Return dead letters, those that cost most first."""
    cursor.execute(
        f"select {', '.join(Letter._fields)} from dead_letter where status = %s or %s = 'all' order by score desc, first_failed_at limit %s",
        (status, status, limit),
    )
    return [Letter(*row) for row in cursor.fetchall()]


def set_letter(cursor: Cursor, order_id: UUID, letter_id: UUID, status: str) -> None:
    """Set a letter's status."""
    cursor.execute(
        """update dead_letter set status = %s, resolved_at = case when %s in ('resolved', 'discarded', 'resent') then now() end
            where order_id = %s and letter_id = %s""",
        (status, status, order_id, letter_id),
    )


def parked_at(cursor: Cursor, order_id: UUID, topic: str, seq: int) -> Parked | None:
    """Return the message of a letter as it lies in its lane now; None where it has left it."""
    cursor.execute(
        f"""select {", ".join(Parked._fields)} from parked
             where order_id = %s and topic = %s and seq = %s and status in ('waiting', 'dead')""",
        (order_id, topic, seq),
    )
    row = cursor.fetchone()
    return Parked(*row) if row else None


def head_seq(cursor: Cursor, order_id: UUID, topic: str) -> int | None:
    """Return the number of the first message of a lane."""
    cursor.execute("select min(seq) from parked where order_id = %s and topic = %s and status in ('waiting', 'dead')", (order_id, topic))
    row = cursor.fetchone()
    return row[0] if row else None


def replace_parked(cursor: Cursor, order_id: UUID, topic: str, seq: int, value_sealed: bytes, actor: dict[str, Any]) -> None:
    """Put a repaired message in its place; the letter keeps the original bytes."""
    cursor.execute(
        "update parked set value_sealed = %s, actor = %s where order_id = %s and topic = %s and seq = %s",
        (value_sealed, orjson.dumps(actor).decode(), order_id, topic, seq),
    )
