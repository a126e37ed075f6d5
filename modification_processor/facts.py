"""Facts: what the warehouse and the payment side did, taken over as it happened.

A fact is never refused for contradicting the book. Quantities follow the warehouse; where they pass what is open,
or name a line the order does not have, the order gets the hold `fulfilment_conflict` and a work item.
"""

from datetime import datetime

from modification_processor.outcomes import Recorded, WorkItem
from schemas.facts import FactLine, FactPayment, FulfillmentFact
from schemas.order import Hold, Order, OrderLine, Payment, held

CONFLICT = "fulfilment_conflict"
_FIELD = {"allocated": "allocated", "released": "released", "packed": "packed", "shipped": "shipped", "cancelled": "cancelled"}


def record(order: Order, fact: FulfillmentFact) -> Recorded:
    """Return the order after the fact."""
    if fact.kind == "payment":
        return _payment(order, fact)
    problems: list[str] = []
    moved = fact.lines or tuple(FactLine(line_id=line.line_id, quantity=_rest(line, fact.kind)) for line in order.lines)
    lines = {line.line_id: line for line in order.lines}
    for part in moved:
        line = lines.get(part.line_id)
        if line is None:
            problems.append(f"{fact.kind} {part.quantity} of line {part.line_id}, which the order does not have")
            continue
        lines[part.line_id] = line.model_copy(update={_FIELD[fact.kind]: getattr(line, _FIELD[fact.kind]) + part.quantity})
        problems += _contradictions(lines[part.line_id], fact.kind)
    changes: dict[str, object] = {"lines": tuple(lines[line.line_id] for line in order.lines)}
    if fact.warehouse is not None:
        changes["warehouse"] = fact.warehouse
    after = order.model_copy(update=changes)
    return _with_problems(after.model_copy(update={"lifecycle": _lifecycle(after)}), fact, problems)


def _rest(line: OrderLine, kind: str) -> int:
    """Return how many units a fact without lines moves: all that are open and not yet there."""
    done = 0 if kind == "cancelled" else getattr(line, _FIELD[kind])
    taken = max(line.released, line.packed, line.shipped) if kind == "cancelled" else 0
    return max(line.open - done - taken, 0)


def _contradictions(line: OrderLine, kind: str) -> list[str]:
    value = getattr(line, _FIELD[kind])
    if kind == "cancelled":
        return [] if line.open >= line.shipped >= 0 else [f"cancelled {value} of line {line.line_id}, of which {line.shipped} are shipped"]
    return [] if 0 <= value <= line.open else [f"{kind} {value} of line {line.line_id}, which has {line.open} open"]


def _lifecycle(order: Order) -> str:
    """An order whose every open unit shipped is closed; one without open units that shipped nothing is cancelled."""
    if order.lifecycle in ("closed", "cancelled"):
        return order.lifecycle
    open_units = sum(line.open for line in order.lines)
    shipped = sum(line.shipped for line in order.lines)
    if order.lines and open_units <= 0:
        return "cancelled" if shipped == 0 else "closed"
    if shipped and all(line.shipped >= line.open for line in order.lines):
        return "closed"
    return order.lifecycle


def _payment(order: Order, fact: FulfillmentFact) -> Recorded:
    payment = fact.payment
    if payment is None:
        return _with_problems(order, fact, ["a payment fact without a payment"])
    if payment.currency != order.currency:
        return _with_problems(order, fact, [f"a payment in {payment.currency} for an order in {order.currency}"])
    return Recorded(with_payment(order, payment, fact.at))


def with_payment(order: Order, payment: FactPayment, at: datetime) -> Order:
    """Return the order with a movement in its ledger; one that is there already is not added twice."""
    name = f"{payment.provider}:{payment.transaction}:{payment.kind}"
    if any(row.payment_id == name for row in order.payments):
        return order
    row = Payment(
        payment_id=name,
        provider=payment.provider,
        transaction=payment.transaction,
        kind=payment.kind,
        amount_minor=payment.amount_minor,
        method=payment.method,
        at=at,
        parent=payment.parent,
    )
    return order.model_copy(update={"payments": (*order.payments, row)})


def _with_problems(order: Order, fact: FulfillmentFact, problems: list[str]) -> Recorded:
    if not problems:
        return Recorded(order)
    detail = "; ".join(problems)[:500]
    hold = Hold(hold_id=f"F{fact.fact_id}", kind=CONFLICT, reason=detail, placed_at=fact.at)
    return Recorded(held(order, hold), (WorkItem(CONFLICT, detail),))
