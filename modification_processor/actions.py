"""What follows an edit, as rows: each request to a gateway, a channel, a notifier or an inventory, with its deadline; and how it ended.

Written in the edit's own transaction. Ids follow from ticket and step, so a decision that is made again makes the same
request, and whoever is asked can tell a repeat by it.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from modification_processor.followup import Followup
from modification_processor.incoming import Read
from modification_processor.outcomes import Instead, Recorded, WorkItem
from modification_processor.payment_plan import Pending, Plan, Step
from modification_processor.recalls import ANSWER_WITHIN, OpenRecall, Recall
from modification_processor.reports import ended
from modification_processor.rows import emit, open_items
from modification_processor.work import OrderWork, Writes
from normalizers.channel import Verb
from schemas import events
from schemas.order import id_of
from store.actions import ActionRow, Aimed, Ended, Lowered

PAYMENT, CHANNEL, NOTICE, WAREHOUSE, INVENTORY = "payment", "channel", "notice", "warehouse", "inventory"
ADJUST = "adjust_total"
"""Tell a channel that collects the money by how much the order's total changed."""
DEADLINES = {
    PAYMENT: timedelta(hours=24),
    CHANNEL: timedelta(hours=1),
    NOTICE: timedelta(hours=24),
    WAREHOUSE: ANSWER_WITHIN,
    INVENTORY: timedelta(hours=1),
    "request_payment": timedelta(hours=72),
}
"""How long an answer may take, by kind or else by port, before a person has to look."""


def plan_actions(work: OrderWork, read: Read, ticket_id: UUID, follows: Followup, writes: Writes, topic: str) -> None:
    """Queue what follows an applied edit, and cancel what earlier edits had planned and it makes needless."""
    plan = follows.plan
    if plan.cancels:
        _cancel(work, plan.cancels, read, writes, topic)
    rows: list[ActionRow] = []
    for step in plan.steps:
        row = _step_row(work, ticket_id, len(rows) + 1, step, writes)
        rows.append(row)
        work.pending += pending_of([row])
    if plan.channel_minor:
        rows.append(request_row(work, ticket_id, len(rows) + 1, CHANNEL, ADJUST, plan.channel_minor, writes))
    for verb in follows.verbs:
        rows.append(request_row(work, ticket_id, len(rows) + 1, CHANNEL, verb, 0, writes))
    if follows.notice is not None:
        rows.append(request_row(work, ticket_id, len(rows) + 1, NOTICE, follows.notice, 0, writes))
    writes.actions += rows
    if plan.open_minor < 0:
        open_items(work, read, (_open_item(work, plan),), writes, topic)


def ask_recalls(work: OrderWork, ticket_id: UUID, recalls: Sequence[Recall], writes: Writes) -> None:
    """Queue what the warehouse has to give back before a ticket is applied; what follows the edit has steps of its own."""
    for number, recall in enumerate(recalls, start=1):
        row = request_row(work, ticket_id, -number, WAREHOUSE, recall.kind, 0, writes, transaction=recall.line_id)
        writes.actions.append(row)
        work.recalls += recalls_of([row])


def end_steps(work: OrderWork, read: Read, moved: Recorded, writes: Writes, topic: str) -> None:
    """Take over how payment steps ended, which tender those that follow them go to, and what takes the place of which."""
    order_id = work.head.order_id
    transactions, amounts = dict(moved.aimed), dict(moved.lowered)
    gone = {step.action_id for step in moved.ended}
    work.pending = [
        _aimed(step, transactions.get(step.action_id))._replace(amount_minor=amounts.get(step.action_id, step.amount_minor))
        for step in work.pending
        if step.action_id not in gone
    ]
    writes.actions_aimed += [Aimed(order_id, action_id, transaction) for action_id, transaction in moved.aimed]
    writes.actions_lowered += [Lowered(order_id, action_id, amount) for action_id, amount in moved.lowered]
    _take_places(work, moved.instead, writes)
    for step in moved.ended:
        writes.actions_ended.append(Ended(order_id, step.action_id, step.state, step.result))
        if step.ticket_state is not None:
            writes.settled_tickets.append((order_id, step.ticket_id, step.ticket_state))
            emit(work, read, writes, topic, events.TicketSettled, ticket_id=step.ticket_id, state=step.ticket_state)


def _take_places(work: OrderWork, instead: Sequence[Instead], writes: Writes) -> None:
    for new in instead:
        row = _step_row(work, new.ticket_id, 0, new.step, writes)
        # A key of its own: under the old one the gateway would answer as it did.
        row = row._replace(action_id=id_of(f"{new.ended_id}:instead"))
        writes.actions.append(row)
        work.pending += pending_of([row])


def _step_row(work: OrderWork, ticket_id: UUID, number: int, step: Step, writes: Writes) -> ActionRow:
    return request_row(
        work, ticket_id, number, PAYMENT, step.kind, step.amount_minor, writes,
        provider=step.provider, transaction=step.transaction, method=step.method, after_id=step.after_id,
    )  # fmt: skip


def _aimed(step: Pending, transaction: str | None) -> Pending:
    """A step that knows its tender follows nobody any more, but what takes a request back goes on naming it."""
    if transaction is None:
        return step
    return step._replace(transaction=transaction, after_id=step.after_id if step.kind == "take_back" else None)


def recalls_of(rows: Sequence[ActionRow]) -> list[OpenRecall]:
    """Return the recalls among requests."""
    return [OpenRecall(row.action_id, row.ticket_id, row.kind, row.transaction) for row in rows if row.port == WAREHOUSE]


def pending_of(rows: Sequence[ActionRow]) -> list[Pending]:
    """Return what the payment plan has to know of requests: the payment steps among them."""
    return [_pending(row) for row in rows if row.port == PAYMENT]


def _pending(row: ActionRow) -> Pending:
    kind, state = row.kind, row.state
    step = Pending(
        row.action_id, row.ticket_id, kind, row.provider, "", row.method, row.amount_minor, state, row.after_id  # type: ignore[arg-type]  # what was written as a step is read as one
    )  # fmt: skip
    return _aimed(step, row.transaction or None)


def _cancel(work: OrderWork, cancels: Sequence[Pending], read: Read, writes: Writes, topic: str) -> None:
    gone = {step.action_id for step in cancels}
    rest = [step for step in work.pending if step.action_id not in gone]
    assert work.order is not None
    over = tuple(ended(step, "cancelled", "not needed any more", rest, "settled") for step in cancels)
    end_steps(work, read, Recorded(work.order, ended=over), writes, topic)


def request_row(
    work: OrderWork,
    ticket_id: UUID,
    step: int,
    port: str,
    kind: str | Verb,
    amount_minor: int,
    writes: Writes,
    *,
    provider: str = "",
    transaction: str = "",
    method: str | None = None,
    after_id: UUID | None = None,
) -> ActionRow:
    """Return a request that is due at once; its id follows from ticket and step."""
    assert work.order is not None
    order_id = work.head.order_id
    return ActionRow(
        order_id=order_id,
        action_id=id_of(f"{order_id}:{ticket_id}:{step}"),
        ticket_id=ticket_id,
        step=step,
        port=port,
        kind=str(kind),
        provider=provider,
        transaction=transaction,
        method=method,
        amount_minor=amount_minor,
        currency=work.order.currency,
        after_id=after_id,
        state="planned",
        attempts=0,
        next_attempt_at=writes.at,
        due_at=writes.at + DEADLINES.get(str(kind), DEADLINES[port]),
        created_at=writes.at,
    )


def _open_item(work: OrderWork, plan: Plan) -> WorkItem:
    assert work.order is not None
    return WorkItem("credit_owed", f"{-plan.open_minor} {work.order.currency} (minor units) are owed and no payment can take them back")
