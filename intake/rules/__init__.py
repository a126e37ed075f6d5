"""Rules over what a channel stated: one file each, found by discovery."""

import importlib
import pkgutil
from functools import cache

from intake.rules.rule import Rule


@cache
def discover() -> tuple[Rule, ...]:
    """Return every rule, by name: each module of this package that has a `RULE`."""
    found = (getattr(importlib.import_module(f"{__name__}.{module.name}"), "RULE", None) for module in pkgutil.iter_modules(__path__))
    return tuple(sorted((rule for rule in found if isinstance(rule, Rule)), key=lambda rule: rule.name))
