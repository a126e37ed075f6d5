"""What the database and Kafka say of a run: what has arrived, what was decided, and whether anything is still due.

Reads only, in transactions of one statement each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from confluent_kafka import Consumer, KafkaException, TopicPartition

from normalizers import discover
from ordermend import bootstrap
from ordermend.local.demo.report import Latencies, Outcomes, Tally
from ordermend.settings import Settings
from schemas import events
from schemas.codec import decode
from schemas.ticket import APPLIED_STATES
from schemas.topics import PARTITIONS, raw_topic
from store.database import Connection, connect

DUE_SECONDS: Final = 10
"""A lane that is due later than this is left as it is when the demo ends by itself."""

KAFKA_SECONDS: Final = 15.0
_APPLIED: Final = list(APPLIED_STATES)


@dataclass(frozen=True)
class Progress:
    """Running counts for people."""

    orders: int = 0
    statements: int = 0
    facts: int = 0
    tickets: Mapping[str, int] = field(default_factory=dict)
    letters: int = 0

    @property
    def applied(self) -> int:
        """Edits applied."""
        return sum(self.tickets.get(state, 0) for state in _APPLIED)

    @property
    def edits(self) -> int:
        """Edits with an answer: all but those that wait."""
        return sum(count for state, count in self.tickets.items() if state != "waiting")


class Watch:
    """Eyes on one run. One thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = bootstrap.topics_of(settings)
        self._book: Connection = connect(bootstrap.database_of(settings), settings.db_schema, autocommit=True, application="demo")
        # Members of intake's groups that never join: they only ask for offsets. (Asking through the admin client ends
        # in a crash of librdkafka 2.16.1 while a new broker still loads its group coordinator.)
        self._intake = {channel: self._onlooker(f"{settings.topic_prefix}intake.{channel}") for channel in discover()}

    def _onlooker(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": bootstrap.bootstrap_of(self._settings), "group.id": group, "enable.auto.commit": False})

    def close(self) -> None:
        """Give the connections back."""
        self._book.close()
        for consumer in self._intake.values():
            consumer.close()

    def now(self) -> datetime:
        """Return the database's time."""
        at: datetime = self._one("select clock_timestamp()")[0]
        return at

    def arrived(self, order_ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these orders are in the book."""
        rows = self._book.execute("select order_id from orders where order_id = any(%s)", (list(order_ids),))
        return {row[0] for row in rows.fetchall()}

    def decided(self, messages: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
        """Return which of these (order id, message id) were received; one that fails its check has another id."""
        rows = self._book.execute(
            """select order_id, message_id from unnest(%s::uuid[], %s::text[]) u(order_id, message_id)
                 join inbox i using (order_id, message_id) where i.outcome <> 'waiting'""",
            ([each[0] for each in messages], [each[1] for each in messages]),
        )
        return {(row[0], row[1]) for row in rows.fetchall()}

    def progress(self) -> Progress:
        """Return the running counts."""
        done = {
            row[0]: int(row[1]) for row in self._rows("select topic, coalesce(sum(next_offset), 0) from partition_owner group by topic")
        }
        tickets = {
            row[0]: int(row[1]) for row in self._rows("select state, count(*) from ticket where door <> 'restatement' group by state")
        }
        orders, letters = self._one("select (select count(*) from orders), (select count(*) from dead_letter)")
        return Progress(orders, done.get(self._topics.canonical, 0), done.get(self._topics.fulfillment, 0), tickets, letters)

    def settled(self) -> bool:
        """Whether everything sent has an outcome, every event is out, and no lane is due soon."""
        return self._intake_done() and self._processor_done() and self._nothing_due()

    def _intake_done(self) -> bool:
        return all(self._read_to_its_end(channel, consumer) for channel, consumer in self._intake.items())

    def _read_to_its_end(self, channel: str, consumer: Consumer) -> bool:
        ends = self._ends([self._settings.topic_prefix + raw_topic(channel).name])
        try:
            found = consumer.committed([TopicPartition(*place) for place in ends], timeout=KAFKA_SECONDS)
        except KafkaException:
            # A broker that has just started has no coordinator for the group yet.
            return False
        return all(each.offset >= ends[each.topic, each.partition] or ends[each.topic, each.partition] == 0 for each in found)

    def _processor_done(self) -> bool:
        ends = self._ends([self._topics.canonical, self._topics.modifications, self._topics.fulfillment])
        at = {(row[0], row[1]): row[2] for row in self._rows("select topic, part, coalesce(next_offset, 0) from partition_owner")}
        return all(at.get(place, 0) >= end for place, end in ends.items())

    def _ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Return where each partition's log ends."""
        consumer = next(iter(self._intake.values()))
        places = [(topic, part) for topic in topics for part in range(PARTITIONS)]
        return {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=KAFKA_SECONDS)[1] for place in places}

    def _nothing_due(self) -> bool:
        row = self._one(
            f"""select not exists (select 1 from outbox where sent_at is null)
                   and not exists (select 1 from lane where next_attempt_at < now() + interval '{DUE_SECONDS} seconds')"""
        )
        return bool(row[0])

    def tally(self) -> Tally:
        """Count everything the report says; to be called when the run is settled."""
        topics = self._topics
        return Tally(
            statements=self._outcomes(topics.canonical),
            edits=self._outcomes(topics.modifications),
            facts=self._outcomes(topics.fulfillment, "FulfillmentFact"),
            extra_statements=self._extra_statements(),
            held_on_arrival=self._held_on_arrival(),
            letters=dict(self._rows("select error_class || ' ' || code, count(*) from dead_letter group by 1 order by 2 desc, 1")),
            answers=dict(
                self._rows(
                    "select state || coalesce(' ' || code, ''), count(*) from ticket where door <> 'restatement' and state <> all(%s) group by 1 order by 2 desc, 1",
                    _APPLIED,
                )
            ),
            operations=dict(
                self._rows(
                    "select operations, count(*) from ticket where door <> 'restatement' and state = any(%s) group by 1 order by 1",
                    _APPLIED,
                )
            ),
            latencies=self._latencies(),
            last_statement_at=self._one("select max(at) from inbox where topic = %s", topics.canonical)[0],
            last_edit_at=self._one("select max(decided_at) from ticket where door <> 'restatement'")[0],
            first_edit_at=self._one("select min(submitted_at) from ticket where door <> 'restatement'")[0],
        )

    def _outcomes(self, topic: str, message: str = "%") -> Outcomes:
        query = "select outcome, count(*) from inbox where topic = %s and message like %s group by 1"
        first = {row[0]: int(row[1]) for row in self._rows(query, topic, message)}
        repeats = self._one("select count(*) from repeat where topic = %s and message like %s", topic, message)
        return Outcomes(first, int(repeats[0]))

    def _extra_statements(self) -> int:
        """Count the orders beyond the first of documents that name several: intake numbers them behind `#`."""
        query = """select count(*) from (select message_id from inbox where topic = %s union all select message_id from repeat where topic = %s) x
                    where message_id ~ '#[0-9]+(!|$)'"""
        return int(self._one(query, self._topics.canonical, self._topics.canonical)[0])

    def _held_on_arrival(self) -> int:
        rows = self._rows("select value from outbox where headers->>'type' = 'OrderAccepted'")
        accepted = (decode(bytes(row[0])) for row in rows)
        return sum(isinstance(event, events.OrderAccepted) and bool(event.holds) for event in accepted)

    def _latencies(self) -> Latencies:
        """Return milliseconds from append to decision of applied edits: those decided at once, and those that waited."""
        at_once: list[float] = []
        waited: list[float] = []
        for took, parked in self._rows(
            """select (extract(epoch from t.decided_at - t.submitted_at) * 1000)::float8,
                      exists (select 1 from parked p where p.order_id = t.order_id and p.message_id = 'ticket:' || t.ticket_id)
                 from ticket t where t.door <> 'restatement' and t.state = any(%s)""",
            _APPLIED,
        ):
            (waited if parked else at_once).append(took)
        return Latencies(tuple(at_once), tuple(waited))

    def _rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self._book.execute(query, arguments).fetchall()

    def _one(self, query: str, *arguments: object) -> tuple[Any, ...]:
        return self._rows(query, *arguments)[0]
