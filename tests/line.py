"""The whole line for a scenario: topics and tables of its own, services in threads, and hands to send with.

Everything is real: broker, database, signatures. What a scenario stops or breaks, it stops or breaks here.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from modification_processor.verify import IntegrityFinding, verify
from normalizers import discover
from normalizers.channel import Document, StatedOrder
from ordermend import bootstrap
from ordermend.serving import Running, loops_of
from ordermend.settings import Settings
from schemas.assertion import HEADER, Signer
from schemas.catalogue import PriceEntry, ProductEntry, Promotion
from schemas.codec import encode
from schemas.facts import FactLine, FactPayment, FulfillmentFact
from schemas.order import Order
from schemas.ticket import ModificationTicket, Operation, TicketCancelled, TicketReviewed
from store.catalogue import save
from store.database import Connection
from store.sealing import KeyVault
from streaming.producer import BatchProducer, Record
from telemetry.health import Health

AGENT = ("Order_Modify",)
CHANNELS = ("shopify", "x12", "ebay")
"""Whose topics and intake loops a scenario has: a broker and two cores carry three channels a test better than all."""


def shopify_order(
    number: int,
    *,
    lines: Sequence[tuple[str, int, str]] = (("SKU-A", 2, "10.00"), ("SKU-B", 1, "5.50")),
    updated: str = "2026-11-01T10:00:00Z",
    **extra: Any,
) -> bytes:
    """Return an order document in Shopify's shape: lines of (sku, quantity, price), no tax, no shipping."""
    total = sum(round(float(price) * 100) * quantity for _, quantity, price in lines)
    items = [
        {
            "id": number * 100 + index,
            "sku": sku,
            "title": f"Thing {sku}",
            "quantity": quantity,
            "price": price,
            "tax_lines": [],
            "discount_allocations": [],
        }
        for index, (sku, quantity, price) in enumerate(lines, start=1)
    ]
    address = {
        "name": "Ida Example",
        "address1": "1 High Street",
        "city": "Leeds",
        "zip": "LS1 1AA",
        "country_code": "GB",
        "province_code": None,
    }
    money = f"{total // 100}.{total % 100:02d}"
    document = {
        "id": number, "name": f"#{number}", "email": "ida@example.com", "currency": "GBP", "created_at": "2026-11-01T09:00:00Z",
        "updated_at": updated, "financial_status": "pending", "fulfillment_status": None, "taxes_included": False, "line_items": items,
        "shipping_address": address, "billing_address": address, "shipping_lines": [], "discount_codes": [], "discount_applications": [],
        "subtotal_price": money, "total_line_items_price": money, "total_discounts": "0.00", "total_tax": "0.00", "total_price": money,
        "customer": {"id": 5, "first_name": "Ida", "last_name": "Example"},
    }  # fmt: skip
    return json.dumps(document | extra).encode()


def order_in(body: bytes, channel: str = "shopify") -> Order:
    """Return the canonical order a document states."""
    (result,) = discover()[channel].normalize((Document(body),))
    assert isinstance(result, StatedOrder)
    return result.order


@dataclass
class Line:
    """A running line. `services` may be stopped and started one by one."""

    settings: Settings
    producer: BatchProducer
    door: Signer
    warehouse: Signer
    book: Connection
    services: dict[str, Running] = field(default_factory=dict)
    channels: Sequence[str] = CHANNELS

    def start(self, *names: str) -> None:
        """Start services, each with its loops in threads."""
        for name in names:
            assert name not in self.services, f"{name} runs already, and would never be stopped"
            self.services[name] = Running(loops_of(name, self.settings, Health(), f"{name}-0", self.channels))

    def stop(self, *names: str) -> None:
        """Stop services in good order; raise what ended one early."""
        for name in names or tuple(self.services):
            running = self.services.pop(name)
            running.stop()
            if running.failure is not None:
                raise running.failure

    @property
    def topics(self) -> Any:
        """The topics' names."""
        return bootstrap.topics_of(self.settings)

    def state_order(self, body: bytes, channel: str = "shopify", headers: dict[str, str] | None = None) -> Order:
        """Send a channel's document; return the order it states."""
        self.send_raw(body, channel, headers)
        return order_in(body, channel)

    def send_raw(self, body: bytes, channel: str = "shopify", headers: dict[str, str] | None = None, key: bytes | None = None) -> None:
        """Send any bytes to a channel's raw topic."""
        wire = [(name, text.encode()) for name, text in (headers or {}).items()]
        self.producer.send([Record(f"{self.settings.topic_prefix}orders.raw.{channel}.v1", key, body, list(wire))])

    def ticket(
        self, order_id: UUID, *operations: tuple[str, dict[str, Any]], reason: str = "customer_request", base: int | None = None,
        roles: Sequence[str] = AGENT, user: str = "ana", ticket_id: UUID | None = None, preview_hash: str | None = None,
        undoes: UUID | None = None,
    ) -> UUID:  # fmt: skip
        """Send a signed ticket; return its id."""
        made = ModificationTicket(
            ticket_id=ticket_id or uuid.uuid4(),
            order_id=order_id,
            base_version=base,
            operations=tuple(Operation(name=name, arguments=json.dumps(arguments)) for name, arguments in operations),
            reason_code=reason,
            preview_hash=preview_hash,
            undoes=undoes,
            opened_at=datetime(2026, 11, 23, tzinfo=UTC),
        )
        self.send_signed(self.topics.modifications, order_id, encode(made), f"ticket:{made.ticket_id}", self.door, user, roles)
        return made.ticket_id

    def cancel_ticket(self, order_id: UUID, ticket_id: UUID, roles: Sequence[str] = AGENT) -> None:
        """Withdraw a ticket."""
        message = TicketCancelled(cancel_id=uuid.uuid4(), ticket_id=ticket_id, order_id=order_id, at=datetime(2026, 11, 23, tzinfo=UTC))
        self.send_signed(self.topics.modifications, order_id, encode(message), f"cancel:{message.cancel_id}", self.door, "ana", roles)

    def review(
        self, order_id: UUID, ticket_id: UUID, decision: Any = "approve", *, user: str = "carla",
        roles: Sequence[str] = ("Order_Approve",), preview_hash: str | None = None,
    ) -> UUID:  # fmt: skip
        """Approve or decline a ticket; return the review's id."""
        made = TicketReviewed(
            review_id=uuid.uuid4(), ticket_id=ticket_id, order_id=order_id, decision=decision, preview_hash=preview_hash,
            at=datetime(2026, 11, 23, tzinfo=UTC),
        )  # fmt: skip
        self.send_signed(self.topics.modifications, order_id, encode(made), f"review:{made.review_id}", self.door, user, roles)
        return made.review_id

    def fact(
        self, order_id: UUID, kind: Any, *lines: tuple[str, int], payment: FactPayment | None = None, fact_id: str | None = None
    ) -> str:
        """Send a signed fact; return its id."""
        name = fact_id or uuid.uuid4().hex
        parts = tuple(FactLine(line_id=line_id, quantity=quantity) for line_id, quantity in lines)
        made = FulfillmentFact(
            fact_id=name, order_id=order_id, kind=kind, lines=parts, payment=payment, at=datetime(2026, 11, 23, tzinfo=UTC)
        )
        self.send_signed(self.topics.fulfillment, order_id, encode(made), f"fact:{name}", self.warehouse, "wms", ())
        return name

    def send_signed(
        self, topic: str, order_id: UUID, value: bytes, message_id: str, signer: Signer, user: str, roles: Sequence[str]
    ) -> None:
        """Send any bytes with an assertion over them."""
        token = signer.sign(value, message_id=message_id, order_id=str(order_id), sub=user, roles=roles)
        self.producer.send([Record(topic, str(order_id).encode(), value, [(HEADER, token)])])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds in the book."""
        return self.book.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Any:
        """Return the first column of the first row, or None."""
        found = self.rows(query, *values)
        return found[0][0] if found else None

    def state(self, ticket_id: UUID) -> str | None:
        """Return a ticket's state."""
        state: str | None = self.one("select state from ticket where ticket_id = %s", ticket_id)
        return state

    def order(self, order_id: UUID) -> Order | None:
        """Return an order as the book holds it."""
        text = self.one("select doc::text from orders where order_id = %s", order_id)
        return None if text is None else Order.model_validate_json(text)

    def findings(self) -> tuple[IntegrityFinding, ...]:
        """Run the integrity check."""
        with bootstrap.connector(self.settings, "verify")() as connection:
            return verify(connection, KeyVault.load(self.settings.keys_dir)).findings


@contextmanager
def running_line(settings: Settings, *services: str, channels: Sequence[str] = CHANNELS) -> Iterator[Line]:
    """Prepare the book and the topics, start services, and stop them at the end."""
    bootstrap.prepare(settings, channels)
    line = Line(
        settings,
        BatchProducer(bootstrap.bootstrap_of(settings)),
        bootstrap.signer(settings, "door-console", "console"),
        bootstrap.signer(settings, "warehouse", "warehouse"),
        bootstrap.connector(settings, "test")(),
        channels=channels,
    )
    line.book.autocommit = True
    with line.book.cursor() as cursor:
        save(
            cursor,
            [
                PriceEntry(sku="SKU-C", currency="GBP", unit_price="7.25"),
                PriceEntry(sku="SKU-A", currency="GBP", unit_price="10.00"),
                ProductEntry(sku="SKU-C", name="Thing SKU-C"),
                ProductEntry(sku="SKU-A", name="Thing SKU-A"),
                Promotion(code="TENOFF", label="10 % off", kind="percent", percent="10"),
            ],
        )
    line.start(*services)
    try:
        yield line
    finally:
        try:
            line.stop()
        finally:
            line.book.close()
            line.producer.close()
