"""The fetcher: orders that a channel only named are asked for, and put on the channel's raw topic like any document of it.

    claim what is due (heads locked, one short transaction) -> ask, outside of any transaction -> raw topic, confirmed -> record

What was fetched goes the way of every document: intake normalises it, and the processor, in the transaction that stores the order,
ends the fetch and closes its work item. Its message id follows from fetch and bytes, so a fetcher that dies after it published, and
is replaced by one that asks again, makes no second statement. Of two notifications before anybody asked, one fetch is made.

Answers: no answer, or one without the whole order: asked again, waiting twice as long each time; asked too often: the channel's
         account is left alone for as long as it says; no such order: given up when the channel said so
         `NOT_FOUND_TRIES` times, for some tell of an order before they have it; not allowed: a person's at once.
Fails:   what is not stored at the deadline is `failed`, with the reason; its work item stays open.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Event
from typing import Literal, Protocol

from intake.sources import AskedTooOften, NoSuchOrder, NotAllowed, Sources, Wanted
from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder, StatedPart
from normalizers.parts import documents_of, joined
from normalizers.wire import MAX_BYTES
from schemas.failures import OrdermendError
from schemas.statement import fetched_message_id
from store import fetches, heads
from store.database import Connection
from store.fetches import Fetch, Tried
from store.rounds import BOOK_ONLY, keep_at_it
from streaming.producer import DeliveryFailed, Record
from telemetry import failpoints
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import FETCH_OLDEST_SECONDS, FETCHES

BATCH = 50
ASKING = 8
"""How many requests are under way at once."""
IDLE_SECONDS = 0.5
OUTAGES = {**BOOK_ONLY, DeliveryFailed: "kafka"}
NOT_FOUND_TRIES = 4
PAUSE = timedelta(seconds=30)
"""How long a channel's account is left alone that wants a pause and does not say for how long."""
LONGEST_PAUSE = timedelta(hours=1)
MAX_JOINED = 7 * 1024 * 1024
"""A record may have 8 MiB, its headers included."""
Outcome = Literal[
    "fetched", "passed_on", "incomplete", "no_answer", "too_often", "no_such_order", "not_allowed", "no_source", "too_large", "expired"
]
FINAL: frozenset[Outcome] = frozenset({"not_allowed", "no_source", "too_large", "expired"})


@dataclass(frozen=True)
class Patience:
    """How long is waited: for an answer, before the second asking (doubled each time), and for the order to be stored."""

    answer_seconds: float = 20.0
    again: timedelta = timedelta(seconds=5)
    deadline: timedelta = timedelta(hours=24)


PATIENCE = Patience()


class Publisher(Protocol):
    """Sends records; returns when Kafka has confirmed all, raises `DeliveryFailed` otherwise."""

    def send(self, records: Sequence[Record]) -> None:
        """Send all and wait for all."""


@dataclass(frozen=True)
class Asked:
    """What came of asking for one order. `document` is what goes to the raw topic, the parts joined."""

    fetch: Fetch
    outcome: Outcome
    reason: str | None = None
    document: Document | None = None
    pause: timedelta = timedelta()


class Fetcher:
    """Fetches what is due, until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        sources: Sources,
        publisher: Publisher,
        prefix: str = "",
        health: Health | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        """`prefix` stands before every topic."""
        self._connect = connect
        self._sources = sources
        self._publisher = publisher
        self._prefix = prefix
        self._health = health
        self._patience = patience
        self._log = logger("fetcher")

    def run(self, stop: Event) -> None:
        """Ask for what is due; wait a little where nothing is; wait out an outage."""
        with ThreadPoolExecutor(ASKING, thread_name_prefix="fetching") as pool:
            keep_at_it(
                self._connect, lambda connection: 0.0 if self.round(connection, pool) else IDLE_SECONDS, stop, "fetcher", self._health, OUTAGES
            )  # fmt: skip

    def round(self, connection: Connection, pool: ThreadPoolExecutor) -> int:
        """Claim what is due, ask for it, publish, record; return how much was due."""
        claimed = self._claim(connection)
        if claimed:
            failpoints.hit("fetcher.claimed")
        asked = list(pool.map(self._ask, claimed))
        found = [each for each in asked if each.document is not None]
        if found:
            self._publisher.send([self._record_of(each) for each in found])
            failpoints.hit("fetcher.published")
        if asked:
            self._record(connection, asked)
        return len(claimed)

    def _claim(self, connection: Connection) -> list[Fetch]:
        with connection.transaction(), connection.cursor() as cursor:
            FETCH_OLDEST_SECONDS.set(fetches.oldest_seconds(cursor))
            keys = fetches.due(cursor, BATCH)
            if not keys:
                return []
            heads.lock(cursor, list({order_id for order_id, _ in keys}))
            return fetches.claim(cursor, keys, self._patience.again)

    def _ask(self, fetch: Fetch) -> Asked:
        if fetch.state == "sent":
            return Asked(fetch, "expired", "what the channel answered was not stored in time: see the order's dead letters")
        source = self._sources.get(fetch.channel)
        if source is None:
            return Asked(fetch, "no_source", f"no source is configured for channel {fetch.channel}")
        wanted = Wanted(fetch.channel, fetch.account, fetch.channel_order_id, tuple(fetch.missing.split(", ")))
        try:
            return weigh(fetch, source.fetch(wanted, self._patience.answer_seconds))
        except NoSuchOrder:
            return Asked(fetch, "no_such_order", f"{fetch.channel} has no order {fetch.channel_order_id}")
        except AskedTooOften as answer:
            pause = PAUSE if answer.seconds is None else timedelta(seconds=max(0.0, answer.seconds))
            return Asked(fetch, "too_often", f"{fetch.channel} wants a pause", pause=min(pause, LONGEST_PAUSE))
        except NotAllowed as answer:
            return Asked(fetch, "not_allowed", f"{fetch.channel} does not let us in: {answer}"[:300])
        except Exception as error:  # noqa: BLE001 -- a port of somebody else's: whatever went wrong there, it is asked again
            self._log.warning("source_failed", channel=fetch.channel, error=type(error).__name__)
            return Asked(fetch, "no_answer", f"{fetch.channel} did not answer ({type(error).__name__})")

    def _record_of(self, asked: Asked) -> Record:
        """Return the raw record: the channel's bytes, under the account whose order was asked for."""
        fetch, document = asked.fetch, asked.document
        assert document is not None
        digest = sha256(document.body).hexdigest()
        headers = {**document.headers, "account": fetch.account, "message_id": fetched_message_id(fetch.fetch_id, fetch.depth, digest)}
        topic = f"{self._prefix}{discover()[fetch.channel].topic.name}"
        return Record(topic, fetch.channel_order_id.encode(), document.body, list(headers.items()))

    def _record(self, connection: Connection, asked: Sequence[Asked]) -> None:
        now = datetime.now(UTC)
        for each in asked:
            FETCHES.labels(each.fetch.channel, each.outcome).inc()
        with connection.transaction(), connection.cursor() as cursor:
            heads.lock(cursor, list({each.fetch.order_id for each in asked}))
            fetches.record(cursor, [tried(each, now, self._patience) for each in asked])
            for each in asked:
                if each.outcome == "too_often":
                    fetches.postpone(cursor, each.fetch.channel, each.fetch.account, now + each.pause)


def weigh(fetch: Fetch, answers: tuple[Document, ...]) -> Asked:
    """Say whether the answers state the order whole, in part, or only name others. Pure; intake reads them again, and judges."""
    if not answers:
        return Asked(fetch, "no_answer", f"{fetch.channel} answered nothing")
    if max(len(answer.body) for answer in answers) > MAX_BYTES or sum(len(answer.body) for answer in answers) > MAX_JOINED:
        return Asked(fetch, "too_large", f"{fetch.channel} answered more than a record may hold")
    document, channel = joined(answers), discover()[fetch.channel]
    try:
        results = channel.normalize(documents_of(document.body, {**document.headers, "account": fetch.account}))
    except OrdermendError:
        # Intake says what is wrong with it, in a dead letter with its bytes.
        return Asked(fetch, "fetched", None, document)
    parts = [result for result in results if isinstance(result, StatedPart)]
    mine = [part for part in parts if part.channel_order_id == fetch.channel_order_id]
    if mine and len(parts) == len(results):
        return Asked(fetch, "incomplete", f"{fetch.channel} answered without {', '.join(mine[0].missing)}")
    named = {_named(result) for result in results} - {None}
    if named and fetch.channel_order_id not in named:
        return Asked(fetch, "passed_on", f"the answer is of {len(named)} other orders", document)
    return Asked(fetch, "fetched", None, document)


def _named(result: Result) -> str | None:
    return result.order.source.channel_order_id if isinstance(result, StatedOrder) else result.channel_order_id


def tried(asked: Asked, now: datetime, patience: Patience) -> Tried:
    """Say what becomes of the fetch. Pure."""
    fetch, outcome = asked.fetch, asked.outcome
    ends = fetch.created_at + patience.deadline
    # Not attempts: an outage of the channel, or of ours, before it says so for the first time is no such answer.
    not_found = fetch.not_found + (outcome == "no_such_order")
    if outcome == "fetched":
        return Tried(fetch.order_id, fetch.fetch_id, "sent", None, ends, not_found)
    if outcome == "passed_on":
        return Tried(fetch.order_id, fetch.fetch_id, "passed_on", asked.reason, None, not_found)
    if outcome in FINAL or not_found >= NOT_FOUND_TRIES or now >= ends:
        return Tried(fetch.order_id, fetch.fetch_id, "failed", asked.reason, None, not_found)
    wait = asked.pause if outcome == "too_often" else patience.again * min(2 ** (fetch.attempts - 1), 64)
    return Tried(fetch.order_id, fetch.fetch_id, "asked", asked.reason, min(now + wait, max(ends, now + patience.again)), not_found)
