"""A channel's document that can be changed at a named place: JSON by pointer, everything else by a regular expression's group.

Input:   the bytes of a fixture.
Keeps:   an interchange's count of segments is right whatever was changed; values are written as the wire wants them: escaped in XML, without separators in EDI, in the declared charset.
Fails:   AssertionError where a place is not in the document: then `channels.toml` and the fixture disagree.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol

Change = Callable[[Any], Any]
"""From what stands at a place to what shall stand there."""
_DECLARED = re.compile(rb'encoding="([A-Za-z0-9-]+)"')


class Wire(Protocol):
    """A document."""

    def change(self, place: str, to: Change) -> None:
        """Change what stands at a place."""

    def remove(self, place: str) -> None:
        """Take away what stands at a place."""

    def add_unknown(self, place: str, name: str, value: Any) -> None:
        """Put a field nobody knows into the object at a place."""

    def body(self) -> bytes:
        """Write the document."""


class JsonDocument:
    """A JSON document; numbers keep their digits."""

    def __init__(self, body: bytes) -> None:
        self.root: Any = {"": json.loads(body, parse_float=Decimal)}

    def _at(self, place: str, *, create: bool = False) -> Iterator[tuple[Any, Any]]:
        """Yield (container, key) of every match."""
        found: list[tuple[Any, Any]] = [(self.root, "")]
        for token in place.split("/")[1:]:
            inner = [container[key] for container, key in found if _has(container, key)]
            if token == "**":
                inner = [deep for item in inner for deep in _descendants(item)]
                found = [(item, None) for item in inner]
                continue
            if found and found[0][1] is None:
                inner = [item for item, _ in found]
            found = [pair for item in inner for pair in _children(item, token, create=create)]
        yield from found

    def change(self, place: str, to: Change) -> None:
        """Change each match; a place whose last key is absent is made."""
        matches = list(self._at(place, create=True))
        assert matches, f"{place} is not in the document"
        for container, key in matches:
            container[key] = to(container[key] if _has(container, key) else None)

    def remove(self, place: str) -> None:
        """Empty a list, delete anything else."""
        for container, key in list(self._at(place)):
            if isinstance(container[key], list):
                container[key] = []
            else:
                del container[key]

    def drop(self, place: str) -> None:
        """Delete what stands at a place, whatever it is."""
        for container, key in list(self._at(place)):
            del container[key]

    def add_unknown(self, place: str, name: str, value: Any) -> None:
        """Add a field to the object."""
        ((container, key),) = self._at(place)
        assert isinstance(container[key], dict), f"{place} is no object"
        container[key][name] = value

    def body(self) -> bytes:
        """Write compact JSON."""
        return _dumps(self.root[""]).encode()

    def shuffled(self, shuffle: Callable[[list[Any]], None], indent: str) -> bytes:
        """Write it with other blanks and its keys in another order."""

        def turned(value: Any) -> Any:
            if isinstance(value, dict):
                keys = list(value)
                shuffle(keys)
                return {key: turned(value[key]) for key in keys}
            return [turned(item) for item in value] if isinstance(value, list) else value

        return _dumps(turned(self.root[""]), indent=indent).encode()


def _dumps(value: Any, **options: Any) -> str:
    marks: dict[str, str] = {}

    def default(item: Any) -> str:
        assert isinstance(item, Decimal)
        mark = f"\x01{len(marks)}\x01"
        marks[json.dumps(mark)] = format(item, "f") if item.is_finite() else str(item)
        return mark

    text = json.dumps(value, default=default, ensure_ascii=False, **options)
    for mark, digits in marks.items():
        text = text.replace(mark, digits)
    return text


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else isinstance(key, int) and key < len(container)


def _children(item: Any, token: str, *, create: bool) -> list[tuple[Any, Any]]:
    if isinstance(item, dict):
        keys = list(item) if token == "*" else [token] if token in item or create else []
        if create and token != "*" and token not in item:
            item[token] = {}
        return [(item, key) for key in keys]
    if isinstance(item, list):
        keys_of_list = range(len(item)) if token == "*" else [int(token)] if token.isdecimal() and int(token) < len(item) else []
        return [(item, key) for key in keys_of_list]
    return []


def _descendants(item: Any) -> list[Any]:
    children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [item, *(deep for child in children for deep in _descendants(child))]


class TextDocument:
    """XML, EDI or CSV; a place is a regular expression, its group the value."""

    def __init__(self, body: bytes) -> None:
        declared = _DECLARED.search(body[:100])
        self._charset = declared[1].decode() if declared else "utf-8" if body.lstrip()[:1] == b"<" else "latin-1"
        self._xml = body.lstrip()[:1] == b"<"
        self._separators = "*~>" if body.startswith(b"ISA") else "+:'?" if body.startswith(b"UN") else ""
        self.text = body.decode(self._charset)

    def change(self, place: str, to: Change) -> None:
        """Change the group of each match."""

        def one(match: re.Match[str]) -> str:
            whole, start = match[0], match.start(1) - match.start(0)
            return whole[:start] + self._written(to(match[1])) + whole[start + len(match[1]) :]

        self.text, count = re.subn(place, one, self.text)
        assert count, f"{place} is not in the document"

    def remove(self, place: str) -> None:
        """Take whole matches out; of an EDI segment only the value, where the group has one."""

        def rest(match: re.Match[str]) -> str:
            return (
                match[0][: match.start(1) - match.start(0)] + match[0][match.end(1) - match.start(0) :]
                if self._separators and match[1]
                else ""
            )

        self.text, count = re.subn(place, rest, self.text)
        assert count, f"{place} is not in the document"

    def add_unknown(self, place: str, name: str, value: Any) -> None:
        """Put an element (XML) or a segment (EDI) where the group is."""
        if self._xml:
            piece = f"<{name}>{self._written(value)}</{name}>"
        else:
            end, mark = ("~\n", "*") if "*" in self._separators else ("'\n", "+")
            piece = f"{'MTX' if mark == '*' else 'FTX'}{mark}{'ORI' if mark == '*' else 'ZZZ'}{mark}{mark if mark == '+' else ''}{self._written(value)}{end}"
        self.text, count = re.subn(place, lambda match: match[0] + piece, self.text, count=1)
        assert count, f"{place} is not in the document"

    def _written(self, value: Any) -> str:
        text = "" if value is None else str(value)
        if self._xml:
            return html.escape(text)
        return "".join(mark for mark in text if mark not in self._separators)

    def body(self) -> bytes:
        """Write it in its charset."""
        text = self.text
        for first, last in (("UNH+", "UNT+"), ("ST*", "SE*")):
            text = _counted(text, first, last) if self._separators.startswith(first[-1]) else text
        return text.encode(self._charset, "xmlcharrefreplace" if self._xml else "ignore")


def _counted(text: str, first: str, last: str) -> str:
    """Return an interchange of one message with its number of segments as it is now."""
    segments = text.split("\n")
    start, end = (next(n for n, row in enumerate(segments) if row.startswith(mark)) for mark in (first, last))
    segments[end] = re.sub(r"\d+", str(end - start + 1), segments[end], count=1)
    return "\n".join(segments)


def read(body: bytes) -> JsonDocument | TextDocument:
    """Read a fixture's bytes."""
    return JsonDocument(body) if body.lstrip()[:1] in b"{[" else TextDocument(body)
