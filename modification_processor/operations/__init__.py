"""The operations an edit is made of: one file each, found by discovery."""

import importlib
import pkgutil
from functools import cache

from modification_processor.operations.operation import OperationSpec


@cache
def discover() -> dict[str, OperationSpec]:
    """Return every operation by name: each module of this package that has an `OPERATION`."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        spec = getattr(importlib.import_module(f"{__name__}.{module.name}"), "OPERATION", None)
        if isinstance(spec, OperationSpec):
            found[spec.name] = spec
    return dict(sorted(found.items()))
