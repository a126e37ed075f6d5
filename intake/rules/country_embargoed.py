"""Nothing may be delivered to a country under an embargo that binds every supplier: such an order is rejected."""

from intake.rules.countries import listed
from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about a delivery to a country of `countries.toml`, table `embargoed`."""
    place = stated.order.ship_to
    basis = listed("embargoed").get(place.country or "") if place else None
    if basis is None or not to_fulfil(stated):
        return None
    return Finding(path="/ship_to/country", rule="country_embargoed", message=f"no supplier may deliver there: {basis}")


RULE = Rule(name="country_embargoed", mode="enforce", verdict="reject", owner="compliance", check=check, by_law=True)
