"""An address in no country of ISO 3166-1 goes to no carrier as it stands: a person puts it right; an address without any is the channel's own land."""

from intake.rules.countries import known
from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about a country that is stated and that nobody knows."""
    place = stated.order.ship_to
    if place is None or not to_fulfil(stated):
        return None
    if place.country in known() or (place.country is None and place.stated_country is None):
        return None
    return Finding(path="/ship_to/country", rule="country_known", message="the address is in no country of ISO 3166-1")


RULE = Rule(name="country_known", mode="enforce", verdict="accept_with_hold", owner="order-operations", check=check)
