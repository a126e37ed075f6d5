"""What follows an applied edit outside the book: money, the channel, the customer. Pure; chosen once, at the commit.

A preview shows the same; a refusal, a preview and a repeat cause none of it. At most one notice a ticket.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from modification_processor.edit import Call
from modification_processor.payment_plan import NOTHING, Pending, Plan, plan_payments
from normalizers.channel import Verb
from schemas.order import Order

CUSTOMER_SEES = ("lines", "adjustments", "ship_to", "delivery_window", "ship_method", "shipments")
"""What the customer is told about when it changes; notes, tags, holds and contact data are the house's own."""


@dataclass(frozen=True)
class Followup:
    """What is asked for after the commit."""

    plan: Plan = NOTHING
    notice: str | None = None
    verbs: tuple[Verb, ...] = ()


NO_FOLLOWUP = Followup()


def followup(
    before: Order,
    after: Order,
    calls: Sequence[Call],
    pending: Sequence[Pending],
    verbs: frozenset[Verb] | None,
    *,
    channel_collects: bool,
) -> Followup:
    """Return what follows an edit from `before` to `after`."""
    plan = plan_payments(before, after, pending, channel_collects=channel_collects)
    told = tuple(dict.fromkeys(call.spec.verb for call in calls if call.spec.verb is not None and call.spec.verb in (verbs or ())))
    return Followup(plan, notice_of(before, after, plan), told)


def notice_of(before: Order, after: Order, plan: Plan) -> str | None:
    """Return the one notice the customer gets, or None."""
    if not (after.contact.email or after.contact.phone):
        return None
    if after.lifecycle == "cancelled" != before.lifecycle:
        return "order_cancelled"
    if any(step.kind == "request_payment" for step in plan.steps):
        return "payment_requested"
    return "order_changed" if any(getattr(before, name) != getattr(after, name) for name in CUSTOMER_SEES) else None
