"""Send the order to another address.

Arguments: the whole new address; what is not given is empty afterwards. Moves no money here: tax for another
tax area (country and region) is the tax engine's answer, so such a change has a lock class of its own.
Refused without a line, a city and a known country, and for text that is too long or has control characters.
"""

from modification_processor.operations.addresses import checked_address
from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from normalizers.channel import Verb
from schemas.model import Model
from schemas.order import Address, Order
from schemas.ticket import Operation

PATH = "/ship_to"


class SetShipAddress(Model):
    """The address as it shall be; `country` is ISO 3166-1 alpha-2."""

    name: str | None = None
    company: str | None = None
    lines: tuple[str, ...]
    city: str
    region: str | None = None
    postal_code: str | None = None
    country: str
    phone: str | None = None


def touches(order: Order, arguments: SetShipAddress) -> tuple[Touch, ...]:
    """The whole address; staying inside the tax area is locked less than leaving it."""
    area = order.ship_to.tax_area if order.ship_to else None
    stays = area == (arguments.country, arguments.region or None)
    return (Touch("ship_address" if stays else "ship_address_area", PATH),)


def reads(_order: Order, _arguments: SetShipAddress) -> frozenset[str]:
    """Nothing beside the address it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetShipAddress, _context: Context) -> Order:
    """Return the order with the address replaced."""
    address = checked_address(Address(**dict(arguments)), PATH)
    if address == order.ship_to:
        raise OperationRefused("no_change", "the order already goes to this address", field=PATH)
    return order.model_copy(update={"ship_to": address})


def inverse(order: Order, _arguments: SetShipAddress, _context: Context) -> tuple[Operation, ...]:
    """Set the former address back; none where there was none, or one that we would refuse."""
    old = order.ship_to
    if old is None or old.city is None or old.country is None:
        return ()
    try:
        checked_address(old, PATH)
    except OperationRefused:
        return ()
    former = SetShipAddress(**{name: getattr(old, name) for name in SetShipAddress.model_fields})
    return (inverse_of(OPERATION.name, former),)


OPERATION = OperationSpec(
    name="set_ship_address",
    version=1,
    arguments=SetShipAddress,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CHANGE_ADDRESS,
)
