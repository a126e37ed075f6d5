"""The demo's senders: documents as channels send them, tickets as a door, facts as a warehouse; each counted.

What is counted is what was handed to Kafka and confirmed; what became of it is the database's to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from modification_processor.settle import Topics
from ordermend import bootstrap
from ordermend.local.demo.edits import Edit
from ordermend.local.demo.facts import Fact
from ordermend.settings import Settings
from schemas.assertion import HEADER
from schemas.codec import encode
from schemas.ticket import ModificationTicket
from schemas.topics import raw_topic
from streaming.producer import BatchProducer, Headers, Record

DOOR: Final = "door-console"
WAREHOUSE: Final = "warehouse"
WAREHOUSE_USER: Final = "demo-warehouse"


@dataclass
class Sent:
    """How many messages of each kind were sent, those sent twice counted twice."""

    documents: int = 0
    edits: int = 0
    facts: int = 0


class Sender:
    """Sends for everybody outside Ordermend. One thread."""

    def __init__(self, settings: Settings) -> None:
        self.sent = Sent()
        self._prefix = settings.topic_prefix
        self._topics: Topics = bootstrap.topics_of(settings)
        self._producer = BatchProducer(bootstrap.bootstrap_of(settings))
        self._door = bootstrap.signer(settings, DOOR, "console")
        self._warehouse = bootstrap.signer(settings, WAREHOUSE, "warehouse")

    def document(self, channel: str, key: bytes | None, headers: dict[str, str], body: bytes) -> None:
        """Put a document on its channel's raw topic."""
        named: Headers = [(name, text.encode()) for name, text in headers.items()]
        self._producer.enqueue(Record(self._prefix + raw_topic(channel).name, key, body, named))
        self.sent.documents += 1

    def messages(self, messages: Iterable[Edit | Fact]) -> None:
        """Send tickets and facts."""
        for message in messages:
            if isinstance(message, Edit):
                self._edit(message)
            else:
                self._fact(message)

    def confirm(self) -> None:
        """Wait until everything sent so far is in Kafka."""
        self._producer.confirm()

    def close(self) -> None:
        """Give the connection back."""
        self._producer.close()

    def _edit(self, edit: Edit) -> None:
        ticket = ModificationTicket(
            ticket_id=edit.ticket_id,
            order_id=edit.order_id,
            base_version=edit.base_version,
            operations=tuple(each.operation for each in edit.requests),
            reason_code=edit.requests[0].reason,
            opened_at=datetime.now(UTC),
        )
        order, value = str(edit.order_id), encode(ticket)
        signer = self._warehouse if edit.forged else self._door
        token = signer.sign(value, message_id=edit.message_id, order_id=order, sub=edit.agent.user, roles=edit.agent.roles)
        self.sent.edits += self._send(Record(self._topics.modifications, order.encode(), value, [(HEADER, token)]), twice=edit.twice)

    def _fact(self, fact: Fact) -> None:
        order, value = str(fact.fact.order_id), encode(fact.fact)
        token = self._warehouse.sign(value, message_id=fact.message_id, order_id=order, sub=WAREHOUSE_USER)
        self.sent.facts += self._send(Record(self._topics.fulfillment, order.encode(), value, [(HEADER, token)]), twice=fact.twice)

    def _send(self, record: Record, *, twice: bool) -> int:
        copies = 2 if twice else 1
        for _ in range(copies):
            self._producer.enqueue(record)
        return copies
