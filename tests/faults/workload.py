"""The fault ring's traffic: a seeded stream of orders, edits, facts and poison, at a rate, with a record of what was sent.

A message is on the record before it is handed to Kafka's client, which may take minutes to deliver it and delivers in
order; `finish` fails where one was not confirmed, for then nobody could say what should be in the book.
"""

import json
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from confluent_kafka import KafkaError, Message, Producer

from ordermend import bootstrap
from ordermend.settings import Settings
from schemas.assertion import HEADER
from schemas.codec import encode
from schemas.facts import FulfillmentFact
from schemas.ticket import ModificationTicket, Operation
from streaming.config import CLIENT_LOG, producer_config
from tests.faults.checker import Edit, Sent
from tests.line import AGENT, order_in, shopify_order

AT = datetime(2026, 11, 23, tzinfo=UTC)
MOST_EDITS = 25
RECENT = 200
WEIGHTS = {"order": 22, "edit": 60, "fact": 12, "again": 5, "poison": 0.5}
EARLY = 0.1
FORBIDDEN = 0.05


class Post(NamedTuple):
    """A record as it goes to Kafka; a ticket and a fact carry their assertion."""

    topic: str
    key: bytes | None
    value: bytes
    assertion: bytes | None = None


@dataclass
class _Known:
    order_id: str
    line_id: str
    next_quantity: int = 3


class Workload:
    """Sends until told to stop. `sent` is what the judge compares with."""

    def __init__(self, settings: Settings, seed: int, first_number: int = 700_000) -> None:
        self._settings = settings
        self._dice = random.Random(seed)
        self._number = first_number
        self._topics = bootstrap.topics_of(settings)
        self._door = bootstrap.signer(settings, "door-console", "console")
        self._warehouse = bootstrap.signer(settings, "warehouse", "warehouse")
        config = {**producer_config(bootstrap.bootstrap_of(settings)), "message.timeout.ms": 600_000}
        self._producer = Producer({**config, "on_delivery": self._delivered}, logger=CLIENT_LOG)
        self._failed: list[str] = []
        self._orders: list[_Known] = []
        self._late: list[tuple[float, bytes]] = []
        self._tickets: list[Post] = []
        self.sent = Sent()
        self.messages = 0

    def run(self, rate: float, seconds: float, stop: threading.Event) -> None:
        """Send `rate` messages a second for `seconds`; behind schedule it catches up."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds and not stop.is_set():
            while self.messages < passed * rate:
                self.step()
            self._producer.poll(0)
            stop.wait(0.02)

    def step(self) -> None:
        """Send one thing."""
        self._send_late(time.monotonic())
        kind = self._dice.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
        if kind == "poison":
            self._poison()
        elif kind == "again" and self._tickets:
            self._produce(self._dice.choice(self._tickets[-RECENT:]))
        elif kind in ("edit", "fact") and self._orders:
            known = self._dice.choice(self._orders[-RECENT:])
            if kind == "fact":
                self._fact(known)
            elif known.next_quantity < MOST_EDITS:
                self._edit(known)
        else:
            self._order()

    def finish(self, seconds: float = 300.0) -> None:
        """Send what was held back, and wait until Kafka has confirmed everything."""
        self._send_late(float("inf"))
        left = self._producer.flush(seconds)
        if left or self._failed:
            raise RuntimeError(f"{left} messages unanswered, {len(self._failed)} not delivered: {self._failed[:3]}")

    def _order(self) -> None:
        self._number += 1
        body = shopify_order(self._number)
        order = order_in(body)
        self.sent.orders[str(order.order_id)] = order.lines[0].ordered
        self.sent.edits[str(order.order_id)] = []
        self._orders.append(_Known(str(order.order_id), order.lines[0].line_id))
        if self._dice.random() < EARLY:
            self._late.append((time.monotonic() + self._dice.uniform(0.5, 3.0), body))
            self._edit(self._orders[-1])
        else:
            self._raw(body)

    def _send_late(self, now: float) -> None:
        due, self._late = [body for at, body in self._late if at <= now], [item for item in self._late if item[0] > now]
        for body in due:
            self._raw(body)

    def _poison(self) -> None:
        body = b'{"id": %d, "broken' % self._dice.randrange(10**9)
        self.sent.poison.add(sha256(body).digest())
        self._raw(body)

    def _raw(self, body: bytes) -> None:
        self._produce(Post(f"{self._settings.topic_prefix}orders.raw.shopify.v1", None, body))

    def _edit(self, known: _Known) -> None:
        allowed = self._dice.random() >= FORBIDDEN
        ticket_id, quantity = UUID(int=self._dice.getrandbits(128), version=4), known.next_quantity
        known.next_quantity += 1
        operation = Operation(name="change_quantity", arguments=json.dumps({"line_id": known.line_id, "quantity": quantity}))
        ticket = ModificationTicket(
            ticket_id=ticket_id, order_id=UUID(known.order_id), operations=(operation,), reason_code="customer_request", opened_at=AT
        )
        self.sent.edits[known.order_id].append(Edit(str(ticket_id), quantity, allowed))
        value = encode(ticket)
        roles = AGENT if allowed else ()
        token = self._door.sign(value, message_id=f"ticket:{ticket_id}", order_id=known.order_id, sub="ana", roles=roles)
        self._tickets.append(Post(self._topics.modifications, known.order_id.encode(), value, token))
        self._produce(self._tickets[-1])

    def _fact(self, known: _Known) -> None:
        name = f"{self._dice.getrandbits(64):016x}"
        fact = FulfillmentFact(fact_id=name, order_id=UUID(known.order_id), kind="allocated", lines=(), payment=None, at=AT)
        value = encode(fact)
        token = self._warehouse.sign(value, message_id=f"fact:{name}", order_id=known.order_id, sub="wms", roles=())
        self.sent.facts.add(name)
        self._produce(Post(self._topics.fulfillment, known.order_id.encode(), value, token))

    def _produce(self, post: Post) -> None:
        headers: list[tuple[str, str | bytes | None]] = [] if post.assertion is None else [(HEADER, post.assertion)]
        while True:
            try:
                self._producer.produce(post.topic, post.value, post.key, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.messages += 1

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(f"{message.topic()}: {error.str()}")
