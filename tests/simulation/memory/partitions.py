"""`store.partitions` in memory."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.failures import PartitionHalted
from store.partitions import Advance, Claim
from tests.simulation.memory.database import Transaction


class Owner(NamedTuple):
    """A row of `partition_owner`."""

    group: str
    topic: str
    part: int
    topic_id: str
    owner: str
    epoch: int
    next_offset: int | None = None
    starts: int = 0
    released: bool = False


def claim(tx: Transaction, group: str, owner: str, partitions: Sequence[tuple[str, int, str]]) -> dict[tuple[str, int], Claim]:
    claims, halted = {}, None
    for topic, part, topic_id in sorted(partitions):
        key = (group, topic, part)
        row = Owner(group, topic, part, topic_id, owner, 1)
        if not tx.insert("partition_owner", key, row, or_nothing=True):
            old = tx.lock("partition_owner", *key)
            starts = 0 if old.released else old.starts + 1
            row = old._replace(epoch=old.epoch + 1, owner=owner, released=False, starts=starts)
            tx.write("partition_owner", key, row)
        if row.topic_id != topic_id:
            halted = PartitionHalted(f"{topic} is another topic", field=f"{topic}[{part}]", rule="topic_id")
        claims[topic, part] = Claim(row.epoch, row.next_offset, row.starts)
    if halted is not None:
        raise halted
    return claims


def fence(tx: Transaction, group: str, advances: Sequence[Advance]) -> set[tuple[str, int]]:
    passed = set()
    for topic, part, epoch, expected, new in sorted(advances, key=lambda a: (a.topic, a.partition)):
        key = (group, topic, part)
        if not _is_ours(tx.get("partition_owner", *key), epoch, expected):
            continue
        row = tx.lock("partition_owner", *key)
        if _is_ours(row, epoch, expected):
            assert row is not None
            tx.write("partition_owner", key, row._replace(next_offset=new, starts=0))
            passed.add((topic, part))
    return passed


def _is_ours(row: Owner | None, epoch: int, expected: int | None) -> bool:
    return row is not None and row.epoch == epoch and row.next_offset == expected


def handled(tx: Transaction) -> int:
    return sum(row.next_offset or 0 for row in tx.every("partition_owner"))


def stored(tx: Transaction, group: str, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Claim]:
    rows = [tx.get("partition_owner", group, topic, part) for topic, part in partitions]
    return {(row.topic, row.part): Claim(row.epoch, row.next_offset) for row in rows if row is not None}


def release(tx: Transaction, group: str, held: Sequence[tuple[str, int, int]]) -> None:
    for topic, part, epoch in held:
        tx.update(
            "partition_owner", (group, topic, part), lambda row, epoch=epoch: row._replace(released=True) if row.epoch == epoch else None
        )
