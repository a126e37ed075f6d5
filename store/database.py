"""Connections and migrations.

The hot path uses psycopg directly (set-based statements, COPY); Alembic runs the numbered steps under the
owner's role. Every connection works inside one PostgreSQL schema and has time limits: a statement that hangs
is an infrastructure fault, not a wait.
"""

from datetime import datetime
from importlib.resources import as_file, files
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

# A process that freezes inside a transaction holds its orders no longer than its group waits for it (session.timeout.ms).
LIMITS = "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=10000"


def connect(url: str, schema: str, *, autocommit: bool = False, application: str = "ordermend") -> Connection:
    """Open a connection whose search path is `schema`."""
    return psycopg.connect(
        _plain(url),
        autocommit=autocommit,
        options=f"{LIMITS} -c search_path={schema}",
        application_name=application,
        connect_timeout=10,
        keepalives_idle=30,
    )


def now(cursor: Cursor) -> datetime:
    """Return the transaction's time, by the database's clock."""
    row = cursor.execute("select now()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def migrate(owner_url: str, schema: str, app_role: str | None) -> str:
    """Run the steps that are missing; return the revision reached. Safe to run again and from two places at once."""
    engine = create_engine(make_url(_plain(owner_url)).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection, as_file(files("store").joinpath("migrations")) as folder:
        # One migrator at a time, whoever they are.
        connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext(%(schema)s))", {"schema": f"ordermend:{schema}"})
        connection.exec_driver_sql(f'create schema if not exists "{schema}"')
        connection.exec_driver_sql(f'set local search_path to "{schema}"')
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"connection": connection, "schema": schema, "app_role": app_role}
        command.upgrade(config, "head")
        revision = connection.exec_driver_sql(f'select version_num from "{schema}".schema_version').scalar_one()
    engine.dispose()
    return str(revision)


def drop_schema(owner_url: str, schema: str) -> None:
    """Drop a schema and all in it; for tests and `ordermend demo --fresh`."""
    with psycopg.connect(_plain(owner_url), autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))


def role_of(url: str) -> str | None:
    """Return the user a URL names."""
    return make_url(_plain(url)).username
