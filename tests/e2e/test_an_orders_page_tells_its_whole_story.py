"""One order's page: as placed, now, any version, what differs between two and why the total moved, who did it, its ledger, where its
units are, and what its channel sent: the shape for everybody, the words for few, and each look at them is remembered.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from schemas.facts import FactPayment
from schemas.order import Order
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    made = line.state_order(shopify_order(7601))
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    line.fact(
        made.order_id, "payment", payment=FactPayment(provider="psp", transaction="t1", kind="capture", amount_minor=2550, currency="GBP")
    )
    eventually(lambda: line.one("select version from orders") == 2, what="the payment")
    line.ticket(made.order_id, ("change_quantity", {"line_id": made.lines[0].line_id, "quantity": 5}), reason="entry_error")
    eventually(lambda: line.one("select version from orders") == 3, what="the edit")
    line.fact(made.order_id, "allocated", (made.lines[1].line_id, 1))
    eventually(lambda: line.one("select version from orders") == 4, what="the allocation")
    return made


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_versions_history_ledger_and_fulfilment(page: Page, order: Order) -> None:
    sign_in(page, "Agent", f"/orders/{order.order_id}")
    lines = page.get_by_role("table", name="Lines")
    expect(lines.get_by_role("row", name=re.compile("SKU-A"))).to_contain_text("50.00 GBP")
    choose(page, "Shown", "As placed")
    expect(lines.get_by_role("row", name=re.compile("SKU-A"))).to_contain_text("20.00 GBP")

    page.get_by_role("tab", name="Versions").click()
    choose(page, "From version", "2")
    choose(page, "To version", "3")
    expect(page.get_by_role("heading", name="Version 2 to 3; the total moved by 30.00 GBP")).to_be_visible()
    expect(page.get_by_role("table", name="Why the total moved")).to_contain_text("30.00 GBP")
    picture(page, "versions")

    page.get_by_role("tab", name="History").click()
    row = page.get_by_role("table", name="History").get_by_role("row", name=re.compile("SKU-A · ordered"))
    for text in ("ana", "entry error", "2", "5", "UTC"):
        expect(row).to_contain_text(text)
    page.get_by_role("tab", name="Tickets").click()
    expect(page.get_by_role("table", name="Tickets")).to_contain_text(re.compile("ana.*change quantity.*entry error"))
    page.get_by_role("tab", name="Payments").click()
    expect(page.get_by_role("table", name="Payment ledger")).to_contain_text(re.compile("capture.*psp.*25.50 GBP"))
    page.get_by_role("tab", name="Fulfilment").click()
    expect(page.get_by_role("table", name="Units").get_by_role("row", name=re.compile("SKU-B"))).to_contain_text("1010000")
    expect(page.get_by_role("table", name="Asked of others")).to_contain_text(re.compile("30.00 GBP"))
    picture(page, "fulfilment")


def test_the_channels_message_is_masked_and_a_look_at_it_is_remembered(line: Line, page: Page, order: Order) -> None:
    sign_in(page, "Agent", f"/orders/{order.order_id}")
    page.get_by_role("tab", name="Channel messages").click()
    expect(page.get_by_role("table", name="Channel messages")).to_contain_text("orders.raw.shopify.v1")
    page.get_by_label("Message", exact=True).click()
    page.get_by_role("option").first.click()
    shown = page.get_by_role("region", name="The message")
    expect(shown).to_contain_text("shipping_address")
    expect(shown).not_to_contain_text("1 High Street")
    expect(page.get_by_role("button", name="Show the values")).to_be_disabled()
    assert 0 == line.one("select count(*) from audit where action = 'raw_viewed'")

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Auditor", f"/orders/{order.order_id}")
    page.get_by_role("tab", name="Channel messages").click()
    page.get_by_label("Message", exact=True).click()
    page.get_by_role("option").first.click()
    expect(shown).not_to_contain_text("1 High Street")
    page.get_by_role("button", name="Show the values").click()
    expect(shown).to_contain_text("1 High Street")
    assert [("auditor",)] == line.rows("select actor from audit where action = 'raw_viewed' and order_id = %s", order.order_id)
