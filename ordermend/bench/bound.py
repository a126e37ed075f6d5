"""What PostgreSQL itself can do: sets of edits applied in one transaction each, with no checks and no Kafka.

The given script is run in place, in a database of its own, where it is at hand and we may make databases. Else our own
bound is, in a schema of its own: the same tables and set-based statements, one history row and one outbox row an edit.

Output:  edits per second by batch size; the bound is the best of them.
Fails:   BenchInvalid where the script says nothing, or leaves sums that do not add up.
"""

import contextlib
import json
import random
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from ordermend import bootstrap
from ordermend.bench.failure import BenchInvalid
from ordermend.local import state
from ordermend.settings import Settings
from store.database import connect, drop_schema

DATABASE = "ordermend_bound"
SCHEMA = "ordermend_bound"
ORDERS = 50_000
SIZES = (50, 200, 500, 2000)
Connection = psycopg.Connection[tuple[Any, ...]]
_BATCH = re.compile(r"^batch (\d+) edits/s (\d+)$", re.MULTILINE)

_TABLES = """
create table orders (order_id text primary key, version int not null, status text not null, currency text, address jsonb,
  delivery_date date, subtotal bigint, total bigint, updated_at timestamptz);
create table order_line (order_id text references orders, line_id text, sku text, qty int, unit bigint, tax bigint, primary key (order_id, line_id));
create table ticket (ticket_id uuid primary key, order_id text, agent text, reason text, status text, base_version int, new_version int,
  created_at timestamptz);
create table history (id bigint generated always as identity primary key, ticket_id uuid, order_id text, field text, old text, new text,
  user_id text, at timestamptz);
create index on history (order_id);
create table outbox (id bigint generated always as identity primary key, topic text, key text, payload bytea, created_at timestamptz default now());
insert into orders select 'o' || i, 1, 'confirmed', 'GBP', '{"line1": "1 High St", "city": "London"}', '2026-12-01', 3000, 3150, now()
  from generate_series(0, %(last)s) i;
insert into order_line select 'o' || i, 'l' || k, 'SKU' || k, 2, 500, 50 from generate_series(0, %(last)s) i, generate_series(0, 2) k;
"""
_ORDERS = "select order_id, version from orders where order_id = any(%s) order by order_id for update"
_LINES = "select order_id, line_id, qty, unit, tax from order_line where order_id = any(%s)"
_TICKETS = """insert into ticket select t, o, 'a', 'QTY', 'applied', v, v + 1, now() from unnest(%s::uuid[], %s::text[], %s::int[]) u(t, o, v)
  on conflict do nothing"""
_UPDATE_ORDERS = """update orders o set version = u.v, subtotal = u.s, total = u.t, updated_at = now()
  from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) u(id, v, s, t) where o.order_id = u.id"""
_UPDATE_LINES = """update order_line l set qty = u.q from unnest(%s::text[], %s::text[], %s::int[]) u(id, l, q)
  where l.order_id = u.id and l.line_id = u.l"""
_HISTORY = """insert into history (ticket_id, order_id, field, old, new, user_id, at)
  select t, o, f, old, new, 'a', now() from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[]) u(t, o, f, old, new)"""
_OUTBOX = "insert into outbox (topic, key, payload) select 't', o, p from unnest(%s::text[], %s::bytea[]) u(o, p)"
_WRONG = """select count(*) from orders o where subtotal <> (select sum(qty * unit) from order_line l where l.order_id = o.order_id)"""


@contextlib.contextmanager
def bound(settings: Settings, script: Path | None) -> Iterator["Bound"]:
    """Make the bound's place and remove it at the end."""
    url = superuser_url(settings) if script else None
    if script is None or url is None:
        yield Bound(settings, None, "")
        return
    parts = urlsplit(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {DATABASE} with (force)")
        connection.execute(f"create database {DATABASE}")
        try:
            yield Bound(settings, script, parts._replace(path=f"/{DATABASE}").geturl())
        finally:
            connection.execute(f"drop database if exists {DATABASE} with (force)")


def superuser_url(settings: Settings) -> str | None:
    """Return the address under a role that may create databases, where the database is our local stack's."""
    part = state.read(settings.home).parts.get("postgres")
    if part is None or urlsplit(bootstrap.database_of(settings)).port != part.port:
        return None
    password = json.loads((part.directory / "passwords.json").read_text("utf-8"))["postgres"]
    return f"postgresql://postgres:{password}@127.0.0.1:{part.port}/postgres"


class Bound:
    """Measures the bound, any number of times. `script` None: our own."""

    def __init__(self, settings: Settings, script: Path | None, url: str) -> None:
        self._settings = settings
        self._script = script
        self._url = url

    @property
    def source(self) -> str:
        """Which bound this is."""
        return self._script.name if self._script else "own"

    def measure(self) -> dict[int, float]:
        """Return edits per second by batch size."""
        return by_size(self._run_script()) if self._script else self._run_own()

    def _run_script(self) -> str:
        ended = subprocess.run(  # noqa: S603 -- the script the caller named
            [sys.executable, "-B", str(self._script)],
            env={"DATABASE_URL": self._url, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if ended.returncode or "integrity errors (0,)" not in ended.stdout:
            raise BenchInvalid(f"{self.source} ended with code {ended.returncode}: {(ended.stderr or ended.stdout).strip()[-300:]}")
        return ended.stdout

    def _run_own(self) -> dict[int, float]:
        owner = self._settings.migration_url or bootstrap.database_of(self._settings)
        drop_schema(owner, SCHEMA)
        try:
            with psycopg.connect(owner, autocommit=True) as connection:
                connection.execute(f"create schema {SCHEMA}")
            with connect(owner, SCHEMA, application="bound") as connection:
                return own(connection)
        finally:
            drop_schema(owner, SCHEMA)


def by_size(text: str) -> dict[int, float]:
    r"""Read what the script prints.

    >>> by_size("batch 50 edits/s 10400\nbatch 2000 edits/s 14800\n")
    {50: 10400.0, 2000: 14800.0}
    """
    found = {int(size): float(rate) for size, rate in _BATCH.findall(text)}
    if not found:
        raise BenchInvalid(f"the bound's script printed no figure: {text.strip()[-200:]}")
    return found


def best(rates: Mapping[int, float]) -> float:
    """Return the best batch's edits per second."""
    return max(rates.values())


def own(connection: Connection) -> dict[int, float]:
    """Fill the tables and apply sets of each size; the search path is the bound's schema."""
    with connection.cursor() as cursor:
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"last": ORDERS - 1} if "%(" in statement else None)
    connection.commit()
    rng = random.Random(3)  # noqa: S311 -- invented data
    found = {}
    for size in SIZES:
        count = max(1500, size * 15)
        began = time.perf_counter()
        for _ in range(0, count, size):
            with connection.transaction():
                _apply(connection, [_edit(rng) for _ in range(size)])
        found[size] = count / (time.perf_counter() - began)
    wrong = connection.execute(_WRONG).fetchone()
    if wrong != (0,):
        raise BenchInvalid(f"the bound leaves {wrong} orders whose sums are wrong")
    return found


Edit = tuple[uuid.UUID, str, str, int]


def _edit(rng: random.Random) -> Edit:
    return uuid.UUID(int=rng.getrandbits(128), version=4), f"o{rng.randrange(ORDERS)}", f"l{rng.randrange(3)}", rng.randrange(1, 9)


def _apply(connection: Connection, edits: Sequence[Edit]) -> None:
    """Apply a set: lock, compute, and one statement for each table."""
    ids = sorted({edit[1] for edit in edits})
    versions: dict[str, int] = dict(connection.execute(_ORDERS, (ids,), binary=True).fetchall())
    lines: dict[str, dict[str, list[int]]] = {}
    for order_id, line_id, *numbers in connection.execute(_LINES, (ids,), binary=True):
        lines.setdefault(order_id, {})[line_id] = numbers
    tickets, history, orders, quantities = [], [], {}, {}
    for ticket_id, order_id, line_id, quantity in edits:
        line = lines[order_id][line_id]
        tickets.append((ticket_id, order_id, versions[order_id]))
        history.append((ticket_id, order_id, f"lines.{line_id}.qty", str(line[0]), str(quantity)))
        line[0] = quantity
        versions[order_id] += 1
        subtotal = sum(count * unit for count, unit, _ in lines[order_id].values())
        orders[order_id] = (versions[order_id], subtotal, subtotal + sum(tax for _, _, tax in lines[order_id].values()))
        quantities[order_id, line_id] = quantity
    payload = b"x" * 300
    connection.execute(_TICKETS, _columns(tickets))
    connection.execute(_UPDATE_ORDERS, _columns([(order_id, *row) for order_id, row in orders.items()]))
    connection.execute(_UPDATE_LINES, _columns([(*place, quantity) for place, quantity in quantities.items()]))
    connection.execute(_HISTORY, _columns(history))
    connection.execute(_OUTBOX, _columns([(edit[1], payload) for edit in edits]))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
