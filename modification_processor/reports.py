"""What the settlement worker reports, taken over: a ledger row, a ticket that is settled, or money that did not move.

Pure. A report has happened: like a fact it is never refused. Money that could not be collected holds the order (what was
added is not paid); money that could not be given back is owed and a person's work. Either way the ticket ends.
"""

from collections.abc import Sequence
from dataclasses import replace

from modification_processor.facts import with_payment
from modification_processor.outcomes import Recorded, StepEnded, WorkItem
from modification_processor.payment_plan import COLLECTS, Pending, ledger_of
from schemas.facts import ActionReported, FactPayment
from schemas.order import Hold, Order, held

PAYMENT_HOLD = "payment"


def report(order: Order, body: ActionReported, pending: Sequence[Pending]) -> Recorded:
    """Return the order after a report."""
    step = next((step for step in pending if step.action_id == body.action_id), None)
    after = with_payment(order, body.payment, body.at) if body.payment is not None else order
    if step is None:
        return Recorded(after, () if body.outcome == "done" else (_item("action_failed", body, "what was asked for"),))
    rest = [other for other in pending if other is not step]
    if body.outcome == "done":
        transaction = body.payment.transaction if body.payment else ""
        aimed = tuple((other.action_id, transaction) for other in rest if other.after_id == step.action_id)
        return Recorded(after, (), (ended(step, "done", transaction or body.code, rest, "settled"),), aimed)
    moot = [other for other in rest if other.after_id == step.action_id]
    alive = [other for other in rest if other not in moot]
    over = (
        ended(step, "failed", body.code or body.outcome, (), "settlement_failed"),
        *(ended(other, "cancelled", "nothing to give back", alive, "settled") for other in moot),
    )
    item = _item("settlement_failed", body, f"{step.kind} of {step.amount_minor} {order.currency} (minor units) by {step.provider}")
    if step.kind in COLLECTS:
        hold = Hold(hold_id=f"S{body.action_id}", kind=PAYMENT_HOLD, reason=item.detail, placed_at=body.at)
        after = held(after, hold)
    return Recorded(after, (item,), over)


def requests_paid(recorded: Recorded, payment: FactPayment, pending: Sequence[Pending]) -> Recorded:
    """Return a recorded payment with the payment requests that it has met: the order is covered without them."""
    asked = [step for step in pending if step.kind == "request_payment"]
    names = {step.action_id for step in asked}
    others = [step for step in pending if step not in asked]
    order = recorded.order
    alone = [step for step in others if step.after_id not in names]
    if not asked or ledger_of(order.payments, alone).covered < order.totals.grand_total_minor:
        return recorded
    met = tuple(ended(step, "done", "paid", others, "settled") for step in asked)
    aimed = tuple((step.action_id, payment.transaction) for step in others if step.after_id in names)
    return replace(recorded, ended=met, aimed=aimed)


def ended(step: Pending, state: str, result: str | None, rest: Sequence[Pending], ticket_state: str) -> StepEnded:
    """A ticket is settled with its last step; it has failed with the first that failed."""
    open_steps = any(other.ticket_id == step.ticket_id for other in rest)
    return StepEnded(step.action_id, step.ticket_id, state, result, None if open_steps else ticket_state)


def _item(kind: str, body: ActionReported, what: str) -> WorkItem:
    why = " ".join(text for text in (body.outcome, body.code, body.detail) if text)
    return WorkItem(kind, f"{what}: {why}"[:500])
