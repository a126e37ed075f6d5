"""Where an edit's time goes between the click and the order that shows it: its way cut into stages that follow one another.

    door       sent by its author .. its row is in the outbox        (the door checks and signs it)
    relay      .. the broker appended it                             (the relay finds, sends)
    waiting    .. the processor's transaction began                  (fetched, read, behind the batch under way)
    work       .. that transaction is committed
    told       .. its author's stream says so                        (the bell, one look, the stream)
    read_back  .. the order is read back

Input:   what the authors noted by this machine's clock, the book, and the notifications that commits of the processor send.
Output:  milliseconds per stage: median, 95th percentile, and the median among the slowest twentieth of the edits (`slowest`): what the tail is made of.
Fails:   BenchInvalid where no edit can be followed through.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median, quantiles
from typing import NamedTuple
from uuid import UUID

from ordermend.bench.failure import BenchInvalid
from store.database import Connection

STAGES = ("door", "relay", "waiting", "work", "told", "read_back")
WRITER = "processor"
"""The application's name of the connection whose commits count."""


class Sent(NamedTuple):
    """An edit as its author saw it: unix seconds."""

    ticket_id: UUID
    sent_at: float
    told_at: float
    seen_at: float


class Stored(NamedTuple):
    """An edit as the book has it: unix seconds."""

    ticket_id: UUID
    enqueued_at: float
    appended_at: float
    began_at: float


class Commits:
    """Notes when the processor's commits arrive, in a thread. `stop` returns them, rising [unix s]."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connection = connect()
        self._connection.autocommit = True
        self._connection.execute("listen outbox")
        self._seen: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="commits", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            for notice in self._connection.notifies(timeout=0.2):
                self._seen.append((time.time(), notice.pid))

    def stop(self) -> list[float]:
        """Stop listening, and return when the processor committed."""
        self._stop.set()
        self._thread.join(5.0)
        rows = self._connection.execute("select pid from pg_stat_activity where application_name = %s", (WRITER,)).fetchall()
        self._connection.close()
        return of_writers(self._seen, {row[0] for row in rows})


def of_writers(seen: Sequence[tuple[float, int]], pids: Collection[int]) -> list[float]:
    """Return the times of what these backends sent."""
    return [at for at, pid in seen if pid in pids]


def ways(book: Connection, sent: Sequence[Sent], commits: Sequence[float]) -> dict[str, dict[str, float]]:
    """Return stage -> its figures, over the edits that can be followed through."""
    rows = book.execute(
        """select t.ticket_id, o.created_at, t.submitted_at, t.decided_at
             from ticket t cross join lateral (select max(o.created_at) created_at from outbox o
                  where o.order_id = t.order_id and o.event_seq is null and o.topic like '%%modifications%%' and o.created_at <= t.submitted_at) o
            where t.ticket_id = any(%b) and o.created_at is not null and t.decided_at is not null""",
        ([one.ticket_id for one in sent],),
    ).fetchall()
    stored = {row[0]: Stored(row[0], *map(datetime.timestamp, row[1:])) for row in rows}
    return figures([way for one in sent if (found := stored.get(one.ticket_id)) and (way := cut(one, found, commits))])


def cut(sent: Sent, stored: Stored, commits: Sequence[float]) -> list[float] | None:
    """Return the milliseconds of each stage; None where no commit was heard between the transaction's begin and the word to its author.

    The processor's transactions follow one another, so the first commit heard after one began is its own.
    """
    place = bisect_left(commits, stored.began_at)
    if place == len(commits) or commits[place] > sent.told_at:
        return None
    steps = (sent.sent_at, stored.enqueued_at, stored.appended_at, stored.began_at, commits[place], sent.told_at, sent.seen_at)
    return [(later - earlier) * 1000 for earlier, later in pairwise(steps)]


def figures(found: Sequence[Sequence[float]]) -> dict[str, dict[str, float]]:
    """Return the figures of edits cut into stages. Raises `BenchInvalid` where there are too few to speak of."""
    if len(found) < 20:
        raise BenchInvalid(f"only {len(found)} edits could be followed through all their stages")
    slowest = sorted(found, key=sum)[-max(1, len(found) // 20) :]
    return {
        name: {
            "median": round(median(way[stage] for way in found), 1),
            "p95": round(quantiles([way[stage] for way in found], n=20)[18], 1),
            "slowest": round(median(way[stage] for way in slowest), 1),
        }
        for stage, name in enumerate(STAGES)
    }
