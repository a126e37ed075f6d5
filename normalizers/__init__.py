"""Channel payload -> canonical order: pure, no clock, no network, no database. One module per sales channel."""

import importlib
import pkgutil
from functools import cache

from normalizers.channel import Channel


@cache
def discover() -> dict[str, Channel]:
    """Return every channel by name: each module of this package that has a `CHANNEL`."""
    found: dict[str, Channel] = {}
    for module in pkgutil.iter_modules(__path__):
        channel = getattr(importlib.import_module(f"{__name__}.{module.name}"), "CHANNEL", None)
        if isinstance(channel, Channel):
            if channel.name in found:
                message = f"two modules call themselves {channel.name}"
                raise RuntimeError(message)
            found[channel.name] = channel
    return dict(sorted(found.items()))
