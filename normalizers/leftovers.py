"""What of a document nothing of its channel's module can have read goes to the extensions, wherever in the document it stands.

A module takes the fields it maps out of objects it knows, and keeps what else those objects say (`wire.unmapped`). What a channel's next version
adds three objects deeper nobody asks for; it is found here by one argument: a key that no code of the module names cannot have been read by it.
Pure; what a module names is collected once, from its constants.

Input:   the objects of one order, each with its JSON pointer; what has been kept so far, and of which objects all.
Output:  JSON pointer -> JSON text of what is missing there. A field that says nothing (null, "", [], {}) is nothing to keep.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from normalizers.wire import Kept, escape, json_text

_Place = tuple[str | int, "Any"]
_SAYS_NOTHING: tuple[Any, ...] = (None, "", [], {})


def leftovers(channel: str, objects: Iterable[tuple[Any, str]], kept: Kept) -> dict[str, str]:
    """Return what the channel's module cannot have read."""
    known, whole = named_by(channel), kept.whole
    found: dict[str, str] = {}
    # Where a value stands is a link to where its container does: it is written out only for what is found.
    stack: list[tuple[Any, _Place]] = [(value, (at, None)) for value, at in objects]
    while stack:
        value, place = stack.pop()
        if value.__class__ is list:
            for index, item in enumerate(value):
                if item and (item.__class__ is dict or item.__class__ is list):
                    stack.append((item, (index, place)))
            continue
        # Of an object that was gone through, what the module does not map is kept already, with all that is in it.
        gone_through = whole.get(id(value))
        if gone_through is None:
            if not known.issuperset(value):
                _keep(value, [key for key in value if key not in known], place, kept, found)
            read = known
        else:
            read = gone_through[1]
            if not known.issuperset(value) and (unknown := [key for key in value if key in read and key not in known]):
                _keep(value, unknown, place, kept, found)
        for key, child in value.items():
            if child and (child.__class__ is dict or child.__class__ is list) and key in read and key in known:
                stack.append((child, (key, place)))
    return found


def _keep(value: Any, keys: Iterable[str], place: _Place, kept: Mapping[str, str], found: dict[str, str]) -> None:
    """Keep what stands under these keys, unless it says nothing, or has been kept, by itself or in something that was kept whole."""
    at = ""
    for key in keys:
        child = value[key]
        if child is None or child in _SAYS_NOTHING:
            continue
        at = at or _pointer(place)
        where = f"{at}/{escape(key)}"
        if where not in kept and not _within(place, kept):
            found[where] = json_text(child)


def _within(place: _Place | None, kept: Mapping[str, str]) -> bool:
    while place is not None:
        if _pointer(place) in kept:
            return True
        place = place[1]
    return False


def _pointer(place: _Place) -> str:
    token, container = place
    if container is None:
        return str(token)
    return f"{_pointer(container)}/{escape(token) if isinstance(token, str) else token}"


@cache
def named_by(channel: str) -> frozenset[str]:
    """Return every word that a channel's module, or one split off it (`<channel>_…`), names.

    Amazon's versions differ in a first letter, which is read either way.
    """
    own = f"{__package__}.{channel}"
    modules = [module for name, module in sys.modules.items() if name == own or name.startswith(f"{own}_")]
    words = {word for module in modules for value in vars(module).values() for word in _words(value, module.__name__)}
    return frozenset(words | {word[:1].upper() + word[1:] for word in words})


def _words(value: Any, module: str) -> Iterator[str]:
    if isinstance(value, str):
        if " " not in value:  # a sentence is no key
            yield from value.split("/")
    elif isinstance(value, Mapping):
        yield from _words(tuple(value.items()), module)
    elif isinstance(value, tuple | list | frozenset | set):
        for item in value:
            yield from _words(item, module)
    elif isinstance(value, FunctionType):
        if value.__module__ == module:
            yield from _words(value.__code__, module)
    elif isinstance(value, CodeType):
        yield from _words(value.co_consts, module)
