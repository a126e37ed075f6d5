"""Edit windows and the cost of a change: when a window closes by its own rule, whom it is for, and which of several counts."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from modification_processor.decide import Known, decide
from modification_processor.edit import calls_of
from modification_processor.edit_rules import EditRules, EditRulesInvalid, Window, closing, default_edit_rules, default_edit_text
from modification_processor.field_locks import FieldMode, Moment, evaluate, read_edit_rules
from modification_processor.incoming import Incoming, Read
from modification_processor.operations.operation import Touch
from modification_processor.outcomes import Applied, AwaitsApproval, Outcome, Refused
from schemas.assertion import Actor
from schemas.order import DeliveryWindow, Hold, Order, OrderLine, Source, Totals
from schemas.ticket import ModificationTicket, Operation
from tests.unit.strategies import context

PLACED = datetime(2026, 11, 23, 9, tzinfo=UTC)
MODIFY = frozenset({"Order_Modify"})
HOUR = Window("hour", frozenset({"contact"}), "after_placement", "locked", minutes=timedelta(hours=1))


def order(**changes: Any) -> Order:
    lines = (OrderLine(line_id="L1", position=1, ordered=2, **changes.pop("line", {})),)
    base: dict[str, Any] = {
        "lifecycle": "confirmed",
        "placed_at": PLACED,
        "lines": lines,
        "source": Source(channel="shopify", channel_order_id="1"),
    }
    return Order(order_id=UUID(int=1), order_number="1", currency="EUR", **(base | changes))


def ask(subject: Order, name: str, at: datetime, *windows: Window) -> FieldMode:
    return evaluate(subject, Touch(name, "/x"), MODIFY, None, when=Moment(at, EditRules(1, windows)))


class TestWhenItCloses:
    def test_so_many_minutes_after_the_order_was_placed(self) -> None:
        before = ask(order(), "contact", PLACED + timedelta(minutes=59), HOUR)
        assert ("editable", "", "2026-11-23T10:00:00Z") == (before.mode, before.message, before.until)
        after = ask(order(), "contact", PLACED + timedelta(hours=1), HOUR)
        assert ("locked", "window.hour", None) == (after.mode, after.rule_id, after.until)
        assert "The contact is locked: its edit window closed at 2026-11-23T10:00:00Z" == after.message

    @pytest.mark.parametrize(
        ("placed", "closes"),
        [
            ("2026-11-23T09:00:00+00:00", "2026-11-23T14:30:00+00:00"),
            ("2026-11-23T14:30:00+00:00", "2026-11-24T14:30:00+00:00"),  # placed at the very cut-off: the next one
            ("2026-11-23T23:30:00+00:00", "2026-11-24T14:30:00+00:00"),  # half past midnight there, on the next day
            ("2026-03-28T20:00:00+00:00", "2026-03-29T13:30:00+00:00"),  # the clocks go forward in the night between
            ("2026-10-24T20:00:00+00:00", "2026-10-25T14:30:00+00:00"),  # and back
        ],
    )
    def test_at_the_cut_off_by_the_clocks_of_its_zone(self, placed: str, closes: str) -> None:
        window = Window("day", frozenset({"contact"}), "cut_off", "locked", at=time(15, 30), zone=ZoneInfo("Europe/Berlin"))
        assert datetime.fromisoformat(closes) == closing(order(placed_at=datetime.fromisoformat(placed)), window)

    def test_a_cut_off_that_the_clocks_jump_over_closes_once(self) -> None:
        window = Window("night", frozenset({"contact"}), "cut_off", "locked", at=time(2, 30), zone=ZoneInfo("Europe/Berlin"))
        placed = datetime(2026, 3, 28, 12, tzinfo=UTC)
        found = closing(order(placed_at=placed), window)
        assert found is not None
        assert timedelta(hours=13, minutes=30) == found - placed

    def test_so_many_minutes_before_the_goods_are_due(self) -> None:
        window = Window("way", frozenset({"ship_method"}), "before_delivery", "locked", minutes=timedelta(days=1))
        latest = DeliveryWindow(earliest=PLACED + timedelta(days=2), latest=PLACED + timedelta(days=3))
        assert PLACED + timedelta(days=2) == closing(order(delivery_window=latest), window)
        assert PLACED + timedelta(days=1) == closing(order(delivery_window=latest.model_copy(update={"latest": None})), window)

    @pytest.mark.parametrize("closes", ["after_placement", "cut_off", "before_delivery"])
    def test_an_order_that_does_not_say_when_has_no_window(self, closes: Any) -> None:
        window = Window("w", frozenset({"contact"}), closes, "locked", zone=ZoneInfo("UTC"))
        assert closing(order(placed_at=None), window) is None
        answer = ask(order(placed_at=None), "contact", PLACED, window)
        assert ("editable", None) == (answer.mode, answer.until)


class TestWhomItIsFor:
    @pytest.mark.parametrize(
        ("channels", "accounts", "mode"),
        [
            ((), (), "locked"),
            (("shopify",), (), "locked"),
            (("amazon",), (), "editable"),
            (("shopify",), ("outlet",), "editable"),
            ((), ("default", "outlet"), "locked"),
        ],
    )
    def test_the_channels_and_accounts_it_names(self, channels: tuple[str, ...], accounts: tuple[str, ...], mode: str) -> None:
        window = Window("w", frozenset({"contact"}), "after_placement", "locked", frozenset(channels), frozenset(accounts))
        assert mode == ask(order(), "contact", PLACED, window).mode

    def test_classes_it_does_not_name_are_as_they_were(self) -> None:
        assert "editable" == ask(order(), "notes", PLACED + timedelta(days=9), HOUR).mode


class TestWhichOfSeveralCounts:
    def test_a_closed_one_before_an_open_one_and_the_strictest_of_those_closed(self) -> None:
        soft = Window("soft", frozenset({"contact"}), "after_placement", "approval", minutes=timedelta(minutes=10))
        late = Window("late", frozenset({"contact"}), "after_placement", "locked", minutes=timedelta(hours=9))
        assert "2026-11-23T09:10:00Z" == ask(order(), "contact", PLACED, HOUR, soft, late).until
        answer = ask(order(), "contact", PLACED + timedelta(minutes=10), late, HOUR, soft)
        assert ("approval", "window.soft", "request_approval") == (answer.mode, answer.rule_id, answer.unlock_action)
        assert "window.hour" == ask(order(), "contact", PLACED + timedelta(hours=1), late, soft, HOUR).rule_id

    def test_a_window_makes_nothing_milder(self) -> None:
        soft = Window("soft", frozenset({"warehouse", "price_override"}), "after_placement", "approval")
        assert "locks.warehouse.always" == ask(order(), "warehouse", PLACED, soft).rule_id
        assert "locks.price_override.always" == ask(order(), "price_override", PLACED, soft).rule_id


class TestRisk:
    def test_a_hold_for_risk_wants_an_approval_of_what_it_is_about_and_of_its_own_release(self) -> None:
        held = order(holds=(Hold(hold_id="H1", kind="risk"),))
        when = Moment(PLACED, default_edit_rules())
        for name in ("ship_address", "quantity_up", "contact", "release_hold"):
            answer = evaluate(held, Touch(name, "/x", "L1" if name == "quantity_up" else None), MODIFY, None, when=when)
            assert ("approval", "risk.hold") == (answer.mode, answer.rule_id)
            assert "H1" in answer.message
        assert "editable" == evaluate(held, Touch("notes", "/note"), MODIFY, None, when=when).mode
        assert "editable" == evaluate(order(), Touch("ship_address", "/ship_to"), MODIFY, None, when=when).mode

    @pytest.mark.parametrize(("total", "cost", "mode"), [(99_999, 70, "compensation"), (100_000, 110, "approval")])
    def test_what_costs_too_much_wants_an_approval_and_is_compensated_all_the_same(self, total: int, cost: int, mode: str) -> None:
        packed = order(line={"released": 2, "packed": 2}, totals=Totals(grand_total_minor=total))
        answer = evaluate(packed, Touch("ship_address", "/ship_to"), MODIFY, None, when=Moment(PLACED, default_edit_rules()))
        assert (cost, mode, True) == (answer.cost, answer.mode, answer.compensates)
        assert ("risk.cost_of_change" if mode == "approval" else "locks.ship_address.packed") == answer.rule_id

    def test_the_limit_is_in_the_orders_own_currency(self) -> None:
        rules = EditRules(1, class_points={"notes": 1}, value_points=2, value_from={"*": Decimal(10), "JPY": Decimal(10)})
        for currency, total, cost in (("EUR", 1000, 3), ("EUR", 999, 1), ("JPY", 10, 3), ("KWD", 9_999, 1), ("KWD", 10_000, 3)):
            subject = order(totals=Totals(grand_total_minor=total)).model_copy(update={"currency": currency})
            assert cost == rules.cost_of(subject, "notes", "confirmed"), (currency, total)
        assert 0 == rules.cost_of(order(totals=Totals(grand_total_minor=9_000)), "contact", "packed")


class TestTheCommit:
    """The form's answers are held against tickets of random orders elsewhere; here, the three answers of one order over time."""

    def outcome(self, at: datetime, mode: Any) -> Outcome:
        subject = order()
        operations = (Operation(name="set_contact", arguments='{"email": "b@example.com"}'),)
        body = ModificationTicket(
            ticket_id=UUID(int=9), order_id=subject.order_id, operations=operations, reason_code="customer_request", opened_at=PLACED
        )
        read = Read(
            Incoming("t", 0, 0, None, b"", None, at), subject.order_id, "t", "ModificationTicket", b"", body, Actor("u", MODIFY, "d"),
            calls=calls_of(operations),
        )  # fmt: skip
        rules = EditRules(1, (Window("hour", frozenset({"contact"}), "after_placement", mode, minutes=timedelta(hours=1)),))
        known = context()
        return decide(subject, read, Known(1, at, type(known)(at=at, ticket_id=known.ticket_id), edit_rules=rules))

    def test_a_ticket_is_judged_by_the_moment_it_is_decided(self) -> None:
        assert isinstance(self.outcome(PLACED, "locked"), Applied)
        late = self.outcome(PLACED + timedelta(hours=2), "locked")
        assert isinstance(late, Refused)
        assert ("field_locked", "window.hour", "/contact/email") == (late.code, late.rule_id, late.path)
        asked = self.outcome(PLACED + timedelta(hours=2), "approval")
        assert isinstance(asked, AwaitsApproval)
        assert ("window.hour",) == asked.rule_ids


class TestTheText:
    def test_the_examples_in_the_shipped_text_are_rules_that_load(self) -> None:
        shown = "\n".join(line.removeprefix("# ") for line in default_edit_text().splitlines() if line.startswith("# ") and _is_toml(line))
        rules = read_edit_rules(f"version = 1\n{shown}")
        assert ["shop_hour", "same_day", "on_its_way"] == [window.window_id for window in rules.windows]
        assert () == default_edit_rules().windows

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (
                "version = 1\n[[windows]]\nid = 'w'\nclasses = ['colour']\ncloses = 'after_placement'\nminutes = 1\nmode = 'locked'",
                "colour",
            ),
            ("version = 1\n[[windows]]\nid = 'w'\nclasses = []\ncloses = 'soon'\nminutes = 1\nmode = 'locked'", "closes 'soon'"),
            ("version = 1\n[[windows]]\nid = 'w'\nclasses = []\ncloses = 'after_placement'\nmode = 'locked'", "minutes"),
            ("version = 1\n[[windows]]\nid = 'w'\nclasses = []\ncloses = 'after_placement'\nminutes = -1\nmode = 'locked'", "below 0"),
            (
                "version = 1\n[[windows]]\nid = 'w'\nclasses = []\ncloses = 'cut_off'\ntime = '15:30'\nzone = 'Mars/Dome'\nmode = 'locked'",
                "Mars/Dome",
            ),
            ("version = 1\n[cost.state]\norbit = 5", "orbit"),
            ("version = 1\n[cost.class]\nnotes = -5", "points"),
            ("version = 1\n[cost.value]\npoints = 5\nfrom = {EUR = '10'}", "other currencies"),
            ("[risk_hold]", "version"),
            ("version", "cannot be read"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_by_name(self, text: str, says: str) -> None:
        with pytest.raises(EditRulesInvalid, match=says):
            read_edit_rules(text)

    def test_two_windows_of_one_name_are_refused(self) -> None:
        one = "[[windows]]\nid = 'w'\nclasses = []\ncloses = 'after_placement'\nminutes = 1\nmode = 'locked'\n"
        with pytest.raises(EditRulesInvalid, match="same id"):
            read_edit_rules(f"version = 1\n{one}{one}")


def _is_toml(line: str) -> bool:
    text = line.removeprefix("# ")
    return text.startswith("[[") or " = " in text
