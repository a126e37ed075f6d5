"""The fence: who reads a partition, from which offset, in which epoch.

Source offsets live here, in the transaction that stores what the messages did. Claiming a partition raises its
epoch, so a process that lost it (a zombie after a long pause, a member cut off from the coordinator) can commit
nothing more: its fence statement matches no row.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.failures import PartitionHalted
from store.database import Cursor


class Claim(NamedTuple):
    """A partition we own: `next_offset` None means the log's start; `starts` were made since anything was committed."""

    epoch: int
    next_offset: int | None
    starts: int = 0


class Advance(NamedTuple):
    """What a batch wants to do to a partition's offset."""

    topic: str
    partition: int
    epoch: int
    expected: int | None
    new: int


def claim(cursor: Cursor, group: str, owner: str, partitions: Sequence[tuple[str, int, str]]) -> dict[tuple[str, int], Claim]:
    """Take over partitions (topic, partition, topic id); raise `PartitionHalted` if a topic was made anew."""
    topics = [p[0] for p in partitions]
    parts = [p[1] for p in partitions]
    ids = [p[2] for p in partitions]
    cursor.execute(
        """insert into partition_owner as o (grp, topic, part, topic_id, owner, epoch)
           select %s, u.topic, u.part, u.topic_id, %s, 1 from unnest(%b::text[], %b::int[], %b::text[]) u(topic, part, topic_id)
           order by 2, 3
           on conflict (grp, topic, part) do update
              set epoch = o.epoch + 1, owner = excluded.owner, released = false, updated_at = now(),
                  starts = case when o.released then 0 else o.starts + 1 end
           returning topic, part, topic_id, epoch, next_offset, starts""",
        (group, owner, topics, parts, ids),
    )
    wanted = {(topic, part): topic_id for topic, part, topic_id in partitions}
    claims = {}
    for topic, part, topic_id, epoch, next_offset, starts in cursor.fetchall():
        if topic_id != wanted[topic, part]:
            raise PartitionHalted(
                f"{topic} is another topic than the one whose offset {next_offset} is stored (it was deleted and made again);"
                " nothing is read until an operator decides",
                field=f"{topic}[{part}]",
                rule="topic_id",
            )
        claims[topic, part] = Claim(epoch, next_offset, starts)
    return claims


def fence(cursor: Cursor, group: str, advances: Sequence[Advance]) -> set[tuple[str, int]]:
    """Advance all offsets of the batch in one statement; return the partitions that are still ours.

    Rows are locked in key order, so two processes that hold each other's old partitions cannot deadlock.
    """
    columns = list(zip(*advances, strict=True))
    cursor.execute(
        """with wanted as (select * from unnest(%b::text[], %b::int[], %b::bigint[], %b::bigint[], %b::bigint[])
                             u(topic, part, epoch, expected, new)),
                held as (select o.topic, o.part, w.new from partition_owner o join wanted w using (topic, part)
                          where o.grp = %s and o.epoch = w.epoch and o.next_offset is not distinct from w.expected
                          order by o.topic, o.part for update of o)
           update partition_owner o set next_offset = held.new, starts = 0, updated_at = now()
             from held where o.grp = %s and o.topic = held.topic and o.part = held.part
           returning o.topic, o.part""",
        (*(list(column) for column in columns), group, group),
    )
    return {(topic, part) for topic, part in cursor.fetchall()}


def stored(cursor: Cursor, group: str, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Claim]:
    """Return epoch and offset as they stand: how an unknown commit outcome is resolved.

    Locks the rows: a transaction of ours whose connection was cut may still be about to commit, and is waited for. Looking past
    it would find the old offset a moment before the new one.
    """
    cursor.execute(
        """select topic, part, epoch, next_offset from partition_owner
            where grp = %s and (topic, part) in (select * from unnest(%b::text[], %b::int[])) order by topic, part for update""",
        (group, [p[0] for p in partitions], [p[1] for p in partitions]),
    )
    return {(topic, part): Claim(epoch, offset) for topic, part, epoch, offset in cursor.fetchall()}


def handled(cursor: Cursor) -> int:
    """Return how many messages all partitions have behind them: its advance is the rate at which live messages are handled."""
    row = cursor.execute("select coalesce(sum(next_offset), 0)::bigint from partition_owner").fetchone()
    return int(row[0]) if row else 0


def release(cursor: Cursor, group: str, held: Sequence[tuple[str, int, int]]) -> None:
    """Say that these (topic, partition, epoch) were left in good order, so that the next start is not counted as a crash."""
    cursor.execute(
        """update partition_owner o set released = true, updated_at = now()
             from (select * from unnest(%b::text[], %b::int[], %b::bigint[]) u(topic, part, epoch) order by 1, 2) u
            where o.grp = %s and o.topic = u.topic and o.part = u.part and o.epoch = u.epoch""",
        ([h[0] for h in held], [h[1] for h in held], [h[2] for h in held], group),
    )
