"""Each rule on orders made for it: what it complains about, what it lets pass, and that it lets alone what nobody has to fulfil any more."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from intake.accept import RawRecord, statements
from intake.rules import discover
from intake.rules.rule import judge
from normalizers import discover as channels
from normalizers.channel import Document, StatedOrder
from schemas.order import Adjustment, Totals
from schemas.statement import Finding, OrderStated
from tests.line import shopify_order

RULES = {rule.name: rule for rule in discover()}


def stated(channel: str = "shopify", **changes: Any) -> StatedOrder:
    (found,) = channels()["shopify"].normalize((Document(shopify_order(1)),))
    assert isinstance(found, StatedOrder)
    order = found.order.with_(source=found.order.source.with_(channel=channel))
    return replace(found, order=order.with_(**changes))


def to(country: str | None, stated_country: str | None = None, **more: Any) -> StatedOrder:
    place = stated().order.ship_to
    assert place is not None
    return stated(ship_to=place.with_(country=country, stated_country=stated_country, **more))


def lines(**changes: Any) -> tuple[Any, ...]:
    return tuple(line.with_(**changes) for line in stated().order.lines)


SHIPPING = (Adjustment(adjustment_id="s", position=1, kind="shipping", amount_minor=500),)
FREE = (Adjustment(adjustment_id="s", position=1, kind="shipping", amount_minor=0),)
FAR = datetime(2345, 1, 1, tzinfo=UTC)
COMPLAINTS = {
    "address_deliverable": stated(ship_to=None, adjustments=SHIPPING),
    "country_embargoed": to("KP"),
    "country_known": to(None, "Atlantis"),
    "country_sanctioned": to("CU"),
    "currency_known": stated(currency="ABC"),
    "lines_present": stated(lines=()),
    "placed_in_the_past": stated(placed_at=FAR),
    "quantities_whole": stated(lines=lines(ordered=15, quantity_exponent=1)),
    "something_ordered": stated(lines=lines(ordered=0)),
    "total_not_negative": stated(totals=Totals(grand_total_minor=-1)),
}
"""What each rule that holds or refuses complains about; it has to be alone in that."""
PASSES: dict[str, list[StatedOrder]] = {
    "address_deliverable": [
        stated(ship_to=None, adjustments=FREE),  # a pickup, or a download
        stated("amazon", ship_to=None, adjustments=SHIPPING),  # a marketplace withholds it
        to("DE", lines=(), city=None, postal_code="10115", phone=None),
    ],
    "country_known": [to("XK"), to("GB"), to(None), stated(ship_to=None)],
    "currency_known": [stated("edifact", currency="XXX"), stated(currency="BGN"), stated(currency="EUR")],
    "lines_present": [
        stated(lines=(), lifecycle="cancelled"),
        stated(lines=(), totals=Totals(fee_minor=500, grand_total_minor=500)),  # an amount taken for no article
    ],
    "placed_in_the_past": [stated(placed_at=None), stated(placed_at=datetime(2001, 1, 1, tzinfo=UTC))],
    "quantities_whole": [
        stated(lines=lines(ordered=15, quantity_exponent=1, unit_of_measure="KGM")),
        stated("generic", lines=lines(ordered=15, quantity_exponent=1)),
    ],
    "something_ordered": [stated(lines=lines(ordered=2, cancelled=2))],
    "total_not_negative": [stated(totals=Totals(grand_total_minor=0))],
}


@pytest.mark.parametrize("name", sorted(COMPLAINTS))
def test_a_rule_complains_of_its_own_defect_and_no_other_rule_does(name: str) -> None:
    verdict, findings, spoke = judge(COMPLAINTS[name], discover())
    assert [rule for rule, mode in spoke if mode != "shadow"] == [name]
    assert verdict == RULES[name].verdict
    assert [finding.rule for finding in findings] == [name]


@pytest.mark.parametrize(("name", "order"), [(name, order) for name, orders in PASSES.items() for order in orders])
def test_a_rule_lets_pass_what_it_is_not_about(name: str, order: StatedOrder) -> None:
    assert RULES[name].check(order) is None


@pytest.mark.parametrize("name", sorted(set(COMPLAINTS) - {"lines_present"}))
@pytest.mark.parametrize("done", ["cancelled", "fulfilled", "draft"])
def test_what_nobody_has_to_fulfil_is_let_alone(name: str, done: str) -> None:
    order = COMPLAINTS[name]
    changed = {
        "cancelled": replace(order, order=order.order.with_(lifecycle="cancelled")),
        "fulfilled": replace(order, fulfillment="fulfilled"),
        "draft": replace(order, event="draft"),
    }[done]
    assert RULES[name].check(changed) is None


def test_charges_that_are_not_all_of_the_total_make_no_order() -> None:
    order = stated(lines=(), totals=Totals(fee_minor=500, rounding_minor=1500, grand_total_minor=2000))
    assert RULES["lines_present"].check(order) is not None


def test_every_rule_that_holds_or_refuses_is_shown_to_do_so() -> None:
    grave = {rule.name for rule in discover() if rule.mode == "enforce"}
    assert grave - {"quantities_positive"} == set(COMPLAINTS)  # a negative quantity does not get past a channel's module


@pytest.mark.parametrize(
    ("phone", "says"),
    [
        ("+1 218 555 0142 ext. 77", "12185550142;ext=77"),
        ("(555) 555-5555 x12", "5555555555;ext=12"),
        ("n/a", None),
        ("555", "555"),
        ("57657657657654321", "57657657657654321"),
    ],
)
def test_a_phone_nobody_can_dial_is_said_in_shadow_with_its_digits(phone: str, says: str | None) -> None:
    order = to("DE", phone=phone)
    verdict, findings, spoke = judge(order, discover())
    assert verdict == "accept"
    assert ("phone_shape", "shadow") in spoke
    assert [finding.value for finding in findings if finding.rule == "phone_shape"] == [says]


@pytest.mark.parametrize("phone", ["+44 20 7946 0018", "0176 5550100", "(02) 5550 1234"])
def test_a_phone_somebody_can_dial_is_not_spoken_of(phone: str) -> None:
    assert RULES["phone_shape"].check(to("DE", phone=phone)) is None


@pytest.mark.parametrize(
    ("email", "reachable"),
    [
        ("o'neil+x@example.ie", True),
        ('"two words"@example.org', True),
        ("jörg@bücher.example", True),
        ("a@b", False),
        ("a b@example.org", False),
        ("@example.org", False),
        ("nobody@", False),
        ("a@" + "x" * 250 + ".org", False),
    ],
)
def test_an_e_mail_no_mail_can_reach_is_said_in_shadow(email: str, reachable: bool) -> None:
    order = stated()
    order = replace(order, order=order.order.with_(contact=order.order.contact.with_(email=email)))
    assert (RULES["email_shape"].check(order) is None) == reachable


def test_each_rule_that_holds_leaves_a_hold_of_its_own_whose_reason_names_no_value() -> None:
    body = shopify_order(1).replace(b'"EUR"', b'"ABC"').replace(b'"GB"', b'"QQ"')
    record = RawRecord("orders.raw.shopify.v1", 0, 0, None, body, {})
    ((_, statement),) = statements(record, channels()["shopify"], discover())
    assert isinstance(statement, OrderStated)
    assert statement.verdict == "accept_with_hold"
    reasons = {hold.hold_id: hold.reason for hold in statement.order.holds}
    assert set(reasons) == {finding.rule and f"intake:{finding.rule}" for finding in statement.findings if finding.rule in COMPLAINTS}
    assert reasons
    assert not any(value in reason for reason in reasons.values() for value in ("ABC", "QQ"))


def test_a_finding_of_a_rule_names_the_rule() -> None:
    for name, order in COMPLAINTS.items():
        finding = RULES[name].check(order)
        assert isinstance(finding, Finding)
        assert finding.rule == name
