"""Bulk jobs and their orders. An order's outcome is its ticket's state; only what never became a ticket says so here."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor


class JobRow(NamedTuple):
    """A job. `operations` is a JSON array as a ticket carries it; empty where the job undoes another."""

    job_id: UUID
    state: str
    """`running`, `paused`, and at the end `done`, `stopped` (too many failures) or `cancelled`."""
    operations: str
    reason_code: str
    comment: str | None
    mode: str
    stop_after: int
    user_id: str
    roles: str
    undoes: UUID | None
    created_at: datetime
    ended_at: datetime | None


class ItemRow(NamedTuple):
    """One order of a job. `state`: `planned`, `sent` (its ticket tells the rest), or `skipped` with the reason in `code`."""

    job_id: UUID
    order_id: UUID
    version: int | None
    ticket_id: UUID
    state: str
    code: str | None


class Outcome(NamedTuple):
    """What became of one order."""

    order_id: UUID
    ticket_id: UUID
    outcome: str
    code: str | None
    money_delta_minor: int | None
    new_version: int | None


JOB, ITEM = ", ".join(JobRow._fields), ", ".join(ItemRow._fields)


def add_job(cursor: Cursor, job: JobRow, items: Sequence[ItemRow]) -> None:
    """Store a job with its frozen selection."""
    cursor.execute(f"insert into bulk_job ({JOB}) values ({', '.join(['%s'] * len(job))})", job)
    with cursor.copy(f"copy bulk_item ({ITEM}) from stdin (format binary)") as copy:
        copy.set_types(("uuid", "uuid", "int4", "uuid", "text", "text"))
        for item in items:
            copy.write_row(item)


def take(cursor: Cursor, job_id: UUID) -> JobRow | None:
    """Return the job if nobody else works at it, locked until the end of the transaction."""
    cursor.execute(f"select {JOB} from bulk_job where job_id = %s for update skip locked", (job_id,))
    row = cursor.fetchone()
    return JobRow(*row) if row else None


def find(cursor: Cursor, job_id: UUID) -> JobRow | None:
    """Return a job."""
    cursor.execute(f"select {JOB} from bulk_job where job_id = %s", (job_id,))
    row = cursor.fetchone()
    return JobRow(*row) if row else None


def running(cursor: Cursor) -> list[UUID]:
    """Return the jobs that are under way, oldest first."""
    cursor.execute("select job_id from bulk_job where state = 'running' order by created_at")
    return [row[0] for row in cursor.fetchall()]


def listing(cursor: Cursor, limit: int, after: tuple[datetime, UUID] | None = None) -> list[JobRow]:
    """Return jobs, newest first; `after` is the last one of the page before."""
    cursor.execute(
        f"""select {JOB} from bulk_job where %s::timestamptz is null or (created_at, job_id) < (%s, %s)
            order by created_at desc, job_id desc limit %s""",
        (after and after[0], after and after[0], after and after[1], limit),
    )
    return [JobRow(*row) for row in cursor.fetchall()]


def planned(cursor: Cursor, job_id: UUID, limit: int) -> list[ItemRow]:
    """Return orders whose ticket is still to be sent."""
    cursor.execute(f"select {ITEM} from bulk_item where job_id = %s and state = 'planned' order by order_id limit %s", (job_id, limit))
    return [ItemRow(*row) for row in cursor.fetchall()]


def move(cursor: Cursor, rows: Sequence[ItemRow]) -> None:
    """Write the state of orders of a job."""
    cursor.execute(
        """update bulk_item i set state = u.state, code = u.code
             from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[]) u(job_id, order_id, state, code)
            where i.job_id = u.job_id and i.order_id = u.order_id""",
        ([r.job_id for r in rows], [r.order_id for r in rows], [r.state for r in rows], [r.code for r in rows]),
    )


def skip_rest(cursor: Cursor, job_id: UUID, code: str) -> None:
    """Give every order that was not sent the outcome `skipped`."""
    cursor.execute("update bulk_item set state = 'skipped', code = %s where job_id = %s and state = 'planned'", (code, job_id))


def set_state(cursor: Cursor, job_id: UUID, state: str) -> None:
    """Move a job on; an end is stamped."""
    cursor.execute(
        "update bulk_job set state = %s, ended_at = case when %s in ('running', 'paused') then null else now() end where job_id = %s",
        (state, state, job_id),
    )


_OUTCOME = """case when i.state = 'sent' then coalesce(t.state, 'sent') else i.state end"""


def counts(cursor: Cursor, job_id: UUID) -> dict[str, int]:
    """Return how many orders have which outcome: a ticket's state, or planned, sent, skipped."""
    cursor.execute(
        f"""select {_OUTCOME}, count(*) from bulk_item i left join ticket t on t.order_id = i.order_id and t.ticket_id = i.ticket_id
             where i.job_id = %s group by 1""",
        (job_id,),
    )
    return dict(cursor.fetchall())


def outcomes(cursor: Cursor, job_id: UUID, after: UUID | None = None, limit: int | None = None) -> list[Outcome]:
    """Return every order's outcome, or those of the next page; `after` is the last order of the page before."""
    cursor.execute(
        f"""select i.order_id, i.ticket_id, {_OUTCOME}, coalesce(i.code, t.code), t.money_delta_minor, t.new_version
              from bulk_item i left join ticket t on t.order_id = i.order_id and t.ticket_id = i.ticket_id
             where i.job_id = %s and (%s::uuid is null or i.order_id > %s) order by i.order_id limit %s""",
        (job_id, after, after, limit),
    )
    return [Outcome(*row) for row in cursor.fetchall()]


def first_outcomes(cursor: Cursor, job_id: UUID, limit: int) -> list[Outcome]:
    """Return some orders' outcomes: those that ended badly first, then those under way."""
    cursor.execute(
        f"""select * from (
              select i.order_id, i.ticket_id, {_OUTCOME} as outcome, coalesce(i.code, t.code), t.money_delta_minor, t.new_version
                from bulk_item i left join ticket t on t.order_id = i.order_id and t.ticket_id = i.ticket_id where i.job_id = %s) x
             order by case when outcome = any(array['refused', 'conflicted', 'dead', 'expired', 'declined', 'skipped', 'settlement_failed']) then 0
                           when outcome = any(array['sent', 'waiting', 'awaiting_approval', 'compensating']) then 1 else 2 end, order_id
             limit %s""",
        (job_id, limit),
    )
    return [Outcome(*row) for row in cursor.fetchall()]


def select(cursor: Cursor, channel: str | None, sku: str | None, lifecycle: Sequence[str], limit: int) -> list[tuple[UUID, int]]:
    """Return (order id, version) of orders by channel, SKU and lifecycle."""
    cursor.execute(
        """select o.order_id, o.version from orders o
            where (%(channel)s::text is null or o.channel = %(channel)s) and o.lifecycle = any(%(lifecycle)s)
              and (%(sku)s::text is null or exists (select 1 from json_array_elements(o.doc->'lines') l where l->>'sku' = %(sku)s))
            order by o.order_id limit %(limit)s""",
        {"channel": channel, "sku": sku, "lifecycle": list(lifecycle), "limit": limit},
    )
    return cursor.fetchall()


def versions(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the versions of those of these orders that the book has."""
    cursor.execute("select order_id, version from orders where order_id = any(%b)", (list(order_ids),))
    return dict(cursor.fetchall())


def currencies(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the currency of those of these orders that the book has."""
    cursor.execute("select order_id, currency from orders where order_id = any(%b)", (list(order_ids),))
    return dict(cursor.fetchall())


def numbers(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return what people call those of these orders that the book has."""
    cursor.execute("select order_id, order_number from orders where order_id = any(%b)", (list(order_ids),))
    return dict(cursor.fetchall())
