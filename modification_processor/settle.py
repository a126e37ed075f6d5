"""What an outcome does: one function per outcome, matched exhaustively.

`settle` is where a decision becomes rows, for the live path, the retry worker and the console alike. It keeps the
lanes: a failure closes its lane, and later messages of the same order from the same topic park behind it.
"""

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID

from modification_processor.actions import ask_recalls, end_steps, plan_actions
from modification_processor.breakers import CODE as BREAKER
from modification_processor.burying import bury
from modification_processor.followup import NO_FOLLOWUP
from modification_processor.incoming import Read
from modification_processor.outcomes import (
    Applied,
    Asked,
    AwaitsApproval,
    AwaitsRecalls,
    Conflicted,
    Failed,
    Granted,
    Noted,
    NotGranted,
    Outcome,
    Recalled,
    Recorded,
    Refused,
    Restated,
    Reviewed,
    Stored,
    Withdrawn,
)
from modification_processor.reserving import reserve
from modification_processor.retry_schedule import next_attempt
from modification_processor.rows import (
    audit,
    change,
    emit,
    first_version,
    keep_statement,
    open_items,
    plan_fetch,
    stale_preview,
    taken_over,
    ticket_row,
)
from modification_processor.work import OrderWork, Writes
from schemas import events
from schemas.facts import ActionReported, ReleaseRequested
from schemas.statement import ChangeStated, OrderStated, fetch_of
from schemas.ticket import ModificationTicket
from store.actions import Ended
from store.heads import Lane
from store.inbox import Received, Repeat
from store.letters import Attempt, Parked
from store.tickets import TicketRow

MAX_DEPTH = 200


@dataclass(frozen=True)
class Topics:
    """The topics' names as they are here (tests prefix them)."""

    canonical: str
    modifications: str
    fulfillment: str
    events: str
    prefix: str = ""


class Settler:
    """Turns outcomes into rows of one transaction."""

    def __init__(self, writes: Writes, topics: Topics) -> None:
        self.writes = writes
        self.topics = topics

    def repeat(self, read: Read) -> None:
        """A message received before: one row, no effect."""
        at = read.incoming
        self.writes.repeats.append(Repeat(read.order_id, at.topic, at.part, at.off, read.message_id, read.message, self.writes.at))

    def park_behind(self, work: OrderWork, lane: Lane, read: Read) -> None:
        """Wait in order behind the head of a closed lane."""
        work.head.parked_seq += 1
        lane.next_seq = work.head.parked_seq
        lane.depth += 1
        work.head.depth += 1
        self._park(work, lane, read, "waiting")
        self._receive(read, "waiting")

    def settle(self, work: OrderWork, read: Read, outcome: Outcome) -> str:
        """Write what `outcome` means; return its word."""
        before = work.order
        word = self._settle(work, read, outcome)
        if work.order is not before:
            reserve(work, read, before, self.writes, self.topics.events)
        brought_by = (
            fetch_of(read.message_id) if isinstance(outcome, Stored | Restated | Noted) and isinstance(read.body, OrderStated) else None
        )
        if brought_by is not None:
            self.writes.fetched.append((read.order_id, brought_by[0]))
        if read.seq is None:
            self._receive(read, word)
        elif not isinstance(outcome, Failed) or not outcome.blocks:
            self.left_lane(read, word)
        return word

    def left_lane(self, read: Read, word: str) -> None:
        """Say what became of a message that had waited; one that was received under the id of its place goes by its own from now on."""
        name = read.received_as or read.message_id
        self.writes.settled.append((read.order_id, name, word))
        if name != read.message_id:
            self.writes.renamed.append((read.order_id, name, read.message_id))

    def _settle(self, work: OrderWork, read: Read, outcome: Outcome) -> str:  # noqa: C901, PLR0912 -- one case per outcome is the point
        topic = self.topics.events
        match outcome:
            case Stored():
                return self._stored(work, read, outcome)
            case Restated():
                changes = self._restated(work, read, outcome)
                keep_statement(work, read, "restated", self.writes, outcome.says)
                work.dirty = True
                taken_over(work, read)
                if changes:
                    total = outcome.order.totals.grand_total_minor
                    emit(
                        work, read, self.writes, topic, events.OrderRestated,
                        channel=outcome.order.source.channel, changes=changes, grand_total_minor=total,
                    )  # fmt: skip
                open_items(work, read, outcome.work_items, self.writes, topic)
                return "restated"
            case Noted():
                keep_statement(work, read, outcome.outcome, self.writes)
                open_items(work, read, outcome.work_items, self.writes, topic)
                if outcome.fetch:
                    plan_fetch(work, read, outcome.work_items[0], outcome.fetch, self.writes)
                return outcome.outcome
            case Recorded():
                return self._recorded(work, read, outcome)
            case Granted() | NotGranted():
                return self._answered(work, read, outcome)
            case Applied():
                return self._applied(work, read, outcome)
            case Asked():
                return self._asked(work, read, outcome)
            case Refused():
                return self._refused(work, read, outcome)
            case Conflicted():
                self._ticket(work, read, outcome)
                emit(
                    work, read, self.writes, topic, events.ModificationConflicted,
                    ticket_id=_ticket_id(read), user_id=_user(read), conflicts=outcome.conflicts,
                )  # fmt: skip
                return "conflicted"
            case AwaitsApproval():
                row = ticket_row(work, read, outcome, self.writes)
                self._add_ticket(read, row)
                emit(
                    work, read, self.writes, topic, events.ModificationAwaitsApproval,
                    ticket_id=_ticket_id(read), user_id=_user(read), rule_ids=outcome.rule_ids,
                    preview_hash=outcome.effects_hash, due_at=row.due_at,
                )  # fmt: skip
                return "awaiting_approval"
            case AwaitsRecalls():
                return self._compensating(work, read, outcome)
            case Recalled():
                return self._recalled(work, read, outcome)
            case Reviewed():
                audit(work, read, f"ticket_{outcome.decision}d", outcome.ticket_id, self.writes)
                return "reviewed"
            case Withdrawn():
                return "withdrawn"
            case Failed():
                return self._failed(work, read, outcome)
            case _:
                assert_never(outcome)

    def _stored(self, work: OrderWork, read: Read, outcome: Stored) -> str:
        order = outcome.order
        first_version(work, order, read, self.writes)
        keep_statement(work, read, "accepted", self.writes)
        emit(
            work, read, self.writes, self.topics.events, events.OrderAccepted,
            channel=order.source.channel, account=order.source.account, order_number=order.order_number, currency=order.currency,
            grand_total_minor=order.totals.grand_total_minor, lifecycle=order.lifecycle,
            lines=tuple(events.AcceptedLine(line_id=line.line_id, sku=line.sku, quantity=line.ordered) for line in order.lines),
            holds=tuple(hold.kind for hold in order.holds),
        )  # fmt: skip
        # What came before its order is due the moment the order is there.
        for lane in work.lanes.values():
            if lane.state == "ordering":
                lane.state, lane.next_attempt_at, lane.attempt = "retrying", self.writes.at, 0
                self.writes.lanes[work.head.order_id, lane.topic] = lane
        return "accepted"

    def _restated(self, work: OrderWork, read: Read, outcome: Restated) -> tuple[events.Change, ...]:
        """Take over the merge, and keep the ticket that tells it as an edit. Nothing follows it: the channel did it, and knows."""
        said = outcome.said
        if said is None:
            return change(work, outcome.order, read, self.writes)
        row = ticket_row(work, said.read, Applied(outcome.order, said.paths, NO_FOLLOWUP), self.writes)
        changes = change(work, outcome.order, read, self.writes, said=said)
        self._add_ticket(said.read, row._replace(new_version=work.head.version))
        return changes

    def _recorded(self, work: OrderWork, read: Read, outcome: Recorded) -> str:
        changes = change(work, outcome.order, read, self.writes)
        body = read.body
        if isinstance(body, ChangeStated):
            keep_statement(work, read, "accepted", self.writes)
            word = "accepted"
        elif isinstance(body, ActionReported):
            # Money that moved is said by the ticket's own event; the ledger's rows travel as changes.
            word = "recorded"
            if changes:
                emit(
                    work, read, self.writes, self.topics.events, events.FactRecorded,
                    fact_id=body.report_id, kind="payment", changes=changes,
                )  # fmt: skip
        else:
            assert body is not None
            word = "recorded"
            emit(
                work, read, self.writes, self.topics.events, events.FactRecorded,
                fact_id=getattr(body, "fact_id", read.message_id), kind=getattr(body, "kind", ""), changes=changes,
            )  # fmt: skip
        end_steps(work, read, outcome, self.writes, self.topics.events)
        open_items(work, read, outcome.work_items, self.writes, self.topics.events)
        return word

    def _answered(self, work: OrderWork, read: Read, outcome: Granted | NotGranted) -> str:
        assert isinstance(read.body, ReleaseRequested)
        request_id = read.body.request_id
        if isinstance(outcome, NotGranted):
            emit(
                work, read, self.writes, self.topics.events, events.ReleaseRefused,
                request_id=request_id, code=outcome.code, message=outcome.message,
            )  # fmt: skip
            return "not_granted"
        change(work, outcome.order, read, self.writes)
        lines = tuple(events.GrantedLine(line_id=line_id, quantity=quantity) for line_id, quantity in outcome.lines)
        emit(work, read, self.writes, self.topics.events, events.ReleaseGranted, request_id=request_id, lines=lines)
        return "granted"

    def _applied(self, work: OrderWork, read: Read, outcome: Applied) -> str:
        assert work.order is not None
        body = read.body
        assert isinstance(body, ModificationTicket)
        before, follows = work.order.totals.grand_total_minor, outcome.followup
        row = ticket_row(work, read, outcome, self.writes)
        changes = change(work, outcome.order, read, self.writes, outcome.requested)
        self._add_ticket(read, row._replace(new_version=work.head.version))
        work.edits += 1
        if outcome.warnings:
            audit(work, read, "applied_with_warnings", "; ".join(f"{w.code}: {w.message}" for w in outcome.warnings), self.writes)
        if body.undoes is not None:
            self.writes.undone.append((work.head.order_id, body.undoes))
        total = outcome.order.totals.grand_total_minor
        emit(
            work, read, self.writes, self.topics.events, events.OrderModified,
            ticket_id=body.ticket_id, user_id=_user(read), reason_code=body.reason_code, changes=changes,
            money_delta_minor=total - before, grand_total_minor=total, approved_by=outcome.approved_by, undoes=body.undoes,
            payments=tuple(
                events.PlannedPayment(kind=step.kind, provider=step.provider, amount_minor=step.amount_minor) for step in follows.plan.steps
            ),
            notice=follows.notice,
        )  # fmt: skip
        plan_actions(work, read, body.ticket_id, follows, self.writes, self.topics.events)
        return "applied"

    def _compensating(self, work: OrderWork, read: Read, outcome: AwaitsRecalls) -> str:
        row = ticket_row(work, read, outcome, self.writes)
        self._add_ticket(read, row)
        ask_recalls(work, _ticket_id(read), outcome.recalls, self.writes)
        emit(
            work, read, self.writes, self.topics.events, events.ModificationCompensating,
            ticket_id=_ticket_id(read), user_id=_user(read), preview_hash=outcome.effects_hash, due_at=row.due_at,
            recalls=tuple(events.RecallAsked(kind=recall.kind, line_id=recall.line_id) for recall in outcome.recalls),
        )  # fmt: skip
        return "compensating"

    def _recalled(self, work: OrderWork, read: Read, outcome: Recalled) -> str:
        recall = outcome.recall
        state = "done" if outcome.refusal is None else "failed"
        self.writes.actions_ended.append(Ended(work.head.order_id, recall.action_id, state, outcome.refusal))
        work.recalls = [other for other in work.recalls if other.action_id != recall.action_id]
        # Derived: nobody asked for the warehouse's counters, so an older edit of the line merges with it.
        changes = change(work, outcome.order, read, self.writes, ())
        if changes:
            emit(
                work, read, self.writes, self.topics.events, events.FactRecorded,
                fact_id=str(recall.action_id), kind="recalled", changes=changes,
            )  # fmt: skip
        return "recorded"

    def _asked(self, work: OrderWork, read: Read, outcome: Asked) -> str:
        """The statement is kept, its ticket is settled like any other, and what takes a person is said."""
        keep_statement(work, read, "accepted", self.writes)
        self._settle(work, outcome.read, outcome.outcome)
        if outcome.order is not None:
            change(work, outcome.order, read, self.writes)
        open_items(work, read, outcome.work_items, self.writes, self.topics.events)
        return "accepted"

    def _refused(self, work: OrderWork, read: Read, outcome: Refused) -> str:
        audit(work, read, "modification_refused", f"{outcome.code} {outcome.rule_id or ''} {outcome.path or ''}".strip(), self.writes)
        if not isinstance(read.body, ModificationTicket):
            return "refused"
        self._ticket(work, read, outcome)
        emit(
            work, read, self.writes, self.topics.events, events.ModificationRefused,
            ticket_id=read.body.ticket_id, user_id=_user(read), reason_code=read.body.reason_code[:80], code=outcome.code,
            rule_id=outcome.rule_id, path=outcome.path, message=outcome.told, preview=stale_preview(outcome),
        )  # fmt: skip
        return "refused"

    def _failed(self, work: OrderWork, read: Read, failure: Failed) -> str:
        if not failure.blocks:
            self._bury(work, read, failure, None, 1)
            if failure.error_class == "AUTHZ":
                audit(work, read, "message_refused", f"{failure.code} {failure.rule or ''}", self.writes)
            return failure.outcome
        if failure.code.startswith(BREAKER):
            return self._paused(work, read, failure)
        lane = work.lanes.get(read.incoming.topic)
        if read.seq is None:
            lane = self._close(work, read, failure)
            read_seq = lane.next_seq
        else:
            assert lane is not None
            read_seq = read.seq
            lane.attempt += 1
        again = next_attempt(lane, failure, self.writes.at)
        self.writes.attempts.append(
            Attempt(
                read.order_id, lane.topic, read_seq, lane.attempt, self.writes.at,
                failure.error_class, failure.code, failure.detail[:500],
            )
        )  # fmt: skip
        self.writes.lanes[work.head.order_id, lane.topic] = lane
        if again:
            self._waiting_ticket(work, read, "waiting")
            return "waiting"
        lane.state, lane.next_attempt_at = "blocked", None
        self._waiting_ticket(work, read, "dead")
        self._bury(work, read, failure, read_seq, lane.attempt + 1)
        return failure.outcome

    def _paused(self, work: OrderWork, read: Read, failure: Failed) -> str:
        """Wait untried, whatever it takes: the failure is none of this message's."""
        lane = work.lanes[read.incoming.topic] if read.seq is not None else self._close(work, read, failure)
        lane.state, lane.next_attempt_at, lane.error_class, lane.code = "paused", None, failure.error_class, failure.code
        self.writes.lanes[work.head.order_id, lane.topic] = lane
        self._waiting_ticket(work, read, "waiting")
        return "waiting"

    def _close(self, work: OrderWork, read: Read, failure: Failed) -> Lane:
        """Close the lane with this message as its head (or as one more, where a statement fails behind a head)."""
        lane = work.lanes.get(read.incoming.topic)
        if lane is None:
            lane = Lane(
                work.head.order_id, read.incoming.topic, "blocked", 0, 0, 0, None, failure.error_class, failure.code, self.writes.at
            )
            work.lanes[read.incoming.topic] = lane
        work.head.parked_seq += 1
        lane.next_seq = work.head.parked_seq
        lane.depth += 1
        work.head.depth += 1
        self._park(work, lane, read, "waiting")
        return lane

    def _park(self, work: OrderWork, lane: Lane, read: Read, status: str) -> None:
        at, actor = read.incoming, read.actor
        self.writes.heads[work.head.order_id] = work.head
        self.writes.lanes[work.head.order_id, lane.topic] = lane
        self.writes.parked.append(
            Parked(
                read.order_id, lane.topic, lane.next_seq, read.message_id, read.message, at.key,
                self.writes.key_of(work).seal(at.value, f"parked:{lane.topic}:{lane.next_seq}"),
                None if actor is None else {"user_id": actor.user_id, "roles": sorted(actor.roles), "door": actor.door},
                at.part, at.off, at.appended_at, status, self.writes.at,
            )
        )  # fmt: skip
        if status == "waiting" and read.seq is None and isinstance(read.body, ModificationTicket):
            self.writes.tickets.append(ticket_row(work, read, "waiting", self.writes))

    def _waiting_ticket(self, work: OrderWork, read: Read, state: str) -> None:
        """Say on the ticket that it waits, or is dead; its row was added when it was parked."""
        if isinstance(read.body, ModificationTicket) and (read.seq is not None or state != "waiting"):
            self.writes.decided.append(ticket_row(work, read, state, self.writes))

    def _bury(self, work: OrderWork, read: Read, failure: Failed, seq: int | None, attempts: int) -> None:
        bury(work, read, failure, seq, attempts, self.writes, self.topics.prefix)

    def _receive(self, read: Read, word: str) -> None:
        at = read.incoming
        self.writes.received.append(
            Received(read.order_id, read.message_id, read.sha256, at.topic, at.part, at.off, read.message, word, self.writes.at)
        )

    def _ticket(self, work: OrderWork, read: Read, outcome: Refused | Conflicted) -> None:
        self._add_ticket(read, ticket_row(work, read, outcome, self.writes))

    def _add_ticket(self, read: Read, row: TicketRow) -> None:
        (self.writes.tickets if read.seq is None else self.writes.decided).append(row)


def _ticket_id(read: Read) -> UUID:
    assert isinstance(read.body, ModificationTicket)
    return read.body.ticket_id


def _user(read: Read) -> str:
    return read.actor.user_id if read.actor else "unknown"
