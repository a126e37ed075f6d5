"""An operator's patch: carried out whole or not at all, untouched values byte for byte as they were, locked fields refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_handler import patch
from dlq_handler.patch import PatchRefused
from dlq_handler.repair import FieldLocked, NotEditable, outline, patch_of, repaired, text_of, view
from dlq_handler.vocabulary import names_a_field
from schemas.assertion import Actor
from schemas.codec import decode, encode
from schemas.facts import FactLine, FulfillmentFact
from schemas.statement import IntakeFailed, RawDocument, Statement
from schemas.ticket import ModificationTicket, Operation

AT = datetime(2026, 11, 24, tzinfo=UTC)
OLGA = Actor("olga", frozenset({"DLQ_Operate", "Order_Modify"}), "console")
ANA = Actor("ana", frozenset({"Order_Modify"}), "console")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def patched(document: Any, *operations: dict[str, Any]) -> Any:
    return patch.apply(document, patch.read_patch(json.dumps(operations)))


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": None}, {"a": None}),
        ({"a": 1}, {"op": "replace", "path": "", "value": []}, []),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": 1, "b": 2}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
        ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": 1, "m~n": 2}, {"op": "replace", "path": "/a~1b", "value": 3}, {"a/b": 3, "m~n": 2}),
        ({"m~n": 2}, {"op": "test", "path": "/m~0n", "value": 2}, {"m~n": 2}),
        ({"": 1}, {"op": "remove", "path": "/"}, {}),
    ],
)
def test_each_operation_does_what_the_standard_says(document: Any, operation: dict[str, Any], expected: Any) -> None:
    before = json.dumps(document)
    assert expected == patched(document, operation)
    assert before == json.dumps(document)


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        ({"op": "replace", "path": "/no", "value": 1}, "target_exists"),
        ({"op": "remove", "path": "/a/7"}, "target_exists"),
        ({"op": "add", "path": "/a/9", "value": 1}, "target_exists"),
        ({"op": "add", "path": "/a/01", "value": 1}, "index"),
        ({"op": "add", "path": "/x/y", "value": 1}, "target_exists"),
        ({"op": "add", "path": "a", "value": 1}, "pointer"),
        ({"op": "add", "path": "/~2", "value": 1}, "pointer"),
        ({"op": "add", "path": "/a"}, "value"),
        ({"op": "move", "path": "/b"}, "from"),
        ({"op": "move", "from": "/o", "path": "/o/p"}, "from"),
        ({"op": "test", "path": "/n", "value": True}, "test"),
        ({"op": "Replace", "path": "/n", "value": 1}, "op"),
        ({"op": "remove", "path": ""}, "target_exists"),
        ({"op": "add", "value": 1}, "path"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_rule(operation: dict[str, Any], rule: str) -> None:
    with pytest.raises(PatchRefused) as refused:
        patched({"a": [1, 2], "n": 1, "o": {}}, operation)
    assert rule == refused.value.rule


@pytest.mark.parametrize("text", ["{}", "[]", "[1]", "no", "[" * 100_000, '[{"op":"add","op":"add","path":"/a","value":1}]'])
def test_what_is_no_patch_is_refused(text: str) -> None:
    with pytest.raises(PatchRefused):
        patch.read_patch(text)


@given(JSON, JSON)
def test_a_patch_that_fails_late_changes_nothing(document: Any, value: Any) -> None:
    before = json.dumps(document)
    with pytest.raises(PatchRefused):
        patched(document, {"op": "replace", "path": "", "value": value}, {"op": "test", "path": "/zz/zz", "value": 1})
    assert before == json.dumps(document)


@given(JSON)
def test_json_is_written_as_it_was_read(document: Any) -> None:
    assert document == json.loads(patch.dumps(patch.loads(json.dumps(document))))


def test_numbers_keep_their_digits_and_compare_by_value() -> None:
    text = '{"price":10.10,"big":1E400,"id":12345678901234567890}'
    assert text == patch.dumps(patch.loads(text))
    patched(patch.loads(text), {"op": "test", "path": "/price", "value": 10.1})


def ticket() -> ModificationTicket:
    return ModificationTicket(
        ticket_id=UUID(int=1), order_id=UUID(int=2), operations=(Operation(name="change_quantity", arguments='{"line_id":"L1","quantity":-3}'),),
        reason_code="customer_request", opened_at=AT,
    )  # fmt: skip


def no_normaliser(_channel: str, _raw: RawDocument) -> list[tuple[str, Statement]]:
    raise AssertionError


def repair(message: str, value: bytes, *operations: dict[str, Any], first: Actor = ANA) -> Any:
    made = repaired(message, "shopify", value, first, patch.read_patch(json.dumps(operations)), OLGA, no_normaliser)
    return decode(made.value), made.actor


def test_a_repaired_ticket_is_the_operators_act_for_its_first_author() -> None:
    value = encode(ticket())
    fix = {"op": "replace", "path": "/operations/0/arguments/quantity", "value": 3}
    made, actor = repair("ModificationTicket", value, fix)
    assert {"line_id": "L1", "quantity": 3} == json.loads(made.operations[0].arguments)
    assert ("olga", "ana", "ana") == (actor.user_id, actor.on_behalf_of, made.on_behalf_of)
    assert ticket().ticket_id == made.ticket_id
    # Repaired again by somebody else: the first author stays.
    again, _ = repair("ModificationTicket", encode(made), fix, first=actor)
    assert "ana" == again.on_behalf_of


@pytest.mark.parametrize("path", view("ModificationTicket", encode(ticket())).locked)
@pytest.mark.parametrize("how", ["replace", "remove", "move"])
def test_locked_fields_are_refused(path: str, how: str) -> None:
    operation = {"op": how, "path": path, "value": "x"} if how != "move" else {"op": "move", "from": "/comment", "path": path}
    if how != "replace" and path in ("/on_behalf_of", "/undoes"):
        operation = {"op": "add", "path": path, "value": "mallory"}
    with pytest.raises(FieldLocked, match=path):
        repair("ModificationTicket", encode(ticket()), operation)


def test_a_whole_other_message_is_refused_by_its_locked_fields() -> None:
    with pytest.raises(FieldLocked):
        repair("ModificationTicket", encode(ticket()), {"op": "replace", "path": "", "value": {}})


def test_a_facts_quantities_may_be_corrected_and_its_payment_not() -> None:
    fact = FulfillmentFact(fact_id="f", order_id=UUID(int=2), kind="shipped", lines=(FactLine(line_id="L1", quantity=99),), at=AT)
    wms = Actor("wms", frozenset(), "warehouse")
    made, actor = repair("FulfillmentFact", encode(fact), {"op": "replace", "path": "/lines/0/quantity", "value": 2}, first=wms)
    assert 2 == made.lines[0].quantity
    assert "wms" == actor.on_behalf_of
    with pytest.raises(FieldLocked):
        repair("FulfillmentFact", encode(fact), {"op": "replace", "path": "/payment", "value": {"amount_minor": 1}})


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/colour", "value": 1},
        {"op": "replace", "path": "/operations", "value": 1},
        {"op": "replace", "path": "/operations/0", "value": {"name": "x"}},
        {"op": "replace", "path": "/base_version", "value": "1"},
    ],
)
def test_what_the_patch_leaves_must_be_a_message(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchRefused):
        repair("ModificationTicket", encode(ticket()), operation)


@pytest.mark.parametrize(
    ("body", "operation", "expected"),
    [
        (b'{"id": 7, "price": 10.10}', {"op": "replace", "path": "/body/id", "value": 8}, b'{"id":8,"price":10.10}'),
        (b"{cut short", {"op": "replace", "path": "/body", "value": '{"id": 7}'}, b'{"id": 7}'),
        (b"ISA*00*", {"op": "replace", "path": "/body", "value": "ISA*01*"}, b"ISA*01*"),
        (b'{"id": 1, "id": 2}', {"op": "replace", "path": "/body", "value": {"id": 2}}, b'{"id":2}'),
    ],
)
def test_a_document_is_edited_as_json_or_as_text_and_normalised_again(body: bytes, operation: dict[str, Any], expected: bytes) -> None:
    raw = RawDocument(body=body, sha256="", topic="t", partition=0, offset=0, headers={"account": "north"})
    failed = IntakeFailed(message_id="m", order_id=None, channel="shopify", verdict="dead_letter", error_class="DECODE", code="x", raw=raw)
    seen: list[RawDocument] = []

    def normalise(channel: str, document: RawDocument) -> list[tuple[str, Statement]]:
        assert "shopify" == channel
        seen.append(document)
        return []

    made = repaired("IntakeFailed", "shopify", encode(failed), None, [operation], OLGA, normalise)
    assert expected == made.value == seen[0].body
    assert {"account": "north", "repaired_by": "olga"} == seen[0].headers


def test_what_nobody_can_read_cannot_be_edited() -> None:
    with pytest.raises(NotEditable):
        view("unreadable", b"\x00")


@given(JSON, JSON)
def test_the_difference_of_two_documents_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    operations = patch.difference(before, after)
    assert patch.equal(after, patch.apply(before, operations))
    assert [] == patch.difference(before, before)


def test_a_difference_names_what_changed_and_no_more() -> None:
    before = patch.loads('{"a/b": 1, "lines": [{"id": 1, "q": 2}, {"id": 2, "q": 10.10}, {"id": 3}], "gone": null}')
    after = patch.loads('{"a/b": 2, "lines": [{"id": 1, "q": 3}, {"id": 3}], "new": [1]}')
    assert [
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/a~1b", "value": 2},
        {"op": "replace", "path": "/lines/0/q", "value": 3},
        {"op": "remove", "path": "/lines/1"},
        {"op": "add", "path": "/new", "value": [1]},
    ] == patch.difference(before, after)


@given(JSON)
def test_text_over_several_lines_says_the_same_and_a_mask_says_nothing(document: Any) -> None:
    assert patch.equal(document, patch.loads(patch.pretty(document)))
    leaves = set(_leaves(patch.masked(document)))
    assert leaves <= {patch.MASK, None, True, False}


def _leaves(document: Any) -> list[Any]:
    if isinstance(document, dict | list):
        inner = document.values() if isinstance(document, dict) else document
        return [leaf for item in inner for leaf in _leaves(item)]
    return [document]


def failed(body: bytes) -> bytes:
    raw = RawDocument(body=body, sha256="", topic="t", partition=0, offset=0, headers={})
    return encode(
        IntakeFailed(message_id="m", order_id=None, channel="shopify", verdict="dead_letter", error_class="DECODE", code="x", raw=raw)
    )


@pytest.mark.parametrize(
    ("body", "old", "new", "expected"),
    [
        (b'{"id": 7, "price": 10.10}', "7", "8", '[{"op":"replace","path":"/body/id","value":8}]'),
        (b'{"id": 7}', "7", '7, "price": 10.10', '[{"op":"add","path":"/body/price","value":10.10}]'),
        (b'{"id": 2', "2", "2}", '[{"op":"replace","path":"/body","value":"{\\"id\\": 2}"}]'),
        (b"ISA*00\r\nGS*1\r\n", "00", "01", '[{"op":"replace","path":"/body","value":"ISA*01\\r\\nGS*1\\r\\n"}]'),
    ],
)
def test_what_is_typed_over_a_documents_text_becomes_the_patch(body: bytes, old: str, new: str, expected: str) -> None:
    value = failed(body)
    shown = text_of("IntakeFailed", view("IntakeFailed", value).document).replace("\r\n", "\n")  # as a browser's form gives it back
    assert expected == patch_of("IntakeFailed", value, shown.replace(old, new, 1))
    with pytest.raises(PatchRefused, match="says already"):
        patch_of("IntakeFailed", value, shown)


def test_edited_text_that_would_say_something_else_is_refused() -> None:
    with pytest.raises(PatchRefused, match="no JSON"):
        patch_of("IntakeFailed", failed(b'{"id": 7}'), '{"id": 7')
    with pytest.raises(PatchRefused, match="line ends of two kinds"):
        patch_of("IntakeFailed", failed(b"ISA*00\r\nGS*1\n"), "ISA*01\nGS*1\n")


def test_a_tickets_text_is_its_fields_and_its_arguments() -> None:
    value = encode(ticket())
    shown = text_of("ModificationTicket", view("ModificationTicket", value).document)
    expected = '[{"op":"replace","path":"/operations/0/arguments/quantity","value":3}]'
    assert expected == patch_of("ModificationTicket", value, shown.replace("-3", "3"))


def test_a_key_that_may_be_a_value_is_hidden_with_the_values() -> None:
    personal = [
        "ida@example.com",
        "Ida Example",
        "+44 113 496 0000",
        "LS1 1AA",
        "10115",
        "Müller",
        "Smith",
        "smith",
        "Ida",
        "IdaSmith",
        "smith_address",
        "ida-smith",
        "@ida",
        "1 High Street",
        "http://x.example",
        "a" * 61,
    ]
    fields = ["email", "address1", "AmazonOrderId", "line_items", "x-shopify-topic", "order:ID", "@type"]
    document = {name: {"value": "Ida"} for name in [*personal, *fields]}
    seen = patch.masked(document)
    assert fields == list(seen)[len(personal) :]
    assert len(document) == len(seen), "no two keys become one"
    assert not [name for name in personal if name in str(seen)]


def test_what_channels_call_their_fields_stays_to_be_seen() -> None:
    """Of the names in the payloads of every channel's tests, nine in ten are shown: an outline that hides names helps nobody."""
    folder = Path(__file__).parents[1] / "fixtures" / "channels"
    names = {name for file in folder.rglob("*.raw.json") for name in _names(json.loads(file.read_bytes()))}
    assert len(names) > 500
    assert len([name for name in names if names_a_field(name)]) > 0.9 * len(names)


def _names(document: Any) -> set[str]:
    if isinstance(document, dict):
        return set(document).union(*map(_names, document.values()))
    return set().union(*map(_names, document)) if isinstance(document, list) else set()


def test_an_outline_has_the_names_and_none_of_the_values() -> None:
    seen = outline("IntakeFailed", failed(b'{"email": "ida@example.com", "lines": [{"price": 10.10}], "taxed": true}'))
    assert '"email": "•••"' in seen
    assert '"taxed": true' in seen
    assert not {"ida@example.com", "10.10"} & set(seen.split('"'))
    assert "18 characters that are no JSON" == outline("IntakeFailed", failed(b"ida@example.com #1"))
