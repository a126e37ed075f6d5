"""The idempotent producer. A record counts as sent when its delivery is reported, and not before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.failures import OrdermendError
from streaming.config import CLIENT_LOG, producer_config

Headers = list[tuple[str, str | bytes | None]]


class DeliveryFailed(OrdermendError):
    """Kafka did not confirm a record."""

    code = "delivery_failed"
    error_class = "INFRA"


class RecordTooLarge(OrdermendError):
    """The client takes no record of this size, now or later."""

    code = "record_too_large"
    error_class = "LIMIT"


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
        """Hand a record to the client; it counts as sent only after `confirm`. Raises `RecordTooLarge`: that one was not handed over."""
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
                return
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    raise RecordTooLarge(f"a record for {record.topic} of {len(record.value)} bytes") from None
                raise
            except BufferError:
                # The local queue is full: serve delivery reports until there is room.
                self._producer.poll(0.5)

    def close(self) -> None:
        """Wait briefly for what is under way."""
        self._producer.flush(10)


class ReportingProducer:
    """Sends single records and reports each one's own outcome, from its polling thread: None is confirmed, else the error."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({**producer_config(bootstrap), "linger.ms": 5}, logger=CLIENT_LOG)
        self._stop = Event()
        self._thread = Thread(target=self._poll, name="producer-reports", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)

    def enqueue(self, record: Record, told: Callable[[str | None], None]) -> None:
        """Hand over a record; `told` is called once, later, from another thread. Raises `DeliveryFailed` where the queue is full."""

        def report(error: KafkaError | None, _message: Message) -> None:
            told(None if error is None else error.str())

        try:
            self._producer.produce(record.topic, record.value, record.key, headers=record.headers, on_delivery=report)
        except BufferError:
            raise DeliveryFailed("the producer's queue is full") from None

    def close(self) -> None:
        """Wait briefly for what is under way, and end the polling thread."""
        self._producer.flush(10)
        self._stop.set()
        self._thread.join(5)
