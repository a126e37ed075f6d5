"""One edit of many orders: a frozen selection, one ticket an order, every id exactly one outcome.

    dry run (previews, nothing written) -> job with its selection -> tickets, a window at a time -> outcomes

A job's tickets are ordinary ones, sent through the outbox by the door `bulk` for whoever started it; the processor applies
the same checks, and refuses operations that are not safe in bulk. Ids follow from job and order, so a runner that is
killed and started again sends nothing that has a second effect. Only `WINDOW` tickets are under way at a time: single
edits never wait behind thousands. `all_or_nothing` is one transaction over at most 500 orders.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from threading import Event
from uuid import UUID

from modification_processor import past, undo
from modification_processor.edit import BULK_DOOR, calls_of, not_in_bulk
from modification_processor.field_locks import default_locks
from modification_processor.incoming import Incoming, Read
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.preview import preview
from modification_processor.rules_in_force import approval_rules, narrowing_rules
from normalizers import discover as channels
from schemas.assertion import HEADER, Actor, Signer
from schemas.codec import decode, encode
from schemas.failures import OrdermendError
from schemas.order import Order, id_of
from schemas.ticket import APPLIED_STATES, ModificationTicket, Operation
from store import bulk, orders, outbox, rulesets, tickets
from store.bulk import ItemRow, JobRow
from store.database import Connection, Cursor
from store.outbox import Outgoing
from store.rounds import keep_at_it
from store.sealing import KeyVault
from telemetry.health import Health

WINDOW = 200
"""Tickets of a job under way at once."""
PAGE = 500
STEP_SECONDS, IDLE_SECONDS = 0.1, 0.5
ALL_OR_NOTHING_MAX = 500
MODES = ("skip_failed", "stop_after", "all_or_nothing")
UNDECIDED = frozenset({"planned", "sent"})
FINE = frozenset({*APPLIED_STATES, "undone", "awaiting_approval", "compensating", "waiting"})
"""Outcomes that are no failure."""


class BulkRefused(OrdermendError):
    """The job cannot be done as asked."""

    code = "bulk_refused"
    error_class = "BUSINESS_REJECT"


@dataclass(frozen=True)
class Request:
    """What to do to many orders, and for whom."""

    operations: tuple[Operation, ...]
    reason_code: str
    user_id: str
    roles: frozenset[str]
    mode: str = "skip_failed"
    stop_after: int = 10
    comment: str | None = None


@dataclass
class DryRun:
    """What a job would do: orders by outcome (`applied`, or why not), money by currency, and what would want approval."""

    outcomes: Counter[str] = field(default_factory=Counter)
    money_delta_minor: Counter[str] = field(default_factory=Counter)
    approvals: Counter[str] = field(default_factory=Counter)


ContextOf = Callable[[Cursor, Sequence[Read], Mapping[UUID, Order | None], datetime], Context]


def checked(request: Request, count: int) -> None:
    """Raise `BulkRefused` for what no order of the selection could take."""
    if request.mode not in MODES:
        raise BulkRefused(f"mode {request.mode} is none of {', '.join(MODES)}", field="mode", rule="bulk_mode")
    if request.mode == "all_or_nothing" and count > ALL_OR_NOTHING_MAX:
        raise BulkRefused(f"{count} orders: all or nothing takes at most {ALL_OR_NOTHING_MAX}", field="mode", rule="bulk_all_or_nothing")
    if not count:
        raise BulkRefused("the selection has no order", field="selection", rule="bulk_selection")
    calls = calls_of(request.operations)
    refusal = calls if isinstance(calls, Refused) else not_in_bulk(calls, request.roles)
    if refusal is not None:
        raise BulkRefused(refusal.message, field=refusal.path or "operations", rule=refusal.rule_id or refusal.code)


def dry_run(
    connection: Connection,
    request: Request,
    order_ids: Sequence[UUID],
    context_of: ContextOf,
    progress: Callable[[int], None] | None = None,
) -> DryRun:
    """Say what the job would do to orders as they are now; writes nothing."""
    checked(request, len(order_ids))
    found = DryRun()
    calls = calls_of(request.operations)
    assert not isinstance(calls, Refused)
    approvals, narrowing = approval_rules(), narrowing_rules()
    for start in range(0, len(order_ids), PAGE):
        page = order_ids[start : start + PAGE]
        with connection.transaction(), connection.cursor() as cursor:
            stored = orders.load(cursor, page)
            seen_as = {order_id: row.order for order_id, row in stored.items()}
            context = context_of(cursor, [_stand_in(request, order_id) for order_id in stored], seen_as, datetime.now(UTC))
            _, versions = rulesets.moments(cursor, approvals.kind, narrowing.kind)
            rules, edit_rules = approvals.at(cursor, versions[0]), narrowing.at(cursor, versions[1])
        for order_id in page:
            if order_id not in stored:
                found.outcomes["unknown_order"] += 1
                continue
            order, version = stored[order_id].order, stored[order_id].version
            channel = channels().get(order.source.channel)
            here = replace(context, ticket_id=str(id_of(f"dry:{order_id}")))
            seen = preview(
                order, version, calls, request.reason_code, request.roles, channel.verbs if channel else None, here,
                channel_collects=order.source.channel in default_locks().marketplaces,
                rules=rules, edit_rules=edit_rules, edits=stored[order_id].edits,
            )  # fmt: skip
            if isinstance(seen, Refused):
                found.outcomes[seen.code] += 1
                continue
            found.outcomes["awaiting_approval" if seen.approvals else "applied"] += 1
            found.money_delta_minor[order.currency] += seen.money_delta_minor
            found.approvals.update(seen.approvals)
        if progress:
            progress(min(start + PAGE, len(order_ids)))
    return found


def submit(connection: Connection, request: Request, order_ids: Iterable[UUID], job_id: UUID) -> JobRow:
    """Store a job with its selection frozen to (order, version); an id the book does not have is skipped, by name."""
    wanted = list(dict.fromkeys(order_ids))
    checked(request, len(wanted))
    with connection.transaction(), connection.cursor() as cursor:
        known = bulk.versions(cursor, wanted)
        job = _job(job_id, request, json.dumps([operation.model_dump() for operation in request.operations]), None)
        bulk.add_job(cursor, job, [_item(job_id, order_id, known.get(order_id)) for order_id in wanted])
    return job


def submit_undo(connection: Connection, undoes: UUID, user_id: str, roles: frozenset[str], job_id: UUID) -> JobRow:
    """Store a job that takes back what another applied, order by order."""
    if "Order_Bulk" not in roles:
        raise BulkRefused("changing many orders at once takes the role Order_Bulk", field="roles", rule="roles.order_bulk")
    with connection.transaction(), connection.cursor() as cursor:
        first = bulk.find(cursor, undoes)
        if first is None:
            raise BulkRefused(f"there is no bulk job {undoes}", field="job", rule="bulk_job_exists")
        applied = [row for row in bulk.outcomes(cursor, undoes) if row.outcome in APPLIED_STATES]
        if not applied:
            raise BulkRefused(f"job {undoes} applied nothing that could be undone", field="job", rule="bulk_job_applied")
        request = Request((), "entry_error", user_id, roles)
        job = _job(job_id, request, "[]", undoes)
        bulk.add_job(cursor, job, [_item(job_id, row.order_id, row.new_version) for row in applied])
    return job


class BulkService:
    """Carries every running job on, until told to stop: for jobs that nobody sits in front of."""

    def __init__(self, connect: Callable[[], Connection], runner: "BulkRunner", health: Health | None = None) -> None:
        self._connect = connect
        self._runner = runner
        self._health = health

    def run(self, stop: Event) -> None:
        """Take a step of each job in turn; wait a little after each round; wait out an outage."""
        try:
            keep_at_it(self._connect, self._once, stop, "bulk", self._health)
        finally:
            self._runner.close()

    def _once(self, connection: Connection) -> float:
        with connection.transaction(), connection.cursor() as cursor:
            jobs = bulk.running(cursor)
        for job_id in jobs:
            self._runner.step(connection, job_id)
        return STEP_SECONDS if jobs else IDLE_SECONDS


class BulkRunner:
    """Carries jobs on. Several may run; each job is in one pair of hands at a time."""

    def __init__(
        self,
        vault: KeyVault,
        signer: Signer,
        topic: str,
        context_of: ContextOf,
        together: Callable[[Sequence[Read]], dict[UUID, str]],
        close: Callable[[], None],
    ) -> None:
        """`context_of`, `together` and `close` are the processor's; `topic` is where tickets go."""
        self.close = close
        self._vault = vault
        self._signer = signer
        self._topic = topic
        self._context_of = context_of
        self._together = together

    def step(self, connection: Connection, job_id: UUID) -> str:
        """Carry a job one step on; return its state, or `busy` where somebody else is at it."""
        with connection.transaction(), connection.cursor() as cursor:
            job = bulk.take(cursor, job_id)
            if job is None:
                return "busy"
            if job.state != "running":
                return job.state
            if job.mode == "all_or_nothing":
                return self._all_or_nothing(cursor, job)
            counts = bulk.counts(cursor, job_id)
            if job.mode == "stop_after" and failed(counts) >= job.stop_after:
                bulk.skip_rest(cursor, job_id, "stopped")
                counts["planned"] = 0
            room = WINDOW - counts.get("sent", 0)
            rows = bulk.planned(cursor, job_id, room) if room > 0 else []
            if rows:
                self._send(cursor, job, rows)
                return "running"
            if counts.get("sent", 0) or counts.get("planned", 0):
                return "running"
            state = "stopped" if job.mode == "stop_after" and failed(counts) >= job.stop_after else "done"
            bulk.set_state(cursor, job_id, state)
            return state

    def _send(self, cursor: Cursor, job: JobRow, rows: Sequence[ItemRow]) -> None:
        """Put the next tickets into the outbox; what cannot become one is skipped, with the reason."""
        moved: list[ItemRow] = []
        outgoing: list[Outgoing] = []
        for row in rows:
            ticket = self._ticket(cursor, job, row)
            if isinstance(ticket, str):
                moved.append(row._replace(state="skipped", code=ticket))
                continue
            outgoing.append(self._outgoing(job, ticket))
            moved.append(row._replace(state="sent"))
        if outgoing:
            outbox.add(cursor, outgoing)
        bulk.move(cursor, moved)

    def _ticket(self, cursor: Cursor, job: JobRow, row: ItemRow) -> ModificationTicket | str:
        if row.version is None:
            return "unknown_order"
        if job.undoes is None:
            return _ticket(job, row)
        first = tickets.find(cursor, row.order_id, _ticket_id(job.undoes, row.order_id))
        if first is None or first.state not in APPLIED_STATES:
            return "not_applied"
        here = past.load(cursor, self._vault, row.order_id)
        wrapped = cursor.execute("select wrapped from order_key where order_id = %s", (row.order_id,)).fetchone()
        if wrapped is None:
            return "erased"
        key = self._vault.unwrap(row.order_id, bytes(wrapped[0]))
        sent = decode(key.open(bytes(first.request_sealed), f"ticket:{first.ticket_id}"))
        assert isinstance(sent, ModificationTicket)
        calls = calls_of(sent.operations)
        assert not isinstance(calls, Refused)
        at = datetime.now(UTC)
        seen_as = {row.order_id: past.as_of(here, here.version)}
        context = Context(at, "") if len(calls) == 1 else self._context_of(cursor, [_read(job, sent)], seen_as, at)
        inverse = undo.operations(here, first, calls, context)
        if isinstance(inverse, Refused):
            return inverse.code
        back: ModificationTicket = _ticket(job, row).model_copy(
            update={"operations": inverse, "undoes": first.ticket_id, "base_version": here.version}
        )
        return back

    def _outgoing(self, job: JobRow, ticket: ModificationTicket) -> Outgoing:
        value, order_id = encode(ticket), str(ticket.order_id)
        token = self._signer.sign(
            value, message_id=f"ticket:{ticket.ticket_id}", order_id=order_id, sub=job.user_id, roles=job.roles.split()
        )
        return Outgoing(ticket.order_id, None, ticket.ticket_id, self._topic, order_id.encode(), value, {HEADER: token.decode()})

    def _all_or_nothing(self, cursor: Cursor, job: JobRow) -> str:
        rows = bulk.planned(cursor, job.job_id, ALL_OR_NOTHING_MAX)
        unknown = {row.order_id: "unknown_order" for row in rows if row.version is None}
        refused = unknown or self._together([_read(job, _ticket(job, row)) for row in rows])
        if refused:
            bulk.move(cursor, [row._replace(state="skipped", code=refused.get(row.order_id, "not_alone")) for row in rows])
        else:
            bulk.move(cursor, [row._replace(state="sent") for row in rows])
        state = "stopped" if refused else "done"
        bulk.set_state(cursor, job.job_id, state)
        return state


def steer(connection: Connection, job_id: UUID, act: str) -> str:
    """Pause, resume or cancel a job; return its state. What was sent goes on; what was not is kept, or skipped for good."""
    target = {"pause": "paused", "resume": "running", "cancel": "cancelled"}[act]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select state from bulk_job where job_id = %s for update", (job_id,))
        row = cursor.fetchone()
        if row is None:
            raise BulkRefused(f"there is no bulk job {job_id}", field="job", rule="bulk_job_exists")
        if row[0] not in ("running", "paused"):
            raise BulkRefused(f"job {job_id} is {row[0]} already", field="job", rule="bulk_job_open")
        if act == "cancel":
            bulk.skip_rest(cursor, job_id, "cancelled")
        bulk.set_state(cursor, job_id, target)
    return target


def failed(counts: dict[str, int]) -> int:
    """Return how many orders of a job have an outcome that is none it was meant to have."""
    return sum(count for outcome, count in counts.items() if outcome not in FINE | UNDECIDED)


def _job(job_id: UUID, request: Request, operations: str, undoes: UUID | None) -> JobRow:
    roles = " ".join(sorted(request.roles))
    return JobRow(
        job_id, "running", operations, request.reason_code, request.comment, request.mode, request.stop_after, request.user_id, roles,
        undoes, datetime.now(UTC), None,
    )  # fmt: skip


def _item(job_id: UUID, order_id: UUID, version: int | None) -> ItemRow:
    return ItemRow(job_id, order_id, version, _ticket_id(job_id, order_id), "planned", None)


def _ticket_id(job_id: UUID, order_id: UUID) -> UUID:
    return id_of(f"bulk:{job_id}:{order_id}")


def _ticket(job: JobRow, row: ItemRow) -> ModificationTicket:
    return ModificationTicket(
        ticket_id=row.ticket_id,
        order_id=row.order_id,
        base_version=row.version,
        operations=tuple(Operation(**operation) for operation in json.loads(job.operations)),
        reason_code=job.reason_code,
        comment=job.comment,
        opened_at=job.created_at,
    )


def _read(job: JobRow, ticket: ModificationTicket) -> Read:
    value = encode(ticket)
    incoming = Incoming(BULK_DOOR, 0, 0, str(ticket.order_id).encode(), value, None, datetime.now(UTC))
    actor = Actor(job.user_id, frozenset(job.roles.split()), BULK_DOOR)
    message_id = f"ticket:{ticket.ticket_id}"
    return Read(
        incoming,
        ticket.order_id,
        message_id,
        "ModificationTicket",
        sha256(value).digest(),
        ticket,
        actor,
        calls=calls_of(ticket.operations),
    )


def _stand_in(request: Request, order_id: UUID) -> Read:
    """Return a ticket like those the job would send, so that the catalogue entries it names can be loaded."""
    job = _job(UUID(int=0), request, json.dumps([operation.model_dump() for operation in request.operations]), None)
    return _read(job, _ticket(job, _item(job.job_id, order_id, 1)))
