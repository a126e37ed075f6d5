"""What a person does with a dead letter, done by the writer of orders itself: the dry run and the discard.

The dry run is the processing: the same loading, the same decisions, the same rows, of the letter and of every follower
it lets go on, over one read-only snapshot that locks nothing. The rows are thrown away; PostgreSQL itself would refuse
to store them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from modification_processor.decide import is_restated
from modification_processor.deciding import decided
from modification_processor.earlier_tickets import end
from modification_processor.incoming import Incoming, Read, read_again
from modification_processor.lanes import let_out
from modification_processor.loading import load
from modification_processor.outcomes import Conflicted, Failed, Outcome, Refused
from modification_processor.rereading import waiting_reads
from modification_processor.retrying import drain
from modification_processor.session import Session
from modification_processor.settle import MAX_DEPTH, Settler, Topics
from modification_processor.transaction import Faultpoint, Means, Transaction, looking_only
from modification_processor.work import OrderWork, Writes
from schemas.assertion import Actor
from schemas.codec import encode
from schemas.events import Change
from schemas.leaves import changed_leaves
from schemas.order import Order
from schemas.repair import Rehearsed, Repaired, Step
from schemas.statement import OrderStated, Statement
from schemas.ticket import ModificationTicket
from store import heads, letters
from store.database import Connection, Cursor
from store.letters import Letter
from store.sealing import KeyVault
from telemetry import failpoints


class _Listening(Settler):
    """Notes, message by message, what is settled."""

    def __init__(self, writes: Writes, topics: Topics) -> None:
        super().__init__(writes, topics)
        self.steps: list[Step] = []

    def settle(self, work: OrderWork, read: Read, outcome: Outcome) -> str:
        """Settle, and note the order before and after."""
        before = work.order
        word = super().settle(work, read, outcome)
        self.steps.append(_step(before, work, read, outcome, word))
        return word


class Workbench:
    """The processor at the desk. One instance, one thread."""

    def __init__(self, connect: Callable[[], Connection], vault: KeyVault, topics: Topics, faultpoint: Faultpoint = failpoints.hit) -> None:
        self._session = Session(connect)
        self._means = Means(vault, topics, faultpoint)
        self._looking = Means(vault, topics, faultpoint, catalogue=looking_only, only_looks=True)

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def rehearse(
        self, letter: Letter, repaired: Repaired | None, statements: Sequence[tuple[str, Statement]] = (), *, followers: bool = True
    ) -> Rehearsed:
        """Return what sending the letter back would do now. `statements`: what its document becomes, for intake's letters.

        Without `followers` only the letter itself is handled: one that waits behind it and kills whoever handles it is left alone.
        """
        connection = self._session.connection
        connection.rollback()
        connection.execute("set transaction isolation level repeatable read, read only")
        try:
            with connection.cursor() as cursor:
                return self._rehearse(cursor, letter, repaired, statements, followers=followers)
        finally:
            connection.rollback()

    def _rehearse(
        self, cursor: Cursor, letter: Letter, repaired: Repaired | None, statements: Sequence[tuple[str, Statement]], *, followers: bool
    ) -> Rehearsed:
        tx = Transaction.begin(cursor, self._looking, _Listening)
        lane = self._waiting(cursor, letter, repaired, leaves_lane=bool(statements))
        if not followers:
            lane = [read for read in lane if read.seq == letter.seq]
        first = [_stated(statement, key, letter, tx.at) for key, statement in statements]
        batch = [*first, *lane]
        if not batch:
            return Rehearsed((), 0)
        works, seen = load(cursor, self._looking, batch)
        tx.look_up(batch, works.values())
        for read in first:
            work = works[read.order_id]
            outcome = decided(tx, work, read)
            tx.settler.settle(work, read, outcome)
            if is_restated(outcome) and isinstance(read.body, OrderStated) and read.order_id == letter.order_id:
                lane = []  # a whole statement says all that older ones in its lane could say
        left = 0
        if lane:
            work = works[letter.order_id]
            if statements and letter.seq is not None:
                let_out(work, work.lanes[letter.topic], 1, tx.writes)
            left = len(drain(tx, work, lane, letter.topic, seen))
        assert isinstance(tx.settler, _Listening)
        return Rehearsed(tuple(tx.settler.steps), len(lane) - left)

    def _waiting(self, cursor: Cursor, letter: Letter, repaired: Repaired | None, *, leaves_lane: bool) -> list[Read]:
        """Return the messages that would be tried: the letter's, where it stays in its place, and its followers."""
        if letter.seq is None:
            return []
        head = heads.peek(cursor, [letter.order_id])[letter.order_id]
        waiting = letters.waiting(cursor, letter.order_id, letter.topic, MAX_DEPTH + 1)
        reads = waiting_reads(waiting, self._means.vault.unwrap(letter.order_id, bytes(head.wrapped_key or b"")))
        if leaves_lane:
            return [read for read in reads if read.seq != letter.seq]
        if repaired is None:
            return reads
        return [_as_repaired(read, repaired) if read.seq == letter.seq else read for read in reads]

    def discard(self, cursor: Cursor, letter: Letter, actor: Actor) -> None:
        """End a letter without effect: its message leaves the lane, its ticket is cancelled, its followers go on.

        The caller commits, and has the order's head locked.
        """
        head = heads.lock(cursor, [letter.order_id])[letter.order_id]
        tx = Transaction.begin(cursor, self._means)
        lanes = {lane.topic: lane for lane in heads.lanes(cursor, [letter.order_id]).values()}
        work = OrderWork(head, None, "", lanes)
        parked = letters.parked_at(cursor, letter.order_id, letter.topic, letter.seq) if letter.seq is not None else None
        if parked is not None and letter.message_id.startswith("ticket:"):
            incoming = Incoming(letter.topic, letter.part, letter.off, None, b"", None, tx.at)
            read = Read(incoming, letter.order_id, f"discard:{letter.letter_id}", "Discard", b"", actor=actor)
            end(tx, work, read, UUID(letter.message_id.removeprefix("ticket:")), "cancelled")
        elif parked is not None:
            letters.set_status(cursor, [(letter.order_id, parked.topic, parked.seq)], "discarded")
            tx.writes.settled.append((letter.order_id, letter.message_id, "discarded"))
            let_out(work, work.lanes[letter.topic], 1, tx.writes)
        letters.set_letter(cursor, letter.order_id, letter.letter_id, "discarded")
        tx.writes.flush(cursor, {letter.order_id: work})


def _as_repaired(read: Read, repaired: Repaired) -> Read:
    assert read.seq is not None
    return read_again(replace(read.incoming, value=repaired.value), read.order_id, repaired.actor, read.seq)


def _stated(statement: Statement, key: str, letter: Letter, at: datetime) -> Read:
    value = encode(statement)
    incoming = Incoming(letter.topic, letter.part, letter.off, key.encode(), value, None, at)
    order_id = letter.order_id if key.startswith("raw:") else UUID(key)
    return replace(read_again(incoming, order_id, None, 0), seq=None)


def _step(before: Order | None, work: OrderWork, read: Read, outcome: Outcome, word: str) -> Step:
    after = work.order
    money = (after.totals.grand_total_minor if after else 0) - (before.totals.grand_total_minor if before else 0)
    code, detail = _why(outcome)
    message_id = f"ticket:{read.body.ticket_id}" if isinstance(read.body, ModificationTicket) else read.message_id
    return Step(
        message_id, read.message, read.order_id, word, code, detail, work.head.version, money,
        after.currency if after else None, _changes(before, after),
    )  # fmt: skip


def _why(outcome: Outcome) -> tuple[str | None, str | None]:
    if isinstance(outcome, Failed):
        return outcome.code, outcome.detail
    if isinstance(outcome, Refused):
        return outcome.code, outcome.message
    if isinstance(outcome, Conflicted):
        return "conflict", ", ".join(conflict.path for conflict in outcome.conflicts)
    return None, None


def _changes(before: Order | None, after: Order | None) -> tuple[Change, ...]:
    """Return the changed leaves; of a new order none: it is new as a whole."""
    if before is None or after is None:
        return ()
    return tuple(
        Change.of(path=leaf.path, old=None if leaf.personal else leaf.old, new=None if leaf.personal else leaf.new, sealed=leaf.personal)
        for leaf in changed_leaves(before, after)
    )
