"""A schema of the simulation's own on a real PostgreSQL server, whose `now()` is the simulation's, and the connections to it.

The schema is made once and emptied between seeds, and connections go from one session to the next: both are dear. Every seed
finds the same: tables anew, sequences at one, nobody who vacuums or analyses them, sessions as if just opened.
Fails: as psycopg does; a server that does not answer is a fault of the machine, and none of the simulation's.
"""

import secrets
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from store.database import drop_schema, role_of
from store.migrating import migrate
from tests.simulation.posts import AGENTS, REFUSED_QUANTITY

PATIENCE_SECONDS = 60.0

CLOCK: LiteralString = (
    """create function {schema}.now() returns timestamptz language sql stable as $$ select current_setting('sim.now')::timestamptz $$"""
)
"""What the product calls: `search_path` names our schema before PostgreSQL's own."""
DEFAULTS = """
select c.relname, a.attname from pg_attrdef d join pg_class c on c.oid = d.adrelid join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
 where c.relnamespace = %s::regnamespace and pg_get_expr(d.adbin, d.adrelid) = 'now()'"""
TABLES = "select relname from pg_class where relnamespace = %s::regnamespace and relkind = 'r' and relname <> 'schema_version'"


class Server:
    """The schema, and the connections that nobody uses just now."""

    def __init__(self, url: str, owner_url: str, schema: str) -> None:
        self.schema = schema
        self._owner = psycopg.connect(owner_url, autocommit=True)
        options = f"-c search_path={schema},pg_catalog -c synchronous_commit=off"
        self._info = make_conninfo(url, options=options, application_name="simulation", client_encoding="utf8").encode()
        self._idle: list[pq.abc.PGconn] = []
        self.looking = psycopg.connect(self._info.decode(), autocommit=True)
        """A connection that only looks: no step of the simulation goes over it."""

    def take(self) -> "pq.abc.PGconn":
        """Return a connection as if it were new."""
        if self._idle:
            return self._idle.pop()
        made = pq.PGconn.connect(self._info)
        if made.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(made.get_error_message())
        made.nonblocking = 1
        return made

    def give_back(self, used: "pq.abc.PGconn") -> None:
        """Take a connection back, whatever it was left in the middle of: its transaction and its locks are gone when this returns."""
        if used.transaction_status == pq.TransactionStatus.IDLE:
            self.say(used, "discard all")
            self._idle.append(used)
        elif used.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR) and not used.pipeline_status:
            self.say(used, "rollback")
            self.give_back(used)
        else:
            self._end(used)

    def _end(self, used: "pq.abc.PGconn") -> None:
        pid = used.backend_pid
        used.finish()
        self.looking.execute("select pg_terminate_backend(%s)", (pid,))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.looking.execute("select 1 from pg_stat_activity where pid = %s", (pid,)).fetchone():
            assert time.monotonic() < deadline, f"backend {pid} does not end"
            time.sleep(0.0005)

    @staticmethod
    def say(to: "pq.abc.PGconn", statement: str) -> None:
        """Run a statement of ours that waits for nobody."""
        result = to.exec_(statement.encode())
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise psycopg.InternalError(f"{statement}: {to.get_error_message()}")

    def blockers(self, pid: int) -> frozenset[int]:
        """Return whom a backend waits for; nobody where it runs, or has answered."""
        row = self.looking.execute("select pg_blocking_pids(%s)", (pid,)).fetchone()
        assert row is not None
        return frozenset(row[0])

    def empty(self) -> None:
        """Remove what a seed left."""
        found = self._owner.execute(TABLES + " and pg_relation_size(oid) > 0", (self.schema,)).fetchall()
        names = [sql.Identifier(self.schema, name) for (name,) in found]
        if names:
            self._owner.execute(sql.SQL("truncate {} restart identity").format(sql.SQL(", ").join(names)))

    def close(self) -> None:
        """Leave the server."""
        for connection in self._idle:
            connection.finish()
        self.looking.close()
        self._owner.close()


def answers(connection: "pq.abc.PGconn", seconds: float) -> bool:
    """Whether there is something to read, or comes to be within so long."""
    return bool(select.select([connection.socket], [], [], seconds)[0])


@contextmanager
def a_schema(url: str, owner_url: str) -> Iterator[str]:
    """Make a schema for as long as the block lasts, and return its name."""
    schema = f"simulated_{secrets.token_hex(4)}"
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        owner.execute(sql.SQL(CLOCK).format(schema=sql.Identifier(schema)))
    try:
        migrate(owner_url, schema, role_of(url))
        with psycopg.connect(owner_url, autocommit=True) as owner:
            _prepare(owner, schema)
        yield schema
    finally:
        drop_schema(owner_url, schema)


def _prepare(owner: "psycopg.Connection[Any]", schema: str) -> None:
    """Let the tables' defaults, their constraints and whoever cares for them be the simulation's."""
    for table, column in owner.execute(DEFAULTS, (schema,)).fetchall():
        _alter(owner, schema, table, "alter column {column} set default {schema}.now()", column=sql.Identifier(column))
    for (table,) in owner.execute(TABLES, (schema,)).fetchall():
        _alter(owner, schema, table, "set (autovacuum_enabled = false)")
    full = "add constraint simulation_is_full check ((doc -> 'lines' -> {line} ->> 'ordered')::int < {most})"
    _alter(owner, schema, "orders", full, line=sql.Literal(AGENTS), most=sql.Literal(REFUSED_QUANTITY))


def _alter(owner: "psycopg.Connection[Any]", schema: str, table: str, what: LiteralString, **named: sql.Composable) -> None:
    named["schema"] = sql.Identifier(schema)
    owner.execute(sql.SQL("alter table {} ").format(sql.Identifier(schema, table)) + sql.SQL(what).format(**named))


@contextmanager
def serving(url: str, owner_url: str, schema: str) -> Iterator[Server]:
    """Connect to a schema that `a_schema` made, for as long as the block lasts."""
    server = Server(url, owner_url, schema)
    try:
        yield server
    finally:
        server.close()
