"""A field more in any object of an order is kept, though its name is one that the channel's module knows from elsewhere.

A module knows many words: fields of other objects, values, names of its rules. A field of such a name that the module does not read where it stands
is no less said than one of a name nobody knows; whether it was read there, a document that notes what is asked of it tells.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from normalizers import cxml, discover, shopify, wire, xml_tree
from normalizers.shopify_graphql import as_rest
from tests.contract.test_nothing_a_channel_says_is_lost import ENVELOPES, is_stated, pointers, stated, told
from tests.mutants import json_in, parsed, wire_of, with_json
from tests.verdicts.wires import JsonDocument

CANARY = "canary7"
WRAPPINGS = {
    "",
    "data",
    "body",
    "payload",
    "Payload",
    "object",
    "order",
    "orders",
    "Orders",
    "list",
    "elements",
    "results",
    "result",
    "event",
    "value",
    "actionEvent",
    "createdEvent",
    "updatedEvent",
    "entity",
    "currentEntity",
    "notification",
    "node",
    "nodes",
    "edges",
    "draft_order",
    "checkout",
}
"""Names of what stands around an order."""


class Place(NamedTuple):
    """An object of a document of a channel: which one, where in it, and the names it has."""

    bodies: tuple[bytes, ...]
    number: int
    part: int
    at: str
    names: frozenset[str]

    def with_field(self, name: str, value: Any) -> tuple[bytes, ...]:
        """The documents with a field more in this object."""
        body = self.bodies[self.number]
        document = JsonDocument(json_in(body)[self.part])
        document.add_unknown(self.at, name, value)
        return (*self.bodies[: self.number], with_json(body, self.part, document.body()), *self.bodies[self.number + 1 :])


@cache
def places(name: str) -> list[Place]:
    found = []
    for bodies in stated(name):
        for number, body in enumerate(bodies):
            for part, document in enumerate(json_in(body)):
                whole = json.loads(document)
                for at, _, value in (("", "", whole), *pointers(whole)):
                    if isinstance(value, dict) and not any(f"/{envelope}" in at for envelope in ENVELOPES):
                        found.append(Place(bodies, number, part, at, frozenset(value)))
    return found


@cache
def words(name: str) -> list[str]:
    """Every word that a channel's module, or one split off it, has in its code."""
    modules = [module for full, module in sys.modules.items() if full.startswith(f"normalizers.{name}")]
    return sorted({word for module in modules for value in vars(module).values() for word in words_in(value, module.__name__)})


def words_in(value: Any, module: str) -> Iterator[str]:
    if isinstance(value, str):
        if " " not in value and value.isidentifier():  # a sentence is no key
            yield value
    elif isinstance(value, Mapping):
        yield from words_in(tuple(value.items()), module)
    elif isinstance(value, tuple | list | frozenset | set):
        for item in value:
            yield from words_in(item, module)
    elif isinstance(value, FunctionType):
        if value.__module__ == module:
            yield from words_in(value.__code__, module)
    elif isinstance(value, CodeType):
        yield from words_in(value.co_consts, module)


class Asked(dict[str, Any]):
    """An object that notes which of its fields it was asked for."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.asked: set[str] = set()

    def told(self, key: str) -> Any:
        return super().get(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def asking(value: Any, found: list[Asked]) -> Any:
    if isinstance(value, list):
        return [asking(item, found) for item in value]
    if not isinstance(value, dict):
        return value
    found.append(Asked({key: asking(item, found) for key, item in value.items()}))
    return found[-1]


class Noted(wire.Kept):
    """What is kept of an order, noted as it is made."""

    made: ClassVar[list[wire.Kept]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)


def is_read(name: str, place: Place, field: str) -> bool:
    """Whether the module asks the object for its new field, or says that it does."""
    found: list[Asked] = []
    decoded = wire._decoded
    Noted.made.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "_decoded", lambda text, body: asking(decoded(text, body), found))
        patch.setattr(shopify, "as_rest", lambda body: asking(as_rest(body), found))
        patch.setattr(wire, "Kept", Noted)
        told(name, place.with_field(field, CANARY))
    under = next((token for token in reversed(place.at.split("/")) if not token.isdigit()), "")
    inside = getattr(sys.modules[f"normalizers.{name}"], "_INSIDE", {})
    whole = {identity: mapped for kept in Noted.made for identity, (_, mapped) in kept.whole.items()}
    under = f"{under}[]" if place.at.rpartition("/")[2].isdigit() and f"{under}[]" in inside else under
    with_it = [one for one in found if one.told(field) == CANARY]
    return any(field in one.asked or field in whole.get(id(one), inside.get(under, ())) for one in with_it)


JSON = [name for name in sorted(discover()) if places(name)]


@pytest.mark.parametrize("name", JSON)
@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_field_of_any_name_is_kept(name: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places(name)))
    field = data.draw(st.sampled_from([word for word in words(name) if word not in place.names]))
    bodies = place.with_field(field, CANARY)
    results = told(name, bodies)
    around = {token for token in place.at.split("/") if not token.isdigit()} <= WRAPPINGS and results == told(name, place.bodies)
    if CANARY in str(results) or around:
        return  # it is in the order, or the refusal says it; or it stands around the order
    assert is_read(name, place, field), f"{place.at}/{field} is lost"


def tables(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the fields that a module's tables call read, and the words in the rest of its code."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"names", "inside"}]
    within = [constant for call in calls for constant in ast.walk(call) if isinstance(constant, ast.Constant)]
    fields = {word for constant in within for line in str(constant.value).splitlines() for word in line.rpartition(":")[2].split()}
    rest = {id(constant) for constant in within}
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in rest]
    return fields, {word for text in constants if isinstance(text, str) for word in text.split()}


@pytest.mark.parametrize("name", JSON)
def test_a_field_that_is_called_read_is_read_somewhere(name: str) -> None:
    fields: set[str] = set()
    said: set[str] = set()
    for path in Path(str(wire.__file__)).parent.glob(f"{name}*.py"):
        mine, rest = tables(ast.parse(path.read_text("utf-8")))
        fields, said = fields | mine, said | rest
    assert not {field for field in fields - said if not any(field.startswith(word) or field.endswith(word) for word in PARTS[name])}


PARTS: Mapping[str, tuple[str, ...]] = defaultdict(tuple, {"walmart": ("address",), "bigcommerce": ("_cost_ex_tax",)})
"""Of names that a module puts together."""
ORDERS = {"OrderRequest", "Order", "order", "address"}
"""Elements that are an order, or of it though they come apart."""


SECRETS = {*cxml._SECRETS, "PCard"}
"""Of these nothing is kept, on purpose."""


@cache
def elements(name: str) -> list[tuple[tuple[bytes, ...], int, int]]:
    """Every element in an order of a channel's XML documents: the documents, which of them, its number."""
    return [
        (bodies, number, index)
        for bodies in stated(name)
        for number, body in enumerate(bodies)
        if wire_of(body) == "xml"
        for index, element in enumerate(parsed(body).iter())
        if ORDERS & (within := {etree.QName(one).localname for one in (element, *element.iterancestors())}) and not SECRETS & within
    ]


XML = [name for name in sorted(discover()) if elements(name)]


@pytest.mark.parametrize("name", XML)
@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_element_of_any_name_is_kept(name: str, data: st.DataObject) -> None:
    bodies, number, index = data.draw(st.sampled_from(elements(name)))
    tree = deepcopy(parsed(bodies[number]))
    element = list(tree.iter())[index]
    field = data.draw(st.sampled_from(words(name)))
    etree.SubElement(element, field).text = CANARY
    changed = (*bodies[:number], etree.tostring(tree), *bodies[number + 1 :])
    if CANARY not in str(told(name, changed)) and is_stated(name, changed):
        assert field in SECRETS or is_read_or_asked_for(name, changed), f"{tree.getpath(element)}/{field} is lost"


def noting(nodes: list[xml_tree.Node]) -> type[xml_tree.Node]:
    """The class of nodes, each noted as it is made."""

    class Noting(xml_tree.Node):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            nodes.append(self)

    return Noting


def is_read_or_asked_for(name: str, bodies: tuple[bytes, ...]) -> bool:
    """Whether the module reads the element that has the canary, or asks for it in the object it makes of it."""
    nodes: list[xml_tree.Node] = []
    objects: list[Asked] = []
    decoded = wire._decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_tree, "Node", noting(nodes))
        patch.setattr(wire, "_decoded", lambda text, body: asking(decoded(text, body), objects))
        told(name, bodies)
    asked = any(value == CANARY or (value.__class__ is list and CANARY in value) for one in objects for value in map(one.told, one.asked))
    return asked or any(node.was_read and node.text == CANARY for node in nodes)
