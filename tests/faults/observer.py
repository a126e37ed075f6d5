"""The fault ring's eyes: reads the book with SQL and the topics with a plain consumer. Shares no code with the product."""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from tests.faults.checker import Row, Seen, Stored

CONSUMED = ("orders.canonical.v1", "orders.modifications.v1", "orders.fulfillment.v1")
EVENTS = "orders.events.v1"
HISTORY = (
    "order_id, seq, version, cause_kind, cause_id, path, old, new, sealed, derived, user_id, role, on_behalf_of, reason_code, at, hash"
)


def look(database: str, schema: str, brokers: str, prefix: str) -> Seen:
    """Return all that the judge needs."""
    seen = Seen()
    with psycopg.connect(database, options=f"-c search_path={schema}") as book:
        _read_book(book, seen)
    config = {"bootstrap.servers": brokers, "group.id": f"{prefix}judge", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
    consumer = Consumer(config)
    try:
        for topic in CONSUMED:
            for part in _parts(consumer, prefix + topic):
                seen.log_ends[prefix + topic, part] = _end(consumer, prefix + topic, part)
        seen.events = [_event(message) for message in _messages(consumer, prefix + EVENTS)]
        names = consumer.list_topics(timeout=30).topics
        for topic in sorted(name for name in names if name.startswith(f"{prefix}orders.raw.") and name.endswith(".dlt")):
            seen.poison |= {sha256(_bytes(message.value())).digest() for message in _messages(consumer, topic)}
    finally:
        consumer.close()
    return seen


def _read_book(book: psycopg.Connection, seen: Seen) -> None:
    seen.offsets = {(topic, part): off or 0 for topic, part, off in book.execute("select topic, part, next_offset from partition_owner")}
    for table in ("inbox", "repeat"):
        seen.outcomes += book.execute(f"select topic, part, off from {table}").fetchall()
    for order_id, doc in book.execute("select order_id, doc from orders"):
        lines = tuple((line["ordered"], _minor(line["unit_price"])) for line in doc["lines"])
        seen.orders[str(order_id)] = Stored(lines, doc["totals"]["grand_total_minor"])
    seen.origins = {str(order_id): bytes(digest) for order_id, digest in book.execute("select order_id, sha256 from order_origin")}
    for order_id, *row in book.execute(f"select {HISTORY} from history order by order_id, seq"):
        seen.history.setdefault(str(order_id), []).append(Row(*row))
    seen.tickets = {str(ticket_id): state for ticket_id, state in book.execute("select ticket_id, state from ticket")}
    seen.facts = {name.removeprefix("fact:") for (name,) in book.execute("select message_id from inbox where outcome = 'recorded'")}
    seen.heads = {str(order_id): last for order_id, last in book.execute("select order_id, event_seq from order_head where event_seq > 0")}
    for order_id, number, value in book.execute("select order_id, event_seq, value from outbox where event_seq is not null"):
        seen.outbox[str(order_id), number] = sha256(value).digest()
    (seen.waiting,) = book.execute("select coalesce(sum(depth), 0)::int from lane").fetchone() or (0,)


def _minor(price: dict[str, int]) -> int:
    """Return a two-digit currency's unit price in minor units: {"amount": 100, "exponent": 1} -> 1000."""
    return int(Decimal(price.get("amount", 0)).scaleb(2 - price.get("exponent", 0)))


def _event(message: Message) -> tuple[str, int, bytes]:
    headers = dict(message.headers() or ())
    return str(UUID(_bytes(message.key()).decode())), int(_bytes(headers["event_seq"])), sha256(_bytes(message.value())).digest()


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _parts(consumer: Consumer, topic: str) -> list[int]:
    return sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)


def _end(consumer: Consumer, topic: str, part: int) -> int:
    return int(consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=30)[1])


def _messages(consumer: Consumer, topic: str) -> Iterator[Message]:
    for part in _parts(consumer, topic):
        end, read = _end(consumer, topic, part), 0
        consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING)])
        while read < end:
            for message in consumer.consume(500, 0.5):
                if message.error() is not None:
                    raise RuntimeError(message.error())
                read = (message.offset() or 0) + 1
                yield message
