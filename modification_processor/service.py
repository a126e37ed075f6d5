"""THE FLOW: fence, lock heads, load, decide each, write the set, outbox; one transaction a batch.

`Processor.handle` is the whole of it. Whatever happens inside leaves either everything of the batch in PostgreSQL
(state, history, offsets, inbox, parked and dead letters, outgoing events) or nothing.

Faults, by SQLSTATE: class 22, 23 and 54 mean one message holds what the tables refuse, so the batch is redone one by one
and the culprit parked; 40001, 40P01 and 55P03 mean somebody else was there first, so it is redone whole; anything
else is infrastructure, and the caller pauses. A connection lost at COMMIT is resolved by reading the fence row.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import psycopg

from modification_processor import catalogue_facts, channel_changes, past, undo
from modification_processor.actions import pending_of, recalls_of
from modification_processor.approvals import may_review
from modification_processor.breakers import Breaking, Tally
from modification_processor.catalogue_facts import Catalogue
from modification_processor.decide import Known, decide, is_restated
from modification_processor.edit import BULK_DOOR, MAPPING_DOOR, Call
from modification_processor.field_locks import default_locks
from modification_processor.incoming import Incoming, Read, place_of, read_again
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Applied, AwaitsRecalls, Failed, Outcome, Recalled, Refused, Reviewed, Withdrawn, WorkItem
from modification_processor.rows import ERASURE, audit, change, emit, open_items
from modification_processor.rules_in_force import approval_rules, narrowing_rules
from modification_processor.settle import MAX_DEPTH, Settler, Topics
from modification_processor.unwritable import LETTER_UNWRITABLE, Unstorable, failure_of, is_of_data
from modification_processor.work import OrderWork, Writes
from normalizers import discover as channels
from normalizers.channel import StatedOrder, Verb
from normalizers.parts import documents_of
from schemas import events
from schemas.assertion import Actor
from schemas.facts import ActionReported, FulfillmentFact, ReleaseRequested
from schemas.failures import OrdermendError
from schemas.fingerprint import frame_of
from schemas.order import Order, without_person
from schemas.statement import ChangeStated, FetchNeeded, OrderStated, unpacked
from schemas.ticket import ModificationTicket, TicketCancelled, TicketReviewed
from store import actions, breakers, fetches, heads, history, inbox, letters, orders, partitions, rulesets, tickets
from store.catalogue import BookCatalogue
from store.database import Connection, Cursor, now
from store.heads import Head, Lane
from store.letters import Parked
from store.outbox import OutputTooLarge
from store.partitions import Advance, Claim
from store.sealing import KeyVault, OrderKey, Unsealable
from store.tickets import TicketRow
from telemetry import failpoints
from telemetry.logs import logger
from telemetry.metrics import STAGE_SECONDS

RETRY_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
MAX_REDO = 5
MAX_READ = 10_000
"""More than any lane holds."""


class Fenced(OrdermendError):
    """The fence let some partitions of the batch not pass: nothing of it is stored.

    `lost`: another process owns these now, or their offset is not where we left it. `ahead`: these are ours, and a transaction
    of ours whose outcome was unknown has brought them to this offset after all: what lies before it is done.
    """

    code = "fenced"
    error_class = "INFRA"

    def __init__(self, lost: set[tuple[str, int]], ahead: Mapping[tuple[str, int], int] | None = None) -> None:
        super().__init__(f"the fence refuses {', '.join(f'{t}[{p}]' for t, p in sorted(lost | set(ahead or ())))}")
        self.lost = lost
        self.ahead = ahead or {}


class Redo(OrdermendError):
    """The batch has to be handled again."""

    code = "redo"
    error_class = "CONTENTION"


class NotErasable(OrdermendError):
    """The order cannot be erased now."""

    code = "not_erasable"
    error_class = "BUSINESS_REJECT"


@dataclass(frozen=True)
class Handled:
    """What a batch did: outcome words by message name, and how many orders it touched."""

    words: tuple[tuple[str, str], ...]
    orders: int
    breaking: Breaking | None = None


Faultpoint = Callable[[str], None]
PoisonOf = Callable[[UUID, str], Failed | None]
"""Tries the head of a lane (order, topic) in a child process: why it is poison, or None."""
POSTPONED = timedelta(minutes=10)
"""When a lane is tried again whose head can neither be handled nor become a dead letter."""
CRASHES = 3
"""A lane is tried so often by processes that die of it, before its head is tried in a child."""


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
        self._connect = connect
        self._poison_of = poison_of
        self._connection: Connection | None = None
        self._group = group
        self._vault = vault
        self._topics = topics
        self._faultpoint = faultpoint
        self._approvals, self._narrowing = approval_rules(), narrowing_rules()
        self._catalogue = catalogue
        self._tallies: dict[str, Tally] = {}
        self._log = logger("processor")

    @property
    def connection(self) -> Connection:
        """The open connection; opened again after a fault."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()

    def handle(self, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
        """Handle a batch in one transaction, with the redo rules of this module. Raises `Fenced` or psycopg errors (INFRA)."""
        for _ in range(MAX_REDO):
            try:
                return self._once(batch, advances)
            except psycopg.Error as error:
                state = error.sqlstate or ""
                self._rollback()
                if state in RETRY_SQLSTATES:
                    continue
                if is_of_data(error):
                    return self._one_by_one(batch, advances)
                raise
            except OrdermendError:
                raise
            except Exception:  # noqa: BLE001 -- a defect of ours, or an event too large: it must cost one message, not the partition
                self._rollback()
                return self._one_by_one(batch, advances)
        raise Redo(f"the batch met a lock {MAX_REDO} times in a row")

    def _rollback(self) -> None:
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.rollback()
            except psycopg.Error:
                self._connection.close()

    def _once(self, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
        connection = self.connection
        self._faultpoint("live.begun")
        with connection.cursor() as cursor:
            try:
                self._fence(cursor, advances)
                self._faultpoint("live.fenced")
                handled = self._transact(cursor, batch)
            except BaseException:
                self._rollback()
                raise
        self._faultpoint("live.written")
        self._commit(connection, advances)
        self._count(handled.breaking)
        self._faultpoint("live.committed")
        return handled

    def _fence(self, cursor: Cursor, advances: Sequence[Advance]) -> None:
        passed = partitions.fence(cursor, self._group, advances)
        refused = {(a.topic, a.partition): a for a in advances if (a.topic, a.partition) not in passed}
        if not refused:
            return
        now = partitions.stored(cursor, self._group, list(refused))
        ahead = {place: offset for place, a in refused.items() if (offset := _ahead(a, now.get(place))) is not None}
        raise Fenced(refused.keys() - ahead.keys(), ahead)

    def _commit(self, connection: Connection, advances: Sequence[Advance]) -> None:
        started = time.perf_counter()
        try:
            connection.commit()
        except psycopg.OperationalError:
            connection.close()
            if not self._committed(advances):
                raise
        STAGE_SECONDS.labels("commit").observe(time.perf_counter() - started)

    def _count(self, breaking: Breaking | None) -> None:
        """Let what a committed transaction counted stand, and say which breakers it moved."""
        if breaking is None:
            return
        self._tallies |= breaking.tallies
        for key, failures in breaking.tripped.items():
            self._log.error("breaker_open", key=key, failures=failures)
        for key in breaking.closed:
            self._log.warning("breaker_closed", key=key)

    def _committed(self, advances: Sequence[Advance]) -> bool:
        """Resolve an unknown commit outcome from the fence rows: all moved, none moved, or no longer ours."""
        with self.connection.cursor() as cursor:
            found = partitions.stored(cursor, self._group, [(a.topic, a.partition) for a in advances])
        self.connection.rollback()
        fenced = {(a.topic, a.partition) for a in advances if found[a.topic, a.partition].epoch != a.epoch}
        if fenced:
            raise Fenced(fenced)
        return all(found[a.topic, a.partition].next_offset == a.new for a in advances)

    def _transact(self, cursor: Cursor, batch: Sequence[Read]) -> Handled:
        started = time.perf_counter()
        works, seen = self._load(cursor, batch)
        self._faultpoint("live.loaded")
        writes = self._writes(cursor)
        catalogue_context = self._context(cursor, batch, works.values(), writes)
        loaded = time.perf_counter()
        settler = Settler(writes, self._topics)
        words = [(read.message, self._handle(cursor, works[read.order_id], read, seen, settler, catalogue_context)) for read in batch]
        decided = time.perf_counter()
        self._faultpoint("live.decided")
        writes.flush(cursor, works)
        written = time.perf_counter()
        STAGE_SECONDS.labels("load").observe(loaded - started)
        STAGE_SECONDS.labels("decide").observe(decided - loaded)
        STAGE_SECONDS.labels("write").observe(written - decided)
        return Handled(tuple(words), len(works), writes.breaking)

    def _writes(self, cursor: Cursor) -> Writes:
        """Return what collects the transaction's rows: with its time, and the rules in force."""
        at, versions = rulesets.moments(cursor, self._approvals.kind, self._narrowing.kind)
        rules, narrowing = self._approvals.at(cursor, versions[0]), self._narrowing.at(cursor, versions[1])
        return Writes(self._vault, at, rules, narrowing, breaking=self._breaking(cursor, at))

    def _breaking(self, cursor: Cursor, at: datetime) -> Breaking | None:
        return Breaking(breakers.standing(cursor), at, self._tallies)

    def _load(self, cursor: Cursor, batch: Sequence[Read]) -> tuple[dict[UUID, OrderWork], dict[tuple[UUID, str], tuple[bytes, str]]]:
        ids = list({read.order_id for read in batch})
        locked = self._heads(cursor, ids)
        stored = orders.load(cursor, ids)
        works = {
            order_id: OrderWork(
                head,
                stored[order_id].order if order_id in stored else None,
                stored[order_id].statement_id if order_id in stored else "",
                {},
                edited=stored[order_id].edits if order_id in stored else 0,
            )
            for order_id, head in locked.items()
        }
        closed = [order_id for order_id, head in locked.items() if head.depth]
        if closed:
            for (order_id, topic), lane in heads.lanes(cursor, closed).items():
                works[order_id].lanes[topic] = lane
        self._load_recent(cursor, batch, works)
        self._load_pending(cursor, batch, works)
        self._load_previous(cursor, batch, works)
        self._load_fetches(cursor, batch, works)
        fresh = [(read.order_id, read.message_id) for read in batch if read.seq is None]
        return works, inbox.seen(cursor, fresh) if fresh else {}

    def _heads(self, cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
        return heads.lock(cursor, order_ids)

    def _load_recent(self, cursor: Cursor, batch: Sequence[Read], works: dict[UUID, OrderWork]) -> None:
        """Load what was changed since the oldest base version that a ticket names."""
        bases: dict[UUID, int] = {}
        for read in batch:
            body = read.body
            if (
                isinstance(body, ModificationTicket)
                and body.base_version is not None
                and body.base_version < works[read.order_id].head.version
            ):
                bases[read.order_id] = min(body.base_version, bases.get(read.order_id, body.base_version))
        if bases:
            for order_id, recent in history.requested_since(cursor, list(bases.items())).items():
                works[order_id].recent = recent

    @staticmethod
    def _load_pending(cursor: Cursor, batch: Sequence[Read], works: dict[UUID, OrderWork]) -> None:
        """Load payment steps and recalls that are on their way, for orders whose money or goods may move."""
        moving = ModificationTicket | ChangeStated | ActionReported | FulfillmentFact | ReleaseRequested | TicketReviewed
        wanted = {read.order_id for read in batch if isinstance(read.body, moving)}
        if wanted:
            for order_id, rows in actions.pending(cursor, list(wanted)).items():
                works[order_id].pending, works[order_id].recalls = pending_of(rows), recalls_of(rows)
        paid = {read.order_id for read in batch if isinstance(read.body, FulfillmentFact) and read.body.payment is not None}
        for order_id in actions.with_requests_taken_back(cursor, list(paid)) if paid else ():
            works[order_id].taken_back = True

    @staticmethod
    def _load_fetches(cursor: Cursor, batch: Sequence[Read], works: dict[UUID, OrderWork]) -> None:
        """Load whether a fetch is planned, of orders that a document only names."""
        named = {read.order_id for read in batch if isinstance(read.body, FetchNeeded)}
        for order_id in fetches.planned(cursor, list(named)) if named else ():
            works[order_id].fetch_planned = True

    def _load_previous(self, cursor: Cursor, batch: Sequence[Read], works: dict[UUID, OrderWork]) -> None:
        """Load the channel's previous statement of orders that are stated again."""
        again = {read.order_id: works[read.order_id].statement_id for read in batch if isinstance(read.body, OrderStated | ChangeStated)}
        wanted = [(order_id, statement_id) for order_id, statement_id in again.items() if statement_id]
        if not wanted:
            return
        for order_id, (sealed, digest) in orders.load_statements(cursor, wanted).items():
            work = works[order_id]
            try:
                key = self._vault.unwrap(order_id, bytes(work.head.wrapped_key or b""))
                work.previous_raw = (key.open(sealed, f"statement:{work.statement_id}"), digest)
            except Unsealable:
                work.previous_raw = (b"", digest)

    def context_of(self, cursor: Cursor, batch: Sequence[Read], orders: Mapping[UUID, Order | None], at: datetime) -> Context:
        """Return what the batch's operations may know beside these orders; for previews: nothing is locked."""
        return context_of(cursor, batch, orders, at)

    def _context(self, cursor: Cursor, batch: Sequence[Read], works: Iterable[OrderWork], writes: Writes) -> Context:
        """Load what the catalogue says of the batch: each kind of entry with one statement, where there is need of it."""
        wanted = catalogue_facts.wanted_by(batch, {work.head.order_id: work.order for work in works})
        return catalogue_facts.load(self._catalogue_of(cursor), wanted, writes.at, writes.uses)

    def _catalogue_of(self, cursor: Cursor) -> Catalogue:
        return self._catalogue(cursor)

    def _handle(
        self,
        cursor: Cursor,
        work: OrderWork,
        read: Read,
        seen: dict[tuple[UUID, str], tuple[bytes, str]],
        settler: Settler,
        context: Context,
    ) -> str:
        """Handle one message against the order as the earlier ones of the batch left it."""
        first = seen.get((read.order_id, read.message_id))
        if first is not None:
            if first[0] == read.sha256:
                settler.repeat(read)
                return "duplicate"
            return settler.settle(work, _other_content(read), _SAME_ID)
        seen[read.order_id, read.message_id] = (read.sha256, "")
        lane = work.lanes.get(read.incoming.topic)
        if (
            lane is not None
            and not isinstance(read.body, OrderStated | TicketCancelled | TicketReviewed)
            and (read.failure is None or read.failure.blocks)
        ):
            if lane.depth < MAX_DEPTH or not isinstance(read.body, ModificationTicket):
                settler.park_behind(work, lane, read)
                return "waiting"
            return settler.settle(
                work, read, Refused("lane_full", f"{lane.depth} messages of this order wait already", rule_id="lane.depth")
            )
        outcome = self._tried(cursor, work, read, settler.writes, context)
        if isinstance(outcome, Reviewed):
            outcome = self._review(cursor, work, read, outcome, settler)
        word = settler.settle(work, read, outcome)
        if is_restated(outcome) and lane is not None:
            self._supersede(cursor, work, lane, read, settler)
        if isinstance(outcome, Recalled):
            self._go_on(cursor, work, read, outcome, settler)
        if isinstance(outcome, Withdrawn):
            return self._withdraw(cursor, work, read, outcome, settler)
        return word

    def _tried(self, cursor: Cursor, work: OrderWork, read: Read, writes: Writes, context: Context) -> Outcome:
        """Decide a message, unless so much like it failed that it waits; count how it fared."""
        held = writes.breaking.holds(read) if writes.breaking else None
        outcome = held or self._decide_fully(cursor, work, read, writes, context)
        if writes.breaking and held is None:
            writes.breaking.note(read, outcome)
        return outcome

    def _decide_fully(self, cursor: Cursor, work: OrderWork, read: Read, writes: Writes, context: Context) -> Outcome:
        """Decide a message; of a ticket that takes another back, first whether it does just that."""
        former = self._former(cursor, work, read, writes)
        if isinstance(former, Refused):
            return former
        return self._decide(work, read, writes, context if former is None else replace(context, former=former))

    def _decide(self, work: OrderWork, read: Read, writes: Writes, context: Context) -> Outcome:
        if read.failure is not None:
            return read.failure
        try:
            self._faultpoint(f"decide {read.message_id}")
            return decide(work.order, read, self._known(work, read, writes, context))
        except OrdermendError as error:
            return Failed.of(error, "decide")
        except MemoryError:
            # No state to go on in: the batch is redone message by message, in a child where lives were lost.
            raise
        except Exception as error:  # noqa: BLE001 -- see the next line
            # Not ours to guess: the message waits as a BUG, its order stays as it was, the others go on.
            return _unexpected(error, "decide")

    def _known(self, work: OrderWork, read: Read, writes: Writes, context: Context) -> Known:
        body, at = read.body, writes.at
        if isinstance(body, ModificationTicket):
            door = read.actor.door if read.actor is not None else ""
            ticket = replace(context, ticket_id=str(body.ticket_id))
            by_channel = door in (channel_changes.DOOR, MAPPING_DOOR)
            known = self._known_of_edit(work, writes, ticket, in_bulk=door == BULK_DOOR, by_channel=by_channel)
            return replace(known, unnoticed=door == MAPPING_DOOR)
        if isinstance(body, ChangeStated) and work.order is not None:
            previous, _ = _previous(work)
            return replace(self._known_of_edit(work, writes, context, in_bulk=False, by_channel=True), previous=previous)
        if isinstance(body, OrderStated) and work.order is not None:
            previous, digest = _previous(work)
            return Known(work.head.version, at, context, previous=previous, previous_sha256=digest)
        return Known(
            work.head.version, at, context, pending=work.pending, recalls=work.recalls, fetch_planned=work.fetch_planned, taken_back=work.taken_back
        )  # fmt: skip

    @staticmethod
    def _known_of_edit(work: OrderWork, writes: Writes, context: Context, *, in_bulk: bool, by_channel: bool) -> Known:
        """Return what an edit may look at. A channel's own change is not told to it, and what it lets us change does not bind it."""
        channel = work.order.source.channel if work.order else ""
        return Known(
            work.head.version, writes.at, context, None if by_channel else _verbs(channel), work.recent,
            rules=writes.rules, edit_rules=writes.edit_rules, edits=work.edited + work.edits, pending=work.pending, channel_collects=channel in default_locks().marketplaces,
            in_bulk=in_bulk, by_channel=by_channel,
        )  # fmt: skip

    def _supersede(self, cursor: Cursor, work: OrderWork, lane: Lane, read: Read, settler: Settler) -> None:
        """A whole statement says all that older ones in its lane could say: they are kept, marked, and hold up nobody.

        A change is none of them: it says what the statement may not have yet, and is decided in its turn. Nor is a statement that
        the channel made later and that came earlier.
        """
        settler.writes.flush_waiting(cursor)
        waiting = letters.waiting(cursor, work.head.order_id, lane.topic, MAX_READ)
        others = _reads_of(waiting, settler.writes.key_of(work))
        past_it = [other.seq for other in others if other.seq is not None and _is_superseded(other, read)]
        ids, left = letters.supersede(cursor, work.head.order_id, lane.topic, past_it)
        settler.writes.settled += [(work.head.order_id, message_id, "superseded") for message_id in ids]
        _open(work, lane, lane.depth - left, settler.writes)

    def _withdraw(self, cursor: Cursor, work: OrderWork, read: Read, outcome: Withdrawn, settler: Settler) -> str:
        """Cancel a ticket that waits, is dead or awaits approval; its followers go on at once."""
        ended = self._end(cursor, work, read, UUID(outcome.ticket_id), "cancelled", settler.writes)
        return "withdrawn" if ended else "nothing_to_cancel"

    def _end(self, cursor: Cursor, work: OrderWork, read: Read, ticket_id: UUID, state: str, writes: Writes) -> bool:
        """End a ticket that waits, is dead or awaits approval; False where it is none of these."""
        order_id = work.head.order_id
        writes.flush_waiting(cursor)
        found = letters.find_parked(cursor, order_id, f"ticket:{ticket_id}")
        current = tickets.states(cursor, [(order_id, ticket_id)]).get((order_id, ticket_id))
        if found is None and current not in ("awaiting_approval", "compensating"):
            return False
        if found is not None:
            letters.set_status(cursor, [(order_id, found.topic, found.seq)], "discarded")
            letters.resolve(cursor, order_id, found.topic, found.seq, "discarded")
            _open(work, work.lanes[found.topic], 1, writes)
        if current == "compensating":
            self._give_up_recalls(cursor, work, read, ticket_id, writes)
        writes.settled.append((order_id, f"ticket:{ticket_id}", state))
        tickets.close(cursor, order_id, ticket_id, state, writes.at)
        emit(work, read, writes, self._topics.events, events.TicketClosed, ticket_id=ticket_id, state=state)
        return True

    def _former(self, cursor: Cursor, work: OrderWork, read: Read, writes: Writes) -> Order | Refused | None:
        """Return the order before the ticket that this one takes back, or why it may not; None for any other message."""
        body = read.body
        if not isinstance(body, ModificationTicket) or body.undoes is None or work.order is None:
            return None
        if work.dirty or any(row.ticket_id == body.undoes for rows in (writes.tickets, writes.decided) for row in rows):
            self._flush_past(cursor, writes)
        ticket = tickets.find(cursor, work.head.order_id, body.undoes)
        refusal = undo.undoable(body, ticket)
        if refusal is not None:
            return refusal
        assert ticket is not None
        try:
            first = _ticket_again(ticket, writes.key_of(work), read)
            if isinstance(first.calls, Refused):
                return first.calls
            # Only what follows another operation of its ticket has to be carried out again to be taken back.
            alone = len(first.calls) == 1
            known = Context(writes.at, "") if alone else self._context(cursor, [first], [work], writes)
            here = past.load(cursor, self._vault, work.head.order_id)
            inverse = undo.operations(here, ticket, first.calls, known)
        except Unsealable:
            return Refused("no_inverse", "what it changed was erased", "/undoes", "erased")
        refusal = inverse if isinstance(inverse, Refused) else undo.is_inverse(body, inverse)
        return refusal or undo.before(here, ticket)

    def _flush_past(self, cursor: Cursor, writes: Writes) -> None:
        """Let what this transaction did to the order be read from its history."""
        writes.flush_past(cursor)

    def _review(self, cursor: Cursor, work: OrderWork, read: Read, outcome: Reviewed, settler: Settler) -> Outcome:
        """Let a ticket that awaits approval through, or end it; what does not fit is refused and remembered.

        The ticket is decided anew, by the same code, against the order as it is now: its locks, its merge and its
        effects. Only the very effects that were reviewed pass; others make the ticket ask again.
        """
        writes, body = settler.writes, read.body
        assert isinstance(body, TicketReviewed)
        writes.flush_waiting(cursor)
        ticket = tickets.find(cursor, work.head.order_id, body.ticket_id)
        refusal = may_review(read.actor, body, ticket, work.order.currency if work.order else "", writes.rules, writes.at)
        if refusal is not None:
            return refusal
        assert ticket is not None
        assert read.actor is not None
        if outcome.decision == "decline":
            self._end(cursor, work, read, body.ticket_id, "declined", writes)
            return outcome
        again = _ticket_again(ticket, writes.key_of(work), read)
        decided = self._decide_again(cursor, work, again, writes, (read.actor.user_id, ticket.effects_hash or ""))
        if isinstance(decided, Failed):
            return decided
        settler.settle(work, again, decided)
        return outcome

    def _go_on(self, cursor: Cursor, work: OrderWork, read: Read, outcome: Recalled, settler: Settler) -> None:
        """Apply the ticket whose last recall was confirmed, or end it where the warehouse refuses.

        It is decided anew over the order as it is now; a line that was taken up again meanwhile is not asked for twice.
        """
        writes, ticket_id = settler.writes, outcome.recall.ticket_id
        writes.flush_waiting(cursor)
        ticket = tickets.find(cursor, work.head.order_id, ticket_id)
        if ticket is None or ticket.state != "compensating":
            if outcome.refusal is None:
                self._say_in_vain(work, read, ticket_id, [outcome.recall.line_id], writes)
            return
        again = _ticket_again(ticket, writes.key_of(work), read)
        if outcome.refusal is not None:
            message = f"the warehouse does not give back line {outcome.recall.line_id}: {outcome.refusal}"
            decided: Outcome = Refused("recall_refused", message[:500], f"/lines/{outcome.recall.line_id}", "locks.compensation")
        elif any(recall.ticket_id == ticket_id for recall in work.recalls):
            return
        else:
            approved = (ticket.approved_by, ticket.effects_hash or "") if ticket.approved_by else None
            decided = self._decide_again(cursor, work, again, writes, approved)
        if isinstance(decided, AwaitsRecalls):
            decided = Refused("recall_refused", "the warehouse took up again what it had given back", rule_id="locks.compensation")
        if isinstance(decided, Failed):
            # A defect of ours: the ticket ends, since nothing would bring the warehouse's answer a second time.
            self._log.error("ticket_undecided_after_recall", ticket_id=str(ticket_id), code=decided.code, where=decided.where)
            decided = Refused("undecided", decided.detail[:500], rule_id=decided.rule)
        settler.settle(work, again, decided)
        if not isinstance(decided, Applied):
            self._give_up_recalls(cursor, work, read, ticket_id, writes, outcome.recall.line_id if outcome.refusal is None else None)

    def _give_up_recalls(
        self, cursor: Cursor, work: OrderWork, read: Read, ticket_id: UUID, writes: Writes, just_now: str | None = None
    ) -> None:
        """Ask for no more recalls of a ticket that ended; what was given back for it has to be released again."""
        gone = actions.cancel_recalls(cursor, work.head.order_id, ticket_id)
        work.recalls = [recall for recall in work.recalls if recall.action_id not in gone]
        back = actions.recalled_lines(cursor, work.head.order_id, ticket_id)
        back += [just_now] if just_now is not None and just_now not in back else []
        self._say_in_vain(work, read, ticket_id, back, writes)

    def _say_in_vain(self, work: OrderWork, read: Read, ticket_id: UUID, line_ids: Sequence[str], writes: Writes) -> None:
        if line_ids:
            detail = f"the warehouse gave back {', '.join(line_ids)} for ticket {ticket_id}, which is not applied: release it again"
            open_items(work, read, (WorkItem("recalled_in_vain", detail[:500]),), writes, self._topics.events)

    def _decide_again(self, cursor: Cursor, work: OrderWork, again: Read, writes: Writes, approved: tuple[str, str] | None) -> Outcome:
        body = again.body
        assert isinstance(body, ModificationTicket)
        context = self._context(cursor, [again], [work], writes)
        former = self._former(cursor, work, again, writes)
        if isinstance(former, Refused):
            return former
        known = self._known(work, again, writes, replace(context, former=former))
        if body.base_version is not None:
            # The batch loaded changes for the base versions of its own tickets only; its own rows are not written yet.
            stored = history.requested_since(cursor, [(work.head.order_id, body.base_version)]).get(work.head.order_id, [])
            known = replace(known, recent=[*stored, *work.recent])
        try:
            return decide(work.order, again, replace(known, approved=approved))
        except Exception as error:  # noqa: BLE001 -- as in `_decide`: it costs the review, not the batch
            return _unexpected(error, "decide")

    def together(self, batch: Sequence[Read]) -> dict[UUID, str]:
        """Apply tickets of different orders all at once or none; return why not, by order: empty where all were applied.

        Locks the heads in their order like any batch. An order in whose lane something waits refuses the whole.
        """
        with self.connection.cursor() as cursor:
            try:
                refused = self._together(cursor, batch)
            except BaseException:
                self._rollback()
                raise
        if refused:
            self._rollback()
        else:
            self.connection.commit()
        return refused

    def _together(self, cursor: Cursor, batch: Sequence[Read]) -> dict[UUID, str]:
        works, seen = self._load(cursor, batch)
        if seen:
            return {}
        refused = {order_id: "lane_closed" for order_id, work in works.items() if work.head.depth}
        if refused:
            return refused
        settler = Settler(self._writes(cursor), self._topics)
        context = self._context(cursor, batch, works.values(), settler.writes)
        for read in batch:
            outcome = self._decide_fully(cursor, works[read.order_id], read, settler.writes, context)
            if isinstance(outcome, Applied):
                settler.settle(works[read.order_id], read, outcome)
            else:
                refused[read.order_id] = getattr(outcome, "code", type(outcome).__name__.lower())
        if not refused:
            settler.writes.flush(cursor, works)
        return refused

    def expire(self, order_id: UUID, ticket_id: UUID) -> bool:
        """End a ticket whose deadline has passed, in a transaction of its own; False where somebody was faster."""
        with self.connection.cursor() as cursor:
            try:
                done = self._expire(cursor, order_id, ticket_id)
            except BaseException:
                self._rollback()
                raise
        self.connection.commit()
        return done

    def _expire(self, cursor: Cursor, order_id: UUID, ticket_id: UUID) -> bool:
        head = heads.lock(cursor, [order_id])[order_id]
        lanes = {lane.topic: lane for lane in heads.lanes(cursor, [order_id]).values()}
        work, writes = OrderWork(head, None, "", lanes), self._writes(cursor)
        ticket = tickets.find(cursor, order_id, ticket_id)
        if ticket is None or ticket.due_at is None or ticket.due_at > writes.at:
            return False
        done = self._end(cursor, work, _clock(order_id, ticket_id, writes.at), ticket_id, "expired", writes)
        writes.flush(cursor, {order_id: work})
        return done

    def erase(self, order_id: UUID, actor: str, reason: str) -> tuple[str, ...]:
        """Erase what names a person: clear the leaves, delete the key. Returns the paths that were cleared.

        History, raw documents and letters of the order become unreadable where they were sealed; chain and fold go on
        to verify. Raises `NotErasable` for an unknown order, and while messages of it wait: they could not be read.
        """
        with self.connection.cursor() as cursor:
            try:
                paths = self._erase(cursor, order_id, actor, reason)
            except BaseException:
                self._rollback()
                raise
        self.connection.commit()
        return paths

    def _erase(self, cursor: Cursor, order_id: UUID, actor: str, reason: str) -> tuple[str, ...]:
        head = heads.lock(cursor, [order_id])[order_id]
        stored = orders.load(cursor, [order_id]).get(order_id)
        if stored is None:
            raise NotErasable(f"the book has no order {order_id}")
        if head.depth:
            raise NotErasable(f"{head.depth} messages of order {order_id} wait; settle or withdraw them first")
        work, writes = OrderWork(head, stored.order, stored.statement_id, {}), self._writes(cursor)
        at = writes.at
        read = replace(
            _clock(order_id, order_id, at), message_id=f"erase:{head.version}", message=ERASURE, actor=Actor(actor, frozenset(), "cli")
        )
        changes = change(work, without_person(stored.order), read, writes)
        paths = tuple(leaf.path for leaf in changes)
        emit(work, read, writes, self._topics.events, events.PersonErased, paths=paths)
        audit(work, read, "person_erased", reason, writes)
        writes.flush(cursor, {order_id: work})
        orders.forget_person(cursor, order_id, head.history_seq, at, actor, reason)
        return paths

    def _one_by_one(self, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
        """Redo a batch message by message, each with its own fence step; the one the tables refuse is parked."""
        position = {(a.topic, a.partition): a for a in advances}
        final = {(a.topic, a.partition): a.new for a in advances}
        words: list[tuple[str, str]] = []
        for read in sorted(batch, key=lambda r: (r.incoming.topic, r.incoming.part, r.incoming.off)):
            place = (read.incoming.topic, read.incoming.part)
            step = position[place]._replace(new=read.incoming.off + 1)
            try:
                handled = self._once([read], [step])
            except (psycopg.Error, OutputTooLarge) as error:
                if not is_of_data(error):
                    raise
                handled = self._park_culprit(read, step, failure_of(error))
            except OrdermendError:
                raise
            except Exception as error:  # noqa: BLE001 -- see `handle`
                handled = self._park_culprit(read, step, _unexpected(error, "write"))
            position[place] = step._replace(expected=step.new, new=final[place])
            words += handled.words
        rest = [a for a in position.values() if a.expected != a.new]
        if rest:
            self._once([], rest)
        return Handled(tuple(words), len({read.order_id for read in batch}))

    def _park_culprit(self, read: Read, step: Advance, failure: Failed) -> Handled:
        """Park a message: as its ticket and under its own id, or under the id of its place where one of them is what the tables refuse.

        Where not even its dead letter can be written it waits in its lane without one, to be tried again; where it has no lane to wait in,
        or cannot be parked either, its partition halts. It is never skipped.
        """
        self._rollback()
        culprit = replace(read, message_id=place_of(read.incoming), body=None, calls=(), failure=failure)
        try:
            return self._once([replace(read, failure=failure)], [step])
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            self._rollback()
        try:
            return self._once([culprit], [step])
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            self._rollback()
            self._log.error("letter_unwritable", partition=f"{step.topic}[{step.partition}]", offset=step.new - 1, sqlstate=error.sqlstate)
            if read.actor is None or not failure.blocks:
                raise Unstorable(step, error) from error
        return self._park_unlettered(read, culprit, step)

    def _park_unlettered(self, read: Read, culprit: Read, step: Advance) -> Handled:
        """Park a message without a letter: as what it is, or under the id of its place."""
        for waits in (replace(read, failure=LETTER_UNWRITABLE), replace(culprit, failure=LETTER_UNWRITABLE)):
            try:
                return self._once([waits], [step])
            except psycopg.Error as error:
                if not is_of_data(error):
                    raise
                self._rollback()
                refused = error
        raise Unstorable(step, refused) from refused

    def retry_lane(self, order_id: UUID, topic: str, limit: int = 50) -> int:
        """Try a due lane: its head, then its followers in order. Returns how many messages left it.

        Same lock, same decisions, same rows as the live path. Counts the start first, in a transaction of its own.
        """
        with self.connection.cursor() as cursor:
            starts = letters.suspect(cursor, order_id, topic)
        self.connection.commit()
        self._faultpoint("retry.suspected")
        suspect = starts > CRASHES
        poison = self._poison_of(order_id, topic) if suspect else None
        try:
            # What lived through the child is committed before the next is looked at: it may be a follower that kills.
            return self._retried(order_id, topic, 1 if suspect else limit, poison)
        except (psycopg.Error, OutputTooLarge) as error:
            if not is_of_data(error):
                raise
            return self._retried_singly(order_id, topic, error)

    def _retried(self, order_id: UUID, topic: str, limit: int, failure: Failed | None) -> int:
        with self.connection.cursor() as cursor:
            try:
                left = self._retry(cursor, order_id, topic, limit, failure)
                self._faultpoint("retry.written")
            except BaseException:
                self._rollback()
                raise
        self.connection.commit()
        self._faultpoint("retry.committed")
        return left

    def _retried_singly(self, order_id: UUID, topic: str, error: Exception) -> int:
        """Something of a lane cannot be written. If it is its head, that becomes a dead letter; if not even that can be written, it waits."""
        for failure in (None, failure_of(error)):
            try:
                return self._retried(order_id, topic, 1, failure)
            except (psycopg.Error, OutputTooLarge) as again:
                if not is_of_data(again):
                    raise
                self._log.error("lane_unwritable", topic=topic, order=str(order_id), error=type(again).__name__)
        with self.connection.cursor() as cursor:
            letters.postpone(cursor, order_id, topic, POSTPONED)
        self.connection.commit()
        return 0

    def attempt(self, read: Read) -> None:
        """Do the whole work of one message but the commit: for a child process, which may die of it."""
        with self.connection.cursor() as cursor:
            try:
                self._transact(cursor, [read])
            finally:
                self._rollback()

    def attempt_lane(self, order_id: UUID, topic: str) -> None:
        """Do the whole work of a due lane's head but the commit: for a child process, which may die of it."""
        with self.connection.cursor() as cursor:
            try:
                self._retry(cursor, order_id, topic, 1, None)
            finally:
                self._rollback()

    def _retry(self, cursor: Cursor, order_id: UUID, topic: str, limit: int, poison: Failed | None) -> int:
        head = heads.lock(cursor, [order_id])[order_id]
        lane = heads.lanes(cursor, [order_id]).get((order_id, topic))
        writes = self._writes(cursor)
        at = writes.at
        if lane is None or lane.state not in ("retrying", "ordering") or (lane.next_attempt_at is not None and lane.next_attempt_at > at):
            return 0
        waiting = letters.waiting(cursor, order_id, topic, limit)
        if poison is not None:
            return self._bury_head(cursor, waiting[:1], poison, writes)
        batch = _reads_of(waiting, self._vault.unwrap(order_id, bytes(head.wrapped_key or b""))) if waiting else []
        works, _ = self._load(cursor, batch) if batch else ({}, {})
        settler = Settler(writes, self._topics)
        context = self._context(cursor, batch, works.values(), writes)
        left: list[Read] = []
        if batch:
            work = works[order_id]
            left, failure = self._whole_first(cursor, work, batch, settler, context, topic)
            left += self._drain(cursor, work, _still_waiting(batch, left), settler, context, topic)
            if failure is not None and topic in work.lanes:  # else all of it went through after all
                settler.soon_again(work.lanes[topic], failure)
        for read in left:
            assert read.seq is not None
            letters.resolve(cursor, order_id, topic, read.seq, "resolved")
        self._faultpoint("retry.decided")
        writes.flush(cursor, works)
        return len(left)

    def _whole_first(
        self, cursor: Cursor, work: OrderWork, batch: Sequence[Read], settler: Settler, context: Context, topic: str
    ) -> tuple[list[Read], Failed | None]:
        """Try a whole statement that waits behind others as if it had only just come: it says all they could, and supersedes them.

        Returns it, where it left the lane. Where it fails again it waits in its turn, and the failure is returned.
        """
        whole = next((read for read in reversed(batch[1:]) if isinstance(read.body, OrderStated)), None)
        if whole is None:
            return [], None
        outcome = self._tried(cursor, work, whole, settler.writes, context)
        if not is_restated(outcome):
            return [], outcome if isinstance(outcome, Failed) else None
        assert whole.seq is not None
        settler.settle(work, whole, outcome)
        past_it = [other.seq for other in batch if other.seq is not None and other.seq < whole.seq and _is_superseded(other, whole)]
        ids, _ = letters.supersede(cursor, work.head.order_id, topic, past_it)
        settler.writes.settled += [(work.head.order_id, message_id, "superseded") for message_id in ids]
        settler.writes.done.append((work.head.order_id, topic, whole.seq))
        _open(work, work.lanes[topic], 1 + len(ids), settler.writes)
        return [whole], None

    def _bury_head(self, cursor: Cursor, waiting: Sequence[Parked], poison: Failed, writes: Writes) -> int:
        """Make a dead letter of a head that nobody may look into; its lane waits for a person."""
        for row in waiting:
            head = heads.lock(cursor, [row.order_id])[row.order_id]
            value = self._vault.unwrap(row.order_id, bytes(head.wrapped_key or b"")).open(
                bytes(row.value_sealed), f"parked:{row.topic}:{row.seq}"
            )
            incoming = Incoming(row.topic, row.part, row.off, None if row.key is None else bytes(row.key), value, None, row.appended_at)
            read = Read(incoming, row.order_id, row.message_id, row.message, sha256(value).digest(), failure=poison, seq=row.seq)
            work = OrderWork(head, None, "", {lane.topic: lane for lane in heads.lanes(cursor, [row.order_id]).values()})
            Settler(writes, self._topics).settle(work, read, poison)
            if row.message_id.startswith("ticket:") and work.lanes[row.topic].state == "blocked":
                tickets.bury(cursor, row.order_id, UUID(row.message_id.removeprefix("ticket:")))
            writes.flush(cursor, {row.order_id: work})
        return 0

    def _drain(self, cursor: Cursor, work: OrderWork, batch: Sequence[Read], settler: Settler, context: Context, topic: str) -> list[Read]:
        """Try messages in their order, up to the first that has to wait; return those that left the lane."""
        left: list[Read] = []
        if not batch:
            return left
        lane = work.lanes[topic]
        for read in batch:
            outcome = self._tried(cursor, work, read, settler.writes, context)
            settler.settle(work, read, outcome)
            if isinstance(outcome, Failed) and outcome.blocks:
                return left
            assert read.seq is not None
            settler.writes.done.append((work.head.order_id, topic, read.seq))
            _open(work, lane, 1, settler.writes)
            left.append(read)
        if lane.depth:
            lane.state, lane.next_attempt_at = "retrying", settler.writes.at
        return left


def _still_waiting(batch: Sequence[Read], left: Sequence[Read]) -> list[Read]:
    """Return what of a lane is still to be tried once a whole statement of it has left: changes, and what came after."""
    if not left:
        return list(batch)
    (whole,) = left
    assert whole.seq is not None
    return [read for read in batch if read is not whole and (isinstance(read.body, ChangeStated) or (read.seq or 0) > whole.seq)]


def _ahead(mine: Advance, now: Claim | None) -> int | None:
    """Return the offset that a commit of our own, thought lost, has reached; None where somebody else moved the partition."""
    if now is None or now.epoch != mine.epoch or now.next_offset is None or now.next_offset <= (mine.expected or 0):
        return None
    return now.next_offset


_SAME_ID = Failed(
    "IDEMPOTENCY_CONFLICT", "same_id_other_content", "read", "this message id was received before with other content", "message_id",
    "same_id_same_content", blocks=False,
)  # fmt: skip


def _unexpected(error: Exception, stage: str) -> Failed:
    name, frame = type(error).__name__, frame_of(error)
    return Failed("BUG", "unexpected", stage, f"{name} in {frame}", rule=name, where=frame)


def _other_content(read: Read) -> Read:
    """Return the message under an id of its own: the id it carries belongs to somebody else's content."""
    at = read.incoming
    return replace(read, message_id=f"{read.message_id}!{at.topic}:{at.part}:{at.off}", body=None, failure=_SAME_ID)


def _is_superseded(waiting: Read, by: Read) -> bool:
    """Whether a whole statement leaves nothing to do for a message that waits in its lane."""
    if isinstance(waiting.body, ChangeStated):
        return False
    if not isinstance(waiting.body, OrderStated) or not isinstance(by.body, OrderStated):
        return True
    theirs, ours = waiting.body.order.source.channel_updated_at, by.body.order.source.channel_updated_at
    return theirs is None or ours is None or theirs <= ours


def _reads_of(waiting: Sequence[Parked], key: OrderKey) -> list[Read]:
    """Read parked messages again; who sent them was verified when they first came."""
    reads = []
    for row in waiting:
        value = key.open(bytes(row.value_sealed), f"parked:{row.topic}:{row.seq}")
        raw_key = None if row.key is None else bytes(row.key)
        actor = (
            None
            if row.actor is None
            else Actor(row.actor["user_id"], frozenset(row.actor["roles"]), row.actor["door"], row.actor.get("on_behalf_of"))
        )
        reads.append(
            read_again(
                Incoming(row.topic, row.part, row.off, raw_key, value, None, row.appended_at), row.order_id, actor, row.seq, row.message_id
            )
        )
    return reads


def _ticket_again(ticket: TicketRow, key: OrderKey, review: Read) -> Read:
    """Read a ticket that was received before; who sent it was verified then."""
    value = key.open(bytes(ticket.request_sealed), f"ticket:{ticket.ticket_id}")
    incoming = replace(review.incoming, value=value, actor=None, appended_at=ticket.submitted_at)
    return read_again(incoming, ticket.order_id, Actor(ticket.user_id, frozenset(ticket.roles.split()), ticket.door), seq=0)


def _clock(order_id: UUID, ticket_id: UUID, at: datetime) -> Read:
    """Return what stands for the message where time itself ends a ticket."""
    name = f"expire:{ticket_id}"
    return Read(Incoming("clock", 0, 0, None, b"", None, at), order_id, name, "Deadline", b"")


def _open(work: OrderWork, lane: Lane, leaving: int, writes: Writes) -> None:
    """Let `leaving` messages out of a lane; an empty lane opens, another is due at once."""
    lane.depth -= leaving
    work.head.depth -= leaving
    lane.attempt = 0
    writes.heads[work.head.order_id] = work.head
    place = (work.head.order_id, lane.topic)
    if lane.depth <= 0:
        work.lanes.pop(lane.topic, None)
        writes.lanes.pop(place, None)
        writes.opened.append(place)
    else:
        lane.state, lane.next_attempt_at = "retrying", writes.at
        writes.lanes[place] = lane


def context_of(cursor: Cursor, batch: Sequence[Read], orders: Mapping[UUID, Order | None], at: datetime) -> Context:
    """Return what the batch's operations may know beside these orders; for previews: nothing is locked."""
    return catalogue_facts.load(BookCatalogue(cursor, locks=False), catalogue_facts.wanted_by(batch, orders), at)


def known_to(cursor: Cursor, order: Order, calls: tuple[Call, ...], ticket_id: UUID) -> Context:
    """Return what these operations may know now, as the commit would load it; takes no lock."""
    at = now(cursor)
    read = replace(_clock(order.order_id, ticket_id, at), calls=calls)
    wanted = catalogue_facts.wanted_by([read], {order.order_id: order})
    return replace(catalogue_facts.load(BookCatalogue(cursor, locks=False), wanted, at), ticket_id=str(ticket_id))


def _verbs(channel: str) -> frozenset[Verb] | None:
    declared = channels().get(channel)
    return declared.verbs if declared else None


def _previous(work: OrderWork) -> tuple[Order | None, str | None]:
    """Return the channel's previous statement, normalised by today's mapping, and its hash."""
    if work.previous_raw is None or work.order is None:
        return None, None
    packed, digest = work.previous_raw
    channel = channels().get(work.order.source.channel)
    if channel is None or not packed:
        return None, digest
    try:
        results = channel.normalize(documents_of(*unpacked(packed)))
    except OrdermendError:
        return None, digest
    mine = (
        r.order for r in results if isinstance(r, StatedOrder) and r.order.source.channel_order_id == work.order.source.channel_order_id
    )
    return next(mine, None), digest
