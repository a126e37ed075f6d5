"""A channel of our own that orders are fetched from, for the demo and the tests: slow, losing answers, wanting pauses.

What it has, and how often it was asked, is kept in a file, as the world outside would: `put` an order's answers, and `fetch` hands
them out. What befalls an order's first askings follows from its behaviour, so a run can be told again.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intake.sources import AskedTooOften, ChannelSource, NoSuchOrder, NotAllowed, Sources, Wanted
from normalizers import discover
from normalizers.channel import Document

_TABLES = """
create table if not exists answer (channel text not null, account text not null, channel_order_id text not null, n integer not null,
    headers text not null, body blob not null, primary key (channel, account, channel_order_id, n));
create table if not exists asked (id integer primary key, channel text not null, account text not null, channel_order_id text not null);
"""


@dataclass(frozen=True)
class Moods:
    """How it treats us: seconds an answer takes, and how many first askings for each order are lost or answered with a pause."""

    latency_seconds: float = 0.0
    lost: int = 0
    too_often: int = 0
    pause_seconds: float = 0.0
    closed: frozenset[str] = frozenset()
    """Channels that do not let us in."""


class SimulatedSource:
    """A `ChannelSource` for every channel, over one file. Threads and processes may share it."""

    def __init__(self, path: Path, moods: Moods = Moods()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._moods = moods
        self._lock = threading.Lock()
        with self._open() as book:
            book.executescript(_TABLES)

    def sources(self) -> Sources:
        """Return what the fetcher asks: this, for every channel."""
        own: ChannelSource = self
        return dict.fromkeys(discover(), own)

    def put(self, channel: str, account: str, channel_order_id: str, *answers: Document) -> None:
        """Let the channel have an order: the answers that together state it, instead of those it had."""
        key = (channel, account, channel_order_id)
        with self._lock, self._open() as book:
            book.execute("delete from answer where channel = ? and account = ? and channel_order_id = ?", key)
            book.executemany(
                "insert into answer values (?, ?, ?, ?, ?, ?)",
                [(*key, n, json.dumps(dict(each.headers)), each.body) for n, each in enumerate(answers)],
            )

    def fetch(self, wanted: Wanted, timeout_seconds: float) -> tuple[Document, ...]:
        """Hand out an order; see `ChannelSource`."""
        time.sleep(min(self._moods.latency_seconds, timeout_seconds))
        if wanted.channel in self._moods.closed:
            raise NotAllowed("401")
        key = (wanted.channel, wanted.account, wanted.channel_order_id)
        with self._lock, self._open() as book:
            book.execute("insert into asked (channel, account, channel_order_id) values (?, ?, ?)", key)
            where = "channel = ? and account = ? and channel_order_id = ?"
            times = book.execute(f"select count(*) from asked where {where}", key).fetchone()[0]
            rows: Sequence[tuple[str, bytes]] = book.execute(f"select headers, body from answer where {where} order by n", key).fetchall()
        if times <= self._moods.too_often:
            raise AskedTooOften(self._moods.pause_seconds)
        if times <= self._moods.too_often + self._moods.lost:
            raise TimeoutError
        if not rows:
            raise NoSuchOrder
        return tuple([Document(bytes(body), json.loads(headers)) for headers, body in rows])

    def asked(self, channel_order_id: str) -> int:
        """Return how often an order was asked for."""
        with self._open() as book:
            return int(book.execute("select count(*) from asked where channel_order_id = ?", (channel_order_id,)).fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        book = sqlite3.connect(self._path, timeout=30.0)
        try:
            with book:
                yield book
        finally:
            book.close()
