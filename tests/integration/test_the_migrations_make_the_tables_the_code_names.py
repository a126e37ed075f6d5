"""The numbered steps, run on an empty schema, make exactly the tables and columns of `store/tables.py`; twice is once."""

from pathlib import Path

import psycopg
import pytest

import store
from ordermend.local.stack import Stack
from store.database import connect, role_of
from store.migrating import migrate
from store.tables import APPEND_ONLY, metadata

NEWEST = max(path.name[:4] for path in (Path(store.__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))


@pytest.fixture
def schema(stack: Stack, db_schema: str) -> str:
    for _ in range(2):
        assert NEWEST == migrate(stack.owner_database_url, db_schema, role_of(stack.database_url))
    return db_schema


def test_tables_and_columns_are_those_of_the_code(stack: Stack, schema: str) -> None:
    with connect(stack.database_url, schema) as connection:
        found = connection.execute(
            "select table_name, column_name, is_nullable = 'YES' from information_schema.columns where table_schema = %s", (schema,)
        ).fetchall()
        indexes = connection.execute("select indexname from pg_indexes where schemaname = %s", (schema,)).fetchall()
    wanted = {(table.name, column.name, bool(column.nullable)) for table in metadata.tables.values() for column in table.columns}
    assert wanted == {row for row in found if row[0] != "schema_version"}
    named = {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    assert named <= {name for (name,) in indexes}


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("act", ["update {0} set {1} = {1}", "delete from {0}", "truncate {0}"])
def test_the_application_cannot_rewrite_what_is_append_only(stack: Stack, schema: str, table: str, act: str) -> None:
    with connect(stack.database_url, schema, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(act.format(table, next(iter(metadata.tables[table].columns)).name))
