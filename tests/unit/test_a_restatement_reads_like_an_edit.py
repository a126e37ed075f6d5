"""What a restatement changed is named as the operations an author would have asked for; carried out, they leave what they say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.edit import Edited, calls_of, edit, overlaps
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.restated_operations import operations_of
from modification_processor.restatement import restate
from modification_processor.totals import recalculate
from schemas.leaves import leaves
from schemas.order import Address, Adjustment, Contact, DeliveryWindow, Order
from tests.line import order_in, shopify_order

AT = datetime(2026, 11, 2, tzinfo=UTC)
BOOK = recalculate(order_in(shopify_order(1))).with_(lifecycle="confirmed")
HULL = Address(name="Ida Example", lines=("9 Hill",), city="Hull", postal_code="HU1 1AA", country="GB", normalized="9hillhu11aagb")


def with_lines(*quantities: tuple[int, int]) -> Order:
    rows = [line.with_(ordered=ordered, cancelled=cancelled) for line, (ordered, cancelled) in zip(BOOK.lines, quantities, strict=True)]
    return recalculate(BOOK.with_(lines=tuple(rows)))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BOOK.with_(ship_to=HULL), ["set_ship_address"]),
        (BOOK.with_(bill_to=HULL), ["set_bill_address"]),
        (BOOK.with_(contact=Contact(name=BOOK.contact.name, email="new@example.com")), ["set_contact"]),
        (BOOK.with_(delivery_window=DeliveryWindow(latest=AT)), ["set_delivery_window"]),
        (BOOK.with_(ship_method="express", note="ring", tags=("vip",)), ["set_ship_method", "set_note", "set_tags"]),
        (with_lines((3, 0), (1, 0)), ["change_quantity"]),
        (with_lines((2, 1), (1, 0)), ["cancel_line"]),
        (with_lines((2, 0), (0, 0)), ["remove_line"]),
        (with_lines((2, 2), (1, 0)), ["cancel_line"]),
        (BOOK.with_(lifecycle="cancelled", lines=tuple(line.with_(cancelled=line.ordered) for line in BOOK.lines)), ["cancel_order"]),
        (BOOK.with_(lines=(*BOOK.lines, BOOK.lines[0].with_(line_id="L9", position=9, sku="SKU-C", ordered=2))), ["add_line"]),
        (
            BOOK.with_(adjustments=(Adjustment(adjustment_id="d", position=0, kind="discount", code="TEN", amount_minor=5),)),
            ["apply_promotion"],
        ),
        (BOOK.with_(adjustments=(Adjustment(adjustment_id="f", position=0, kind="fee", label="Gift", amount_minor=5),)), ["add_fee"]),
        (BOOK.with_(extensions={"/x": "1"}), []),
        (BOOK.with_(ship_to=Address(lines=("somewhere",))), []),
    ],
)
def test_a_change_has_the_name_of_its_operation(after: Order, expected: list[str]) -> None:
    named = operations_of(BOOK, after)
    assert expected == [each.operation.name for each in named]
    if named:
        assert not isinstance(calls_of([each.operation for each in named]), Refused)


@given(
    first=st.tuples(st.integers(0, 5), st.integers(0, 2)),
    second=st.tuples(st.integers(0, 5), st.integers(0, 2)),
    elsewhere=st.booleans(),
    note=st.sampled_from([None, "ring twice"]),
    tags=st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_carried_out_the_operations_leave_what_they_say(
    first: tuple[int, int], second: tuple[int, int], elsewhere: bool, note: str | None, tags: set[str]
) -> None:
    lines = [(max(ordered, cancelled), cancelled) for ordered, cancelled in (first, second)]
    # What the channel cancels and orders anew at once is one statement and two edits: it is named by its new quantity.
    lines = [
        (ordered, 0) if ordered != line.ordered else (ordered, cancelled)
        for (ordered, cancelled), line in zip(lines, BOOK.lines, strict=True)
    ]
    parts: dict[str, Any] = {"note": note, "tags": tuple(sorted(tags))} | ({"ship_to": HULL} if elsewhere else {})
    after = with_lines(*lines).with_(**parts)
    named = operations_of(BOOK, after)
    if not named:
        return
    calls = calls_of([each.operation for each in named])
    assert not isinstance(calls, Refused)
    found = edit(BOOK, calls, "channel_change", frozenset({"Order_Modify"}), None, Context(AT, "0"))
    assert isinstance(found, Edited), found
    said = [path for each in named for path in each.paths]
    done, wanted = leaves(found.order), leaves(after)
    assert {path: wanted[path] for path in wanted if overlaps(path, said)} == {path: done[path] for path in done if overlaps(path, said)}


def test_nothing_the_merge_left_alone_is_named() -> None:
    before = order_in(shopify_order(1))
    ours = recalculate(before.with_(ship_to=HULL))
    says = order_in(shopify_order(1, updated="2026-11-02T10:00:00Z", note="ring"))
    merged = restate(ours, before, says, "m", AT).order
    (only,) = operations_of(ours, merged)
    assert ("set_note", {"note": "ring"}, ("/note",)) == (only.operation.name, json.loads(only.operation.arguments), only.paths)
