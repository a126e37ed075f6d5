"""Reads ahead: polls and reads the next batch (decode, check the signature) while the last one is being handled.

The gain is not speed (measured: none; one interpreter computes one thing at a time) but that polling never waits for
the database: however long a batch takes, rebalances are served and nothing polled is dropped. At most one batch is
read ahead, and tickets that come while it waits still join it: an edit waits for the batch under way and for no other.
A batch carries the epochs under which its messages were polled; the handler drops what belongs to an
epoch that has passed, so a partition that was lost and taken again is never continued from a batch of its former life.

While the handler is behind, fetching is paused and polling goes on: the group membership never waits for a database.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue
from threading import Event, Thread

from confluent_kafka import Message

from modification_processor.incoming import Read
from streaming.consumer import BatchConsumer, Place
from telemetry.metrics import STAGE_SECONDS

BATCH = 500
CHANNEL_BATCH = 200
"""At most so many statements a batch: an edit that arrives behind them waits for it."""
BESIDE = 50
"""At most so many statements in a batch with tickets or facts: they wait for them too."""
ALONE = 50
"""After so many batches without a ticket or a fact nobody is taken to wait: statements are taken as many at once as is cheapest."""
BEHIND_MS = 2_000
"""Statements that were appended so much before the tickets and facts beside them are behind: the two take equal turns until they are not."""
UNDER_WAY_SECONDS = 0.05
"""How long a batch of statements may be under way: fewer are taken at once where they take longer, down to `BESIDE`."""
GATHER_SECONDS = 0.02
"""For how long statements gather, where no ticket and no fact comes: each batch costs as much as some twenty of them."""
IDLE_SECONDS = 0.05
JOIN_SECONDS = 0.005
PATIENCE_SECONDS = 5.0
FULL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages, read, with the epoch each partition had when they were polled."""

    reads: Sequence[Read]
    epochs: Mapping[Place, int]
    polled_at: float


class Reader:
    """The polling thread. `express` (tickets and facts) is polled first, `channel` (statements) beside it.

    Statements always have room. Where more comes than can be done, tickets that never let a statement in would be read long before their
    orders and each be parked, which costs more than all the rest: so what was appended together is read about together.
    """

    def __init__(
        self,
        express: BatchConsumer,
        channel: BatchConsumer,
        read: Callable[[Message], Read],
        epochs: Callable[[], Mapping[Place, int]],
        tick: Callable[[], None],
    ) -> None:
        """`tick` is called each time the polling loop goes round: what liveness watches."""
        self._tick = tick
        self._express = express
        self._channel = channel
        self._read = read
        self._epochs = epochs
        self._ready: Queue[Batch] = Queue(maxsize=1)
        self._most = CHANNEL_BATCH
        self._behind = False
        self._alone = 0
        self._stop = Event()
        self.failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin polling."""
        self._thread.start()

    def next(self, timeout_seconds: float) -> Batch | None:
        """Return the next batch, or None where there is none in time. Raises what ended the polling thread."""
        try:
            return self._ready.get(timeout=timeout_seconds)
        except Empty:
            if self.failure is not None:
                raise self.failure from None
            return None

    def took(self, messages: int, seconds: float) -> None:
        """Hear from the handler how long so many messages took: what it is read next follows from it."""
        self._most = statements_at_once(messages, seconds, self._most)

    def stop(self) -> None:
        """Stop polling; what was read ahead and not handled is simply read again by whoever comes next."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._tick()
                messages = self._gather()
                if messages:
                    self._hand_over(self._batch(messages))
        except BaseException as error:  # noqa: BLE001 -- handed to the handler's thread, which raises it
            self.failure = error

    def _gather(self) -> list[Message]:
        """Return what there is; the first ticket or fact ends the wait."""
        beside, most = (CHANNEL_BATCH, CHANNEL_BATCH) if self._behind else (BESIDE, BATCH - BESIDE)
        messages = self._express.poll(1, GATHER_SECONDS)
        if messages:
            epochs = dict(self._epochs())
            more = self._express.poll(most - 1, 0.0)
            # A rebalance between the two ends what was polled before it: its partition is read again from where the book says.
            messages = [message for message in messages if epochs.get(_place(message)) == self._epochs().get(_place(message))] + more
        self._alone = 0 if messages else self._alone + 1
        without = self._most if self._alone <= ALONE else CHANNEL_BATCH
        stated = self._channel.poll(beside if messages else without, 0.0)
        if messages or not stated:
            self._behind = bool(stated) and _appended_ms(stated) + BEHIND_MS < _appended_ms(messages)
        return messages + stated

    def _batch(self, messages: Sequence[Message]) -> Batch:
        started = time.perf_counter()
        # Rebalance callbacks run inside poll, in this thread: the epochs are those of these messages.
        epochs = dict(self._epochs())
        reads = [self._read(message) for message in messages if _place(message) in epochs]
        STAGE_SECONDS.labels("read").observe(time.perf_counter() - started)
        return Batch(rising(reads), epochs, started)

    def _hand_over(self, batch: Batch) -> None:
        """Wait for room, and let tickets and facts that come meanwhile join; a long wait pauses fetching and keeps polling.

        Not at once: pausing throws away what the client has fetched already, which costs a round trip to the broker.
        """
        for _ in range(round(PATIENCE_SECONDS / JOIN_SECONDS)):
            try:
                self._ready.put(batch, timeout=JOIN_SECONDS)
                return
            except Full:
                if self._stop.is_set():
                    return
                late = self._late(BATCH - len(batch.reads))
            if late is not None and late.epochs == batch.epochs:
                batch = replace(batch, reads=rising([*batch.reads, *late.reads]))
            elif late is not None:
                # Partitions came or went: what was polled before is judged by the epochs of before.
                self._wait_for_room(batch)
                batch = late
        self._wait_for_room(batch)

    def _late(self, room: int) -> Batch | None:
        messages = self._express.poll(room, 0.0) if room > 0 and not self._behind else []
        return self._batch(messages) if messages else None

    def _wait_for_room(self, batch: Batch) -> None:
        self._pause()
        while not self._stop.is_set():
            try:
                self._ready.put(batch, timeout=FULL_SECONDS)
                break
            except Full:
                self._keep_polling()
        self._express.resume()
        self._channel.resume()

    def _pause(self) -> None:
        self._express.pause()
        self._channel.pause()

    def _keep_polling(self) -> None:
        """Serve the client's callbacks. A rebalance may have resumed fetching: what comes anyway is put back by a seek."""
        self._tick()
        for consumer in (self._express, self._channel):
            returned: dict[Place, int] = {}
            for message in consumer.poll(BATCH, 0.0):
                place = _place(message)
                returned[place] = min(message.offset() or 0, returned.get(place, message.offset() or 0))
            if returned:
                consumer.pause()
                consumer.seek(returned)


def _appended_ms(messages: Sequence[Message]) -> int:
    """Return when the first of them was appended, by the broker's clock."""
    return min(message.timestamp()[1] for message in messages)


def statements_at_once(messages: int, seconds: float, before: int) -> int:
    """Return how many statements to take at once, after so many messages took so long. A small batch says little: what was before stays.

    >>> statements_at_once(200, 0.5, 200), statements_at_once(50, 0.025, 50), statements_at_once(200, 0.02, 100), statements_at_once(3, 1.0, 100)
    (50, 100, 200, 100)
    """
    if messages < BESIDE:
        return before
    return CHANNEL_BATCH if seconds <= 0 else max(BESIDE, min(CHANNEL_BATCH, int(messages * UNDER_WAY_SECONDS / seconds)))


def express_first(reads: Sequence[Read], channel_topic: str) -> list[list[Read]]:
    """Cut a batch in two where tickets and facts would wait for many statements that are none of their orders'; they go first then.

    Where one of them is about an order that is stated here, all stays one: the statement has to be there before it.
    """
    stated = [read for read in reads if read.incoming.topic == channel_topic]
    express = [read for read in reads if read.incoming.topic != channel_topic]
    together = len(stated) <= BESIDE or not express or {read.order_id for read in stated} & {read.order_id for read in express}
    return [list(reads)] if together else [express, stated]


def rising(reads: Sequence[Read]) -> list[Read]:
    """Return the messages of each partition in rising order, each once: the client may give out again what it gave before, and none is left out."""
    by_place: dict[Place, dict[int, Read]] = {}
    for read in reads:
        by_place.setdefault((read.incoming.topic, read.incoming.part), {})[read.incoming.off] = read
    upcoming = {place: iter(sorted(of_place.items())) for place, of_place in by_place.items()}
    turns = (next(upcoming[read.incoming.topic, read.incoming.part], None) for read in reads)
    return [turn[1] for turn in turns if turn is not None]


def _place(message: Message) -> Place:
    return message.topic() or "", message.partition() or 0
