"""Sixteen agents edit the same fifty orders at once, each from the version it has just read.

Every accepted edit is in the final order, every refused one names the field and who won it, and replaying the accepted
ones one after another, in commit order, leaves the same bytes.
"""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

from modification_processor import past
from modification_processor.edit import Edited, calls_of, edit
from modification_processor.operations.operation import Context, Product
from normalizers import discover
from ordermend import bootstrap
from schemas.codec import decode
from schemas.events import ModificationConflicted, ModificationRefused
from schemas.money import UnitPrice
from schemas.order import Order
from schemas.ticket import APPLIED_STATES, ModificationTicket
from store.sealing import KeyVault
from streaming.producer import BatchProducer
from tests.conftest import Eventually
from tests.line import AGENT, Line, shopify_order

WRITERS, ORDERS = 16, 50
EDITS = int(os.environ.get("ORDERMEND_EDITS_EACH", "60"))
"""Edits of each writer; the long form sets more."""
STREETS = ("1 Mill Lane", "2 Mill Lane", "3 Mill Lane")


def test_sixteen_writers_on_fifty_orders(line: Line, eventually: Eventually) -> None:
    orders = [line.state_order(shopify_order(800_000 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, 60.0, what="the orders in the book")
    with ThreadPoolExecutor(WRITERS) as pool:
        sent = [ticket for done in [pool.submit(write, line, orders, writer) for writer in range(WRITERS)] for ticket in done.result()]
    assert WRITERS * EDITS == len(sent)
    eventually(lambda: line.one("select count(*) from ticket where state <> 'submitted'") == len(sent), 120.0, what="every edit decided")
    states = Counter(dict(line.rows("select state, count(*) from ticket group by state")))
    assert {"applied", "conflicted"} <= states.keys() <= {*APPLIED_STATES, "conflicted", "refused"}
    for order in orders:
        assert stored(line, order.order_id) == replayed(line, order.order_id)
    every_refusal_names_field_and_winner(line)
    assert () == line.findings()


def write(line: Line, orders: list[Order], writer: int) -> list[UUID]:
    """Send this writer's edits, each from the newest version it can see."""
    chance = random.Random(writer)
    mine = replace(line, producer=BatchProducer(bootstrap.bootstrap_of(line.settings)), book=bootstrap.connector(line.settings, "writer")())
    mine.book.autocommit = True
    try:
        return [edited(mine, chance.choice(orders), chance, f"agent-{writer}") for _ in range(EDITS)]
    finally:
        mine.producer.close()
        mine.book.close()


def edited(line: Line, order: Order, chance: random.Random, user: str) -> UUID:
    version, base = line.one("select version from orders where order_id = %s", order.order_id), None
    if chance.random() < 0.9:
        base = max(1, version - chance.choice((0, 0, 1, 3)))
    operations = chance.sample([quantity, note, tags, address, contact, new_line], chance.choice((1, 1, 2)))
    return line.ticket(order.order_id, *(make(order, chance) for make in operations), base=base, user=user)


def quantity(order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "change_quantity", {"line_id": chance.choice(order.lines).line_id, "quantity": chance.randint(1, 9)}


def note(_order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "set_note", {"note": f"Ring {chance.randint(1, 99)} times"}


def tags(_order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "set_tags", {"add": [chance.choice(("vip", "gift", "fragile"))]}


def address(_order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    at = {"name": "Ida Example", "lines": [chance.choice(STREETS)], "city": "Leeds", "postal_code": "LS1 1AA", "country": "GB"}
    return "set_ship_address", at


def contact(_order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "set_contact", {"email": f"ida{chance.randint(1, 9)}@example.com"}


def new_line(_order: Order, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "add_line", {"sku": "SKU-C", "quantity": chance.randint(1, 3)}


def stored(line: Line, order_id: UUID) -> str:
    text: str = line.one("select doc::text from orders where order_id = %s", order_id)
    return text


def replayed(line: Line, order_id: UUID) -> str:
    """Carry the accepted tickets out again, one after another, on the order as it was placed."""
    vault = KeyVault.load(line.settings.keys_dir)
    with line.book.transaction(), line.book.cursor() as cursor:
        order = past.load(cursor, vault, order_id).first
    wrapped = line.one("select wrapped from order_key where order_id = %s", order_id)
    key = vault.unwrap(order_id, bytes(wrapped))
    products = {("SKU-C", "GBP"): Product("SKU-C", "Thing SKU-C", UnitPrice(amount=725, exponent=2))}
    verbs = discover()["shopify"].verbs
    for ticket_id, sealed, at in line.rows(
        "select ticket_id, request_sealed, decided_at from ticket where order_id = %s and state = any(%s) order by new_version",
        order_id, list(APPLIED_STATES),
    ):  # fmt: skip
        ticket = decode(key.open(bytes(sealed), f"ticket:{ticket_id}"))
        assert isinstance(ticket, ModificationTicket)
        calls = calls_of(ticket.operations)
        assert isinstance(calls, tuple)
        context = Context(at=at, ticket_id=str(ticket_id), products=products)
        made = edit(order, calls, ticket.reason_code, frozenset(AGENT), verbs, context)
        assert isinstance(made, Edited)
        order = made.order
    return order.model_dump_json(exclude_defaults=True)


def every_refusal_names_field_and_winner(line: Line) -> None:
    for (value,) in line.rows("select value from outbox where headers->>'type' in ('ModificationConflicted', 'ModificationRefused')"):
        event = decode(bytes(value))
        if isinstance(event, ModificationConflicted):
            assert event.conflicts
            assert all(conflict.path and conflict.changed_by.startswith("agent-") for conflict in event.conflicts)
            assert all(conflict.changed_in_version <= event.version for conflict in event.conflicts)
        else:
            assert isinstance(event, ModificationRefused)
            assert ("no_change", True) == (event.code, bool(event.path))
