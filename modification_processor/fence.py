"""The fence: a batch is stored by the process that owns its partitions, and once.

One statement moves the stored offset of every partition of a batch, where the epoch is ours and the offset the one expected. The same rows
tell afterwards whether a COMMIT happened whose answer never came.
Fails: `Fenced`, where a row does not match; nothing of the batch is stored then.
"""

from collections.abc import Mapping, Sequence

from schemas.failures import OrdermendError
from store import partitions
from store.database import Cursor
from store.partitions import Advance, Claim


class Fenced(OrdermendError):
    """The fence let some partitions of the batch not pass: nothing of it is stored.

    `lost`: another process owns these now, or their offset is not where we left it. `ahead`: these are ours, and a transaction
    of ours whose outcome was unknown has brought them to this offset after all: what lies before it is done.
    """

    code = "fenced"
    error_class = "INFRA"

    def __init__(self, lost: set[tuple[str, int]], ahead: Mapping[tuple[str, int], int] | None = None) -> None:
        super().__init__(f"the fence refuses {', '.join(f'{t}[{p}]' for t, p in sorted(lost | set(ahead or ())))}")
        self.lost = lost
        self.ahead = ahead or {}


def pass_fence(cursor: Cursor, group: str, advances: Sequence[Advance]) -> None:
    """Move the stored offsets of a batch; raise `Fenced` where they are not ours to move."""
    passed = partitions.fence(cursor, group, advances)
    refused = {(a.topic, a.partition): a for a in advances if (a.topic, a.partition) not in passed}
    if not refused:
        return
    now = partitions.stored(cursor, group, list(refused))
    ahead = {place: offset for place, a in refused.items() if (offset := _ahead(a, now.get(place))) is not None}
    raise Fenced(refused.keys() - ahead.keys(), ahead)


def is_committed(cursor: Cursor, group: str, advances: Sequence[Advance]) -> bool:
    """Resolve an unknown commit outcome from the fence rows: all moved, none moved, or no longer ours (`Fenced`)."""
    found = partitions.stored(cursor, group, [(a.topic, a.partition) for a in advances])
    fenced = {(a.topic, a.partition) for a in advances if found[a.topic, a.partition].epoch != a.epoch}
    if fenced:
        raise Fenced(fenced)
    return all(found[a.topic, a.partition].next_offset == a.new for a in advances)


def _ahead(mine: Advance, now: Claim | None) -> int | None:
    """Return the offset that a commit of our own, thought lost, has reached; None where somebody else moved the partition."""
    if now is None or now.epoch != mine.epoch or now.next_offset is None or now.next_offset <= (mine.expected or 0):
        return None
    return now.next_offset
