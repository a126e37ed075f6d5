"""A sound book has no finding; each of twenty-three faults, put in by the owner of the tables, is found at its order and named."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from modification_processor.sampler import Sampler
from modification_processor.verify_parallel import verify_in_processes
from ordermend import bootstrap
from schemas.order import Order
from schemas.stock import StockEntry
from store import stock
from store.database import connect
from store.sealing import KeyVault
from telemetry.metrics import INTEGRITY_FINDINGS
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ACTION = """insert into action (order_id, action_id, ticket_id, step, port, kind, provider, transaction, amount_minor, currency, state, due_at,
                   created_at, result)
               select order_id, gen_random_uuid(), {ticket}, 9, 'payment', 'refund', 'adyen', 't1', 5, 'GBP', '{state}', now(), now(), 'nowhere'
                 from ticket where order_id = %(o)s and state = 'applied' limit 1"""
FAULTS: dict[str, tuple[str, str]] = {
    "a history row was rewritten": (
        "chain", "update history set new = '\\x39' where order_id = %(o)s and seq = (select min(seq) from history where order_id = %(o)s)"
    ),
    "a history row was rewritten with another author": ("chain", "update history set user_id = 'eve' where order_id = %(o)s and seq = 2"),
    "a history row is missing": ("chain", "delete from history where order_id = %(o)s and seq = 2"),
    "the end of the history is missing": (
        "chain", "delete from history where order_id = %(o)s and seq = (select max(seq) from history where order_id = %(o)s)"
    ),
    "a total was rewritten": (
        "totals", "update orders set doc = jsonb_set(doc::jsonb, '{totals,grand_total_minor}', '1')::json where order_id = %(o)s"
    ),
    "a field was rewritten past the history": (
        "fold", "update orders set doc = jsonb_set(doc::jsonb, '{lines,0,sku}', '\"OTHER\"')::json where order_id = %(o)s"
    ),
    "the shares of a discount do not sum to it": (
        "allocations",
        "update orders set doc = jsonb_set(doc::jsonb, '{adjustments,0,allocations,0,amount_minor}', '1')::json where order_id = %(o)s",
    ),
    "a line is discounted below zero": (
        "negative_line",
        "update orders set doc = jsonb_set(doc::jsonb, '{adjustments,0,allocations,0,amount_minor}', '999999')::json where order_id = %(o)s",
    ),
    "a column differs from the document": ("columns", "update orders set grand_total_minor = 7 where order_id = %(o)s"),
    "the order's version is not its head's": ("version_mismatch", "update orders set version = version + 1 where order_id = %(o)s"),
    "the first version was rewritten": (
        "origin", "update order_origin set doc = replace(doc, 'SKU-A', 'SKU-Z') where order_id = %(o)s"
    ),
    "the key is gone and nobody erased anything": ("origin", "delete from order_key where order_id = %(o)s"),
    "a ticket has no outcome": ("ticket_without_outcome", "delete from inbox where order_id = %(o)s and message like 'ModificationTicket'"),
    "an applied ticket left no history": (
        "applied_without_history", "update ticket set new_version = 99 where order_id = %(o)s and state = 'applied'"
    ),
    "an event is missing": ("event_gap", "delete from outbox where order_id = %(o)s and event_seq = 1"),
    "a ticket settles and nothing is on its way": (
        "settling_without_step", "update ticket set state = 'settling' where order_id = %(o)s and state = 'applied'"
    ),
    "a ticket is done and money is still on its way": ("settled_with_step", ACTION.format(ticket="ticket_id", state="sent")),
    "money moved that the ledger does not have": ("moved_without_ledger", ACTION.format(ticket="ticket_id", state="done")),
    "money is asked for that no ticket wants": ("action_without_ticket", ACTION.format(ticket="gen_random_uuid()", state="cancelled")),
    "a line is promised more than it waits for": ("reservation", "update reservation set units = units + 3 where order_id = %(o)s"),
    "a line waits for units that nobody promised": ("reservation", "delete from reservation where order_id = %(o)s"),
    "a message counts as waiting and waits nowhere": (
        "waiting_nowhere", "update inbox set outcome = 'waiting' where order_id = %(o)s and message = 'ModificationTicket'"
    ),
    "the head counts messages that do not wait": ("head_depth", "update order_head set depth = 3 where order_id = %(o)s"),
}  # fmt: skip


@pytest.fixture
def owner(line: Line) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The role that owns the tables: the application's could not do any of this to history."""
    with connect(line.settings.migration_url or "", line.settings.db_schema, autocommit=True) as connection:
        yield connection


def test_every_fault_is_found_at_its_order_and_named(
    line: Line, eventually: Eventually, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=1000)])
    orders: list[Order] = [line.state_order(shopify_order(5601 + number)) for number in range(len(FAULTS))]
    eventually(lambda: line.one("select count(*) from orders") == len(FAULTS), what="the orders in the book")
    for order in orders:
        line.ticket(order.order_id, ("apply_promotion", {"code": "TENOFF"}))
        line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5}))
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 2 * len(FAULTS), what="the edits applied")
    line.stop()
    assert () == line.findings()
    assert [(5 * len(FAULTS),)] == line.rows("select reserved from stock")

    wanted: set[tuple[str, UUID]] = set()
    for order, (rule, statement) in zip(orders, FAULTS.values(), strict=True):
        assert owner.execute(statement, {"o": order.order_id}).rowcount > 0, statement
        wanted.add((rule, order.order_id))
    found = {(finding.rule, finding.order_id) for finding in line.findings()}
    assert ("stock_sum", None) in found
    missed = [fault for fault, order in zip(FAULTS, orders, strict=True) if (FAULTS[fault][0], order.order_id) not in found]
    assert [] == missed
    assert len(wanted) == len(FAULTS)
    settings = line.settings
    shared = verify_in_processes(settings.database_url or "", settings.db_schema, settings.keys_dir, 2)
    assert (len(FAULTS), sorted(map(str, line.findings()))) == (shared.orders, sorted(map(str, shared.findings)))


def test_the_check_that_never_stops_finds_a_fault_and_sees_it_repaired(
    line: Line, eventually: Eventually, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    orders = [line.state_order(shopify_order(5700 + number)) for number in range(3)]
    eventually(lambda: line.one("select count(*) from orders") == 3, what="the orders in the book")
    vault = KeyVault.load(line.settings.keys_dir)
    sampler = Sampler(bootstrap.connector(line.settings, "verifier"), vault, orphans_every_seconds=0)
    with bootstrap.connector(line.settings, "verifier")() as connection:
        eventually(lambda: sampler.round(connection) == 0, what="a sound book")
        owner.execute("update orders set grand_total_minor = grand_total_minor + 7 where order_id = %s", (orders[1].order_id,))
        eventually(lambda: sampler.round(connection) == 1, what="the fault found")
        assert 1 == INTEGRITY_FINDINGS._value.get()
        owner.execute("update orders set grand_total_minor = grand_total_minor - 7 where order_id = %s", (orders[1].order_id,))
        eventually(lambda: sampler.round(connection) == 0, what="the repair seen")


def test_a_tampered_row_is_named_with_its_place(line: Line, eventually: Eventually, owner: psycopg.Connection[tuple[object, ...]]) -> None:
    order = line.state_order(shopify_order(5690))
    ticket = line.ticket(order.order_id, ("apply_promotion", {"code": "TENOFF"}))
    eventually(lambda: line.state(ticket) == "applied", what="the edit applied")
    line.stop()
    owner.execute("update history set reason_code = 'goodwill' where order_id = %s and seq = 3", (order.order_id,))
    (path,) = line.rows("select path from history where order_id = %s and seq = 3", order.order_id)[0]
    assert [f"row 3 ({path}) was tampered with"] == [finding.detail for finding in line.findings() if finding.rule == "chain"]
