"""Many orders with many edits each; some edits fail at first, some for good, and operators repair those meanwhile: every order ends
as if its edits had come one by one, each repaired as its operator repaired it.

ORDERMEND_LANES says how many orders (2,000 in the long form), ORDERMEND_LANE_EDITS how many edits each (20).
"""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from dlq_handler.desk import Desk, DeskRefused, LetterTaken
from dlq_handler.retrier import Retrier
from modification_processor.replay import NotReplayable
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.assertion import HEADER, Actor
from schemas.codec import encode
from schemas.failures import SameIdOtherContent
from schemas.order import Order
from schemas.ticket import ModificationTicket, Operation
from store.database import connect
from streaming.producer import Record
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import AGENT, Line, order_in, shopify_order

ORDERS = int(os.environ.get("ORDERMEND_LANES", "60"))
EDITS = int(os.environ.get("ORDERMEND_LANE_EDITS", "8"))
TRANSIENT, POISON = 0.05, 0.01
LEAST_POISON = 4
OPERATORS = 3
FATES = ("replayed", "patched", "discarded")
OPERATE = frozenset({"DLQ_Operate", "Order_Modify", "Order_Approve"})
UNRESOLVED = "select letter_id, message_id from dead_letter where status = 'unresolved' order by random() limit 20"


class Faults:
    """Fails the tickets named: once as a defect of ours would, or for good until somebody mends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.transient: set[str] = set()
        self.poison: set[str] = set()
        self.failed: Counter[str] = Counter()

    def __call__(self, step: str) -> None:
        name, _, message_id = step.partition(" ")
        if name != "decide":
            return
        with self._lock:
            if message_id in self.poison:
                self.failed["poison"] += 1
                raise SameIdOtherContent
            if message_id in self.transient:
                self.transient.discard(message_id)
                self.failed["transient"] += 1
                raise ZeroDivisionError

    def mend(self, message_id: str) -> None:
        with self._lock:
            self.poison.discard(message_id)


class Plan:
    """The edits of every order, what is to happen to each, and what the order must come to."""

    def __init__(self, faults: Faults, chance: random.Random) -> None:
        self.documents = [shopify_order(110_000 + number) for number in range(ORDERS)]
        self.orders = [order_in(document) for document in self.documents]
        self.fates: dict[str, str] = {}
        self.steps: dict[UUID, list[int]] = {}
        self.tickets: list[tuple[Order, UUID, int]] = []
        poisoned = set(chance.sample(range(ORDERS * EDITS), max(LEAST_POISON, round(ORDERS * EDITS * POISON))))
        for edit in range(EDITS):
            for number, order in enumerate(self.orders):
                self._edit(order, edit, faults, chance, is_poison=edit * ORDERS + number in poisoned)

    def _edit(self, order: Order, edit: int, faults: Faults, chance: random.Random, *, is_poison: bool) -> None:
        ticket_id, quantity = uuid4(), 3 + edit
        message_id, steps = f"ticket:{ticket_id}", self.steps.setdefault(order.order_id, [])
        self.tickets.append((order, ticket_id, quantity))
        if is_poison:
            faults.poison.add(message_id)
            self.fates[message_id] = FATES[len(self.fates) % len(FATES)]
        elif chance.random() < TRANSIENT:
            faults.transient.add(message_id)
        fate = self.fates.get(message_id)
        if fate != "discarded":
            steps.append(patched(quantity) if fate == "patched" else quantity)


def patched(quantity: int) -> int:
    """What an operator makes of a quantity: one no other edit of the order asks for."""
    return quantity + 30


class Operators:
    """People who work on dead letters for as long as there are any, getting into each other's way."""

    def __init__(self, line: Line, plan: Plan, faults: Faults) -> None:
        self._line, self._plan, self._faults = line, plan, faults
        self._stop = threading.Event()
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._run, args=(f"operator-{number}",)) for number in range(OPERATORS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure:
            raise self.failure

    def _run(self, name: str) -> None:
        desk = bootstrap.desk(self._line.settings)
        try:
            with connect(bootstrap.database_of(self._line.settings), self._line.settings.db_schema, autocommit=True) as book:
                while not self._stop.wait(0.1):
                    for letter_id, message_id in book.execute(UNRESOLVED).fetchall():
                        # Somebody else was faster.
                        with suppress(LetterTaken, DeskRefused, NotReplayable, psycopg.errors.LockNotAvailable):
                            self._repair(desk, Actor(name, OPERATE, "test"), letter_id, message_id)
        except BaseException as error:  # noqa: BLE001 -- raised by `stop`
            self.failure = error
        finally:
            desk.close()

    def _repair(self, desk: Desk, who: Actor, letter_id: UUID, message_id: str) -> None:
        fate = self._plan.fates[message_id]
        if fate == "discarded":
            desk.discard(letter_id, who, "the customer changed their mind")
        elif fate == "patched":
            quantity = next(quantity for _, ticket_id, quantity in self._plan.tickets if f"ticket:{ticket_id}" == message_id)
            change = {"op": "replace", "path": "/operations/0/arguments/quantity", "value": patched(quantity)}
            desk.edit(letter_id, who, json.dumps([change]))
            self._faults.mend(message_id)
            desk.replay(letter_id, who)
        else:
            self._faults.mend(message_id)
            desk.replay(letter_id, who)
        self.done[fate] += 1


@pytest.fixture
def faults(still_line: Line) -> Faults:
    """A line whose processor and retrier fail what is named."""
    line, made = still_line, Faults()
    app = bootstrap.processor_app(line.settings, Health(), faultpoint=made)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay")
    worker = bootstrap.processor(line.settings, "retrier-work", faultpoint=made)
    retrier = Retrier(bootstrap.connector(line.settings, "retrier"), worker.retry_lanes, worker.expire, worker.close)
    line.services["retrier"] = Running({"retrier": retrier.run})
    return made


def records(line: Line, plan: Plan) -> Iterator[Record]:
    for order, ticket_id, quantity in plan.tickets:
        change = Operation(name="change_quantity", arguments=json.dumps({"line_id": order.lines[0].line_id, "quantity": quantity}))
        ticket = ModificationTicket(
            ticket_id=ticket_id, order_id=order.order_id, operations=(change,), reason_code="customer_request",
            opened_at=datetime(2026, 11, 23, tzinfo=UTC),
        )  # fmt: skip
        value, name = encode(ticket), str(order.order_id)
        token = line.door.sign(value, message_id=f"ticket:{ticket_id}", order_id=name, sub="ana", roles=AGENT)
        yield Record(line.topics.modifications, name.encode(), value, [(HEADER, token)])


@pytest.mark.timeout(300 + ORDERS * EDITS // 10)
def test_every_orders_end_is_what_its_edits_say_one_by_one(still_line: Line, faults: Faults, eventually: Eventually) -> None:
    line, began = still_line, time.monotonic()
    plan = Plan(faults, random.Random(20261128))
    topic = f"{line.settings.topic_prefix}orders.raw.shopify.v1"
    line.producer.send(Record(topic, None, document) for document in plan.documents)
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, 120, what="the orders in the book")
    people = Operators(line, plan, faults)
    try:
        line.producer.send(records(line, plan))
        ended = "select count(*) from ticket where state in ('applied', 'cancelled')"
        eventually(lambda: people.failure or line.one(ended) == len(plan.tickets), 120 + ORDERS * EDITS / 50, what="every edit decided")
    finally:
        people.stop()
    found: dict[UUID, list[int]] = {order.order_id: [] for order in plan.orders}
    for order_id, new in line.rows("select order_id, new from history where path like '/lines/%%/ordered' order by order_id, seq"):
        found[order_id].append(int(bytes(new)))
    different = {order_id for order_id, steps in plan.steps.items() if steps != found[order_id]}
    assert not different, f"{len(different)} of {ORDERS} orders went another way than their edits one by one"
    assert Counter(plan.fates.values()) == people.done
    assert faults.failed["transient"]
    assert faults.failed["poison"] >= len(plan.fates)
    assert (0, 0) == (line.one("select count(*) from lane"), line.one("select sum(depth) from order_head"))
    assert () == line.findings()
    print(f"{ORDERS} orders, {len(plan.tickets)} edits, {dict(faults.failed)}, {dict(people.done)}, {time.monotonic() - began:.0f} s")  # noqa: T201 -- the long form's figures
