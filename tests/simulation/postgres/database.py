"""The book of one seed in PostgreSQL: what `memory.database.Database` is to the world, over a real server."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from psycopg import errors, pq

from tests.simulation.memory.database import IDLE_SECONDS, LATE_SECONDS
from tests.simulation.postgres.cursor import Cursor
from tests.simulation.postgres.mirror import Change, Mirror
from tests.simulation.postgres.server import Server, answers
from tests.simulation.postgres.session import Session
from tests.simulation.scheduler import Scheduler

WATCHED = ("partition_owner", "parked", "ticket", "inbox")
"""Of these, whoever looks on sees every commit."""


class PostgresDatabase:
    """The sessions of one seed, and what is committed. Used from one thread; who waits, waits in the scheduler."""

    def __init__(self, server: Server, scheduler: Scheduler, outcome: Callable[[Session], str] = lambda _session: "done") -> None:
        self.server = server
        self.scheduler = scheduler
        self.outcome = outcome
        self.sessions: list[Session] = []
        self.blocked: Session | None = None
        """Whose statement stands in the server's queue for a lock."""
        self.releases = 0
        """How many transactions have ended: what a waiter waits for."""
        self.commits = 0
        """How many transactions wrote something: what a listener waits for."""
        self.on_commit: Callable[[Change], None] = lambda _change: None
        self.rewrites: dict[str, str] = {}
        """Parts of statements, and what stands in their place: where bugs are planted."""
        self.away_until = 0.0
        self.tables = Mirror(server.looking, lambda: self.commits)
        self._late: list[pq.abc.PGconn] = []
        server.empty()
        self._look()

    def connect(self, name: str = "session") -> Session:
        """Open a session; fails while the server is away."""
        self.scheduler.pause("connect")
        if self.scheduler.clock.seconds < self.away_until:
            raise errors.CannotConnectNow("the database system is starting up")
        session = Session(self, name, self.server.take())
        session.cursor_factory = Cursor
        self.sessions.append(session)
        return session

    def restart(self, away_seconds: float) -> None:
        """End every session; take none for a while."""
        self.away_until = self.scheduler.clock.seconds + away_seconds
        for session in list(self.sessions):
            session.cut()

    def committed(self, table: str) -> Iterator[Any]:
        """Yield the committed rows of a table."""
        for rows in self.tables[table].values():
            yield from rows.values()

    def end_idle(self) -> None:
        """End sessions whose transaction has been left alone for too long."""
        now = self.scheduler.clock.seconds
        for session in list(self.sessions):
            if session is not self.blocked and session.transaction_open and now - session.used_at > IDLE_SECONDS:
                session.cut()

    def rewritten(self, query: str) -> str:
        """Return a statement as it is planted."""
        for old, new in self.rewrites.items():
            query = query.replace(old, new)
        return query

    def closes_circle(self, session: Session) -> bool:
        """Whether somebody this session waits for waits for it."""
        by_pid = {each.pid: each for each in self.sessions}
        met, ahead = set[int](), set(session.waits_for)
        while ahead:
            pid = ahead.pop()
            if pid == session.pid:
                return True
            if pid not in met and pid in by_pid:
                met.add(pid)
                ahead |= by_pid[pid].waits_for
        return False

    def commit_later(self, connection: "pq.abc.PGconn", process: str, *, wrote: bool) -> None:
        """Let a COMMIT happen after a while that nobody hears of."""
        self._late.append(connection)
        self.scheduler.after(LATE_SECONDS, partial(self._commit_late, connection, process, wrote=wrote))

    def _commit_late(self, connection: "pq.abc.PGconn", process: str, *, wrote: bool) -> None:
        self._late.remove(connection)
        self.server.say(connection, "commit")
        self.committed_by(process, wrote=wrote)
        self.server.give_back(connection)
        self.released()

    def committed_by(self, name: str, *, wrote: bool) -> None:
        """Let those who look on see what a transaction did."""
        if wrote:
            before = {table: self.tables[table] for table in WATCHED}
            self.commits += 1
            self._look()
            self.on_commit(Change(name.partition(" ")[0], self.tables, before))

    def _look(self) -> None:
        for table in WATCHED:
            self.tables[table]

    def released(self) -> None:
        """Locks were given back: see whether the one who waits in the server's queue got what it waits for."""
        self.releases += 1
        blocked = self.blocked
        while blocked is not None and not blocked.answered and blocked in self.sessions:
            if answers(blocked.pgconn, 0.001):
                blocked.answered = True
            elif waits_for := self.server.blockers(blocked.pid):
                blocked.waits_for = waits_for
                return

    def close(self) -> None:
        """End what is still open: the next seed finds nobody."""
        for session in list(self.sessions):
            session.close()
        for connection in self._late:
            self.server.give_back(connection)
        self._late.clear()
