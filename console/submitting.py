"""A message into the outbox: encoded, signed for its user, once per idempotency key; the relay puts it on its topic.

The row in `submission` and the row in the outbox commit together, so a submitted edit survives Kafka being away, and the
same request sent twice, also at once, is one message. The assertion lives as long as a message may wait here.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from console.access import HERE_ALONE, User
from schemas.assertion import HEADER, Signer
from schemas.codec import encode
from schemas.failures import OrdermendError
from schemas.ticket import ModificationTicket, TicketCancelled, TicketMessage
from store import outbox, submissions
from store.database import Cursor
from store.outbox import Outgoing
from store.submissions import Submission

ASSERTION_SECONDS: Final = 24 * 3600
"""How long the relay may be kept from Kafka before what was submitted is no longer taken."""
NAMESPACE: Final = UUID("2b6f0cf4-52a1-5d0e-8d6b-5f0f2f6f7a10")


class KeyReused(OrdermendError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"
    error_class = "IDEMPOTENCY_CONFLICT"


@dataclass(frozen=True)
class Door:
    """What this door signs with and where its messages go."""

    signer: Signer
    topic: str


@dataclass(frozen=True)
class Taken:
    """What was put into the outbox, now or before."""

    message_id: str
    replayed: bool


def id_of(kind: str, order_id: UUID, user: User, key: str) -> UUID:
    """Return the id under which this key's request travels: the key itself where it is a UUID, else one derived from it."""
    try:
        return UUID(key)
    except ValueError:
        return uuid.uuid5(NAMESPACE, "\x1f".join((kind, str(order_id), user.sub, key)))


def message_id(message: TicketMessage) -> str:
    """Return the id under which the processor receives it."""
    if isinstance(message, ModificationTicket):
        return f"ticket:{message.ticket_id}"
    return f"cancel:{message.cancel_id}" if isinstance(message, TicketCancelled) else f"review:{message.review_id}"


def remember(cursor: Cursor, user: User, subject: UUID, name: str, request: bytes, at: datetime) -> bool:
    """Remember a request under its name; return whether it was taken before. Raises `KeyReused`."""
    digest = sha256(user.sub.encode() + b"\x00" + request).digest()
    before = submissions.add(cursor, Submission(subject, name, user.sub, digest, at))
    if before is not None and before.sha256 != digest:
        raise KeyReused(field="/header/idempotency-key", rule="same_key_same_request")
    return before is not None


def put(cursor: Cursor, door: Door, user: User, message: TicketMessage, request: bytes, at: datetime) -> Taken:
    """Put a message into the outbox; `request` is what was asked, byte for byte. Raises `KeyReused`."""
    name = message_id(message)
    if remember(cursor, user, message.order_id, name, request, at):
        return Taken(name, replayed=True)
    value = encode(message)
    order = str(message.order_id)
    assertion = door.signer.sign(value, message_id=name, order_id=order, sub=user.sub, roles=sorted(user.roles - HERE_ALONE))
    headers = {HEADER: assertion.decode()}
    outbox.add(cursor, [Outgoing(message.order_id, None, uuid.uuid4(), door.topic, order.encode(), value, headers)])
    return Taken(name, replayed=False)
