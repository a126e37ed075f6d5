"""What a channel's change document asks of an order: operations, nothing, or a person; never twice, and never a guess."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.channel_changes import Asked, Unclear, asked, is_stale, ticket_id_of
from modification_processor.decide import Known, decide
from modification_processor.incoming import Incoming, Read
from modification_processor.operations.operation import Context, Product
from modification_processor.outcomes import Recorded
from normalizers import discover
from normalizers.channel import Document, StatedChange
from schemas.money import UnitPrice
from schemas.order import Address, DeliveryWindow, Order
from schemas.statement import ChangeStated, Finding, LineChange, RawDocument
from tests.line import order_in, shopify_order
from tests.mappings import FIXTURES

AT = datetime(2026, 11, 2, tzinfo=UTC)
RAW = RawDocument(body=b"{}", sha256="0" * 64, topic="orders.raw.x12.v1", partition=0, offset=7)
ORDER = order_in(shopify_order(1))  # L101: 2 of SKU-A at 10.00; L102: 1 of SKU-B at 5.50; stated 2026-11-01
PRODUCTS = {("SKU-C", "GBP"): Product("SKU-C", "Thing", UnitPrice.parse("3.00"))}


def change(*rows: LineChange, event: Any = "edit", channel: str = "x12", **more: Any) -> ChangeStated:
    fields: dict[str, Any] = {"changed_at": AT, **more}
    return ChangeStated(
        message_id="m1", order_id=ORDER.order_id, channel=channel, account="default", channel_order_id="1", event=event, line_changes=rows,
        raw=RAW, **fields,
    )  # fmt: skip


def row(action: Any = "change", **fields: Any) -> LineChange:
    return LineChange(action=action, **fields)


def told(body: ChangeStated, order: Order = ORDER, previous: Order | None = None) -> list[tuple[str, str]]:
    found = asked(order, body, previous, PRODUCTS)
    assert isinstance(found, Asked), found
    return [(one.name, one.arguments) for one in found.operations]


@pytest.mark.parametrize(
    ("asked_row", "operation"),
    [
        (row(line_id="101", quantity_ordered="3"), ("change_quantity", '{"line_id": "L101", "quantity": 3}')),
        (row(sku="SKU-A", quantity_ordered="3.0"), ("change_quantity", '{"line_id": "L101", "quantity": 3}')),
        (row(line_id="101", quantity_ordered="9", quantity_left="1"), ("change_quantity", '{"line_id": "L101", "quantity": 1}')),
        (row("add", line_id="101", quantity_delta="2"), ("change_quantity", '{"line_id": "L101", "quantity": 4}')),
        (row("remove", line_id="101", quantity_delta="-2"), ("cancel_line", '{"line_id": "L101"}')),
        (row("delete", line_id="102", quantity_ordered="1", quantity_left="0"), ("cancel_line", '{"line_id": "L102"}')),
        (row("cancel", line="102", quantity_delta="-1"), ("cancel_line", '{"line_id": "L102"}')),
        (row("add", line_id="9", sku="SKU-C", quantity_ordered="2", unit_price="3.0"), ("add_line", '{"sku": "SKU-C", "quantity": 2}')),
    ],
)
def test_a_lines_change_is_an_operation(asked_row: LineChange, operation: tuple[str, str]) -> None:
    assert told(change(asked_row)) == [operation]


def test_a_stated_price_is_an_override_of_it_and_so_needs_an_approval() -> None:
    (one,) = told(change(row(line_id="101", quantity_ordered="2", unit_price="9.00")))
    assert one[0] == "override_price"
    assert '"unit_price": "9.00"' in one[1]
    added = told(
        change(row(line_id="102", quantity_ordered="2"), row("add", line_id="9", sku="SKU-C", quantity_ordered="2", unit_price="2"))
    )
    assert [name for name, _ in added] == ["change_quantity", "add_line", "override_price"]
    assert f'"T{str(ticket_id_of(change()))[:8]}-1"' in added[2][1], "the price is that of the line the second operation makes"


def test_what_the_book_has_already_asks_for_nothing() -> None:
    assert told(change(row(line_id="101", quantity_ordered="2", unit_price="10"), row("keep", line_id="102"))) == []
    assert told(change(event="cancel"), ORDER.with_(lifecycle="cancelled")) == []


def test_a_cancellation_is_the_whole_orders() -> None:
    assert told(change(event="cancel")) == [("cancel_order", "{}")]
    assert told(change(row("cancel", line_id="101"), event="cancel")) == [("cancel_order", "{}")]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (change(event="cancel_request"), "decide"),
        (change(row(line_id="77", quantity_ordered="3")), "no line 77"),
        (change(row(line_id="101")), "into what"),
        (change(row(line_id="101", quantity_ordered="many")), "no number"),
        (change(row(line_id="101", quantity_ordered="1.5")), "1.5"),
        (change(row(line_id="101", quantity_ordered="NaN")), "NaN"),
        (change(row(line_id="101", quantity_ordered="1e12")), "1e12"),
        (change(row("remove", line_id="101", quantity_delta="-3")), "2 open"),
        (change(row(line_id="101", quantity_ordered="5", quantity_left="0")), "nothing left"),
        (change(row("add", line_id="101", quantity_ordered="3")), "there already"),
        (change(row("add", line_id="9", quantity_delta="1")), "without a SKU"),
        (change(), "no change"),
        (change(row(line_id="101", quantity_ordered="3"), findings=(Finding(path="", rule="line_repeated", message=""),)), "same line"),
    ],
)
def test_what_is_not_clear_takes_a_person(body: ChangeStated, why: str) -> None:
    found = asked(ORDER, body, None, PRODUCTS)
    assert isinstance(found, Unclear)
    assert why in found.why


def test_a_difference_the_channel_has_stated_since_is_stale() -> None:
    delta = row("add", line_id="101", quantity_delta="1")
    assert is_stale(ORDER, change(delta, changed_at=datetime(2026, 11, 1, 10, tzinfo=UTC)))
    assert not is_stale(ORDER, change(delta))
    assert not is_stale(ORDER, change(row(line_id="101", quantity_ordered="3"), changed_at=datetime(2026, 1, 1, tzinfo=UTC)))


def test_an_echo_of_a_change_of_ours_asks_for_nothing() -> None:
    ours = ORDER.with_(lines=(ORDER.lines[0].with_(ordered=3), ORDER.lines[1]))
    delta = row("add", line_id="101", quantity_delta="1")
    assert told(change(delta, channel="shopify"), ours, previous=ORDER) == []
    assert told(change(delta, channel="shopify"), ORDER, previous=ORDER) == [("change_quantity", '{"line_id": "L101", "quantity": 3}')]
    assert told(change(delta, channel="x12"), ours, previous=ORDER) == [("change_quantity", '{"line_id": "L101", "quantity": 4}')]


def test_a_stated_address_is_set_where_it_is_another() -> None:
    stated = (Finding(path="/N1", rule="ship_to_stated", message=""),)
    place = Address(name="Ida Example", lines=("9 Hill",), city="Hull", postal_code="HU1 1AA", country="GB", normalized="9hillhu11aagb")
    assert [name for name, _ in told(change(ship_to=place, findings=stated))] == ["set_ship_address"]
    assert ORDER.ship_to is not None
    assert told(change(ship_to=ORDER.ship_to, findings=stated)) == []
    bare = asked(ORDER, change(ship_to=place.with_(city=None), findings=stated), None, PRODUCTS)
    assert bare == Asked((), ("ship_to_stated",)), "an address nobody can send to is a person's work, not lost"


def test_a_stated_window_is_set_and_the_end_it_leaves_out_stays() -> None:
    stated = (Finding(path="/DTM", rule="delivery_stated", message=""),)
    first, second, third = (datetime(2026, 12, day, tzinfo=UTC) for day in (1, 5, 9))
    mine = ORDER.with_(delivery_window=DeliveryWindow(earliest=first, latest=second))

    def wanted(window: DeliveryWindow, order: Order = mine) -> list[tuple[str, str]]:
        return told(change(delivery_window=window, findings=stated), order)

    assert wanted(DeliveryWindow(latest=third)) == [
        ("set_delivery_window", '{"earliest": "2026-12-01T00:00:00Z", "latest": "2026-12-09T00:00:00Z"}')
    ]
    assert wanted(DeliveryWindow(earliest=third)) == [("set_delivery_window", '{"earliest": "2026-12-09T00:00:00Z"}')]
    assert wanted(DeliveryWindow(earliest=first, latest=second)) == []
    assert wanted(DeliveryWindow(latest=third), ORDER) == [("set_delivery_window", '{"latest": "2026-12-09T00:00:00Z"}')]
    late = asked(
        ORDER,
        change(row(line_id="101", quantity_ordered="3"), delivery_window=DeliveryWindow(latest=first), findings=stated),
        None,
        PRODUCTS,
        second,
    )
    assert isinstance(late, Asked)
    assert ([each.name for each in late.operations], late.left) == (["change_quantity"], ("delivery_stated",)), (
        "a window that is past is a person's work"
    )
    unread = asked(ORDER, change(findings=stated), None, PRODUCTS)
    assert unread == Asked((), ("delivery_stated",)), "a window that is no window is a person's work, not lost"


@given(
    rows=st.lists(
        st.builds(
            LineChange,
            action=st.sampled_from(["add", "remove", "delete", "change", "keep", "cancel"]),
            line_id=st.none() | st.sampled_from(["101", "102", "7"]),
            line=st.none() | st.text(max_size=3),
            sku=st.none() | st.sampled_from(["SKU-A", "SKU-C"]),
            quantity_delta=st.none() | st.text("0123456789-.e", max_size=4),
            quantity_ordered=st.none() | st.text("0123456789-.e", max_size=4),
            quantity_left=st.none() | st.text("0123456789-.e", max_size=4),
            unit_price=st.none() | st.text("0123456789-.e", max_size=4),
        ),
        max_size=3,
    )
)
def test_any_change_is_understood_or_handed_over(rows: list[LineChange]) -> None:
    found = asked(ORDER, change(*rows), ORDER, PRODUCTS)
    assert isinstance(found, Asked | Unclear)
    assert asked(ORDER, change(*rows), ORDER, PRODUCTS) == found


def test_the_same_message_is_the_same_ticket() -> None:
    assert ticket_id_of(change()) == ticket_id_of(change(row("keep")))
    assert ticket_id_of(change()) != ticket_id_of(change(row("keep")).with_(message_id="m2"))


def test_an_edit_that_is_only_planned_is_nobodys_state_and_says_what_it_would_change() -> None:
    note = Finding(path="/result", rule="edit_not_applied", message="not applied")
    body = change(row(line_id="101", quantity_ordered="3"), findings=(note,), channel="commercetools")
    found = asked(ORDER, body, None, PRODUCTS)
    assert isinstance(found, Unclear)
    assert "not applied" in found.why


def test_the_work_item_of_a_planned_edit_names_what_would_change() -> None:
    (planned,) = discover()["commercetools"].normalize((Document((FIXTURES / "commercetools" / "edit_planned.raw.json").read_bytes()),))
    assert isinstance(planned, StatedChange)
    body = change(
        *planned.line_changes, findings=planned.findings, channel="commercetools", ship_to=planned.ship_to, changed_at=planned.changed_at
    )
    read = Read(Incoming("orders.canonical.v1", 0, 0, None, b"", None, AT), ORDER.order_id, "m1", "ChangeStated", b"", body)
    outcome = decide(ORDER, read, Known(1, AT, Context(AT, "")))
    assert isinstance(outcome, Recorded)
    (item,) = outcome.work_items
    assert "channel_change" == item.kind
    for words in ("not applied it yet", "change l-1 5", "add NEW 2", "ship to another address", "and more"):
        assert words in item.detail
    assert "York" not in item.detail, "a work item is in clear"
    assert ORDER.lines == outcome.order.lines
