"""What of a document its channel's module does not read goes to the extensions, wherever in the document it stands.

A module takes the fields it maps out of objects it knows, and keeps what else those objects say (`wire.unmapped`). Of the objects within them
that it does not go through itself it says which keys it reads, by the key they stand under (`inside`); all else that an order says is
found here and kept: what a channel's next version adds three objects deeper, whatever its name. Pure.

Input:   the objects of one order, each with its JSON pointer; the keys read inside them; what has been kept so far, and of which objects all.
Output:  JSON pointer -> JSON text of what is missing there. A field that says nothing (null, "", [], {}) is nothing to keep.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from normalizers.wire import Kept, escape, json_text

_Place = tuple[str | int, "Any"]
_SAYS_NOTHING: tuple[Any, ...] = (None, "", [], {})
_NOTHING: frozenset[str] = frozenset()
Inside = Mapping[str, frozenset[str]]
"""The keys that a module reads of the objects under a key."""


def inside(table: str) -> Inside:
    """Return what a table of lines says, each `key of an object, and of others like it: keys read of it`.

    `key[]` is an object in a list under the key, where it is another than the one that may stand there alone.
    """
    found: dict[str, frozenset[str]] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        under, _, read = line.partition(":")
        found |= dict.fromkeys(under.split(), frozenset(read.split()))
    return found


def leftovers(objects: Iterable[tuple[Any, str]], read_inside: Inside, kept: Kept) -> dict[str, str]:
    """Return what the channel's module has not read."""
    whole = kept.whole
    found: dict[str, str] = {}
    # Where a value stands is a link to where its container does: it is written out only for what is found.
    stack: list[tuple[Any, _Place, str]] = [(value, (at, None), "") for value, at in objects]
    while stack:
        value, place, under = stack.pop()
        if value.__class__ is list:
            listed = f"{under}[]"
            under = listed if listed in read_inside else under
            for index, item in enumerate(value):
                if item and (item.__class__ is dict or item.__class__ is list):
                    stack.append((item, (index, place), under))
            continue
        gone_through = whole.get(id(value))
        if gone_through is not None:
            read = gone_through[1]  # what else it says is kept already, with all that is in it
        else:
            read = read_inside.get(under, _NOTHING)
            if not read.issuperset(value):
                _keep(value, read, place, kept, found)
        for key, child in value.items():
            if child and (child.__class__ is dict or child.__class__ is list) and key in read:
                stack.append((child, (key, place), key))
    return found


def _keep(value: Mapping[str, Any], read: frozenset[str], place: _Place, kept: Mapping[str, str], found: dict[str, str]) -> None:
    """Keep what else an object says, unless it has been kept, by itself or in something that was kept whole."""
    at = _pointer(place)
    for key, child in value.items():
        if key not in read and child not in _SAYS_NOTHING:
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
