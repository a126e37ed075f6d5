"""A record from Kafka, read: which order, which message, who sent it, or why it cannot be read.

Pure: bytes in, `Read` out; nothing here raises for what a sender can do wrong. The assertion is checked here,
once; the rest of the processor sees only the verified actor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from modification_processor.edit import Call, calls_of
from modification_processor.outcomes import Failed, Refused
from schemas.assertion import HEADER, Actor, KeyRing
from schemas.codec import decode
from schemas.facts import ActionReported, FulfillmentFact, ReleaseRequested
from schemas.failures import AssertionInvalid, KeyMismatch, LimitExceeded, OrdermendError, UndecodableMessage
from schemas.order import raw_lane_id
from schemas.statement import ChangeStated, FetchNeeded, IntakeFailed, OrderStated
from schemas.ticket import ModificationTicket, TicketCancelled, TicketReviewed
from telemetry import failpoints

Body = (
    OrderStated
    | ChangeStated
    | FetchNeeded
    | IntakeFailed
    | ModificationTicket
    | TicketCancelled
    | TicketReviewed
    | FulfillmentFact
    | ReleaseRequested
    | ActionReported
)
MAX_VALUE_BYTES = 8 * 1024 * 1024
MAX_ID_CHARACTERS = 300
ALLOWED: Mapping[str, tuple[type[Any], ...]] = {
    "orders.canonical.v1": (OrderStated, ChangeStated, FetchNeeded, IntakeFailed),
    "orders.modifications.v1": (ModificationTicket, TicketCancelled, TicketReviewed),
    "orders.fulfillment.v1": (FulfillmentFact, ReleaseRequested, ActionReported),
}
"""Which records a topic may carry."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as Kafka gave it; `appended_at` is the broker's time."""

    topic: str
    part: int
    off: int
    key: bytes | None
    value: bytes
    actor: bytes | None
    appended_at: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """A record, read. Exactly one of `body` and `failure` decides what happens next."""

    incoming: Incoming
    order_id: UUID
    message_id: str
    message: str
    sha256: bytes
    body: Body | None = None
    actor: Actor | None = None
    failure: Failed | None = None
    calls: tuple[Call, ...] | Refused = ()
    seq: int | None = None
    """Its place in its lane, where it comes from there."""
    received_as: str | None = None
    """The id it was received under, where it comes from its lane and that is not its own."""


def read(incoming: Incoming, logical_topic: str, keys: KeyRing) -> Read:
    """Read a record of `logical_topic` (the name without a test's prefix). Never raises."""
    try:
        failpoints.hit("read " + (incoming.key or b"").decode("latin-1"))
        return _read(incoming, logical_topic, keys)
    except MemoryError:
        # A process without memory is at its end; what costs it three lives is found out in a child.
        raise
    except Exception as error:  # noqa: BLE001 -- a defect of ours must cost one message, not the polling thread
        failure = Failed("BUG", "unexpected", "read", f"reading failed: {type(error).__name__}", rule=type(error).__name__, blocks=False)
        lane = raw_lane_id(incoming.topic, incoming.part)
        return Read(incoming, lane, place_of(incoming), "unreadable", sha256(incoming.value).digest(), failure=failure)


def unread(incoming: Incoming, failure: Failed, keys: KeyRing) -> Read:
    """Return a record that nobody may look into; it holds up its order only where its sender is known."""
    order_id = _key_of(incoming)
    blocks = order_id is not None and keys.vouches(incoming.actor, incoming.value, str(order_id), incoming.appended_at.timestamp())
    lane = order_id or raw_lane_id(incoming.topic, incoming.part)
    return Read(incoming, lane, place_of(incoming), "unreadable", sha256(incoming.value).digest(), failure=replace(failure, blocks=blocks))


def by_the_clock(order_id: UUID, message_id: str, at: datetime) -> Read:
    """Return what stands for the message where none was sent: time itself, or an act of ours, is the cause."""
    return Read(Incoming("clock", 0, 0, None, b"", None, at), order_id, message_id, "Deadline", b"")


def place_of(incoming: Incoming) -> str:
    """Return the message id of a record that has none of its own: where it lies."""
    return f"{incoming.topic}:{incoming.part}:{incoming.off}"


def _read(incoming: Incoming, logical_topic: str, keys: KeyRing) -> Read:
    digest = sha256(incoming.value).digest()
    fallback = place_of(incoming)
    order_id = _key_of(incoming)
    if order_id is None and not (incoming.key or b"").startswith(b"raw:"):
        failure = Failed.of(
            UndecodableMessage("the record's key is no order id", field="key", rule="key_is_order_id"), "read", blocks=False
        )
        return Read(incoming, raw_lane_id(incoming.topic, incoming.part), fallback, "unreadable", digest, failure=failure)
    lane = order_id or raw_lane_id(incoming.topic, incoming.part)
    try:
        body = _body(incoming, logical_topic)
    except OrdermendError as error:
        # Bytes nobody signed must not be able to hold up the order that their key names.
        blocks = order_id is not None and keys.vouches(incoming.actor, incoming.value, str(order_id), incoming.appended_at.timestamp())
        return Read(incoming, lane, fallback, "unreadable", digest, failure=Failed.of(error, "read", blocks=blocks))
    message, message_id = type(body).__name__, message_id_of(body)
    content = sha256(body.raw.body).digest() if isinstance(body, OrderStated | ChangeStated | FetchNeeded | IntakeFailed) else digest
    try:
        actor = _sender(incoming, body, order_id, message_id, keys)
        if len(message_id) > MAX_ID_CHARACTERS:
            raise LimitExceeded(f"the message id has {len(message_id)} characters", field="message_id", rule="max_id_characters")
    except OrdermendError as error:
        # A message nobody answers for must not be able to hold up the order it names.
        return Read(incoming, lane, fallback, message, digest, failure=Failed.of(error, "read", blocks=False))
    calls = calls_of(body.operations) if isinstance(body, ModificationTicket) else ()
    return Read(incoming, lane, message_id, message, content, body, actor, calls=calls)


def read_again(incoming: Incoming, order_id: UUID, actor: Actor | None, seq: int, received_as: str | None = None) -> Read:
    """Read a parked record: its sender was verified when it first came."""
    digest = sha256(incoming.value).digest()
    try:
        body = decode(incoming.value)
    except OrdermendError as error:
        failure = Failed.of(error, "read")
        return Read(incoming, order_id, place_of(incoming), "unreadable", digest, failure=failure, seq=seq, received_as=received_as)
    assert isinstance(body, Body)
    calls = calls_of(body.operations) if isinstance(body, ModificationTicket) else ()
    return Read(
        incoming, order_id, message_id_of(body), type(body).__name__, digest, body, actor, calls=calls, seq=seq, received_as=received_as
    )


def _key_of(incoming: Incoming) -> UUID | None:
    key = incoming.key
    if key is None or len(key) != 36:
        return None
    try:
        order_id = UUID(key.decode())
    except ValueError:
        return None
    return order_id if str(order_id).encode() == key else None


def _body(incoming: Incoming, logical_topic: str) -> Body:
    if len(incoming.value) > MAX_VALUE_BYTES:
        raise UndecodableMessage(f"the value has {len(incoming.value)} bytes", field="", rule="max_value_bytes")
    body = decode(incoming.value)
    if not isinstance(body, ALLOWED[logical_topic]):
        raise UndecodableMessage(f"{type(body).__name__} does not belong on {logical_topic}", field="", rule="record_of_topic")
    assert isinstance(body, Body)
    named = order_id_in(body)
    if (str(named) if named else "raw:") != (incoming.key or b"").decode("utf-8", "replace")[: 36 if named else 4]:
        raise KeyMismatch(f"the body names order {named}, the key another", field="/order_id", rule="key_is_order_id", value=str(named))
    return body


def order_id_in(body: Body) -> UUID | None:
    """Return the order a body names."""
    return body.order.order_id if isinstance(body, OrderStated) else body.order_id


def message_id_of(body: Body) -> str:
    """Return the id under which a message counts as the same."""
    if isinstance(body, ModificationTicket):
        return f"ticket:{body.ticket_id}"
    if isinstance(body, TicketCancelled):
        return f"cancel:{body.cancel_id}"
    if isinstance(body, TicketReviewed):
        return f"review:{body.review_id}"
    if isinstance(body, FulfillmentFact):
        return f"fact:{body.fact_id}"
    if isinstance(body, ReleaseRequested):
        return f"release:{body.request_id}"
    if isinstance(body, ActionReported):
        return f"report:{body.report_id}"
    return body.message_id


def _sender(incoming: Incoming, body: Body, order_id: UUID | None, message_id: str, keys: KeyRing) -> Actor:
    actor, key = keys.verify(
        incoming.actor,
        incoming.value,
        message_id=message_id,
        order_id=str(order_id) if order_id else (incoming.key or b"").decode("utf-8", "replace"),
        message=type(body).__name__,
        at=incoming.appended_at.timestamp(),
    )
    channel = body.order.source.channel if isinstance(body, OrderStated) else getattr(body, "channel", None)
    if channel and key.channels and channel not in key.channels:
        raise AssertionInvalid(f"key {key.kid} may not speak for channel {channel}", field=HEADER, rule="assertion_channel")
    return actor
