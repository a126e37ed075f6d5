"""Bill the order to another address.

Arguments: the whole new address; what is not given is empty afterwards. Moves no money: tax follows where the goods
go, not who pays.
Refused without a line, a city and a known country, and for text that is too long or has control characters.
"""

from modification_processor.operations.addresses import WholeAddress, checked_address, former_address
from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from schemas.order import Address, Order
from schemas.ticket import Operation

PATH = "/bill_to"


class SetBillAddress(WholeAddress):
    """Whom the invoice shall name."""


def touches(_order: Order, _arguments: SetBillAddress) -> tuple[Touch, ...]:
    """The whole address."""
    return (Touch("bill_address", PATH),)


def reads(_order: Order, _arguments: SetBillAddress) -> frozenset[str]:
    """Nothing beside the address it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetBillAddress, _context: Context) -> Order:
    """Return the order with the address replaced."""
    address = checked_address(Address(**dict(arguments)), PATH)
    if address == order.bill_to:
        raise OperationRefused("no_change", "the order is already billed to this address", field=PATH)
    return order.model_copy(update={"bill_to": address})


def inverse(order: Order, _arguments: SetBillAddress, _context: Context) -> tuple[Operation, ...]:
    """Set the former address back; none where there was none, or one that we would refuse."""
    former = former_address(order.bill_to, PATH)
    return (inverse_of(OPERATION.name, former),) if former else ()


OPERATION = OperationSpec(
    name="set_bill_address",
    version=1,
    arguments=SetBillAddress,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
