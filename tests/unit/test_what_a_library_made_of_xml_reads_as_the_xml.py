"""Libraries hand XML on as JSON, each in its own way: an answer of an older web service reads as it does in XML."""

import json
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document
from normalizers.summary import summarize
from normalizers.xml_tree import Node, read_xml
from schemas.failures import OrdermendError

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
FILES = [path for name in ("amazon", "ebay") for path in sorted((ROOT / name).glob("*.raw.xml"))]
CASES = [(path.parent.name, path) for path in FILES if b"AmazonEnvelope" not in path.read_bytes()]  # a report is a file, and no answer


def listed(node: Node) -> Any:
    """Each child a list, attributes under `$` and a text beside them under `_`."""
    found: dict[str, Any] = {"$": dict(node.attributes)} if node.attributes else {}
    for child in node.children or ():
        found.setdefault(child.name, []).append(listed(child))
    if not found:
        return node.text
    return {**found, "_": node.text} if node.text else found


def wrapped(node: Node) -> Any:
    """Each element an object, its text under `value`, its attributes under their names with a mark before them."""
    found: dict[str, Any] = {"value": node.text if not node.children else "\n  "}
    found |= {f"_{name}": value for name, value in (node.attributes or {}).items()}
    for child in node.children or ():
        before = found.get(child.name)
        found[child.name] = wrapped(child) if before is None else [*(before if isinstance(before, list) else [before]), wrapped(child)]
    return found


@pytest.mark.parametrize("written", [listed, wrapped])
@pytest.mark.parametrize(("channel", "path"), CASES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_it_says_what_the_xml_says(channel: str, path: Path, written: Any) -> None:
    root = read_xml(path.read_bytes())
    body = {root.name: written(root)} if written is listed else written(root)
    told = [summarize(discover()[channel].normalize((Document(each),))) for each in (path.read_bytes(), json.dumps(body).encode())]
    for summary in told:
        for one in (summary, *summary.get("orders", [])):
            one.pop("warnings", None)
    assert told[0] == told[1]


def read_or_field(body: bytes) -> object:
    """What an Amazon document says, or the field that it is refused for."""
    try:
        return discover()["amazon"].normalize((Document(body),))
    except OrdermendError as error:
        return error.field


LISTS = ("PromotionIds", "PaymentMethodDetails", "OrderItems")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("value", [None, 7, True, [], [None], [{"PromotionId": "A"}, "B"], {}, ""])
def test_a_list_that_is_none_is_read_or_refused_by_name(name: str, value: Any) -> None:
    order = {"AmazonOrderId": "111-1", "PurchaseDate": "2026-01-01T00:00:00Z", "OrderStatus": "Shipped", name: value}
    body = json.dumps({"Order": order, "OrderItem": []}).encode()
    assert read_or_field(body)


@pytest.mark.parametrize("name", LISTS)
def test_an_element_that_stands_twice_is_read_or_refused_by_name(name: str) -> None:
    twice = f"<{name}><A>1</A></{name}>" * 2
    body = f"<ListOrdersResponse><Order><AmazonOrderId>111-1</AmazonOrderId>{twice}</Order></ListOrdersResponse>".encode()
    assert read_or_field(body)
