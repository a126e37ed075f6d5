"""Note another way to pay.

Arguments: the payment method as text, null (or blank) for none. Moves no money. No payment is made, moved or given back by it: the ledger is the payment provider's.
Refused for text that is too long or has control characters.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from modification_processor.operations.texts import optional, settable
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation

PATH = "/payment_method"


class SetPaymentMethod(Model):
    """How the customer shall pay; null where nothing is said of it."""

    method: str | None


def touches(_order: Order, _arguments: SetPaymentMethod) -> tuple[Touch, ...]:
    """One leaf."""
    return (Touch("payment_method", PATH),)


def reads(_order: Order, _arguments: SetPaymentMethod) -> frozenset[str]:
    """Nothing beside the method it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetPaymentMethod, _context: Context) -> Order:
    """Return the order with the method set."""
    method = optional(arguments.method, PATH)
    if method == order.payment_method:
        raise OperationRefused("no_change", "the order already has this payment method", field=PATH)
    return order.model_copy(update={"payment_method": method})


def inverse(order: Order, _arguments: SetPaymentMethod, _context: Context) -> tuple[Operation, ...]:
    """Set the former method back; none where it is a text that we would refuse."""
    old = order.payment_method
    return (inverse_of(OPERATION.name, SetPaymentMethod(method=old)),) if settable(old) else ()


OPERATION = OperationSpec(
    name="set_payment_method",
    version=1,
    arguments=SetPaymentMethod,
    reasons=frozenset({"customer_request", "entry_error", "fraud_review", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
