"""What was sent against what arrived: every event the book calls sent lies on the topic, with the same bytes, in its order, and no other does.

Input:   the outbox, and the events topic read to its end as it is after the outbox was looked at.
Output:  findings: `event_lost` (sent, and not there), `event_changed` (there with other bytes), `event_foreign` (there, and never made by us),
         `event_inverted` (first heard after a later one of its order). An event that comes twice with the same bytes is no finding: delivery
         is at least once, and readers drop what they have seen.
Bounds:  set-based in a temporary table; memory does not grow with the topic. Events older than what the topic still keeps are left out.
The other half of reconciling, that every consumed offset has exactly one outcome, is part of `verify` (`offset_without_outcome`,
`received_twice`), for it takes the book alone.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from modification_processor.verify import IntegrityFinding
from store.database import Connection

_TABLE = """create temporary table if not exists heard (
    order_id uuid, event_seq bigint, digest bytea not null, place bigint generated always as identity, at text not null)"""
_QUERIES = {
    "event_lost": """select o.order_id, 'event ' || o.event_seq || ' was sent at ' || o.sent_at || ' and is not on the topic' from outbox o
        left join heard h on h.order_id = o.order_id and h.event_seq = o.event_seq
        where o.event_seq is not null and o.sent_at <= %(until)s and o.sent_at >= %(since)s and h.order_id is null""",
    "event_changed": """select o.order_id, 'event ' || o.event_seq || ' at ' || h.at || ' has other bytes than the book sent' from heard h
        join outbox o on o.order_id = h.order_id and o.event_seq = h.event_seq where sha256(o.value) <> h.digest""",
    "event_foreign": """select h.order_id, 'the record at ' || h.at || ' was never sent by the book' from heard h
        left join outbox o on o.order_id = h.order_id and o.event_seq = h.event_seq where o.order_id is null""",
    "event_inverted": """select order_id, 'event ' || event_seq || ' came after a later one of its order' from (
          select order_id, event_seq, place, max(place) over (partition by order_id order by event_seq rows between unbounded preceding and 1 preceding) as before
            from (select order_id, event_seq, min(place) as place from heard where order_id is not null group by order_id, event_seq) firsts) x
        where before > place""",
}


class Heard(NamedTuple):
    """A record of the topic: whose event it says it is (None: it does not say), its value, where it lies, when it was appended."""

    order_id: UUID | None
    event_seq: int | None
    value: bytes
    at: str
    appended_at: datetime


class Reconciled(NamedTuple):
    """What was compared, and what was found."""

    records: int
    events: int
    findings: tuple[IntegrityFinding, ...]


def reconcile(
    connection: Connection, hear: Callable[[], Iterable[Heard]], *, whole: Callable[[], bool], told: Callable[[int], None] | None = None
) -> Reconciled:
    """Compare. `hear` reads the topic to its end, `whole` says whether it still has its first record, `told` gets the records heard so far."""
    connection.rollback()
    row = connection.execute("select now()").fetchone()
    connection.commit()
    assert row is not None
    until: datetime = row[0]
    complete, records, since = whole(), 0, until
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set local statement_timeout = 0")
        cursor.execute(_TABLE)
        cursor.execute("truncate heard")
        with cursor.copy("copy heard (order_id, event_seq, digest, at) from stdin (format binary)") as copy:
            copy.set_types(("uuid", "int8", "bytea", "text"))
            for heard in hear():
                copy.write_row((heard.order_id, heard.event_seq, sha256(heard.value).digest(), heard.at))
                since = min(since, heard.appended_at)
                records += 1
                if told and records % 1000 == 0:
                    told(records)
        cursor.execute("analyze heard")
        bounds = {"until": until, "since": datetime.min.replace(tzinfo=until.tzinfo) if complete else since}
        findings = tuple(
            IntegrityFinding(rule, order_id, detail)
            for rule, query in _QUERIES.items()
            for order_id, detail in cursor.execute(query, bounds if "%(" in query else None).fetchall()
        )
        counted = cursor.execute("select count(*) from outbox where event_seq is not null and sent_at <= %s", (until,)).fetchone()
    assert counted is not None
    return Reconciled(records, counted[0], findings)
