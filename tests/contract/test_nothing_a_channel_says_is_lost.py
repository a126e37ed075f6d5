"""Whatever a document says of an order is in the order: mapped, or in the extensions; in every channel, at every depth.

A field nobody knows, put into any object of an order, comes out in the extensions. A value that is changed changes the order, unless it is one
of those that a module reads and that only say again what others say: `said_again.toml` lists them, and this test fails where one is added.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder
from schemas.failures import OrdermendError
from tests.mutants import FIXTURES, documents, json_in, with_json
from tests.verdicts.cases import channels, harmless
from tests.verdicts.wires import JsonDocument, TextDocument

SAID_AGAIN: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "said_again.toml").read_text())
BOM = b"\xef\xbb\xbf"
UNKNOWN = "zzNobodyKnows"
OLDER_XML = {"ebay": ("Order",), "amazon": ("Order", "OrderItem", "OrderReport", "Item"), "walmart": ("order", "ns2:order", "ns0:order")}
"""Elements of channels whose labelled set is JSON, and whose older interface answers in XML."""
ENVELOPES = ("headers", "source", "meta", "paging", "pagination", "search_criteria", "resource", "included")
"""Objects around an order, or of another resource: they are kept with the raw document."""


def pointers(value: Any, at: str = "", parent: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield (pointer, "parent/key", value) of everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        name = key if isinstance(key, str) else parent
        yield f"{at}/{key}", f"{parent}/{key}" if isinstance(key, str) else "", child
        yield from pointers(child, f"{at}/{key}", name)


def told(name: str, bodies: tuple[bytes, ...]) -> Any:
    """What a channel's module makes of a document: results, or the refusal."""
    try:
        return discover()[name].normalize(tuple(Document(body) for body in bodies))
    except OrdermendError as error:
        return error.field, error.rule, error.value


def is_stated(name: str, bodies: tuple[bytes, ...]) -> bool:
    results = told(name, bodies)
    return isinstance(results, tuple) and all(isinstance(result, StatedOrder) for result in results)


def stated(name: str) -> list[tuple[bytes, ...]]:
    """The channel's own documents that state whole orders: its fixtures, and some of the labelled set."""
    found = [bodies for bodies in documents(name) if is_stated(name, bodies)]
    made = [tuple(body.removeprefix(BOM) for body in case.bodies) for case in harmless(name, 6)]
    return found + [bodies for bodies in made if is_stated(name, bodies)]


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal):
        return value + 1
    if value is None:
        return "now something"
    try:
        return str(Decimal(value) + 1)
    except ArithmeticError:
        return f"{value}x"


SPELLINGS = (UNKNOWN, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", UNKNOWN).lower())
"""GraphQL's names are read, and kept, as the REST resource spells them."""


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_field_nobody_knows_is_kept_wherever_it_stands(name: str) -> None:
    tried = 0
    for bodies in stated(name):
        for number, body in enumerate(bodies):
            for changed in with_unknown(name, body):
                results = told(name, (*bodies[:number], changed, *bodies[number + 1 :]))
                if results == told(name, bodies) and around(changed):
                    continue
                tried += 1
                kept = [
                    f"{path} {text}"
                    for result in results
                    if isinstance(result, StatedOrder)
                    for path, text in result.order.extensions.items()
                ]
                assert any(spelling in text for text in kept for spelling in SPELLINGS), where_it_stands(changed)
    assert tried or name in {"edifact", "x12"}


def with_unknown(name: str, body: bytes) -> Iterator[bytes]:
    """The document with a field more, in each of its objects in turn; of XML and EDI, where the labelled set puts one."""
    for index, part in enumerate(json_in(body)):
        whole = json.loads(part)
        for at, _, value in (("", "", whole), *pointers(whole)):
            if isinstance(value, dict):
                document = JsonDocument(part)
                document.add_unknown(at, UNKNOWN, {"deep": [1, "two"]})
                yield with_json(body, index, document.body())
    if json_in(body):
        return
    if name in OLDER_XML:
        for element in OLDER_XML[name]:
            if (start := f"<{element}>".encode()) in body:
                yield body.replace(start, start + f"<{UNKNOWN}>{UNKNOWN}</{UNKNOWN}>".encode(), 1)
        return
    for place in channels()[name]["places"].get("extra", []):
        document_of_text, (_, _, rest) = TextDocument(body), place.rpartition(":(?") if place[1:2] == ":" else ("", "", place)
        try:
            document_of_text.add_unknown(f"(?{rest}" if place[1:2] == ":" else place, UNKNOWN, UNKNOWN)
        except AssertionError:
            continue
        yield document_of_text.body()


def around(body: bytes) -> bool:
    """Whether the unknown field stands outside every order: in an envelope, or at the top of a list of orders."""
    where = where_it_stands(body)
    return any(f"/{name}" in where for name in ENVELOPES) or where.count("/") <= 5


def where_it_stands(body: bytes) -> str:
    return next((at for part in json_in(body) for at, _, _ in pointers(json.loads(part)) if at.endswith(UNKNOWN)), "")


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_value_that_changes_changes_the_order(name: str) -> None:
    unseen = set()
    for bodies in [bodies for bodies in documents(name) if is_stated(name, bodies)]:
        before = told(name, bodies)
        for number, body in enumerate(bodies):
            for index, part in enumerate(json_in(body)):
                for at, called, value in pointers(json.loads(part, parse_float=Decimal)):
                    if isinstance(value, dict | list) or not called:
                        continue
                    document = JsonDocument(part)
                    document.change(at, other)
                    changed = with_json(body, index, document.body())
                    if told(name, (*bodies[:number], changed, *bodies[number + 1 :])) == before:
                        unseen.add(called)
    assert sorted(unseen) == sorted(SAID_AGAIN.get(name, []))


def test_the_fixtures_are_where_they_are_looked_for() -> None:
    assert FIXTURES.is_dir()
