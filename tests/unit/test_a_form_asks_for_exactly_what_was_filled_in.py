"""The edit form turns what was typed into operations, and nothing else: what was not touched is not asked for."""

import json
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.api.models import ModesView, ModeView
from console.pages import form, show
from modification_processor import Moment, modes_for, operations_known, read_operations
from modification_processor.edit_rules import EditRules, Window, default_edit_rules
from modification_processor.outcomes import Refused
from schemas.order import Order
from schemas.ticket import Operation
from tests.line import order_in, shopify_order
from tests.unit.strategies import AT, orders

ORDER = order_in(shopify_order(1001, note="Ring twice"))
FIRST = ORDER.lines[0].line_id


def modes(order: Order, *roles: str) -> ModesView:
    views = [ModeView(**vars(mode)) for mode in modes_for(order, frozenset(roles), Moment(AT, default_edit_rules()))]
    return ModesView(version=1, editable=True, modes=views)


def asked(order: Order, **filled: str) -> dict[str, Any]:
    sections = form.sections(order, modes(order, "Order_Modify"))
    keys = {key.replace("__", "."): value for key, value in filled.items()}
    return {operation.name: operation.arguments for operation in form.operations(order, sections, keys)}


@pytest.mark.parametrize(
    ("filled", "expected"),
    [
        ({}, {}),
        ({"ship_to__city": "Leeds "}, {}),
        ({"contact__email": "new@example.org"}, {"set_contact": {"clear": [], "email": "new@example.org"}}),
        ({"contact__email": ""}, {"set_contact": {"clear": ["email"]}}),
        ({f"quantity.{FIRST}": "5"}, {"change_quantity": {"line_id": FIRST, "quantity": 5}}),
        ({f"quantity.{FIRST}": "0"}, {"remove_line": {"line_id": FIRST}}),
        ({f"sku.{FIRST}": "SKU-C"}, {"replace_sku": {"line_id": FIRST, "sku": "SKU-C"}}),
        ({"promotion": "TENOFF"}, {"apply_promotion": {"code": "TENOFF"}}),
        ({"add__sku": "SKU-C"}, {"add_line": {"sku": "SKU-C", "quantity": 1}}),
        ({"tags": "vip, gift"}, {"set_tags": {"add": ["vip", "gift"], "remove": []}}),
        ({"note": ""}, {"set_note": {"note": None}}),
        ({"window__latest": "2027-01-02T10:00"}, {"set_delivery_window": {"earliest": None, "latest": "2027-01-02T10:00:00Z"}}),
    ],
)
def test_it_asks_for_what_was_changed(filled: dict[str, str], expected: dict[str, Any]) -> None:
    assert expected == asked(ORDER, **filled)


def test_an_address_is_asked_for_whole() -> None:
    (arguments,) = asked(ORDER, ship_to__lines="2 Low Street\n\nFlat 3").values()
    assert ("2 Low Street", "Flat 3") == tuple(arguments["lines"])
    assert ("Leeds", "LS1 1AA", "GB") == (arguments["city"], arguments["postal_code"], arguments["country"])


@pytest.mark.parametrize("text", ["many", "1.5", "1e99", "NaN", "-", "٣x"])
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(form.NotReadable, match="Quantity of SKU-A"):
        asked(ORDER, **{f"quantity.{FIRST}": text})


def test_a_field_that_is_not_open_is_never_asked_for() -> None:
    sections = form.sections(ORDER, modes(ORDER, "Audit_Read"))
    assert not any(field.enabled for section in sections for field in section.fields)
    assert [] == form.operations(ORDER, sections, {"contact.email": "x@example.org", "warehouse": "W2"})
    assert all(field.hint for section in sections for field in section.fields)


@given(orders(), st.data())
def test_whatever_is_typed_the_processor_can_read_what_is_asked(order: Order, data: st.DataObject) -> None:
    sections = form.sections(order, modes(order, "Order_Modify"))
    keys = [field.key for section in sections for field in section.fields]
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["0", "3", "GB", "2027-01-02T10:00"])
    filled = data.draw(st.dictionaries(st.sampled_from(keys), text))
    try:
        operations = form.operations(order, sections, filled)
    except form.NotReadable:
        return
    wire = [Operation(name=operation.name, arguments=json.dumps(operation.arguments)) for operation in operations]
    assert {operation.name for operation in operations} <= set(operations_known())
    if wire and not any("window" in key for key in filled):
        assert not isinstance(read_operations(wire), Refused)


class _Tags(HTMLParser):
    """The tags and attribute names of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


@given(st.text() | st.sampled_from(["<script>", "</td><img src=x onerror=y>", '" onclick="x', "&lt;", "<!--", "]]>"]))
def test_nothing_of_an_order_is_written_as_html(text: str) -> None:
    def tags(word: str) -> list[tuple[str, tuple[str, ...]]]:
        parser = _Tags()
        rows = [(word, show.chip(word), show.link(word, word), show.lines([word]))]
        parser.feed(show.section(word, show.Markup(show.table(word, (word,), rows, word) + show.facts([(word, word)]))))
        return parser.seen

    assert tags("plain") == tags(text)


def test_a_field_says_until_when_it_can_be_changed() -> None:
    window = Window("hour", frozenset({"contact"}), "after_placement", "locked", minutes=timedelta(minutes=90))
    placed = ORDER.model_copy(update={"placed_at": AT})
    answers = modes_for(placed, frozenset({"Order_Modify"}), Moment(AT, EditRules(1, (window,))))
    shown = form.sections(placed, ModesView(version=1, editable=True, modes=[ModeView(**vars(mode)) for mode in answers]))
    hints = {field.key: field.hint for section in shown for field in section.fields}
    assert ("can be changed until 2026-11-23 13:30 UTC", "") == (hints["contact.email"], hints["note"])
