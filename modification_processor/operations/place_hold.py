"""Hold the order: a reason not to fulfil it yet.

Arguments: the kind (a short word: "fraud", "address", "manual") and the reason in words. The order's lifecycle
becomes `held` if it was received or confirmed. Moves no money.
Refused for kinds that only the system places, and for a reason that is blank or too long.
"""

import re

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import NEW, inverse_of, minted_id
from modification_processor.operations.texts import required
from schemas.model import Model
from schemas.order import Hold, Order, held
from schemas.ticket import Operation

SYSTEM_KINDS = frozenset({"channel", "draft", "fulfilment_conflict", "intake", "totals_mismatch"})
"""Placed by intake and by what the channel and the warehouse say, never by hand."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OPEN = ("received", "confirmed")


class PlaceHold(Model):
    """`kind` is a word for filters, `reason` a sentence for people."""

    kind: str
    reason: str


def touches(order: Order, _arguments: PlaceHold) -> tuple[Touch, ...]:
    """A row of its own, and the lifecycle of an order that goes on."""
    hold = Touch("hold", f"/holds/{NEW}")
    return (hold, Touch("hold", "/lifecycle")) if order.lifecycle in _OPEN else (hold,)


def reads(_order: Order, _arguments: PlaceHold) -> frozenset[str]:
    """Nothing: a hold stands whatever else changes."""
    return frozenset()


def apply(order: Order, arguments: PlaceHold, context: Context) -> Order:
    """Return the order with the hold."""
    hold_id = minted_id(context)
    path = f"/holds/{hold_id}"
    kind, reason = checked_hold(arguments, path)
    if any(row.hold_id == hold_id for row in order.holds):
        raise OperationRefused("hold_exists", f"the order already has a hold {hold_id}", field=path)
    hold = Hold(hold_id=hold_id, kind=kind, reason=reason, placed_at=context.at)
    return held(order, hold)


def checked_hold(arguments: PlaceHold, path: str) -> tuple[str, str]:
    """Return kind and reason, or refuse what cannot be placed by hand."""
    if not _KIND.fullmatch(arguments.kind) or arguments.kind in SYSTEM_KINDS:
        message = f"{arguments.kind[:40]!r} is no kind of hold that can be placed by hand"
        raise OperationRefused("bad_hold_kind", message, field=f"{path}/kind", value=arguments.kind)
    return arguments.kind, required(arguments.reason, f"{path}/reason")


def inverse(_order: Order, _arguments: PlaceHold, context: Context) -> tuple[Operation, ...]:
    """Release the hold; an order that nothing else holds is confirmed then."""
    return (inverse_of("release_hold", {"hold_id": minted_id(context)}),)


OPERATION = OperationSpec(
    name="place_hold",
    version=1,
    arguments=PlaceHold,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "out_of_stock", "fraud_review", "duplicate_order"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
)
