"""Goods that travel need a place to travel to: without one the order waits in quarantine until the channel states it.

Goods travel where the channel charges for shipping, or where every order of the channel does. A channel that withholds addresses (a
marketplace before the goods are released, a partner who names a place by code) is not asked; neither is a pickup, which costs nothing.
"""

from intake.rules.rule import Rule, declared, to_fulfil
from normalizers.channel import AddressStated, StatedOrder
from schemas.order import Address
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about an order to be shipped whose address names neither street nor town nor postcode."""
    order = stated.order
    if _names_a_place(order.ship_to):
        return None
    asked = declared(stated).address
    if asked is AddressStated.LATER or not to_fulfil(stated):
        return None
    travels = asked is AddressStated.ALWAYS or any(row.kind == "shipping" and row.amount_minor > 0 for row in order.adjustments)
    if not travels:
        return None
    return Finding(path="/ship_to", rule="address_deliverable", message="the goods travel, and no street, town or postcode says where to")


def _names_a_place(address: Address | None) -> bool:
    return address is not None and bool(address.lines or address.city or address.postal_code)


RULE = Rule(name="address_deliverable", mode="enforce", verdict="quarantine", owner="order-operations", check=check)
