"""The agent signs in, finds the order, corrects its address with few keys, sees the history say so, and takes it back.

Everything is found by role and label, as a person or a screen reader finds it. Screenshots go to docs/img.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from schemas.facts import FactPayment
from schemas.order import Order
from tests.conftest import Eventually
from tests.line import Line, shopify_order

IMAGES = Path(__file__).parents[2] / "docs" / "img"


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    for number in range(7002, 7006):
        line.state_order(shopify_order(number))
    made = line.state_order(shopify_order(7001))
    eventually(lambda: line.one("select count(*) from orders") == 5, what="the orders in the book")
    return made


def sign_in(page: Page, user: str, path: str = "/") -> None:
    page.goto(path)
    page.get_by_role("button", name=re.compile(f"^{user}")).click()


def picture(page: Page, name: str) -> None:
    """Keep what the page shows, once nothing moves on it any more."""
    page.wait_for_function("document.getAnimations().every(animation => animation.playState !== 'running')")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def test_in_five_interactions_by_keyboard_alone(line: Line, page: Page, order: Order) -> None:
    sign_in(page, "Agent")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    expect(page.get_by_label("Find an order")).to_be_focused()
    page.keyboard.type("#7001")
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(1)
    picture(page, "orders")

    # 1: the number and Enter. 2: E. 3: type into the field. 4: the reason's digit. 5: Ctrl+Enter. The preview shows itself.
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Order #7001")).to_be_visible()
    expect(page.get_by_role("button", name="Edit order")).to_be_enabled()
    picture(page, "order")
    page.keyboard.press("e")
    expect(page.get_by_label("Ship to name")).to_be_focused()
    for key in ("Tab", "Tab", "Control+a"):
        page.keyboard.press(key)
    page.keyboard.type("2 Low Street")
    expect(page.get_by_role("status")).to_contain_text("2 Low Street")
    expect(page.get_by_role("status")).to_contain_text("1 High Street")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    page.keyboard.press("Alt+Digit1")
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    picture(page, "edit")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    picture(page, "applied")
    stored = line.order(order.order_id)
    assert stored is not None
    assert stored.ship_to is not None
    assert ("2 Low Street",) == stored.ship_to.lines

    page.get_by_role("button", name="Close").click()
    page.get_by_role("tab", name="History").click()
    row = page.get_by_role("row", name=re.compile("Ship to · lines"))
    expect(row).to_contain_text("1 High Street")
    expect(row).to_contain_text("2 Low Street")
    expect(row).to_contain_text("agent")
    expect(row).to_contain_text("address correction")
    picture(page, "history")
    assert () == line.findings()


def test_an_applied_edit_is_undone_in_place(line: Line, page: Page, order: Order) -> None:
    sign_in(page, "Agent", f"/orders/{order.order_id}")
    page.get_by_role("button", name="Edit order").click()
    page.get_by_label("Quantity of SKU-A").fill("5")
    page.get_by_label("Reason code (required)").click()
    page.get_by_role("option", name="entry error").click()
    expect(page.get_by_role("status")).to_contain_text("55.50 GBP")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undo: applied.")).to_be_visible()
    stored = line.order(order.order_id)
    assert stored is not None
    assert (order.lines, order.totals) == (stored.lines, stored.totals)


def test_whoever_may_not_edit_is_told_why(line: Line, page: Page, order: Order, eventually: Eventually) -> None:
    sign_in(page, "Auditor", f"/orders/{order.order_id}")
    expect(page.get_by_role("button", name="Edit order")).to_be_disabled()
    expect(page.get_by_text("Changing an order takes the role Order_Modify.")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for kind in ("released", "packed", "shipped"):
        line.fact(order.order_id, kind)
    eventually(lambda: line.one("select lifecycle from orders where order_id = %s", order.order_id) == "closed", what="the shipment")
    expect(page.get_by_text("closed", exact=True)).to_be_visible()


def test_locked_and_hidden_fields_follow_the_order(line: Line, page: Page, order: Order, eventually: Eventually) -> None:
    payment = FactPayment(provider="psp", transaction="t1", kind="capture", amount_minor=2550, currency="GBP")
    line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.one("select version from orders where order_id = %s", order.order_id) == 2, what="the payment")
    sign_in(page, "Agent", f"/orders/{order.order_id}")
    page.get_by_role("button", name="Edit order").click()
    expect(page.get_by_label("Warehouse")).to_be_disabled()
    expect(page.get_by_label("Contact email")).to_be_enabled()
    expect(page.get_by_label("Payment method")).to_have_count(0)


def test_an_approver_agrees_to_what_is_shown(line: Line, page: Page, order: Order, eventually: Eventually) -> None:
    payment = FactPayment(provider="psp", transaction="t1", kind="authorization", amount_minor=2550, currency="GBP")
    line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.one("select version from orders where order_id = %s", order.order_id) == 2, what="the authorisation")
    abroad = {"name": "Ida", "lines": ["1 Rue Haute"], "city": "Lille", "postal_code": "59000", "country": "FR"}
    ticket = line.ticket(order.order_id, ("set_ship_address", abroad), reason="address_correction")
    eventually(lambda: line.state(ticket) == "awaiting_approval", what="the ticket awaiting approval")
    sign_in(page, "Approver", "/approvals")
    expect(page.get_by_role("heading", name="Approvals")).to_be_visible()
    expect(page.get_by_role("table", name="What it does")).to_contain_text("1 Rue Haute")
    page.get_by_role("button", name="Approve").click()
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")


def test_operators_see_letters_and_figures_and_dark_is_kept(line: Line, page: Page, order: Order, eventually: Eventually) -> None:
    line.send_raw(b'{"id": 2', key=b"2")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    sign_in(page, "Operator", "/letters")
    expect(page.get_by_role("table", name="Dead letters")).to_contain_text("shopify")
    page.get_by_role("link", name="Figures").click()
    expect(page.get_by_role("heading", name="Order modification rate")).to_be_visible()
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    picture(page, "figures-dark")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in to Ordermend")).to_be_visible()
