"""For any order, any roles and any field: the mode a form is told and the outcome of a real ticket on that field agree.

`make test-laws` walks 1,000,000 cases; the suite, 3,000. Every case is made from a seed of its own, which a failure names.
"""

import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from modification_processor.decide import Known, decide
from modification_processor.edit import calls_of
from modification_processor.edit_rules import Closed, Closes, EditRules, Window
from modification_processor.field_locks import PAYMENT_COLUMNS, FieldMode, Moment, default_locks, field_modes
from modification_processor.incoming import Incoming, Read
from modification_processor.operations import discover
from modification_processor.outcomes import Applied, AwaitsApproval, AwaitsRecalls, Outcome, Refused
from modification_processor.recalls import recalled
from modification_processor.totals import recalculate
from normalizers.channel import Verb
from schemas.assertion import Actor
from schemas.money import UnitPrice
from schemas.order import Address, Basis, Contact, DeliveryWindow, Hold, Order, OrderLine, Payment, Source
from schemas.ticket import ModificationTicket, Operation
from tests.unit.strategies import context

CASES = int(os.environ.get("ORDERMEND_CASES", "3000"))
AT = datetime(2026, 11, 24, tzinfo=UTC)
ROLES = ("Order_Modify", "Order_Approve", "Order_Bulk", "DLQ_Operate", "Rules_Tune", "Audit_Read")
NEVER = frozenset({"identity", "payment_dates", "warehouse", "derived"})
"""Classes that no operation writes, whatever the door."""

NOW = Moment(AT, EditRules(1))
Asked = tuple[str, dict[str, Any], str]


def _line(rng: Random, number: int) -> OrderLine:
    ordered = rng.randint(2, 6)
    cancelled = rng.choice((0, 0, 0, 1))
    stages = sorted((rng.randint(0, ordered - cancelled) for _ in range(4)), reverse=True) if rng.random() < 0.6 else [0, 0, 0, 0]
    allocated, released, packed, shipped = stages
    price = rng.randint(100, 5000)
    return OrderLine(
        line_id=f"L{number}",
        position=number,
        sku="CUP-2",
        unit_price=UnitPrice(amount=price, exponent=2),
        gross_basis=Basis(input=ordered, amount_minor=price * ordered),
        ordered=ordered,
        cancelled=cancelled,
        allocated=allocated,
        released=released,
        packed=packed,
        shipped=shipped,
    )


def _order(rng: Random) -> Order:
    kinds: tuple[Any, ...] = ((), ("authorization",), ("authorization", "capture"))[rng.randrange(len(PAYMENT_COLUMNS))]
    holds = rng.sample(("manual", "risk", "fraud", "channel", "fulfilment_conflict"), rng.choice((0, 0, 0, 1, 2)))
    return recalculate(
        Order(
            order_id=UUID(int=1),
            order_number="1",
            source=Source(channel=rng.choice(("shopify", "amazon", "ebay", "x12")), channel_order_id="1"),
            currency="EUR",
            placed_at=rng.choice((None, AT - timedelta(minutes=rng.randint(0, 3000)))),
            delivery_window=DeliveryWindow(latest=AT + timedelta(minutes=rng.randint(0, 3000))) if rng.random() < 0.5 else None,
            lifecycle=rng.choice(("received", "held", "confirmed", "confirmed", "confirmed", "closed", "cancelled")),
            contact=Contact(email="a@example.com"),
            ship_to=Address(lines=("1 Old Road",), city="Paris", country="FR"),
            lines=tuple(_line(rng, number) for number in range(1, rng.randint(2, 5))),
            payments=tuple(Payment(payment_id=k, provider="p", transaction="t", kind=k, amount_minor=100) for k in kinds),
            holds=tuple(Hold(hold_id=f"H{kind}", kind=kind, reason="r") for kind in holds),
        )
    )


def _rules(rng: Random) -> EditRules:
    """Return rules of windows and risk such as somebody may put into force: often none that closes, sometimes several."""
    classes = sorted(default_locks().labels)
    windows = tuple(
        Window(
            window_id=f"w{number}",
            classes=frozenset(rng.sample(classes, rng.randint(1, 8))),
            closes=rng.choice(get_args(Closes)),
            mode=rng.choice(get_args(Closed)),
            channels=frozenset(rng.sample(("shopify", "amazon", "ebay", "x12"), rng.randint(0, 2))),
            accounts=frozenset(rng.choice((("default",), ("elsewhere",), ()))),
            minutes=timedelta(minutes=rng.randint(0, 3000)),
            at=time(rng.randint(0, 23), rng.randint(0, 59)),
            zone=ZoneInfo(rng.choice(("Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"))),
        )
        for number in range(rng.choice((0, 0, 1, 3)))
    )
    return EditRules(
        1,
        windows,
        risk_kinds=frozenset({"risk"}),
        risk_classes=frozenset(rng.sample(classes, rng.randint(0, 12))),
        approval_from=rng.choice((0, 40, 100)),
        class_points={name: rng.randint(0, 60) for name in classes},
        state_points={"allocated": 5, "released": 30, "packed": 50, "part_shipped": 50},
        value_points=rng.choice((0, 40)),
        value_from={"*": Decimal(100)},
    )


def _asked(order: Order, mode: FieldMode) -> Asked:
    """Return a real request on that field: operation, arguments and a reason that fits."""
    line = order.line(mode.path.split("/")[2]) if mode.path.startswith("/lines/L") else None
    if mode.field_class == "release_hold":
        return "release_hold", {"hold_id": mode.path.split("/")[2]}, "fraud_review"
    address = {"lines": ["2 New Road"], "city": "Paris", "country": "DE" if mode.field_class == "ship_address_area" else "FR"}
    if line is not None:
        by_field: dict[str, Asked] = {
            "quantity_up": ("change_quantity", {"line_id": line.line_id, "quantity": line.ordered + 1}, "customer_request"),
            "price_override": ("override_price", {"line_id": line.line_id, "unit_price": "1.5", "note": "n"}, "goodwill"),
            "replace_sku": ("replace_sku", {"line_id": line.line_id, "sku": "TEA-GREEN"}, "customer_request"),
        }
        if mode.field_class == "quantity_down":
            if mode.path.endswith("/cancelled"):
                return "cancel_line", {"line_id": line.line_id, "quantity": 1}, "customer_request"
            return "change_quantity", {"line_id": line.line_id, "quantity": line.ordered - 1}, "customer_request"
        return by_field[mode.field_class]
    by_path: dict[str, Asked] = {
        "/holds/-": ("place_hold", {"kind": "manual", "reason": "r"}, "fraud_review"),
        "/lifecycle": ("cancel_order", {}, "customer_request"),
        "/contact": ("set_contact", {"email": "b@example.com"}, "customer_request"),
        "/ship_to": ("set_ship_address", address, "customer_request"),
        "/ship_to/country": ("set_ship_address", address, "customer_request"),
        "/ship_to/region": ("set_ship_address", address, "customer_request"),
        "/bill_to": ("set_bill_address", address, "customer_request"),
        "/delivery_window": ("set_delivery_window", {"earliest": "2026-12-01T08:00:00Z", "latest": "2026-12-01T12:00:00Z"}, "reschedule"),
        "/ship_method": ("set_ship_method", {"method": "express"}, "customer_request"),
        "/payment_method": ("set_payment_method", {"method": "invoice"}, "customer_request"),
        "/note": ("set_note", {"note": "ring twice"}, "customer_request"),
        "/tags": ("set_tags", {"add": ["vip"]}, "customer_request"),
        "/lines/-": ("add_line", {"sku": "TEA-GREEN", "quantity": 1}, "customer_request"),
        "/adjustments/-": (
            ("add_fee", {"label": "Gift wrap", "amount": "3"}, "customer_request")
            if mode.field_class == "price_override"
            else ("apply_promotion", {"code": "TENOFF"}, "customer_request")
        ),
    }
    return by_path[mode.path]


def _recalled_once_approved(order: Order, asked: Asked, roles: frozenset[str], verbs: frozenset[Verb] | None, when: Moment) -> bool:
    """Approve a ticket, let the warehouse give back what it asks for, and say whether it came to be applied."""
    first = _outcome(order, asked, roles, verbs, when)
    assert isinstance(first, AwaitsApproval)
    approved = ("carla", first.effects_hash)
    second = _outcome(order, asked, roles, verbs, when, approved)
    assert isinstance(second, AwaitsRecalls), second
    assert ("carla", first.effects_hash) == (second.approved_by, second.effects_hash)
    back = recalled(order, (recall.line_id for recall in second.recalls))
    third = _outcome(back, asked, roles, verbs, when, approved)
    assert isinstance(third, Applied), third
    assert third.approved_by == "carla"
    return True


def _outcome(
    order: Order, asked: Asked, roles: frozenset[str], verbs: frozenset[Verb] | None, when: Moment, approved: tuple[str, str] | None = None
) -> Outcome:
    name, arguments, reason = asked
    operations = (Operation(name=name, arguments=json.dumps(arguments)),)
    ticket = ModificationTicket(ticket_id=UUID(int=9), order_id=order.order_id, operations=operations, reason_code=reason, opened_at=AT)
    incoming = Incoming("t", 0, 0, None, b"", None, AT)
    read = Read(incoming, order.order_id, "ticket:9", "ModificationTicket", b"", ticket, Actor("u", roles, "d"), calls=calls_of(operations))
    return decide(order, read, Known(1, when.at, replace(context(), at=when.at), verbs, edit_rules=when.rules, approved=approved))


def _agrees(mode: FieldMode, outcome: Outcome, *, may_modify: bool) -> bool:
    locked = isinstance(outcome, Refused) and outcome.code in ("field_locked", "role_missing")
    if not may_modify:
        return mode.mode in ("locked", "hidden") and isinstance(outcome, Refused) and outcome.code == "role_missing"
    if mode.mode == "editable":
        # What the whole edit moves may still want an approval; the field itself does not.
        return not locked and not (isinstance(outcome, AwaitsApproval) and any(rule.startswith("locks.") for rule in outcome.rule_ids))
    if mode.mode == "approval":
        wanted = isinstance(outcome, AwaitsApproval) and mode.rule_id in outcome.rule_ids
        return wanted or (isinstance(outcome, Refused) and not locked)
    if mode.mode == "compensation":
        # What else the edit needs somebody's approval for comes first; the warehouse is asked after it.
        return isinstance(outcome, AwaitsRecalls | AwaitsApproval) or (isinstance(outcome, Refused) and not locked)
    return isinstance(outcome, Refused) and (outcome.code, outcome.rule_id, outcome.message) == ("field_locked", mode.rule_id, mode.message)


def test_the_mode_shown_and_the_outcome_of_a_ticket_agree() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    ruled: Counter[str] = Counter()
    for seed in range(CASES):
        rng = Random(seed)
        order = _order(rng)
        roles = frozenset(rng.sample(ROLES, rng.randint(0, 3))) | (frozenset({"Order_Modify"}) if rng.random() < 0.8 else frozenset())
        verbs = None if rng.random() < 0.1 else frozenset(rng.sample(sorted(Verb), rng.randint(0, len(Verb))))
        when = Moment(AT, _rules(rng))
        mode = rng.choice(field_modes(order, roles, verbs, when))
        if mode.field_class in NEVER:
            assert mode.mode in ("locked", "hidden"), (seed, mode)
            continue
        outcome = _outcome(order, _asked(order, mode), roles, verbs, when)
        assert _agrees(mode, outcome, may_modify="Order_Modify" in roles), (seed, mode, outcome)
        seen[mode.mode, type(outcome).__name__] += 1
        ruled[_rule(mode)] += 1
        assert mode.until is None or not mode.rule_id.startswith("window."), (seed, mode)
        ruled["until"] += mode.until is not None and mode.mode not in ("locked", "hidden")
        if mode.compensates and isinstance(outcome, AwaitsApproval):
            ruled["approval, then compensation"] += _recalled_once_approved(order, _asked(order, mode), roles, verbs, when)
        # What is shown as open until a moment is closed, or at least no milder, from that moment on.
        if mode.until is not None and mode.mode == "editable":
            later = Moment(datetime.fromisoformat(mode.until), when.rules)
            (then,) = [m for m in field_modes(order, roles, verbs, later) if (m.path, m.field_class) == (mode.path, mode.field_class)]
            assert then.rule_id.startswith("window."), (seed, mode, then)
    # The agreement must not hold for want of cases: every mode met the outcome it promises.
    for pair in (
        ("editable", Applied),
        ("approval", AwaitsApproval),
        ("compensation", AwaitsRecalls),
        ("locked", Refused),
        ("hidden", Refused),
    ):
        assert seen[pair[0], pair[1].__name__] > CASES / 1000, seen
    # Every narrowing met cases of its own, those shown as open until a moment too.
    for rule in (
        "window.locked",
        "window.approval",
        "risk.hold",
        "risk.cost_of_change",
        "locks.hold",
        "locks.channel",
        "until",
        "approval, then compensation",
    ):
        assert ruled[rule] > CASES / 1000, ruled
    assert seen["editable", "Applied"] > 0.8 * sum(count for (mode, _), count in seen.items() if mode == "editable"), seen


def _rule(mode: FieldMode) -> str:
    """Return the kind of rule that decided: a window by what it makes of the field."""
    kind = ".".join(mode.rule_id.split(".")[:2])
    return f"window.{mode.mode}" if kind.startswith("window.") else kind


def test_no_operation_writes_what_nobody_may_edit() -> None:
    order = _order(Random(1))
    for name, spec in discover().items():
        asked = next(
            (a for a in (_maybe(order, mode) for mode in field_modes(order, frozenset(ROLES), None, NOW)) if a and a[0] == name), None
        )
        if asked is None:
            continue
        arguments = spec.arguments.model_validate_json(json.dumps(asked[1]))
        assert not {touch.field_class for touch in spec.touches(order, arguments)} & NEVER


def _maybe(order: Order, mode: FieldMode) -> Asked | None:
    return None if mode.field_class in NEVER else _asked(order, mode)
