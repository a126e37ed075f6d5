"""A channel's statements are read again, page by page, out of a book of many orders.

A page costs what its orders cost, wherever in the book it stands and however much is in it: found by indexes, nothing read whole, nothing sorted.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from store import statements
from store.database import connect
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ORDERS = 50_000
"""From some forty thousand on, reading even the smallest of the tables whole is dearer than finding a page's rows in it."""
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
TABLES = ("order_head", "orders", "statement", "order_origin", "order_key")
BLOCKS_PER_ORDER = 40
"""Five tables, an index's levels in each, and a document that may stand in several blocks."""


def filled(connection: psycopg.Connection[Any], order_id: UUID) -> None:
    """Fill the book with copies of one order under ids of their own."""
    for table in TABLES:
        columns = [column.name for column in connection.execute(f"select * from {table} limit 0").description or ()]
        values = ", ".join("md5(n::text)::uuid" if column == "order_id" else f"t.{column}" for column in columns)
        connection.execute(
            f"insert into {table} ({', '.join(columns)}) select {values} from {table} t, generate_series(1, %s) n where t.order_id = %s",
            (ORDERS, order_id),
        )
        connection.execute(f"analyze {table}")


def plan(connection: psycopg.Connection[Any], query: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return how a query was run."""
    text = psycopg.ClientCursor(connection).mogrify(query, values)
    row = connection.execute(f"explain (analyze, buffers, format json) {text}").fetchone()
    assert row is not None
    found: dict[str, Any] = (row[0] if isinstance(row[0], list) else json.loads(row[0]))[0]["Plan"]
    return found


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes(inner)


def test_a_page_is_read_for_a_page(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1))
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order")
    with connect(str(line.settings.owner_database_url), line.settings.db_schema, autocommit=True) as owner:
        filled(owner, order.order_id)
        for last in (UUID(int=0), UUID(int=2**127), UUID(int=2**128 - 2**121)):
            ids = [row[0] for row in owner.execute(statements._NEXT, ("shopify", last, statements.PAGE)).fetchall()]
            first = plan(owner, statements._NEXT, ("shopify", last, statements.PAGE))
            page = plan(owner, statements._PAGE, ("shopify", SINCE, None, None, ids))
            assert (len(ids), len(ids)) == (first["Actual Rows"], page["Actual Rows"])
            assert len(ids) > 10
            for node in (*nodes(first), *nodes(page)):
                assert node["Node Type"] != "Seq Scan", f"{node['Relation Name']} is read whole"
                assert node["Actual Rows"] * node["Actual Loops"] <= 2 * len(ids), f"{node['Node Type']} reads more than the page"
            blocks = sum(found["Shared Hit Blocks"] + found["Shared Read Blocks"] for found in (first, page))
            assert blocks <= BLOCKS_PER_ORDER * len(ids), f"{blocks} blocks for {len(ids)} orders"
