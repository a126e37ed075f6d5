"""Holds that come and go with what the channel states: those of intake's rules, and of totals that do not add up.

Pure. Input: the merged order, the ids that rules held it by when the channel stated it last, the channel's previous statement and the new one.
Output:  the order with each hold that the new statement is the first to call for, and without each that it no longer calls for.
Keeps:   what people placed, and what they released: a statement that calls for a hold again, as the one before did, brings back none that
         somebody has taken off. The two kinds are the system's; nobody can place one by hand, so lifting one takes nothing from anybody.
"""

from collections.abc import Collection

from schemas.model import Instant
from schemas.order import Hold, Order, held

KINDS = frozenset({"intake", "totals_mismatch"})
_DONE = frozenset({"cancelled", "closed"})


def with_rule_holds(order: Order, held_by: Collection[str], before: Order, now: Order, at: Instant) -> Order:
    """Return the order held, and no longer held, as the new statement calls for."""
    called_for = {hold.hold_id: hold for hold in now.holds if hold.kind in KINDS}
    known = {hold.hold_id for hold in (*order.holds, *before.holds)} | set(held_by)
    for hold_id, hold in called_for.items():
        if hold_id not in known and order.lifecycle not in _DONE:
            order = held(order, hold.model_copy(update={"placed_at": at}))
    left = tuple(hold for hold in order.holds if hold.kind not in KINDS or hold.hold_id in called_for)
    return order if len(left) == len(order.holds) else _lifted(order, left)


def _lifted(order: Order, left: tuple[Hold, ...]) -> Order:
    lifecycle = "confirmed" if order.lifecycle == "held" and not left else order.lifecycle
    return order.model_copy(update={"holds": left, "lifecycle": lifecycle})
