"""THE FLOW: fence, lock heads, load, decide each, write the set, outbox; one transaction a batch.

`Processor.handle` is the whole of it. Whatever happens inside leaves either everything of the batch in PostgreSQL
(state, history, offsets, inbox, parked and dead letters, outgoing events) or nothing. The other acts of the one writer (a lane's
retry, a deadline, tickets that apply together, an erasure) are transactions of the same kind.

Faults, by SQLSTATE: class 22, 23 and 54 mean one message holds what the tables refuse, so the batch is redone one by one
and the culprit parked; 40001, 40P01 and 55P03 mean somebody else was there first, so it is redone whole; anything
else is infrastructure, and the caller pauses. A connection lost at COMMIT is resolved by reading the fence row.
"""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg

from modification_processor import earlier_tickets, fence
from modification_processor.breakers import Breaking
from modification_processor.catalogue_facts import Catalogue
from modification_processor.erasing import erase
from modification_processor.handling import handle
from modification_processor.incoming import Read
from modification_processor.loading import load
from modification_processor.retrying import LaneRetry, Place, PoisonOf, try_lanes
from modification_processor.session import Session
from modification_processor.settle import Topics
from modification_processor.together import apply_together
from modification_processor.transaction import Faultpoint, Handled, Means, Transaction
from modification_processor.unwritable import is_of_contention, is_of_data, one_by_one
from modification_processor.work import OrderWork
from schemas.failures import OrdermendError
from store import heads
from store.catalogue import BookCatalogue
from store.database import Connection, Cursor
from store.partitions import Advance
from store.sealing import KeyVault
from telemetry import failpoints
from telemetry.logs import logger
from telemetry.metrics import STAGE_SECONDS

MAX_REDO = 5


class Redo(OrdermendError):
    """The batch has to be handled again."""

    code = "redo"
    error_class = "CONTENTION"


class Processor:
    """The one writer of orders. `connect` opens a connection to the book; one instance, one thread."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        group: str,
        vault: KeyVault,
        topics: Topics,
        faultpoint: Faultpoint = failpoints.hit,
        catalogue: Callable[[Cursor], Catalogue] = BookCatalogue,
        poison_of: PoisonOf = lambda _order, _topic: None,
    ) -> None:
        self._group = group
        self._session = Session(connect)
        self._means = Means(vault, topics, faultpoint, catalogue)
        self._lanes = LaneRetry(self._session, self._means, poison_of)

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def handle(self, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
        """Handle a batch in one transaction, with the redo rules of this module. Raises `Fenced` or psycopg errors (INFRA)."""
        for _ in range(MAX_REDO):
            try:
                return self._once(batch, advances)
            except psycopg.Error as error:
                if is_of_contention(error):
                    continue
                if is_of_data(error):
                    return one_by_one(self._once, batch, advances)
                raise
            except OrdermendError:
                raise
            except Exception:  # noqa: BLE001 -- a defect of ours, or an event too large: it must cost one message, not the partition
                return one_by_one(self._once, batch, advances)
        raise Redo(f"the batch met a lock {MAX_REDO} times in a row")

    def _once(self, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
        """Do all of it in one transaction; where anything is raised, nothing of it is done."""
        faultpoint = self._means.faultpoint
        faultpoint("live.begun")
        with self._session.taken_back_if_it_fails() as cursor:
            fence.pass_fence(cursor, self._group, advances)
            faultpoint("live.fenced")
            handled = self._transact(cursor, batch)
            faultpoint("live.written")
            self._commit(cursor.connection, advances)
        self._count(handled.breaking)
        faultpoint("live.committed")
        return handled

    def _transact(self, cursor: Cursor, batch: Sequence[Read]) -> Handled:
        """Lock and load, decide each, write the set."""
        began = time.perf_counter()
        works, seen = load(cursor, self._means, batch)
        self._means.faultpoint("live.loaded")
        tx = Transaction.begin(cursor, self._means)
        tx.look_up(batch, works.values())
        loaded = time.perf_counter()
        words = tuple((read.message, handle(tx, works[read.order_id], read, seen)) for read in batch)
        decided = time.perf_counter()
        self._means.faultpoint("live.decided")
        tx.writes.flush(cursor, works)
        _observe(load=loaded - began, decide=decided - loaded, write=time.perf_counter() - decided)
        return Handled(words, len(works), tx.writes.breaking)

    def _commit(self, connection: Connection, advances: Sequence[Advance]) -> None:
        began = time.perf_counter()
        try:
            connection.commit()
        except psycopg.OperationalError:
            connection.close()
            if not self._is_committed(advances):
                raise
        _observe(commit=time.perf_counter() - began)

    def _is_committed(self, advances: Sequence[Advance]) -> bool:
        """Ask the book, on a new connection, whether a COMMIT happened whose answer never came."""
        with self._session.connection.cursor() as cursor:
            found = fence.is_committed(cursor, self._group, advances)
        self._session.connection.rollback()
        return found

    def _count(self, breaking: Breaking | None) -> None:
        """Let what a committed transaction counted stand, and say which breakers it moved."""
        if breaking is None:
            return
        self._means.tallies.update(breaking.tallies)
        for key, failures in breaking.tripped.items():
            logger("processor").error("breaker_open", key=key, failures=failures)
        for key in breaking.closed:
            logger("processor").warning("breaker_closed", key=key)

    def retry_lanes(self, places: Sequence[Place], limit: int = 50) -> int:
        """Try due lanes (order id, topic): of each its head, then its followers in order. Returns how many messages left them."""
        return self._lanes.retry(places, limit)

    def attempt(self, read: Read) -> None:
        """Do the whole work of one message but the commit: for a child process, which may die of it."""
        with self._session.taken_back_if_it_fails() as cursor:
            self._transact(cursor, [read])
        self._session.rollback()

    def attempt_lane(self, order_id: UUID, topic: str) -> None:
        """Do the whole work of a due lane's head but the commit: for a child process, which may die of it."""
        with self._session.taken_back_if_it_fails() as cursor:
            try_lanes(cursor, self._means, [(order_id, topic)], 1)
        self._session.rollback()

    def together(self, batch: Sequence[Read]) -> dict[UUID, str]:
        """Apply tickets of different orders all at once or none; return why not, by order: empty where all were applied."""
        with self._session.taken_back_if_it_fails() as cursor:
            refused = apply_together(cursor, self._means, batch)
            if not refused:
                cursor.connection.commit()
        if refused:
            self._session.rollback()
        return refused

    def expire(self, order_id: UUID, ticket_id: UUID) -> bool:
        """End a ticket whose deadline has passed, in a transaction of its own; False where somebody was faster."""
        with self._session.transaction() as cursor:
            head = heads.lock(cursor, [order_id])[order_id]
            work = OrderWork(head, None, "", {lane.topic: lane for lane in heads.lanes(cursor, [order_id]).values()})
            tx = Transaction.begin(cursor, self._means)
            ended = earlier_tickets.expire(tx, work, ticket_id)
            if ended:
                tx.writes.flush(cursor, {order_id: work})
        return ended

    def erase(self, order_id: UUID, actor: str, reason: str) -> tuple[str, ...]:
        """Erase what names a person; return the paths that were cleared. Raises `NotErasable`."""
        with self._session.transaction() as cursor:
            return erase(cursor, self._means, order_id, actor, reason)


def _observe(**seconds: float) -> None:
    for stage, taken in seconds.items():
        STAGE_SECONDS.labels(stage).observe(taken)
