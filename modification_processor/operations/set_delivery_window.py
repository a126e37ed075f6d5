"""Change when the customer wants the goods.

Arguments: the two ends, aware instants; either may be open, both null take the wish back. Moves no money.
Refused where the end is not after the start, or not after the ticket's time.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from schemas.model import Instant, Model
from schemas.order import DeliveryWindow, Order
from schemas.ticket import Operation

PATH = "/delivery_window"


class SetDeliveryWindow(Model):
    """`earliest` and `latest`; null is an open end."""

    earliest: Instant | None = None
    latest: Instant | None = None


def touches(_order: Order, _arguments: SetDeliveryWindow) -> tuple[Touch, ...]:
    """Both ends: half a window from each of two people would be nobody's wish."""
    return (Touch("delivery_window", PATH),)


def reads(_order: Order, _arguments: SetDeliveryWindow) -> frozenset[str]:
    """Nothing beside the window it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetDeliveryWindow, context: Context) -> Order:
    """Return the order with the window set."""
    earliest, latest = arguments.earliest, arguments.latest
    if latest is not None and earliest is not None and latest <= earliest:
        message = f"the window's end {latest.isoformat()} is not after its start {earliest.isoformat()}"
        raise OperationRefused("window_reversed", message, field=f"{PATH}/latest", value=latest.isoformat())
    if latest is not None and latest <= context.at:
        message = f"the window's end {latest.isoformat()} is past at {context.at.isoformat()}"
        raise OperationRefused("window_past", message, field=f"{PATH}/latest", value=latest.isoformat())
    window = None if earliest is latest is None else DeliveryWindow(earliest=earliest, latest=latest)
    if window == order.delivery_window:
        raise OperationRefused("no_change", "the order already has this delivery window", field=PATH)
    return order.model_copy(update={"delivery_window": window})


def inverse(order: Order, _arguments: SetDeliveryWindow, _context: Context) -> tuple[Operation, ...]:
    """Set the former window back; refused then if its end is past."""
    old = order.delivery_window or DeliveryWindow()
    return (inverse_of(OPERATION.name, SetDeliveryWindow(earliest=old.earliest, latest=old.latest)),)


OPERATION = OperationSpec(
    name="set_delivery_window",
    version=1,
    arguments=SetDeliveryWindow,
    reasons=frozenset({"customer_request", "entry_error", "out_of_stock", "reschedule", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
)
