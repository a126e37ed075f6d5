"""What the settlement worker reports, taken over: a ledger row, a ticket that is settled, or money that did not move.

Pure. A report has happened: like a fact it is never refused. Money that could not be collected holds the order (what was
added is not paid); money that could not be given back is owed and a person's work. Either way the ticket ends.

A payment request that is taken back may meet its payment: then the step that was to take it back becomes a refund of that
payment, and a payment that comes after the request was gone is a work item.
"""

from collections.abc import Sequence
from dataclasses import replace

from modification_processor.facts import with_payment
from modification_processor.outcomes import Instead, Recorded, StepEnded, WorkItem
from modification_processor.payment_plan import ALREADY_PAID, COLLECTS, TAKEN_BACK, Pending, Step, ledger_of
from schemas.facts import ActionReported, FactPayment
from schemas.order import Hold, Order, held

PAYMENT_HOLD = "payment"


def report(order: Order, body: ActionReported, pending: Sequence[Pending]) -> Recorded:
    """Return the order after a report."""
    step = next((step for step in pending if step.action_id == body.action_id), None)
    after = with_payment(order, body.payment, body.at) if body.payment is not None else order
    if step is None:
        moot = body.outcome == "done" or body.code == TAKEN_BACK
        return Recorded(after, () if moot else (_item("action_failed", body, "what was asked for"),))
    rest = [other for other in pending if other is not step]
    if step.kind == "take_back" and (body.outcome == "done" or body.code == ALREADY_PAID):
        return _taken_back(after, step, rest) if body.outcome == "done" else _paid_before(after, step, rest, body)
    if body.outcome == "done":
        transaction = body.payment.transaction if body.payment else ""
        aimed = tuple((other.action_id, transaction) for other in rest if other.after_id == step.action_id)
        return Recorded(after, (), (ended(step, "done", transaction or body.code, rest, "settled"),), aimed)
    return _failed(after, body, step, rest)


def _failed(after: Order, body: ActionReported, step: Pending, rest: Sequence[Pending]) -> Recorded:
    moot = [other for other in rest if other.after_id == step.action_id]
    alive = [other for other in rest if other not in moot]
    if body.code == TAKEN_BACK:
        # The gateway heard of the taking back before it heard of the request: nobody was asked for anything.
        steps = (step, *moot)
        return Recorded(after, (), tuple(ended(other, "cancelled", TAKEN_BACK, alive, "settled") for other in steps))
    over = (
        ended(step, "failed", body.code or body.outcome, (), "settlement_failed"),
        *(ended(other, "cancelled", "nothing to give back", alive, "settled") for other in moot),
    )
    item = _item("settlement_failed", body, f"{step.kind} of {step.amount_minor} {after.currency} (minor units) by {step.provider}")
    if step.kind in COLLECTS:
        hold = Hold(hold_id=f"S{body.action_id}", kind=PAYMENT_HOLD, reason=item.detail, placed_at=body.at)
        after = held(after, hold)
    return Recorded(after, (item,), over)


def _taken_back(order: Order, step: Pending, rest: Sequence[Pending]) -> Recorded:
    """The customer is asked for less, or for nothing: the request asks for what is left of it, or is over."""
    request = next((other for other in rest if other.action_id == step.after_id), None)
    left = request.amount_minor - step.amount_minor if request is not None else 0
    if request is None or left > 0:
        lowered = ((request.action_id, left),) if request is not None else ()
        return Recorded(order, (), (ended(step, "done", None, rest, "settled"),), lowered=lowered)
    alive = [other for other in rest if other is not request]
    over = (ended(step, "done", None, alive, "settled"), ended(request, "cancelled", TAKEN_BACK, alive, "settled"))
    return Recorded(order, (), over)


def _paid_before(order: Order, step: Pending, rest: Sequence[Pending], body: ActionReported) -> Recorded:
    """The customer paid first: what was to be taken back is refunded, at once where the payment is in the book already."""
    requested = any(other.action_id == step.after_id for other in rest)
    if not requested and not step.transaction:
        return _failed(order, body, step, rest)
    return Recorded(order, (), (_given_up(step),), instead=(_refund_instead(step, step.transaction, after=requested),))


def _given_up(step: Pending) -> StepEnded:
    """The step is over and its ticket is not: a refund takes its place."""
    return StepEnded(step.action_id, step.ticket_id, "cancelled", ALREADY_PAID)


def _refund_instead(step: Pending, transaction: str, *, after: bool) -> Instead:
    refund = Step("refund", step.provider, transaction, step.method, step.amount_minor, step.after_id if after else None)
    return Instead(step.action_id, step.ticket_id, refund)


def overpaid(recorded: Recorded, pending: Sequence[Pending]) -> Recorded:
    """Return a recorded payment with a work item for what it brought too much, once a request for it was taken back."""
    order = recorded.order
    gone = {step.action_id for step in recorded.ended}
    left = [step for step in pending if step.action_id not in gone or any(new.ended_id == step.action_id for new in recorded.instead)]
    over = ledger_of(order.payments, left).covered - order.totals.grand_total_minor
    if over <= 0:
        return recorded
    detail = f"{over} {order.currency} (minor units) were paid after the request for them was taken back: give them back"
    return replace(recorded, work_items=(*recorded.work_items, WorkItem("paid_in_vain", detail)))


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
    following = [step for step in others if step.after_id in names]
    # What was to take a request back and was not sent yet is a refund now; what was sent may have been in time.
    late = [step for step in following if step.kind == "take_back" and step.state == "planned"]
    instead = tuple(_refund_instead(step, payment.transaction, after=False) for step in late)
    aimed = tuple((step.action_id, payment.transaction) for step in following if step not in late)
    return replace(recorded, ended=(*met, *map(_given_up, late)), aimed=aimed, instead=instead)


def ended(step: Pending, state: str, result: str | None, rest: Sequence[Pending], ticket_state: str) -> StepEnded:
    """A ticket is settled with its last step; it has failed with the first that failed."""
    open_steps = any(other.ticket_id == step.ticket_id for other in rest)
    return StepEnded(step.action_id, step.ticket_id, state, result, None if open_steps else ticket_state)


def _item(kind: str, body: ActionReported, what: str) -> WorkItem:
    why = " ".join(text for text in (body.outcome, body.code, body.detail) if text)
    return WorkItem(kind, f"{what}: {why}"[:500])
