"""While an agent types, the order is captured, shipped and edited by somebody else.

The form's fields change their mode in place, what was typed stays, and where two people changed one field the agent sees
both values and chooses. Who else is here is said, and locks nobody out.
"""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas.facts import FactPayment
from schemas.order import Order
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import sign_in
from tests.line import Line, shopify_order


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    made = line.state_order(shopify_order(7101, note="Ring twice"))
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    return made


def opened(page: Page, order: Order, user: str = "Agent") -> None:
    sign_in(page, user, f"/orders/{order.order_id}")
    page.get_by_role("button", name="Edit order").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_facts_lock_fields_of_an_open_form_and_what_was_typed_stays(line: Line, page: Page, order: Order) -> None:
    opened(page, order)
    page.get_by_label("Note", exact=True).fill("Leave it with the neighbour")
    page.get_by_label("Ship to city").fill("York")
    expect(page.get_by_label("Payment method", exact=True)).to_be_enabled()

    capture = FactPayment(provider="psp", transaction="t1", kind="capture", amount_minor=2550, currency="GBP")
    line.fact(order.order_id, "payment", payment=capture)
    expect(page.get_by_label("Payment method", exact=True)).not_to_be_visible()
    expect(page.get_by_label("Ship to city")).to_be_enabled()

    for kind in ("allocated", "released", "packed", "shipped"):
        line.fact(order.order_id, kind, (order.lines[0].line_id, order.lines[0].ordered))
    expect(page.get_by_label("Quantity of SKU-A")).to_be_disabled()
    expect(page.get_by_text("since SKU-A was shipped. Open a return instead.").first).to_be_visible()
    expect(page.get_by_label("Quantity of SKU-B")).to_be_enabled()
    expect(page.get_by_label("Note", exact=True)).to_have_value("Leave it with the neighbour")
    expect(page.get_by_label("Ship to city")).to_have_value("York")

    for kind in ("allocated", "released", "packed", "shipped"):
        line.fact(order.order_id, kind, (order.lines[1].line_id, order.lines[1].ordered))
    expect(page.get_by_label("Ship to city")).to_be_disabled()
    expect(page.get_by_label("Ship to city")).to_have_value("York")
    expect(page.get_by_text("“York” is kept here and not sent.")).to_be_visible()
    expect(page.get_by_label("Note", exact=True)).to_have_value("Leave it with the neighbour")
    expect(page.get_by_role("status")).to_contain_text("Leave it with the neighbour")


def test_two_people_at_one_field_see_each_other_and_both_values(
    line: Line, page: Page, browser: Browser, console: str, order: Order
) -> None:
    opened(page, order)
    context = browser.new_context(base_url=console, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    other = context.new_page()
    opened(other, order, "Approver")
    expect(page.get_by_role("note", name="Who else is here")).to_contain_text("approver", ignore_case=True)
    expect(other.get_by_role("note", name="Who else is here")).to_contain_text("agent", ignore_case=True)

    page.get_by_label("Note", exact=True).fill("Mine")
    page.get_by_label("Contact email").fill("new@example.org")
    other.get_by_label("Note", exact=True).fill("Theirs")
    expect(other.get_by_role("status")).to_contain_text("Theirs")
    other.keyboard.press("Alt+Digit2")
    expect(other.get_by_role("button", name="Apply")).to_be_enabled()
    other.keyboard.press("Control+Enter")
    expect(other.get_by_text("Edit: applied.")).to_be_visible()
    other.get_by_role("button", name="Close").click()
    expect(page.get_by_role("note", name="Who else is here")).to_be_empty(timeout=30_000)

    clash = page.get_by_role("region", name="Changed by somebody else")
    expect(clash).to_contain_text(re.compile("Ring twice.*Theirs.*approver in version 2.*Mine", re.DOTALL))
    page.get_by_label("Reason code (required)").click()
    page.get_by_role("option", name="customer request").click()
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    clash.get_by_role("button", name="Take theirs: Note").click()
    expect(page.get_by_label("Note", exact=True)).to_have_value("Theirs")
    expect(page.get_by_label("Contact email")).to_have_value("new@example.org")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    stored = line.order(order.order_id)
    assert stored is not None
    assert ("Theirs", "new@example.org") == (stored.note, stored.contact.email)
    context.close()
    assert () == line.findings()
