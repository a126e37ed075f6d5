"""Release a hold: its reason not to fulfil the order is gone.

Arguments: the hold. Its row leaves the order, and with the last one a held order becomes `confirmed`. Every kind may
be released, the system's too: that is how somebody who has dealt with it gets on. Moves no money.
Refused for a hold the order does not have.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.place_hold import PlaceHold, checked_hold
from modification_processor.operations.rows import inverse_of, row_path
from schemas.model import Model
from schemas.order import Hold, Order
from schemas.ticket import Operation


class ReleaseHold(Model):
    """The hold to release."""

    hold_id: str


def touches(order: Order, arguments: ReleaseHold) -> tuple[Touch, ...]:
    """The row, and the lifecycle of an order that nothing else holds."""
    hold = Touch("release_hold", row_path("holds", arguments.hold_id))
    return (hold, Touch("release_hold", "/lifecycle")) if order.lifecycle == "held" and not _others(order, arguments.hold_id) else (hold,)


def reads(_order: Order, _arguments: ReleaseHold) -> frozenset[str]:
    """Nothing: while another hold stands, whoever placed it, the order stays held."""
    return frozenset()


def apply(order: Order, arguments: ReleaseHold, _context: Context) -> Order:
    """Return the order without the hold."""
    hold = _hold_of(order, arguments.hold_id)
    others = _others(order, hold.hold_id)
    lifecycle = "confirmed" if order.lifecycle == "held" and not others else order.lifecycle
    return order.model_copy(update={"holds": others, "lifecycle": lifecycle})


def _others(order: Order, hold_id: str) -> tuple[Hold, ...]:
    return tuple(row for row in order.holds if row.hold_id != hold_id)


def _hold_of(order: Order, hold_id: str) -> Hold:
    hold = next((row for row in order.holds if row.hold_id == hold_id), None)
    if hold is None:
        raise OperationRefused("unknown_hold", f"the order has no hold {hold_id[:80]}", field=row_path("holds", hold_id), value=hold_id)
    return hold


def inverse(order: Order, arguments: ReleaseHold, _context: Context) -> tuple[Operation, ...]:
    """Place it again, under an id and a time of its own; none for a hold that cannot be placed by hand."""
    hold = _hold_of(order, arguments.hold_id)
    again = PlaceHold(kind=hold.kind, reason=hold.reason)
    try:
        checked_hold(again, row_path("holds", hold.hold_id))
    except OperationRefused:
        return ()
    return (inverse_of("place_hold", again),)


OPERATION = OperationSpec(
    name="release_hold",
    version=1,
    arguments=ReleaseHold,
    reasons=frozenset(
        {"customer_request", "address_correction", "entry_error", "out_of_stock", "fraud_review", "duplicate_order", "channel_change"}
    ),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
)
