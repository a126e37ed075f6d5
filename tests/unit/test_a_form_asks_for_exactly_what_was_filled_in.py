"""The edit form turns what was typed into operations, and nothing else: what was not touched is not asked for."""

import json
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import form
from console.api.models import ModesView, ModeView
from console.form import postal
from console.pages import show
from modification_processor import Moment, modes_for, operations_known, read_operations
from modification_processor.edit_rules import EditRules, Window, default_edit_rules
from modification_processor.outcomes import Refused
from schemas.order import Adjustment, Hold, Order, Shipment, ShipmentPart
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
        ({f"remove.{FIRST}": form.ON, f"quantity.{FIRST}": "9"}, {"remove_line": {"line_id": FIRST}}),
        ({f"cancel.{FIRST}": "1"}, {"cancel_line": {"line_id": FIRST, "quantity": 1}}),
        (
            {f"price.{FIRST}": "9.50", "price_note": "as promised"},
            {"override_price": {"line_id": FIRST, "unit_price": "9.50", "note": "as promised"}},
        ),
        (
            {f"quantity.{FIRST}": "3", "added": "list", "policy": "drop"},
            {"change_quantity": {"line_id": FIRST, "quantity": 3, "added": "list", "promotions": "drop"}},
        ),
        ({"fee.label": "Express", "fee.amount": "4.90"}, {"add_fee": {"label": "Express", "amount": "4.90"}}),
        ({"hold.kind": "manual", "hold.reason": "Call first"}, {"place_hold": {"kind": "manual", "reason": "Call first"}}),
        ({"cancel_order": form.ON}, {"cancel_order": {}}),
        ({"payment_method": "invoice"}, {"set_payment_method": {"method": "invoice"}}),
        ({"ship_method": "express"}, {"set_ship_method": {"method": "express"}}),
        ({"apart_method": "express"}, {}),
        (
            {f"apart.{FIRST}": "1", "apart_from": "2027-01-02T10:00"},
            {
                "split_shipment": {
                    "parts": [{"line_id": FIRST, "quantity": 1}],
                    "ship_method": None,
                    "earliest": "2027-01-02T10:00:00Z",
                    "latest": None,
                }
            },
        ),
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
    fields = {field.key: field for section in sections for field in section.fields}
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["0", "3", "GB", "2027-01-02T10:00"])
    picked = data.draw(st.lists(st.sampled_from(list(fields)), unique=True))
    # Of a choice, one of its values: a list gives nothing else.
    filled = {
        key: data.draw(st.sampled_from([value for value, _ in fields[key].choices]) if fields[key].choices else text) for key in picked
    }
    try:
        operations = form.operations(order, sections, filled)
    except form.NotReadable:
        return
    wire = [Operation(name=operation.name, arguments=json.dumps(operation.arguments)) for operation in operations]
    assert {operation.name for operation in operations} <= set(operations_known())
    if wire and not any("window" in key or key.startswith("apart_") for key in filled):
        assert not isinstance(read_operations(wire), Refused)


FULL = ORDER.model_copy(
    update={
        "holds": (Hold(hold_id="H1", kind="manual", reason="Call first"),),
        "shipments": (Shipment(shipment_id="S1", parts=(ShipmentPart(line_id=FIRST, quantity=1),)),),
        "adjustments": (
            Adjustment(adjustment_id="A1", position=1, kind="discount", source="code", code="TENOFF", amount_minor=255),
            Adjustment(adjustment_id="A2", position=2, kind="fee", source="manual", label="Express", amount_minor=490),
        ),
    }
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("release.H1", {"release_hold": {"hold_id": "H1"}}),
        ("join.S1", {"split_shipment": {"shipment_id": "S1"}}),
        ("unpromote.A1", {"remove_promotion": {"adjustment_id": "A1"}}),
        ("waive.A2", {"remove_fee": {"adjustment_id": "A2"}}),
    ],
)
def test_what_the_order_has_is_taken_off_with_a_switch(key: str, expected: dict[str, Any]) -> None:
    assert expected == asked(FULL, **{key: form.ON})


def test_every_operation_can_be_asked_for_in_the_form() -> None:
    typed = {
        "text": "2", "area": "2", "moment": "2027-01-02T10:00", "sku": "SKU-C", "promotion": "TENOFF", "switch": form.ON, "choice": "manual",
    }  # fmt: skip
    found = set()
    for section in form.sections(FULL, modes(FULL, "Order_Modify")):
        for field in section.fields:
            if field.enabled and field.key not in {"added", "policy"}:
                sections = form.sections(FULL, modes(FULL, "Order_Modify"))
                found |= {operation.name for operation in form.operations(FULL, sections, {field.key: typed[field.kind]})}
    assert {name for name, spec in operations_known().items() if not spec.undo_only} == found


def moved(**change: Any) -> form.Followed:
    """Type into an order's form while the order changes."""
    base = {field.key: field for section in form.sections(ORDER, modes(ORDER, "Order_Modify")) for field in section.fields}
    after = ORDER.model_copy(update=change)
    typed = {"ship_to.city": "York", "note": "Leave it outside", f"quantity.{FIRST}": "3"}
    return form.follow(base, form.sections(after, modes(after, "Order_Modify")), typed)


def test_a_field_changed_by_somebody_else_meanwhile_is_a_clash_with_both_values() -> None:
    assert form.Followed() == moved(ship_method="express")
    (clash,) = moved(note="Ring thrice").clashes
    assert ("Note", "Ring twice", "Ring thrice", "Leave it outside") == (clash.field.label, clash.before, clash.theirs, clash.yours)
    assert form.Followed() == moved(note="Leave it outside")


def test_a_field_that_shuts_meanwhile_keeps_its_text_and_says_so() -> None:
    lines = tuple(line.model_copy(update={"allocated": line.ordered, "released": line.ordered, "packed": line.ordered, "shipped": line.ordered})
                  for line in ORDER.lines)  # fmt: skip
    followed = moved(lines=lines)
    assert {"Ship to city", f"Quantity of {ORDER.lines[0].sku}"} == {field.label for field in followed.shut}
    assert all(field.hint for field in followed.shut)


@pytest.mark.parametrize(
    ("code", "parts", "expected"),
    [
        ("GB", {"lines": "1 High Street", "city": "Leeds", "postal_code": "LS1 1AA"}, {"country": "United Kingdom"}),
        ("GB", {"lines": "1 High Street", "city": "Leeds", "postal_code": "LS1"},
         {"country": "United Kingdom", "postal_code": "Postcodes in United Kingdom look like EC1Y 8SY."}),
        ("us", {"lines": "1 Main St", "city": "Austin", "postal_code": "78701"},
         {"country": "United States", "region": "Addresses in United States need a state."}),
        ("ZZ", {}, {"country": "Two letters: the country's ISO code."}),
        ("", {}, {}),
    ],
)  # fmt: skip
def test_address_help_says_what_a_country_needs(code: str, parts: dict[str, str], expected: dict[str, str]) -> None:
    assert expected == postal.remarks(code, parts)


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
    assert ("Can be changed until 2026-11-23 13:30 UTC.", "") == (hints["contact.email"], hints["note"])
