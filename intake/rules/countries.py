"""Which countries there are, and which the law closes: `countries.toml` beside ISO 3166-1. Pure; read once."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def listed(name: str) -> Mapping[str, str]:
    """Return a table of `countries.toml`: alpha-2 code -> what it rests on."""
    found: dict[str, dict[str, str]] = tomllib.loads(
        resources.files(__package__ or "").joinpath("countries.toml").read_text(encoding="utf-8")
    )
    return found[name]


@cache
def known() -> frozenset[str]:
    """Return every alpha-2 code that names a country."""
    import pycountry  # noqa: PLC0415 - slow to load, and some processes never judge

    return frozenset(country.alpha_2 for country in pycountry.countries) | frozenset(listed("also"))
