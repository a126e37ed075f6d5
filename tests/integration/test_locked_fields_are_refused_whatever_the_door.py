"""An agent edits what payment or warehouse has locked. Refused with the rule's name; the order is as it was; audited."""

from schemas.facts import FactPayment
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Ida Example", "lines": ["2 Low Road"], "city": "York", "postal_code": "YO1 1AA", "country": "GB"}


def test_locked_fields_are_refused_whatever_the_door(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1005))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    payment = FactPayment(provider="psp", transaction="t1", kind="capture", amount_minor=2550, currency="GBP", method="card")
    line.fact(order.order_id, "payment", payment=payment)
    line.fact(order.order_id, "allocated")
    line.fact(order.order_id, "shipped")
    eventually(lambda: line.one("select lifecycle from orders") == "closed", what="the order shipped")
    before = line.order(order.order_id)
    moved = line.ticket(order.order_id, ("set_ship_address", ADDRESS), reason="address_correction")
    fewer = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))
    nobody = line.ticket(order.order_id, ("set_contact", {"email": "x@example.com"}), roles=())
    unfit = line.ticket(order.order_id, ("set_contact", {"email": "x@example.com"}), reason="because")
    unknown = line.ticket(order.order_id, ("set_payment_date", {"at": "2026-11-01"}))
    everyone = (moved, fewer, nobody, unfit, unknown)
    eventually(lambda: {line.state(ticket) for ticket in everyone} == {"refused"}, what="all refused")

    codes = dict(line.rows("select ticket_id, code from ticket"))
    assert ["field_locked", "field_locked", "role_missing", "reason_not_allowed", "unknown_operation"] == [codes[t] for t in everyone]
    rules = dict(line.rows("select ticket_id, rule_id from ticket"))
    assert rules[moved].startswith("locks.ship_address")
    assert before == line.order(order.order_id)
    assert 5 == line.one("select count(*) from audit where action = 'modification_refused'")
    assert () == line.findings()


def test_a_message_without_a_valid_assertion_changes_nothing(line: Line, eventually: Eventually) -> None:
    """Unsigned, signed by the wrong key, moved to another order: dead letters that block nobody."""
    order = line.state_order(shopify_order(1006))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    good = line.door
    line.door = line.warehouse
    line.ticket(order.order_id, ("set_contact", {"email": "thief@example.com"}))
    line.door = good
    eventually(lambda: line.one("select count(*) from dead_letter where error_class = 'AUTHZ'") == 1, what="the letter")

    fine = line.ticket(order.order_id, ("set_contact", {"email": "owner@example.com"}))
    eventually(lambda: line.state(fine) == "applied", what="the next ticket applied")
    assert 0 == line.one("select count(*) from lane")
    assert 1 == line.one("select count(*) from audit where action = 'message_refused'")
