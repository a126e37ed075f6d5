"""How long an edit and a preview take while orders stream in: the services as they run, paced senders, percentiles.

Two processes of services (the processor; all others), 500 documents a second through intake, 50 tickets a second from
a door, ten previews a second over the book as it is then. An edit's time is from the broker's append of its ticket to
the broker's confirmation of its event: decision, commit and relay are all in it.

Output:  milliseconds, median and 95th percentile, of previews and edits; the paces that were really held.
Fails:   BenchInvalid where an edit has no outcome in time, or fewer documents and edits were sent than a tenth below the pace.
"""

import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any

from modification_processor import preview as previews
from modification_processor.edit import calls_of
from modification_processor.incoming import Incoming, Read
from modification_processor.outcomes import Refused
from modification_processor.snapshot import context_of
from normalizers import discover
from ordermend import bootstrap
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Place
from ordermend.bench.processor import order_of
from ordermend.bench.report import Figures
from ordermend.bench.tickets import Planner, Seen
from ordermend.local.demo.children import Children
from ordermend.progress import Report as Phases
from schemas.assertion import HEADER
from schemas.codec import encode
from schemas.order import Order
from schemas.ticket import APPLIED_STATES, ModificationTicket
from schemas.topics import raw_topic
from store import orders
from store.database import Connection
from streaming.producer import BatchProducer, Record

FIRST = 20_000_000
BOOK = 2000
ORDERS_A_SECOND, EDITS_A_SECOND, PREVIEWS_A_SECOND = 500, 50, 10
TICK_SECONDS = 0.02
DEADLINE_SECONDS = 120.0
ROLES = ("Order_Modify",)


def measure_latency(place: Place, seconds: int, progress: Phases) -> Figures:
    """Run everything for `seconds` and measure."""
    environment = {**place.environment, "ORDERMEND_PORTS": "simulated"}
    with Children(environment, place.folder) as children, bootstrap.connector(place.settings, "bench-latency")() as book:
        book.autocommit = True
        producer = BatchProducer(place.bootstrap)
        try:
            progress("Latency", f"bringing {BOOK} orders in")
            documents_in(place, producer, range(FIRST, FIRST + BOOK))
            until(book, "select count(*) >= %s from orders", BOOK)
            progress("Latency", f"{seconds} s of orders, edits and previews")
            looks = _Previews(place, [order_of(FIRST + number) for number in range(0, BOOK, 40)])
            sent = _pace(place, producer, seconds)
            seen = looks.stop()
            until(book, "select count(*) >= %s from ticket where state <> 'waiting'", sent["edits"])
            until(book, "select not exists (select 1 from outbox where sent_at is null) and %s = 0", 0)
            children.check()
        finally:
            producer.close()
        return {"latency": {**sent, "restarts": children.restarts, "preview_ms": spread(seen), **_edits(book, sent["edits"])}}


def _pace(place: Place, producer: BatchProducer, seconds: int) -> dict[str, Any]:
    """Send documents and tickets at their paces; return how many, and the paces held."""
    door, topic = bootstrap.signer(place.settings, "door-console", "console"), bootstrap.topics_of(place.settings).modifications
    planner = Planner([Seen.of(order_of(FIRST + number)) for number in range(BOOK)], seed=11)
    began, edits, number = time.monotonic(), 0, FIRST + BOOK
    while (now := time.monotonic() - began) < seconds:
        due = FIRST + BOOK + int(now * ORDERS_A_SECOND)
        enqueue_documents(place, producer, range(number, due))
        number = max(number, due)
        for ticket in planner.tickets(int(now * EDITS_A_SECOND) - edits):
            value, order_id = encode(ticket), str(ticket.order_id)
            token = door.sign(value, message_id=f"ticket:{ticket.ticket_id}", order_id=order_id, sub="bench-agent", roles=ROLES)
            producer.enqueue(Record(topic, order_id.encode(), value, [(HEADER, token)]))
            edits += 1
        time.sleep(TICK_SECONDS)
    producer.confirm()
    held = {"orders_a_second": round((number - FIRST - BOOK) / seconds, 1), "edits_a_second": round(edits / seconds, 1)}
    if held["orders_a_second"] < 0.9 * ORDERS_A_SECOND or held["edits_a_second"] < 0.9 * EDITS_A_SECOND:
        raise BenchInvalid(f"the pace could not be held: {held}")
    return {"edits": edits, **held}


def documents_in(place: Place, producer: BatchProducer, numbers: range) -> None:
    """Send these documents to intake, and wait until the broker has them."""
    enqueue_documents(place, producer, numbers)
    producer.confirm()


def enqueue_documents(place: Place, producer: BatchProducer, numbers: range) -> None:
    """Hand these documents over to be sent to intake."""
    topic = place.settings.topic_prefix + raw_topic(CHANNEL).name
    for number in numbers:
        key, body = document(number)
        producer.enqueue(Record(topic, key, body, []))


class _Previews:
    """Looks at what edits would do, from a thread, each over the order as it is now."""

    def __init__(self, place: Place, targets: Sequence[Order]) -> None:
        self._stop = threading.Event()
        self._place = place
        self._targets = targets
        self.taken: list[float] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="previews")
        self._thread.start()

    def stop(self) -> list[float]:
        """End, and return how long each took, in milliseconds."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self.taken

    def _run(self) -> None:
        chance = random.Random(5)  # noqa: S311 -- invented data
        verbs = discover()[CHANNEL].verbs
        try:
            with bootstrap.connector(self._place.settings, "bench-previews")() as connection:
                connection.autocommit = True
                while not self._stop.wait(1 / PREVIEWS_A_SECOND):
                    began = time.perf_counter()
                    target = chance.choice(self._targets)
                    (ticket,) = Planner([Seen.of(target)], seed=chance.randrange(10**6)).tickets(1)
                    with connection.cursor() as cursor:
                        now = orders.load(cursor, [target.order_id])[target.order_id]
                        context = context_of(cursor, [_read(ticket)], {target.order_id: now.order}, datetime.now(UTC))
                    calls = calls_of(ticket.operations)
                    assert not isinstance(calls, Refused)
                    previews.preview(now.order, now.version, calls, ticket.reason_code, frozenset(ROLES), verbs, context)
                    self.taken.append((time.perf_counter() - began) * 1000)
        except BaseException as error:  # noqa: BLE001 -- handed to the main thread, which raises it
            self._failure = error


def _read(ticket: ModificationTicket) -> Read:
    value = encode(ticket)
    incoming = Incoming("bench", 0, 0, None, value, None, datetime.now(UTC))
    return Read(incoming, ticket.order_id, "bench", "ModificationTicket", b"", ticket, calls=calls_of(ticket.operations))


def _edits(book: Connection, sent: int) -> Figures:
    """Return how long edits took, to their decision and to their event on Kafka."""
    states: dict[str, int] = dict(book.execute("select state, count(*) from ticket group by state").fetchall())
    # A charge that is declined meanwhile holds the order: an edit of what that touched conflicts, as it should.
    if sum(states.get(state, 0) for state in APPLIED_STATES) < 0.97 * sent or states.keys() - {*APPLIED_STATES, "conflicted", "refused"}:
        raise BenchInvalid(f"of {sent} edits these are the outcomes: {states}")
    rows = book.execute(
        """select extract(epoch from t.decided_at - t.submitted_at)::float8 * 1000, extract(epoch from o.sent_at - t.submitted_at)::float8 * 1000
             from ticket t join outbox o on o.order_id = t.order_id and o.headers->>'type' = 'OrderModified'
                                        and o.event_seq = (select min(p.event_seq) from outbox p where p.order_id = t.order_id
                                            and p.headers->>'type' = 'OrderModified' and p.created_at >= t.decided_at)"""
    ).fetchall()
    return {"decided_ms": spread([row[0] for row in rows]), "committed_and_sent_ms": spread([row[1] for row in rows])}


def spread(taken: Sequence[float]) -> dict[str, float]:
    """Return how many, their median and their 95th percentile, in milliseconds."""
    return {"count": len(taken), "median": round(median(taken), 1), "p95": round(quantiles(taken, n=20)[18], 1)}


def until(book: Connection, query: str, value: int) -> None:
    """Wait until a query of the book answers true; raise `BenchInvalid` where it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (book.execute(query, (value,)).fetchone() or (False,))[0]:
        if time.monotonic() > deadline:
            raise BenchInvalid(f"not within {DEADLINE_SECONDS:g} s: {query}")
        time.sleep(0.05)
