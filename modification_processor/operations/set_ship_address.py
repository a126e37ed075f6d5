"""Send the order to another address.

Arguments: the whole new address; what is not given is empty afterwards. Moves no money inside the tax area (country and
region). Into another one, which has a lock class of its own, the seller's tax follows where the catalogue has rates for all
that is taxed; else it stays, and the edit warns of it.
Refused without a line, a city and a known country, and for text that is too long or has control characters.
"""

from modification_processor.operations.addresses import WholeAddress, checked_address, former_address
from modification_processor.operations.operation import Context, Needs, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from normalizers.channel import Verb
from schemas.order import Address, Order
from schemas.ticket import Operation

PATH = "/ship_to"


class SetShipAddress(WholeAddress):
    """Where the goods shall go."""


def touches(order: Order, arguments: SetShipAddress) -> tuple[Touch, ...]:
    """The whole address; staying inside the tax area is locked less than leaving it."""
    area = order.ship_to.tax_area if order.ship_to else None
    stays = area == (arguments.country, arguments.region or None)
    return (Touch("ship_address" if stays else "ship_address_area", PATH),)


def reads(_order: Order, _arguments: SetShipAddress) -> frozenset[str]:
    """Nothing beside the address it replaces."""
    return frozenset()


def needs(arguments: SetShipAddress) -> Needs:
    """The rates of where it goes."""
    return Needs(tax_area=(arguments.country, arguments.region or None))


def apply(order: Order, arguments: SetShipAddress, _context: Context) -> Order:
    """Return the order with the address replaced."""
    address = checked_address(Address(**dict(arguments)), PATH)
    if address == order.ship_to:
        raise OperationRefused("no_change", "the order already goes to this address", field=PATH)
    return order.model_copy(update={"ship_to": address})


def inverse(order: Order, _arguments: SetShipAddress, _context: Context) -> tuple[Operation, ...]:
    """Set the former address back; none where there was none, or one that we would refuse."""
    former = former_address(order.ship_to, PATH)
    return (inverse_of(OPERATION.name, former),) if former else ()


OPERATION = OperationSpec(
    name="set_ship_address",
    version=1,
    arguments=SetShipAddress,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "channel_change"}),
    touches=touches,
    reads=reads,
    money="tax",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CHANGE_ADDRESS,
    needs=needs,
)
