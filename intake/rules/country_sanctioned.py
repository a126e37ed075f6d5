"""Whether a delivery to a sanctioned country is lawful depends on who sells and what: the order is held until a person has said so."""

from intake.rules.countries import listed
from intake.rules.rule import Rule, to_fulfil
from normalizers.channel import StatedOrder
from schemas.statement import Finding


def check(stated: StatedOrder) -> Finding | None:
    """Complain about a delivery to a country of `countries.toml`, table `sanctioned`."""
    place = stated.order.ship_to
    basis = listed("sanctioned").get(place.country or "") if place else None
    if basis is None or not to_fulfil(stated):
        return None
    return Finding(path="/ship_to/country", rule="country_sanctioned", message=f"lawful or not by who sells: {basis}")


RULE = Rule(name="country_sanctioned", mode="enforce", verdict="accept_with_hold", owner="compliance", check=check, by_law=True)
