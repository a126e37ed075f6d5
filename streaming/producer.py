"""The idempotent producer. A record counts as sent when its delivery is reported, and not before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from confluent_kafka import KafkaError, Message, Producer

from schemas.failures import OrdermendError
from streaming.config import CLIENT_LOG, producer_config

Headers = list[tuple[str, str | bytes | None]]


class DeliveryFailed(OrdermendError):
    """Kafka did not confirm a record."""

    code = "delivery_failed"
    error_class = "INFRA"


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = field(default_factory=list)


class BatchProducer:
    """Sends batches and returns only when every record of the batch is confirmed.

    One instance per process; not for use from several threads at once.
    """

    def __init__(self, bootstrap: str) -> None:
        # Only failures are reported one by one; that nothing is left in flight says that all others arrived.
        reports = {"delivery.report.only.error": True, "on_delivery": self._report}
        self._producer = Producer({**producer_config(bootstrap), **reports}, logger=CLIENT_LOG)
        self._failed: KafkaError | None = None
        self._lock = Lock()

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            with self._lock:
                self._failed = error

    def send(self, records: Iterable[Record], timeout_seconds: float = 130.0) -> None:
        """Send all and wait for all; raise `DeliveryFailed` if one was not confirmed (all may be sent again)."""
        for record in records:
            self.enqueue(record)
        self.confirm(timeout_seconds)

    def confirm(self, timeout_seconds: float = 130.0) -> None:
        """Wait until everything enqueued is confirmed; raise `DeliveryFailed` if something was not."""
        left = self._producer.flush(timeout_seconds)
        failed, self._failed = self._failed, None
        if failed is not None or left:
            raise DeliveryFailed(f"Kafka did not confirm the batch: {failed.str() if failed else f'{left} records unanswered'}")

    def enqueue(self, record: Record) -> None:
        """Hand a record to the client; it counts as sent only after `confirm`."""
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
                return
            except BufferError:
                # The local queue is full: serve delivery reports until there is room.
                self._producer.poll(0.5)

    def close(self) -> None:
        """Wait briefly for what is under way."""
        self._producer.flush(10)
