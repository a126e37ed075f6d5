"""A field more in any object of an order is kept, though its name is one that the channel's module knows from elsewhere.

A module knows many words: fields of other objects, values, names of its rules. A field of such a name that the module does not read where it stands
is no less said than one of a name nobody knows; whether it was read there, a document that notes what is asked of it tells.

Each word in each object is tried: the fast ring takes a fixed part of the pairs, `make test-fuzz` (ORDERMEND_FUZZ) all of them.
"""

import ast
import json
import os
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, ClassVar, NamedTuple, TypeVar

import pytest
from lxml import etree

from normalizers import cxml, discover, draft, shopify, wire, xml_tree
from normalizers.leftovers import leftovers
from normalizers.shopify_graphql import as_rest
from tests.contract.test_nothing_a_channel_says_is_lost import is_stated, pointers, stated, told
from tests.mutants import json_in, parsed, wire_of, with_json
from tests.verdicts.wires import JsonDocument

CANARY = "canary7"
ALL = "ORDERMEND_FUZZ" in os.environ
PAIRS = 500
"""Of each channel in the fast ring: an object and a word, drawn with a fixed seed."""
AROUND: Mapping[str, frozenset[str]] = defaultdict(
    frozenset,
    {
        "amazon": frozenset({"payload/NextToken"}),  # where the next page of line items begins
        "shopify": frozenset({"edges/cursor"}),  # where the next page of rows begins
        "shopware": frozenset({"data/links", "data/meta"}),  # where a resource is fetched again
    },
)
"""Fields in an order's objects that say something of the answer and nothing of the order, `parent/field`."""
Pair = TypeVar("Pair")
REFERENCES = "relationships"
"""Of JSON:API: which resources belong to which; these are read where they stand."""


class Place(NamedTuple):
    """An object of a document of a channel: which one, where in it, and the names it has."""

    bodies: tuple[bytes, ...]
    number: int
    part: int
    at: str
    names: frozenset[str]

    @property
    def kind(self) -> tuple[str, frozenset[str]]:
        """What is the same of an object and its like in other rows and documents."""
        return re.sub(r"/\d+(?=/|$)", "/0", self.at), self.names

    def with_field(self, name: str, value: Any) -> tuple[bytes, ...]:
        """The documents with a field more in this object."""
        body = self.bodies[self.number]
        document = JsonDocument(json_in(body)[self.part])
        document.add_unknown(self.at, name, value)
        return (*self.bodies[: self.number], with_json(body, self.part, document.body()), *self.bodies[self.number + 1 :])


@cache
def places(name: str) -> list[Place]:
    """Every object in an order of a channel's JSON documents; in the fast ring one of each kind."""
    found = [place for bodies in stated(name) for place in places_in(name, bodies)]
    return found if ALL else list({place.kind: place for place in reversed(found)}.values())


def places_in(name: str, bodies: tuple[bytes, ...]) -> Iterator[Place]:
    orders = orders_in(name, bodies)
    for number, body in enumerate(bodies):
        for part, document in enumerate(json_in(body)):
            whole = json.loads(document)
            for at, _, value in (("", "", whole), *pointers(whole)):
                of_order = wire_of(body) == "lines" or any(f"{at}/".startswith(f"{order}/") for order in orders)
                if of_order and isinstance(value, dict) and not is_list(at, value) and REFERENCES not in at.split("/"):
                    yield Place(bodies, number, part, at, frozenset(value))


def orders_in(name: str, bodies: tuple[bytes, ...]) -> set[str]:
    """Return where the objects stand that the orders of the documents are made of."""
    found: set[str] = set()

    def noted(objects: Iterable[tuple[Any, str]], *rest: Any) -> dict[str, str]:
        objects = list(objects)
        found.update(at for _, at in objects)
        return leftovers(objects, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draft, "leftovers", noted)
        told(name, bodies)
    return found


def is_list(at: str, value: Mapping[str, Any]) -> bool:
    """Whether it is Stripe's list of line items, a document of its own beside the order's."""
    return not at and value.get("object") == "list"


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
    """Whether the module asks for the new field, or says that it reads it."""
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
    under = f"{under}[]" if place.at.rpartition("/")[2].isdigit() and f"{under}[]" in inside else under
    asked = any(one.told(key) == CANARY for one in found for key in one.asked)
    mapped = any(dict.get(row, key) == CANARY for kept in Noted.made for row, keys in kept.whole.values() for key in keys)
    return asked or mapped or field in inside.get(under, ())


def part_of(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that this ring tries."""
    return pairs if ALL or len(pairs) < PAIRS else random.Random(PAIRS).sample(pairs, PAIRS)


JSON = [name for name in sorted(discover()) if places(name)]


@pytest.mark.timeout(3600)  # of the long ring
@pytest.mark.parametrize("name", JSON)
def test_a_field_of_any_name_is_kept(name: str) -> None:
    pairs = part_of([(place, word) for place in places(name) for word in words(name) if word not in place.names])
    lost = {f"{place.kind[0]}/{word}" for place, word in pairs if is_lost(name, place, word)}
    assert not lost, f"of {len(pairs):,} pairs"


@pytest.mark.parametrize(
    ("name", "at", "field"),
    [
        ("amazon", "/payload/ShippingAddress", "County"),
        ("commercetools", "/data/order/shippingAddress", "mobile"),
        ("etsy", "/results/0", "was_paid"),
        ("mercadolibre", "/order_items/0/item", "seller_custom_field"),
        ("shopify", "/body", "processed_at"),
        ("shopify", "/data/order/lineItems", "pageInfo"),
        ("shopify", "/data/order/shippingLines", "edges"),
        ("shopware", "/data/0", "code"),
        ("shopware", "/data/0/attributes", "currency"),
        ("walmart", "/order/orderLines/orderLine/0", "primeLineNumber"),
        ("wix", "/data/lineItems/0", "name"),
        ("woocommerce", "/shipping", "email"),
    ],
)
def test_what_was_lost_once_is_kept(name: str, at: str, field: str) -> None:
    place = next(place for place in places(name) if place.kind[0] == at)
    assert CANARY in str(told(name, place.with_field(field, CANARY)))


def is_lost(name: str, place: Place, field: str) -> bool:
    if CANARY in str(told(name, place.with_field(field, CANARY))):
        return False  # it is in the order, or the refusal says it
    parent = next((token for token in reversed(place.at.split("/")) if not token.isdigit()), "")
    return f"{parent}/{field}" not in AROUND[name] and not is_read(name, place, field)


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


class Element(NamedTuple):
    """An element of a document of a channel: which one, its place in it, and its path without the numbers of rows."""

    bodies: tuple[bytes, ...]
    number: int
    place: int
    path: str

    def with_field(self, name: str) -> tuple[bytes, ...]:
        """The documents with an element more in this one."""
        tree = deepcopy(parsed(self.bodies[self.number]))
        etree.SubElement(list(tree.iter())[self.place], name).text = CANARY
        return (*self.bodies[: self.number], etree.tostring(tree), *self.bodies[self.number + 1 :])


@cache
def elements(name: str) -> list[Element]:
    """Every element in an order of a channel's XML documents; in the fast ring one of each path."""
    found = [
        Element(bodies, number, place, re.sub(r"\[\d+\]", "", parsed(body).getpath(element)))
        for bodies in stated(name)
        for number, body in enumerate(bodies)
        if wire_of(body) == "xml"
        for place, element in enumerate(parsed(body).iter())
        if ORDERS & (within := {etree.QName(one).localname for one in (element, *element.iterancestors())}) and not SECRETS & within
    ]
    return found if ALL else list({element.path: element for element in reversed(found)}.values())


XML = [name for name in sorted(discover()) if elements(name)]


@pytest.mark.timeout(3600)  # of the long ring
@pytest.mark.parametrize("name", XML)
def test_an_element_of_any_name_is_kept(name: str) -> None:
    pairs = part_of([(element, word) for element in elements(name) for word in words(name) if word not in SECRETS])
    lost = {f"{element.path}/{word}" for element, word in pairs if is_lost_of_xml(name, element.with_field(word))}
    assert not lost, f"of {len(pairs):,} pairs"


def is_lost_of_xml(name: str, bodies: tuple[bytes, ...]) -> bool:
    return CANARY not in str(told(name, bodies)) and is_stated(name, bodies) and not is_read_or_asked_for(name, bodies)


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
