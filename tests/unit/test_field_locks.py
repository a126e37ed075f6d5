"""The lock evaluator: the table is whole, the strictest wins, and every answer names its rule."""

import re
from importlib import resources
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.edit_rules import default_edit_rules
from modification_processor.field_locks import (
    COLUMNS,
    FULFILMENT_COLUMNS,
    PAYMENT_COLUMNS,
    STRICTNESS,
    FieldMode,
    LocksInvalid,
    Moment,
    default_locks,
    evaluate,
    field_modes,
    fulfilment_column,
    load_locks,
    payment_column,
)
from modification_processor.operations.operation import Touch
from normalizers.channel import Verb
from schemas.order import Hold, Order, OrderLine, Payment, PaymentKind, Source
from tests.unit.strategies import AT

TEXT = resources.files("modification_processor").joinpath("field_locks.toml").read_text(encoding="utf-8")
NOW = Moment(AT, default_edit_rules())
MODIFY = frozenset({"Order_Modify"})
ADDRESS = Touch("ship_address", "/ship_to")
UP = Touch("quantity_up", "/lines/L1/ordered", "L1")
CLASSES = sorted({name for name, _ in default_locks().modes})
STATES: dict[str, dict[str, Any]] = {
    "confirmed": {},
    "allocated": {"allocated": 1},
    "released": {"allocated": 2, "released": 1},
    "packed": {"released": 2, "packed": 1},
    "part_shipped": {"packed": 2, "shipped": 1},
    "shipped": {"packed": 2, "shipped": 2},
}


def order(*states: str, channel: str = "shopify", paid: tuple[PaymentKind, ...] = (), **changes: Any) -> Order:
    """Return a confirmed order with a line of two units in each state."""
    lines = tuple(OrderLine(line_id=f"L{n}", position=n, ordered=2, **STATES[state]) for n, state in enumerate(states or ("confirmed",), 1))
    payments = tuple(Payment(payment_id=kind, provider="p", transaction="t", kind=kind, amount_minor=100) for kind in paid)
    source = Source(channel=channel, channel_order_id="1")
    base = {"lifecycle": "confirmed", "lines": lines, "payments": payments}
    return Order(order_id=UUID(int=1), order_number="1", source=source, currency="EUR", **(base | changes))


def ask(subject: Order, touch: Touch, roles: frozenset[str] = MODIFY, verbs: frozenset[Verb] | None = frozenset()) -> FieldMode:
    return evaluate(subject, touch, roles, verbs, when=NOW)


class TestTable:
    def test_every_class_has_every_column_and_what_is_never_edited_is_always_locked(self) -> None:
        modes = default_locks().modes
        assert {(name, column) for name in CLASSES for column in COLUMNS} == set(modes)
        for name in ("identity", "payment_dates", "warehouse", "derived"):
            assert {"locked"} == {modes[name, column] for column in COLUMNS}

    @given(st.sampled_from(CLASSES), st.sampled_from(PAYMENT_COLUMNS), st.sampled_from(FULFILMENT_COLUMNS))
    def test_the_strictest_column_wins(self, name: str, payment: str, fulfilment: str) -> None:
        locks = default_locks()
        cell = locks.cells[name, payment, fulfilment]
        ranks = [STRICTNESS.index(locks.modes[name, column]) for column in (payment, fulfilment)]
        assert max(ranks) == STRICTNESS.index(cell.mode)

    @pytest.mark.parametrize(
        ("pattern", "replacement", "says"),
        [
            (r"^contact +=.*$", 'contact = "E E E"', "contact has 3 modes for 11 columns"),
            (r"^contact +=.*$", 'contact = "E E E E E E E E E E X"', "contact has the unknown mode X"),
            (r'"unpaid", ', "", "columns are"),
            (r'^hold = "A hold"$', "", "hold has no label"),
            (r"^shipped = .*$", "", "column shipped has no words"),
            (r'"change_address"', '"fly"', "fly is no verb"),
            (r'"replace_sku", "ship', '"swap", "ship', "swap is no class"),
            (r"^\[modes\]$", "[mode]", "cannot be read"),
            (r"^version", "version version", "cannot be read"),
        ],
    )
    def test_a_table_with_a_hole_does_not_load(self, pattern: str, replacement: str, says: str) -> None:
        broken = re.sub(pattern, replacement, TEXT, flags=re.MULTILINE)
        assert broken != TEXT
        with pytest.raises(LocksInvalid, match=says):
            load_locks(broken)


class TestState:
    @pytest.mark.parametrize("state", STATES)
    def test_a_line_is_in_its_own_state(self, state: str) -> None:
        subject = order("confirmed", state)
        assert state == fulfilment_column(subject, "L2")
        assert fulfilment_column(subject, "L1") == "confirmed"

    @pytest.mark.parametrize(
        ("states", "column"),
        [
            (("confirmed", "released"), "released"),
            (("packed", "released"), "packed"),
            (("shipped", "confirmed"), "part_shipped"),
            (("shipped", "part_shipped"), "part_shipped"),
            (("shipped", "shipped"), "shipped"),
        ],
    )
    def test_an_order_is_where_its_furthest_line_is(self, states: tuple[str, ...], column: str) -> None:
        assert column == fulfilment_column(order(*states))

    def test_lines_without_open_units_do_not_hold_an_order_back(self) -> None:
        subject = order("shipped", "confirmed")
        removed = subject.lines[1].model_copy(update={"ordered": 0})
        assert fulfilment_column(subject.model_copy(update={"lines": (subject.lines[0], removed)})) == "shipped"

    @pytest.mark.parametrize("lifecycle", ["closed", "cancelled"])
    def test_a_closed_order_is_closed_for_every_line(self, lifecycle: str) -> None:
        assert fulfilment_column(order("released", lifecycle=lifecycle), "L1") == "closed"

    def test_an_unknown_line_is_where_the_order_began(self) -> None:
        assert fulfilment_column(order("shipped"), "L9") == "confirmed"
        assert fulfilment_column(order(lifecycle="held")) == "received"

    @pytest.mark.parametrize(
        ("paid", "column"),
        [
            ((), "unpaid"),
            (("authorization",), "authorized"),
            (("authorization", "void"), "unpaid"),
            (("authorization", "capture"), "captured"),
            (("capture", "refund"), "captured"),
        ],
    )
    def test_payment_goes_by_the_ledger(self, paid: tuple[PaymentKind, ...], column: str) -> None:
        assert column == payment_column(order(paid=paid))


class TestAnswers:
    def test_the_message_says_line_and_rule(self) -> None:
        answer = ask(order("confirmed", "shipped"), Touch("ship_address_area", "/ship_to"))
        assert (answer.mode, answer.rule_id) == ("approval", "locks.ship_address_area.part_shipped")
        locked = ask(order("shipped"), ADDRESS)
        assert locked.message == "The address is locked since line L1 was shipped"
        assert locked.unlock_action == "request_carrier_redirect"
        assert (
            ask(order("released"), Touch("replace_sku", "/x", "L1")).message
            == "Replacing the SKU is locked since line L1 was released to pick"
        )
        assert (
            ask(order(lifecycle="cancelled"), Touch("promotion", "/adjustments/-")).message
            == "A promotion is locked since the order is cancelled"
        )

    def test_an_editable_field_says_nothing(self) -> None:
        assert FieldMode("/ship_to", "ship_address", "editable", "locks.ship_address.confirmed", cost=20) == ask(order(), ADDRESS)

    def test_the_payment_method_is_hidden_after_capture(self) -> None:
        answer = ask(order(paid=("capture",)), Touch("payment_method", "/payment_method"))
        assert (answer.mode, answer.rule_id) == ("hidden", "locks.payment_method.captured")

    @pytest.mark.parametrize("name", ["identity", "payment_dates", "warehouse", "derived"])
    def test_what_is_never_edited_says_so(self, name: str) -> None:
        answer = ask(order(), Touch(name, "/x"))
        assert ("locked", f"locks.{name}.always") == (answer.mode, answer.rule_id)
        assert answer.message.endswith("is locked whatever the order's state")

    def test_without_the_role_everything_is_locked(self) -> None:
        subject = order()
        assert {"locked"} == {answer.mode for answer in field_modes(subject, frozenset({"Order_View"}), None, NOW)}
        assert ask(subject, ADDRESS, frozenset()).rule_id == "locks.role"

    def test_an_unknown_class_is_locked(self) -> None:
        assert (ask(order(), Touch("new", "/x")).mode, ask(order(), Touch("new", "/x")).rule_id) == ("locked", "locks.unknown_class")

    @pytest.mark.parametrize("name", ["fulfilment_conflict", "channel"])
    def test_a_systems_hold_locks_quantity_sku_and_address_until_it_is_released(self, name: str) -> None:
        subject = order(holds=(Hold(hold_id="H1", kind="fraud"), Hold(hold_id="H2", kind=name)))
        for touch in (UP, ADDRESS, Touch("quantity_down", "/x", "L1"), Touch("replace_sku", "/x", "L1")):
            answer = ask(subject, touch)
            assert ("locked", f"locks.hold.{name}", "hold H2 is released") == (answer.mode, answer.rule_id, answer.until)
            assert answer.unlock_action == "release_hold"
        assert ask(subject, Touch("contact", "/contact/email")).mode == "editable"
        assert ask(order(holds=(Hold(hold_id="H1", kind="fraud"),)), UP).mode == "editable"


class TestChannels:
    @pytest.mark.parametrize("channel", ["amazon", "ebay"])
    def test_a_marketplace_must_declare_the_verb(self, channel: str) -> None:
        subject = order(channel=channel)
        new = Touch("quantity_up", "/lines/-")
        for touch, verb in ((ADDRESS, Verb.CHANGE_ADDRESS), (UP, Verb.CHANGE_QUANTITY), (new, Verb.CHANGE_LINES)):
            assert ("locked", f"locks.channel.{touch.field_class}") == (ask(subject, touch).mode, ask(subject, touch).rule_id)
            assert ask(subject, touch, verbs=frozenset({verb})).mode == "editable"
            assert ask(subject, touch, verbs=None).mode == "editable"
        assert ask(subject, Touch("quantity_down", "/x", "L1")).mode == "editable"

    @pytest.mark.parametrize("channel", ["shopify", "woocommerce", "x12"])
    def test_a_shop_of_our_own_need_not(self, channel: str) -> None:
        assert {"editable"} == {ask(order(channel=channel), touch).mode for touch in (ADDRESS, UP, Touch("quantity_up", "/lines/-"))}


def test_a_form_is_told_of_every_field_and_by_the_same_evaluator() -> None:
    subject = order("confirmed", "released")
    modes = field_modes(subject, MODIFY, frozenset(), NOW)
    assert {"/ship_to", "/lines/L1/sku", "/lines/L2/ordered", "/payment_method", "/warehouse"} <= {mode.path for mode in modes}
    for mode in modes:
        line_id = mode.path.split("/")[2] if mode.path.startswith("/lines/L") else None
        assert mode == ask(subject, Touch(mode.field_class, mode.path, line_id))
