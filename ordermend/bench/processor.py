"""The processor's speed, Kafka to Kafka: signed tickets in, events out; one process with processor and relay in it, and one beside it.

The book is brought in the way every order comes: documents through intake's own functions, signed, on the canonical
topic, handled by the processor. Every ticket is signed by the door's key before the clock starts.

Output:  edits per second from the first batch in hand to the last event on Kafka, one figure a repeat; in turn with the bound. Two
         processes have their partitions before the first ticket is sent: what sending takes is in their time.
Fails:   BenchInvalid where an edit was not applied, an event is missing, or the book fails the integrity check.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

from intake.accept import RawRecord, accept, headers_of, signed
from intake.app import BATCH
from intake.rules import discover as rules
from modification_processor.verify import verify
from normalizers import discover
from ordermend import bootstrap
from ordermend.bench.bound import Bound
from ordermend.bench.child import Job
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Child, Place
from ordermend.bench.profiling import top
from ordermend.bench.tickets import Planner, Seen
from ordermend.progress import Report as Phases
from schemas.assertion import HEADER, Signer
from schemas.codec import decode, encode
from schemas.statement import OrderStated
from schemas.ticket import APPLIED_STATES, ModificationTicket
from schemas.topics import PARTITIONS
from store.sealing import KeyVault
from streaming.producer import BatchProducer, Record

FIRST = 10_000_000
"""Number of the book's first document: far from those of the intake bench."""
DEADLINE_SECONDS = 600.0
AGENT = "bench-agent"
_SHARED = "select count(distinct owner) = %s and count(*) filter (where not released) = %s from partition_owner"
_DONE = """select 1 where (select coalesce(sum(next_offset), 0) from partition_owner) = %s and not exists (select 1 from outbox where sent_at is null)"""


@dataclass(frozen=True)
class Run:
    """One timed run: messages per second, and µs per message by stage (elapsed) and by thread (processor time; the whole process includes Kafka's own)."""

    per_second: float
    stages: dict[str, float]
    threads: dict[str, float]


@dataclass
class Measured:
    """What was measured; runs and bounds in the order in which they took turns."""

    runs: list[Run] = field(default_factory=list)
    shared: list[Run] = field(default_factory=list)
    """Two processes that share the partitions."""
    bounds: list[dict[int, float]] = field(default_factory=list)


class ProcessorBench:
    """Measures the processor over a book of `orders` orders."""

    def __init__(self, place: Place, orders: int, edits: int) -> None:
        self._place = place
        self._orders = orders
        self._edits = edits
        self._topics = bootstrap.topics_of(place.settings)
        self._door = bootstrap.signer(place.settings, "door-console", "console")
        self._planner = Planner([])
        self._applied = 0

    def fill(self) -> Run:
        """Bring the book in; return how fast the processor took it."""
        book: list[Seen] = []
        self._send(self._statements(book))
        self._planner = Planner(book)
        return self._timed(self._orders)

    def measure(self, repeats: int, bound: Bound, progress: Phases) -> Measured:
        """Run bound and processor in turn, `repeats` times."""
        found = Measured()
        for repeat in range(repeats):
            progress("Processor", f"repeat {repeat + 1} of {repeats}: the bound")
            found.bounds.append(bound.measure())
            progress("Processor", f"repeat {repeat + 1} of {repeats}: signing {self._edits} tickets")
            self._send_tickets()
            progress("Processor", f"repeat {repeat + 1} of {repeats}: applying them")
            found.runs.append(self._timed(self._edits))
            progress("Processor", f"repeat {repeat + 1} of {repeats}: as many again, two processes")
            found.shared.append(self._shared(self._edits, 2))
        return found

    def profile(self, folder: Path) -> str:
        """Apply as many edits once more, profiled; return the most expensive functions of both threads."""
        self._send_tickets()
        self._timed(self._edits, folder)
        return "\n\n".join(top(folder / f"{name}.prof") for name in ("processor", "relay"))

    def check(self) -> dict[str, int]:
        """Raise unless every edit was applied and the whole book is in order; return what was looked at."""
        with bootstrap.connector(self._place.settings, "bench")() as connection:
            states: dict[str, int] = dict(connection.execute("select state, count(*) from ticket group by state").fetchall())
            verified = verify(connection, KeyVault.load(self._place.settings.keys_dir))
        if sum(states.get(state, 0) for state in APPLIED_STATES) != self._applied or states.keys() - set(APPLIED_STATES):
            raise BenchInvalid(f"of {self._applied} edits these are the outcomes: {states}")
        if verified.findings:
            first = verified.findings[0]
            raise BenchInvalid(f"{len(verified.findings)} integrity findings, first {first.rule}: {first.detail}")
        return {"orders": verified.orders, "history_rows": verified.history_rows, "applied": self._applied, "findings": 0}

    def read_costs(self) -> dict[str, float]:
        """Return what reading a ticket costs, alone: µs to decode it and to verify who sent it."""
        keys = bootstrap.keyring(self._place.settings)
        signed = [self._signed(ticket) for ticket in Planner([Seen.of(order_of(0))], seed=5).tickets(500)]
        began = time.perf_counter()
        for record, _, _ in signed:
            decode(record.value)
        decoded = time.perf_counter()
        for record, message_id, order_id in signed:
            token = record.headers[0][1]
            assert isinstance(token, bytes)
            keys.verify(token, record.value, message_id=message_id, order_id=order_id, message="ModificationTicket", at=time.time())
        ended = time.perf_counter()
        return {"decode": (decoded - began) / len(signed) * 1e6, "verify": (ended - decoded) / len(signed) * 1e6}

    def _statements(self, book: list[Seen]) -> Iterator[Record]:
        signer: Signer = bootstrap.signer(self._place.settings, "intake", "intake")
        channel, active = discover()[CHANNEL], rules()
        for start in range(FIRST, FIRST + self._orders, BATCH):
            numbers = range(start, min(start + BATCH, FIRST + self._orders))
            records = [RawRecord("bench", 0, number, *document(number), {}) for number in numbers]
            for item in signed([item for record in records for item in accept(record, channel, active)], signer):
                stated = decode(item.value)
                assert isinstance(stated, OrderStated)
                book.append(Seen.of(stated.order))
                yield Record(self._topics.canonical, item.key, item.value, headers_of(item))

    def _send_tickets(self) -> None:
        self._send(iter(self._tickets()))

    def _tickets(self) -> list[Record]:
        self._applied += self._edits
        return [self._signed(ticket)[0] for ticket in self._planner.tickets(self._edits)]

    def _signed(self, ticket: ModificationTicket) -> tuple[Record, str, str]:
        value, message_id, order_id = encode(ticket), f"ticket:{ticket.ticket_id}", str(ticket.order_id)
        token = self._door.sign(value, message_id=message_id, order_id=order_id, sub=AGENT, roles=("Order_Modify",))
        return Record(self._topics.modifications, order_id.encode(), value, [(HEADER, token)]), message_id, order_id

    def _send(self, records: Iterator[Record]) -> None:
        producer = BatchProducer(self._place.bootstrap)
        for record in records:
            producer.enqueue(record)
        producer.confirm()
        producer.close()

    def _timed(self, messages: int, profile: Path | None = None) -> Run:
        """Run processor and relay until every message is handled and every event it made is on Kafka."""
        with Child(self._place, Job("processor", profile=str(profile) if profile else None)) as child:
            first = float(child.answer()["first"])
            last = self._last_event([child])
            used = child.finish()
        return Run(messages / (last - first), _micros(used["stage_seconds"], messages), _micros(used["cpu_seconds"], messages))

    def _shared(self, messages: int, processes: int) -> Run:
        """Run so many processors, wait until each has partitions, send the tickets, and time them as one."""
        records = self._tickets()
        topics = (self._topics.canonical, self._topics.modifications, self._topics.fulfillment)
        with ExitStack() as stack:
            children = [stack.enter_context(Child(self._place, Job("processor", ordinal=number))) for number in range(processes)]
            self._until(children, _SHARED, (processes, len(topics) * PARTITIONS))
            self._send(iter(records))
            first = min(float(child.answer()["first"]) for child in children)
            last = self._last_event(children)
            used = [child.finish() for child in children]
        return Run(messages / (last - first), *(_summed(used, what, messages) for what in ("stage_seconds", "cpu_seconds")))

    def _until(self, children: Sequence[Child], query: LiteralString, values: tuple[int, ...]) -> None:
        """Wait until the book answers true."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with bootstrap.connector(self._place.settings, "bench-watch")() as connection:
            connection.autocommit = True
            while not (connection.execute(query, values).fetchone() or (False,))[0]:
                for child in children:
                    child.check()
                if time.monotonic() > deadline:
                    raise BenchInvalid(f"not within {DEADLINE_SECONDS:g} s: {query}")
                time.sleep(0.02)

    def _last_event(self, children: Sequence[Child]) -> float:
        """Wait until all is handled and sent; return the unix time of the last event sent."""
        ends = sum(self._place.ends(topic) for topic in (self._topics.canonical, self._topics.modifications))
        self._until(children, _DONE, (ends,))
        with bootstrap.connector(self._place.settings, "bench-watch")() as connection:
            row = connection.execute(
                "select extract(epoch from max(sent_at))::float8, count(*) from outbox where topic = %s", (self._topics.events,)
            ).fetchone()
        assert row is not None
        if self._place.ends(self._topics.events) != row[1]:
            raise BenchInvalid(f"{self._topics.events} does not hold the {row[1]} events that were made")
        last: float = row[0]
        return last


def order_of(number: int) -> Any:
    """Return the canonical order of a document."""
    key, body = document(number)
    del key
    return read_order(body)


def read_order(body: bytes) -> Any:
    """Return the canonical order in a body."""
    from normalizers.channel import Document  # noqa: PLC0415

    return discover()[CHANNEL].normalize((Document(body),))[0].order  # type: ignore[union-attr]


def _summed(used: Sequence[dict[str, dict[str, float]]], what: str, messages: int) -> dict[str, float]:
    """Return what all processes together took, µs a message."""
    names = {name for each in used for name in each[what]}
    return _micros({name: sum(each[what].get(name, 0.0) for each in used) for name in names}, messages)


def _micros(seconds: dict[str, float], messages: int) -> dict[str, float]:
    return {name: spent / messages * 1e6 for name, spent in seconds.items()}
