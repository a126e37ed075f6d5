"""A bulk replay: which letters, frozen when it was made, and what became of each."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor
from store.inbox import goes_by


class Bulk(NamedTuple):
    """A bulk replay. `state`: awaiting_approval, running, paused, done or stopped; `reason` says why it stopped, or who paused it."""

    bulk_id: UUID
    actor: str
    fingerprint: str
    patch: str | None
    state: str
    reason: str | None
    approved_by: str | None


class Member(NamedTuple):
    """A letter to send back, as it failed when the membership was frozen."""

    order_id: UUID
    letter_id: UUID
    attempts: int


_BULK = ", ".join(Bulk._fields)


def create(cursor: Cursor, bulk: Bulk, limit: int) -> tuple[int, int]:
    """Freeze the unresolved letters of a cause, worst first; return (how many, the highest score). Made before: as it was."""
    cursor.execute(
        f"""insert into bulk_replay ({_BULK}, created_at, updated_at) values (%s, %s, %s, %s, %s, %s, %s, now(), now())
            on conflict do nothing""",
        bulk,
    )
    if cursor.rowcount:
        cursor.execute(
            """insert into bulk_member (order_id, letter_id, bulk_id, n, attempts, state)
               select order_id, letter_id, %s, row_number() over (order by score desc, first_failed_at, letter_id), attempts, 'frozen'
                 from dead_letter where fingerprint = %s and status = 'unresolved' order by score desc, first_failed_at, letter_id limit %s""",
            (bulk.bulk_id, bulk.fingerprint, limit),
        )
    cursor.execute(
        """select count(*), coalesce(max(d.score), 0) from bulk_member m join dead_letter d using (order_id, letter_id)
            where m.bulk_id = %s""",
        (bulk.bulk_id,),
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def lead(cursor: Cursor, bulk_id: UUID) -> bool:
    """Become the one runner of a bulk; the lock goes with the session, so a killed runner holds nothing."""
    cursor.execute("select pg_try_advisory_lock(hashtextextended('bulk:' || current_schema() || %s, 0))", (str(bulk_id),))
    row = cursor.fetchone()
    return bool(row and row[0])


def find(cursor: Cursor, bulk_id: UUID) -> Bulk | None:
    """Return a bulk by id, its row locked."""
    cursor.execute(f"select {_BULK} from bulk_replay where bulk_id = %s for update", (bulk_id,))
    row = cursor.fetchone()
    return Bulk(*row) if row else None


def set_state(cursor: Cursor, bulk_id: UUID, state: str, *, reason: str | None = None, approved_by: str | None = None) -> None:
    """Set where a bulk stands."""
    cursor.execute(
        "update bulk_replay set state = %s, reason = %s, approved_by = coalesce(%s, approved_by), updated_at = now() where bulk_id = %s",
        (state, reason, approved_by, bulk_id),
    )


def beat(cursor: Cursor, bulk_id: UUID) -> None:
    """Say that somebody runs a bulk now."""
    cursor.execute(
        "update bulk_replay set alive_at = now() where bulk_id = %s and (alive_at is null or alive_at < now() - interval '2 seconds')",
        (bulk_id,),
    )


def pause_abandoned(cursor: Cursor, silent_seconds: float) -> list[UUID]:
    """Pause each running bulk whose runner has said nothing for so long, and say why; one that nobody has run yet is left alone."""
    cursor.execute(
        """update bulk_replay set state = 'paused', reason = 'whoever ran it is gone; run it again to go on', alive_at = null, updated_at = now()
            where state = 'running' and alive_at < now() - make_interval(secs => %s) returning bulk_id""",
        (silent_seconds,),
    )
    return [row[0] for row in cursor.fetchall()]


def listing(cursor: Cursor, after: tuple[datetime, UUID] | None, limit: int) -> list[tuple[Bulk, datetime]]:
    """Return bulk replays with when they were made, newest first; `after` is the last one of the page before."""
    cursor.execute(
        f"""select {_BULK}, created_at from bulk_replay where %s::timestamptz is null or (created_at, bulk_id) < (%s, %s)
            order by created_at desc, bulk_id desc limit %s""",
        (after and after[0], after and after[0], after and after[1], limit),
    )
    return [(Bulk(*row[:-1]), row[-1]) for row in cursor.fetchall()]


def upcoming(cursor: Cursor, bulk_id: UUID, limit: int) -> list[Member]:
    """Return the next letters to send back."""
    cursor.execute(
        "select order_id, letter_id, attempts from bulk_member where bulk_id = %s and state = 'frozen' order by n limit %s",
        (bulk_id, limit),
    )
    return [Member(*row) for row in cursor.fetchall()]


def mark(cursor: Cursor, bulk_id: UUID, member: Member, state: str, detail: str | None, target: tuple[UUID, str] | None = None) -> None:
    """Say what was done with a letter; `target` is the message whose outcome counts."""
    cursor.execute(
        """update bulk_member set state = %s, detail = %s, target_order_id = %s, target_message_id = %s
            where order_id = %s and letter_id = %s and bulk_id = %s""",
        (state, detail, target and target[0], target and target[1], member.order_id, member.letter_id, bulk_id),
    )


def settle(cursor: Cursor, bulk_id: UUID) -> None:
    """Take over the outcomes of what was sent back: an answer that is a refusal, or a letter again, is a failure."""
    cursor.execute(
        f"""update bulk_member m set state = e.state, detail = e.detail from (
             select s.order_id, s.letter_id,
                    case when d.attempts > s.attempts or i.outcome in ('refused', 'conflicted', 'dead', 'rejected', 'quarantined')
                         then 'failed' else 'done' end as state,
                    case when d.attempts > s.attempts then d.code else i.outcome end as detail
               from bulk_member s join dead_letter d using (order_id, letter_id)
               left join inbox i on i.order_id = s.target_order_id and {goes_by("s.target_message_id")}
              where s.bulk_id = %s and s.state = 'sent' and (d.attempts > s.attempts or d.status in ('superseded', 'discarded')
                 or (d.status in ('resolved', 'resent') and i.outcome is not null and i.outcome <> 'waiting'))) e
            where m.bulk_id = %s and m.order_id = e.order_id and m.letter_id = e.letter_id""",
        (bulk_id, bulk_id),
    )


def counts(cursor: Cursor, bulk_id: UUID) -> dict[str, int]:
    """Return how many letters are in each state: frozen, sent, done, failed, skipped."""
    cursor.execute("select state, count(*) from bulk_member where bulk_id = %s group by state", (bulk_id,))
    return {state: int(count) for state, count in cursor.fetchall()}
