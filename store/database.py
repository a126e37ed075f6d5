"""Connections to the book: psycopg directly (set-based statements, COPY).

Every connection works inside one PostgreSQL schema and has time limits: a statement that hangs is an infrastructure fault, not a wait.
"""

from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

# A process that freezes inside a transaction holds its orders no longer than its group waits for it (session.timeout.ms).
LIMITS = "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=10000"


def connect(url: str, schema: str, *, autocommit: bool = False, application: str = "ordermend") -> Connection:
    """Open a connection whose search path is `schema`."""
    return psycopg.connect(
        plain(url),
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


def plain(url: str) -> str:
    """Return a URL as psycopg takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def drop_schema(owner_url: str, schema: str) -> None:
    """Drop a schema and all in it; for tests and `ordermend demo --fresh`."""
    with psycopg.connect(plain(owner_url), autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))


def role_of(url: str) -> str | None:
    """Return the user a URL names."""
    user = conninfo_to_dict(plain(url)).get("user")
    return None if user is None else str(user)
