"""Dead letters as a list to work from: pages by impact, groups by cause, and the facts that their scores rest on.

No payload is read here. Pages go on after the last letter of the one before (score, first failure, id), so that what
arrives meanwhile shifts nobody and page 1,000 costs what page 1 does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from store.database import Cursor

RESCORE_SECONDS = 60


class Filter(NamedTuple):
    """Which letters; None: any. `status` "all" is every status."""

    status: str = "unresolved"
    error_class: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    channel: str | None = None


class Listed(NamedTuple):
    """A letter as a list shows it."""

    order_id: UUID
    letter_id: UUID
    score: int
    parts: dict[str, str] | None
    """Points by part, as texts; null for the first second."""
    status: str
    error_class: str
    code: str
    stage: str
    field: str | None
    rule: str | None
    detail: str
    channel: str | None
    topic: str
    message: str
    attempts: int
    fingerprint: str
    first_failed_at: datetime
    last_failed_at: datetime
    claimed_by: str | None
    order_number: str | None


class Group(NamedTuple):
    """Letters of one cause. `last_hour`: how many of them came in the last hour."""

    fingerprint: str
    letters: int
    last_hour: int
    score: int
    error_class: str
    code: str
    stage: str
    field: str | None
    first_failed_at: datetime
    last_failed_at: datetime
    channels: list[str]
    repairs: int
    """How many letters of this cause people have repaired so that they were applied."""


class Facts(NamedTuple):
    """What a letter's score rests on. `value_minor` null: its order is not in the book."""

    order_id: UUID
    letter_id: UUID
    fingerprint: str
    channel: str | None
    score: int
    value_minor: int | None
    currency: str | None
    placed_at: datetime | None
    latest: datetime | None
    tags: list[str] | None
    followers: int


_LISTED = """d.order_id, d.letter_id, d.score, d.parts, d.status, d.error_class, d.code, d.stage, d.field, d.rule, d.detail, d.channel, d.topic,
    d.message, d.attempts, d.fingerprint, d.first_failed_at, d.last_failed_at, c.actor, o.order_number"""


def page(cursor: Cursor, wanted: Filter, limit: int, after: UUID | None = None) -> list[Listed]:
    """Return the next letters by impact, worst first; `after` is the last letter of the page before."""
    conditions, values = _conditions(wanted)
    if after is not None:
        cursor.execute("select score, first_failed_at, letter_id from dead_letter where letter_id = %s", (after,))
        last = cursor.fetchone()
        if last is not None:
            conditions.append("(score <= %s and (score < %s or (first_failed_at, letter_id) > (%s, %s)))")
            values += [last[0], last[0], last[1], last[2]]
    cursor.execute(
        f"""with d as materialized (select * from dead_letter where {" and ".join(conditions) or "true"}
                order by score desc, first_failed_at, letter_id limit %s)
            select {_LISTED} from d
              left join edit_claim c on c.order_id = d.order_id and c.letter_id = d.letter_id and c.expires_at > now()
              left join orders o on o.order_id = d.order_id
             order by d.score desc, d.first_failed_at, d.letter_id""",
        (*values, limit),
    )
    return [Listed(*row) for row in cursor.fetchall()]


def _conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    conditions, values = [], []
    for column, value in wanted._asdict().items():
        if value is not None and not (column == "status" and value == "all"):
            conditions.append(f"{column} = %s")
            values.append(value)
    return conditions, values


def groups(cursor: Cursor, limit: int) -> list[Group]:
    """Return the causes of unresolved letters: by the worst letter's score, then by size."""
    cursor.execute(
        """with g as (
             select fingerprint, count(*) as letters, count(*) filter (where first_failed_at > now() - interval '1 hour') as last_hour,
                    max(score) as score, min(error_class) as error_class, min(code) as code, min(stage) as stage, min(field) as field,
                    min(first_failed_at) as first_failed_at, max(last_failed_at) as last_failed_at,
                    coalesce(array_agg(distinct channel) filter (where channel is not null), '{}') as channels
               from dead_letter where status = 'unresolved' group by fingerprint order by 4 desc, 2 desc limit %s)
           select g.*, (select count(*) from repair r where r.fingerprint = g.fingerprint
                          and r.outcome not in ('pending', 'failed_again', 'discarded', 'refused', 'conflicted'))
             from g order by g.score desc, g.letters desc""",
        (limit,),
    )
    return [Group(*row) for row in cursor.fetchall()]


_FACTS = """select d.order_id, d.letter_id, d.fingerprint, d.channel, d.score,
       case when o.lifecycle in ('closed', 'cancelled') then 0 else o.grand_total_minor end, o.currency, o.placed_at,
       (o.doc -> 'delivery_window' ->> 'latest')::timestamptz,
       array(select jsonb_array_elements_text(coalesce(o.doc::jsonb -> 'tags', '[]'))), coalesce(greatest(l.depth - 1, 0), 0)
  from d left join orders o on o.order_id = d.order_id left join lane l on l.order_id = d.order_id and l.topic = d.topic and d.seq is not null"""


def to_score(cursor: Cursor, limit: int) -> list[Facts]:
    """Return unresolved letters whose score is older than a minute, never scored ones first; others' rows are skipped."""
    cursor.execute(
        f"""with d as materialized (select order_id, letter_id, topic, seq, fingerprint, channel, score from dead_letter
               where status = 'unresolved' and (scored_at is null or scored_at < now() - make_interval(secs => %s))
               order by scored_at nulls first limit %s for update skip locked) {_FACTS}""",
        (RESCORE_SECONDS, limit),
    )
    return [Facts(*row) for row in cursor.fetchall()]


def facts_of(cursor: Cursor, letter_id: UUID) -> Facts | None:
    """Return what one letter's score rests on."""
    cursor.execute(
        f"""with d as materialized (select order_id, letter_id, topic, seq, fingerprint, channel, score from dead_letter
               where letter_id = %s) {_FACTS}""",
        (letter_id,),
    )
    row = cursor.fetchone()
    return Facts(*row) if row else None


def group_sizes(cursor: Cursor, fingerprints: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (unresolved letters, those of the last hour) by fingerprint."""
    cursor.execute(
        """select fingerprint, count(*), count(*) filter (where first_failed_at > now() - interval '1 hour')
             from dead_letter where status = 'unresolved' and fingerprint = any(%b) group by fingerprint""",
        (list(fingerprints),),
    )
    return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def save_scores(cursor: Cursor, scores: Sequence[tuple[UUID, UUID, int, Mapping[str, str]]]) -> None:
    """Store scores with their parts: (order id, letter id, score, points by part)."""
    cursor.execute(
        """update dead_letter d set score = u.score, parts = u.parts::jsonb, scored_at = now()
             from unnest(%b::uuid[], %b::uuid[], %b::int[], %b::text[]) u(order_id, letter_id, score, parts)
            where d.order_id = u.order_id and d.letter_id = u.letter_id and d.status = 'unresolved'""",
        (
            [s[0] for s in scores],
            [s[1] for s in scores],
            [s[2] for s in scores],
            [orjson.dumps(dict(s[3])).decode() for s in scores],
        ),
    )
