"""Send the order another way.

Arguments: the shipping method as text, null (or blank) for none. Moves no money. What shipping costs stays as it was agreed; `add_fee` charges more.
Refused for text that is too long or has control characters.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from modification_processor.operations.texts import optional, settable
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation

PATH = "/ship_method"


class SetShipMethod(Model):
    """How the goods shall travel; null where nothing is said of it."""

    method: str | None


def touches(_order: Order, _arguments: SetShipMethod) -> tuple[Touch, ...]:
    """One leaf."""
    return (Touch("ship_method", PATH),)


def reads(_order: Order, _arguments: SetShipMethod) -> frozenset[str]:
    """Nothing beside the method it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetShipMethod, _context: Context) -> Order:
    """Return the order with the method set."""
    method = optional(arguments.method, PATH)
    if method == order.ship_method:
        raise OperationRefused("no_change", "the order already has this shipping method", field=PATH)
    return order.model_copy(update={"ship_method": method})


def inverse(order: Order, _arguments: SetShipMethod, _context: Context) -> tuple[Operation, ...]:
    """Set the former method back; none where it is a text that we would refuse."""
    old = order.ship_method
    return (inverse_of(OPERATION.name, SetShipMethod(method=old)),) if settable(old) else ()


OPERATION = OperationSpec(
    name="set_ship_method",
    version=1,
    arguments=SetShipMethod,
    reasons=frozenset({"customer_request", "entry_error", "out_of_stock", "reschedule", "goodwill", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
