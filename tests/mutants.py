"""Documents of every channel, mutated at random: bytes cut and doubled, and, as each wire has them, values, elements, lines and segments.

Input:   a seed and a document. The same seed and fixtures give the same bytes.
Output:  mutants, each with how to make it again; and, of one that something is wrong with, the least of it that is wrong in the same way.
Keeps:   most mutants are still documents of their wire, so that what reads them is tried and not only what parses them.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lxml import etree

FIXTURES = Path(__file__).parent / "fixtures" / "channels"
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**15, 2**53 + 1, 10**25, 0.1, 1e308, "", " ", "0", "-0.00", "1e9", "1,5", "NaN", "9" * 30, "\u202e", "\ud83d\ude00", "ß" * 300,
    "2026-02-30", "2026-01-01T00:00:00", "0000-00-00 00:00:00", [], {}, [[]], [{}], {"amount": 1}, ["x"] * 3,
)  # fmt: skip
TEXTS = tuple([str(value).encode("utf-16", "surrogatepass").decode("utf-16") for value in STRANGE if not isinstance(value, dict | list)])
NOISE = (b"", b"\0", b"\xff", b"~", b"*", b"'", b"+", b"<", b"&", b"]]>", b'"', b"{", b"}", b",", b"\n", b"\xc3", b"-", b"9" * 25)
Wire = Literal["json", "lines", "xml", "segments", "rows"]
_NEXT_LINE = re.compile(rb"\}\s*\n\s*\{")
_TRIES = 3_000
"""Of smaller mutants, before the smallest found so far is shown."""


def wire_of(body: bytes) -> Wire:
    """Return how a document is written: JSON, JSON line by line, XML, EDI, or rows of cells."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:3]
    if start[:1] in (b"{", b"["):
        return "lines" if start[:1] == b"{" and _NEXT_LINE.search(body) else "json"
    if start[:1] == b"<":
        return "xml"
    return "segments" if start in (b"ISA", b"UNA", b"UNB") else "rows"


def json_in(body: bytes) -> list[bytes]:
    """Return the JSON documents that a document is, or is made of; none where it is no JSON."""
    wire = wire_of(body)
    return body.split(b"\n") if wire == "lines" else [body] if wire == "json" else []


def with_json(body: bytes, index: int, changed: bytes) -> bytes:
    """Return the document with one of its JSON documents changed."""
    parts = json_in(body)
    return b"\n".join([*parts[:index], changed, *parts[index + 1 :]])


def documents(name: str) -> list[tuple[bytes, ...]]:
    """The channel's fixtures, each as the documents that make it."""
    cases: dict[str, list[bytes]] = {}
    for path in sorted((FIXTURES / name).glob("*.raw.*")):
        cases.setdefault(path.name.partition(".")[0], []).append(path.read_bytes())
    return [tuple(bodies) for bodies in cases.values()]


def mutants(name: str, seed: str, count: int) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield (how to make it again, the documents)."""
    known = documents(name)
    for number in range(count):
        again = f"{seed}:{name}:{number}"
        yield again, mutant(known, again)


def mutant(known: Sequence[tuple[bytes, ...]], again: str) -> tuple[bytes, ...]:
    """Return the documents of a case with one of them mutated."""
    chance = random.Random(again)
    bodies = list(chance.choice(known))
    index = chance.randrange(len(bodies))
    mutate = _OF_WIRE[wire_of(bodies[index])] if chance.random() < 0.7 else mutated_bytes
    bodies[index] = mutate(chance, bodies[index])
    return tuple(bodies)


def mutated_bytes(chance: random.Random, body: bytes) -> bytes:
    """Cut, doubled, overwritten, with noise in it."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice((0, 1, 1, 3, 20)))
        piece = chance.choice((chance.choice(NOISE), body[start:end] * 2, body[chance.randrange(len(body) + 1) :][:20]))
        body = body[:start] + piece + body[end:]
    return body[: chance.randrange(len(body))] if body and chance.random() < 0.1 else body


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        item = stack.pop()
        keys: Any = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        found += [(item, key) for key in keys]
        stack += [item[key] for key in keys]
    return found


def mutated_json(chance: random.Random, body: bytes) -> bytes:
    """Values gone, strange, swapped, doubled, renamed."""
    value = json.loads(body)
    for _ in range(chance.randint(1, 5)):
        known = places(value)
        if not known:
            break
        (container, key), (other, there) = chance.choice(known), chance.choice(known)
        act = chance.randrange(5)
        if act == 0:
            del container[key]
        elif act == 1:
            container[key] = deepcopy(chance.choice(STRANGE))  # its own: a later mutation may change it
        elif act == 2:
            container[key] = json.loads(json.dumps(other[there]))
        elif act == 3 and isinstance(container, list):
            container.insert(key, json.loads(json.dumps(container[key])))
        elif isinstance(container, dict):
            container[chance.choice(("id", "amount", "lines", str(key).upper(), str(key)))] = container.pop(key)
    return json.dumps(value).encode()


def mutated_lines(chance: random.Random, body: bytes) -> bytes:
    """Of a file of JSON lines: one line's values, and lines gone, doubled, swapped."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    for _ in range(chance.randint(1, 4)):
        if not lines:
            break
        index = chance.randrange(len(lines))
        act = chance.randrange(5)
        if act < 2:
            lines[index] = mutated_json(chance, lines[index])
        else:
            _shift(chance, lines, index, act)
    return b"\n".join(lines)


def mutated_xml(chance: random.Random, body: bytes) -> bytes:
    """Elements gone, doubled, moved, renamed; texts and attributes strange."""
    tree = _tree(body)
    root = tree.getroot()
    for _ in range(chance.randint(1, 4)):
        known = [item for item in root.iter() if isinstance(item.tag, str)]
        item, other = chance.choice(known), chance.choice(known)
        parent, act = item.getparent(), chance.randrange(6)
        if act == 0 and parent is not None:
            parent.remove(item)
        elif act == 1 and parent is not None:
            parent.insert(parent.index(item), deepcopy(item))
        elif act == 2 and item.attrib:
            item.set(chance.choice(list(item.attrib)), chance.choice(TEXTS))
        elif act == 3 and parent is not None and other is not root:
            item.append(deepcopy(other))
        elif act == 4:
            item.tag = other.tag
        else:
            item.text = chance.choice(TEXTS) if chance.random() < 0.7 else other.text
    return bytes(etree.tostring(tree))


@cache
def parsed(body: bytes) -> Any:
    """Return the tree of an XML document, which is not to be changed."""
    return etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)).getroottree()


def _tree(body: bytes) -> Any:
    return deepcopy(parsed(body))


def mutated_segments(chance: random.Random, body: bytes) -> bytes:
    """Segments gone, doubled, swapped; elements strange, gone, and taken from elsewhere."""
    terminator, element, component = _separators(body)
    return _mutated_rows(chance, body, terminator, element, component)


def mutated_rows(chance: random.Random, body: bytes) -> bytes:
    """The same, of rows of cells."""
    head = body.partition(b"\n")[0]
    return _mutated_rows(chance, body, b"\n", max(b";,\t", key=lambda mark: head.count(bytes((mark,)))).to_bytes(1, "big"), b"")


def _separators(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return (what ends a segment, what stands between elements, and within one), by position."""
    if body.startswith(b"ISA"):
        end = body.split(body[3:4], 16)[16]
        return end[1:2], body[3:4], end[:1]
    return (body[8:9], body[4:5], body[3:4]) if body.startswith(b"UNA") else (b"'", b"+", b":")


def _mutated_rows(chance: random.Random, body: bytes, terminator: bytes, element: bytes, component: bytes) -> bytes:
    rows = body.split(terminator)
    for _ in range(chance.randint(1, 4)):
        if len(rows) < 2:
            break
        index = chance.randrange(1, len(rows))
        act = chance.randrange(7)
        if act < 4:
            rows[index] = _mutated_row(chance, rows[index], chance.choice(rows), chance.choice((element, element, component)) or element)
        else:
            _shift(chance, rows, index, act - 2)
    return terminator.join(rows)


def _mutated_row(chance: random.Random, row: bytes, other: bytes, separator: bytes) -> bytes:
    cells, others = row.split(separator), other.split(separator)
    index = chance.randrange(len(cells))
    act = chance.randrange(4)
    if act == 0:
        del cells[index]
    elif act == 1:
        cells.insert(index, cells[index])
    elif act == 2:
        cells[index] = chance.choice(others)
    else:
        cells[index] = chance.choice(TEXTS).encode()
    return separator.join(cells)


def _shift(chance: random.Random, rows: list[bytes], index: int, act: int) -> None:
    """Drop, double or swap a row."""
    if act == 2:
        del rows[index]
    elif act == 3:
        rows.insert(index, rows[index])
    else:
        other = chance.randrange(len(rows))
        rows[index], rows[other] = rows[other], rows[index]


_OF_WIRE: dict[Wire, Callable[[random.Random, bytes], bytes]] = {
    "json": mutated_json,
    "lines": mutated_lines,
    "xml": mutated_xml,
    "segments": mutated_segments,
    "rows": mutated_rows,
}


def shrunk(bodies: tuple[bytes, ...], is_wrong: Callable[[tuple[bytes, ...]], bool]) -> tuple[bytes, ...]:
    """Return the least of the documents that is wrong still, as far as leaving values and bytes out finds it."""
    tries = iter(range(_TRIES))

    def wrong(candidate: tuple[bytes, ...]) -> bool:
        return next(tries, None) is not None and is_wrong(candidate)

    for index in range(len(bodies)):
        for smaller in (_without_values, _without_bytes):
            bodies = smaller(bodies, index, wrong)
    return bodies


def _without_values(bodies: tuple[bytes, ...], index: int, wrong: Callable[[tuple[bytes, ...]], bool]) -> tuple[bytes, ...]:
    """Leave out what a JSON document can do without, the outermost first."""
    number = 0
    while True:
        try:
            value = json.loads(bodies[index])
        except ValueError:
            return bodies
        known = places(value)
        if number >= len(known):
            return bodies
        container, key = known[number]
        del container[key]
        candidate = (*bodies[:index], json.dumps(value).encode(), *bodies[index + 1 :])
        if wrong(candidate):
            bodies = candidate
        else:
            number += 1


def _without_bytes(bodies: tuple[bytes, ...], index: int, wrong: Callable[[tuple[bytes, ...]], bool]) -> tuple[bytes, ...]:
    """Leave out pieces of a document, half of it first and single bytes last."""
    size = len(bodies[index])
    while size := size // 2:
        start = 0
        while start < len(bodies[index]):
            body = bodies[index]
            candidate = (*bodies[:index], body[:start] + body[start + size :], *bodies[index + 1 :])
            if wrong(candidate):
                bodies = candidate
            else:
                start += size
    return bodies
