"""What a channel says of an order, as intake publishes it on `orders.canonical.v1`.

Four records: `OrderStated` (the whole order as the channel sees it now), `ChangeStated` (a delta or a
request, not the order), `FetchNeeded` (an id, or a part; the rest must be fetched) and `IntakeFailed`
(nobody could read it, or a rule refused it). Every record carries the raw bytes, so nothing is ever lost
and a new mapping can read them again. Key: the order id's text, or `raw:<topic>:<partition>` where no
order could be named.
"""

from typing import Literal
from uuid import UUID

import orjson
from pydantic import Field

from schemas.failures import ErrorClass
from schemas.model import Instant, Model
from schemas.order import Address, DeliveryWindow, Order

StatedEvent = Literal["create", "update", "edit", "cancel", "cancel_request", "draft", "notification", "lines", "snapshot"]
Verdict = Literal["accept", "accept_with_warning", "accept_with_hold", "incomplete", "quarantine", "reject", "dead_letter"]
LineAction = Literal["add", "remove", "delete", "change", "keep", "cancel"]
_FETCHED = "fetch:"


class Finding(Model):
    """One thing worth saying about a document: where, by which rule, and what. `value` is cut short."""

    path: str
    rule: str
    message: str
    value: str | None = None


class RawDocument(Model):
    """The bytes as they came, and where they lie in Kafka."""

    body: bytes
    sha256: str
    topic: str
    partition: int
    offset: int
    content_type: str | None = None
    key: bytes | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """The record's own headers, as the channel or the door gave them: account, topic and event id are among them."""

    def packed(self) -> bytes:
        """Return body and headers as one: what is kept, and read again by `unpacked`."""
        head = orjson.dumps(self.headers)
        return len(head).to_bytes(4, "big") + head + self.body


def unpacked(packed: bytes) -> tuple[bytes, dict[str, str]]:
    """Return (body, headers) of a packed document."""
    end = 4 + int.from_bytes(packed[:4], "big")
    headers: dict[str, str] = orjson.loads(packed[4:end])
    return packed[end:], headers


def fetched_message_id(fetch_id: UUID, depth: int, sha256: str) -> str:
    """Return the message id of a fetched document: the same each time the same fetch brings the same bytes."""
    return f"{_FETCHED}{fetch_id}:{depth}:{sha256[:16]}"


def fetch_of(message_id: str) -> tuple[UUID, int] | None:
    """Return (fetch id, depth) of the fetch that brought a message; None where none did."""
    if not message_id.startswith(_FETCHED):
        return None
    named, _, rest = message_id.removeprefix(_FETCHED).partition(":")
    depth = rest.partition(":")[0]
    try:
        return UUID(named), int(depth)
    except ValueError:
        return None


class LineChange(Model):
    """What a change document says of one line; texts as stated."""

    action: LineAction
    line_id: str | None = None
    line: str | None = None
    sku: str | None = None
    quantity_delta: str | None = None
    quantity_ordered: str | None = None
    quantity_left: str | None = None
    unit_price: str | None = None


class OrderStated(Model):
    """A channel states a whole order."""

    message_id: str
    order: Order
    event: StatedEvent
    verdict: Verdict
    cancelled_at: Instant | None = None
    findings: tuple[Finding, ...] = ()
    raw: RawDocument


class ChangeStated(Model):
    """A channel states a change, or asks for one, without stating the order."""

    message_id: str
    order_id: UUID
    channel: str
    account: str
    channel_order_id: str
    event: StatedEvent
    changed_at: Instant | None = None
    line_changes: tuple[LineChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    raw: RawDocument
    ship_to: Address | None = None
    """Where the goods shall go now, where the change says so."""
    delivery_window: DeliveryWindow | None = None
    """When they are wanted now, where the change says so; an end it does not state stays as it is."""


class FetchNeeded(Model):
    """A channel names an order without stating it whole: the rest has to be fetched."""

    message_id: str
    order_id: UUID
    channel: str
    account: str
    channel_order_id: str
    event: StatedEvent
    missing: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    raw: RawDocument


class IntakeFailed(Model):
    """A document that could not be normalised, or that a rule refused; a dead letter of the processor."""

    message_id: str
    order_id: UUID | None
    channel: str
    verdict: Verdict
    error_class: ErrorClass
    code: str
    findings: tuple[Finding, ...] = ()
    raw: RawDocument


Statement = OrderStated | ChangeStated | FetchNeeded | IntakeFailed
