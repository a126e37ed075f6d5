"""What every sales channel promises, whatever its payloads look like."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modification_processor.totals import recalculate
from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder, Unreadable
from normalizers.summary import summarize
from normalizers.wire import walk
from schemas.failures import OrdermendError
from schemas.order import Order
from tests.mutants import json_in, with_json

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"


def case_of(path: Path) -> tuple[str, str]:
    return path.parent.name, path.name.split(".", maxsplit=1)[0]


CASES = sorted(
    {case_of(path) for path in ROOT.glob("*/*.raw.*")}
    & {(name, case) for name in discover() for case in {case_of(p)[1] for p in ROOT.glob(f"{name}/*.raw.*")}}
)


def documents(case: tuple[str, str]) -> tuple[Document, ...]:
    return tuple(Document(path.read_bytes()) for path in sorted((ROOT / case[0]).glob(f"{case[1]}.*raw.*")))


def normalised(case: tuple[str, str]) -> tuple[Result, ...]:
    return discover()[case[0]].normalize(documents(case))


def orders(results: tuple[Result, ...]) -> list[Order]:
    return [result.order for result in results if isinstance(result, StatedOrder)]


def facts(order: Order) -> dict[str, Any]:
    """The canonical values a summary does not show."""
    return {
        "order_id": str(order.order_id),
        "order_number": order.order_number,
        "lifecycle": order.lifecycle,
        "totals": order.totals.model_dump(),
        "lines": [[line.line_id, line.gross_minor, line.ordered, line.cancelled, line.shipped, line.returned] for line in order.lines],
        "adjustments": [
            [row.adjustment_id, row.kind, row.amount_minor, {part.line_id: part.amount_minor for part in row.allocations}]
            for row in order.adjustments
        ],
        "taxes": [
            [row.tax_id, row.line_id or row.adjustment_id, row.rate, row.included, row.liable, row.amount_minor] for row in order.taxes
        ],
        "payments": [[row.payment_id, row.kind, row.amount_minor] for row in order.payments],
        "extensions": sorted(order.extensions),
    }


def told(case: tuple[str, str]) -> dict[str, Any]:
    results = normalised(case)
    return json.loads(json.dumps({"summary": summarize(results), "orders": [facts(order) for order in orders(results)]}))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_channel_has_a_fixture(name: str) -> None:
    assert any(case[0] == name for case in CASES), f"write tests/fixtures/channels/{name}/<case>.raw.* and <case>.order.json"


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_channel_is_the_module_of_its_name(name: str) -> None:
    channel = discover()[name]
    assert channel.topic.name == f"orders.raw.{name}.v1"
    assert channel.order_id("a", "b") != channel.order_id("a:b", "")


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_a_fixture_normalises_to_its_expected_order(case: tuple[str, str]) -> None:
    path = ROOT / case[0] / f"{case[1]}.order.json"
    if os.environ.get("ORDERMEND_WRITE_FIXTURES"):  # then read every line of the difference before committing it
        path.write_text(json.dumps(told(case), indent=1, ensure_ascii=False) + "\n")
    expected = json.loads(path.read_text())
    actual = told(case)
    assert {key: actual[key] for key in expected} == expected


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_normalising_twice_gives_the_same(case: tuple[str, str]) -> None:
    assert normalised(case) == normalised(case)


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_sums_are_exact_and_recalculating_changes_nothing(case: tuple[str, str]) -> None:
    for order in orders(normalised(case)):
        check_sums(order)


def check_sums(order: Order) -> None:
    totals = order.totals
    assert totals.subtotal_minor == sum(line.gross_minor for line in order.lines)
    assert totals.tax_minor == sum(row.amount_minor for row in order.taxes)
    added = sum(row.amount_minor for row in order.taxes if not row.included)
    parts = totals.subtotal_minor - totals.discount_minor + totals.shipping_minor + totals.fee_minor + added + totals.rounding_minor
    assert totals.grand_total_minor == parts
    for row in order.adjustments:
        if row.allocations:
            assert row.amount_minor == sum(part.amount_minor for part in row.allocations)
    if order.stated_totals.grand_total_minor is not None:
        assert totals.grand_total_minor == order.stated_totals.grand_total_minor
    assert recalculate(order) == order
    for rows in (order.lines, order.adjustments, order.taxes, order.payments):
        ids = [getattr(row, str(type(row).KEY)) for row in rows]
        assert len(ids) == len(set(ids))
    known = {line.line_id for line in order.lines}
    assert {part.line_id for row in order.adjustments for part in row.allocations} <= known
    assert {row.line_id for row in order.taxes if row.line_id} <= known
    assert {row.adjustment_id for row in order.taxes if row.adjustment_id} <= {row.adjustment_id for row in order.adjustments}


LINES = ("lineItems", "line_items")
KEEPING = [
    case
    for case in CASES
    if case[0] in {"shopify", "woocommerce", "ebay"}
    and (path := ROOT / case[0] / f"{case[1]}.raw.json").exists()
    and any(f'"{name}"' in path.read_text() for name in LINES)
]


@pytest.mark.parametrize("case", KEEPING, ids="/".join)
def test_a_line_keeps_its_id_when_another_one_goes(case: tuple[str, str]) -> None:
    body = json.loads(documents(case)[0].body)
    before = [line.line_id for order in orders(normalised(case)) for line in order.lines]
    items = next(item for where, item in walk(body) if where.rpartition("/")[2] in LINES)
    listed = items.get("edges") or items["nodes"] if isinstance(items, dict) else items
    del listed[0]
    after = discover()[case[0]].normalize((Document(json.dumps(body).encode()),))
    assert [line.line_id for order in orders(after) for line in order.lines] == before[1:]


WRONG: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    1.5,
    "",
    "x",
    "-3",
    "1e400",
    "NaN",
    "9" * 400,
    [],
    {},
    [1],
    [{}],
    {"a": 1},
    "2026-13-45",
    " ",
    "1,5",
    "\u0663",
]


def _mutations(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: list[tuple[str | int, Any]] = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(*path, key) for key, _ in items] + [deep for key, child in items for deep in _mutations(child, (*path, key))]


def _with(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    copy = json.loads(json.dumps(value))
    target = copy
    for key in path[:-1]:
        target = target[key]
    if new is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = new
    return copy


@pytest.mark.parametrize("case", [case for case in CASES if list((ROOT / case[0]).glob(f"{case[1]}.*raw.json*"))], ids="/".join)
def test_a_wrong_value_anywhere_is_read_or_refused_and_nothing_else(case: tuple[str, str]) -> None:
    found = documents(case)
    outcomes = set()
    for number, document in enumerate(found):
        if document.body.lstrip().startswith(b"<"):  # texts of XML are put wrong in test_hostile_xml…
            continue
        for index, part in enumerate(json_in(document.body)):
            body = json.loads(part)
            for path in _mutations(body):
                for new in [..., *WRONG]:
                    changed = Document(with_json(document.body, index, json.dumps(_with(body, path, new)).encode()))
                    outcomes.add(_outcome(case[0], (*found[:number], changed, *found[number + 1 :])))
    if case != ("wix", "bare_event"):  # it is one text: nothing of it is harmless
        assert _outcome(case[0], tuple(found)) in outcomes, "what is harmless changes nothing"


def _outcome(name: str, found: tuple[Document, ...]) -> str:
    """Return "read" or "refused"; what is read adds up and has a summary, and a refusal says by which code and where."""
    try:
        results = discover()[name].normalize(found)
    except OrdermendError as refusal:
        assert refusal.code  # noqa: PT017  # either outcome is right
        assert refusal.field is not None  # noqa: PT017
        return "refused"
    json.dumps(summarize(results))
    for order in orders(results):
        check_sums(order)
    return "refused" if any(isinstance(result, Unreadable) for result in results) else "read"


@pytest.mark.parametrize("case", [case for case in CASES if list((ROOT / case[0]).glob(f"{case[1]}.*raw.edi"))], ids="/".join)
def test_a_wrong_element_is_read_or_refused_and_nothing_else(case: tuple[str, str]) -> None:
    text = documents(case)[0].body.decode()
    # The first separators of X12 are its envelope's: what they part has its place.
    mark, first = ("+", 1) if case[0] == "edifact" else ("*", 16)
    pieces, outcomes = text.split(mark), set()
    for index in range(first, len(pieces)):
        for new in ("", "x", "-1", "0", "9" * 40, "1e9", "~", "\n", "1.2345678901234", "é"):
            outcomes.add(_outcome(case[0], (Document(mark.join([*pieces[:index], new, *pieces[index + 1 :]]).encode()),)))
    assert {"read", "refused"} == outcomes, "what is harmless is read, and what is not is refused"
    assert "refused" in {_outcome(case[0], (Document(text[:end].encode()),)) for end in range(0, len(text), 7)}


@given(
    body=st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda x: json.dumps(x).encode()
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for name in discover():
        assert _outcome(name, (Document(body),)) in {"read", "refused"}
