"""What an order's page shows beside the order: the channel's messages, what was asked of others, what a person has to look at.

A channel's message names people: whoever reads orders sees its shape, values hidden; the values take a right of their own, and each
look at them is remembered in the audit log before they are shown.
"""

import json
import re
import uuid
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from console.access import User
from console.api.problems import Problem
from console.asked import now
from console.queries import around
from console.queries.around import Asked, Item, Sent
from console.services import Services
from dlq_handler import masked_json
from modification_processor import Said, raw_of
from store.letters import Audit, record

_VALUE: Final = re.compile(r"[^\s<>/+'*:=|,;\"{}\[\]()~^]")
"""What is hidden of a message that is no JSON: everything but the signs that give it its shape."""


class Around(NamedTuple):
    """What is known around an order."""

    sent: tuple[Sent, ...]
    asked: tuple[Asked, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class OrderAround:
    """The order page's part of the services."""

    services: Services

    def around(self, order_id: UUID) -> Around:
        """Return what is known around an order."""
        with self.services.book.read() as cursor:
            return Around(
                tuple(around.sent(cursor, order_id)), tuple(around.asked(cursor, order_id)), tuple(around.items(cursor, order_id))
            )

    def outline(self, order_id: UUID, message_id: str) -> str:
        """Return the shape of a channel's message, its values hidden."""
        with self.services.book.read() as cursor:
            return _hidden(_opened(raw_of(cursor, self.services.vault, order_id, message_id)))

    def raw(self, user: User, order_id: UUID, message_id: str) -> str:
        """Return a channel's message as it came; that somebody looked is written down first."""
        self.services.check(user, "orders.raw", f"statement {message_id}"[:200], order_id)
        with self.services.book.write() as cursor:
            record(
                cursor, [Audit(order_id, uuid.uuid4(), now(cursor), user.sub, "raw_viewed", message_id, "the channel's message was shown")]
            )
            return _opened(raw_of(cursor, self.services.vault, order_id, message_id))


def _opened(said: Said | None) -> str:
    if said is None:
        raise Problem("invalid_request", "there is no such message", field="message_id", rule="statement_exists")
    if said.text is None:
        raise Problem("invalid_request", "the message cannot be read any more: its person was erased", field="message_id", rule="erased")
    return said.text


def _hidden(text: str) -> str:
    try:
        return masked_json(json.loads(text))
    except (ValueError, RecursionError):
        return _VALUE.sub("*", text)
