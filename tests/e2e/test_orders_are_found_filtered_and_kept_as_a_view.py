"""The list of orders: found and filtered, page by page, searches kept under names of one's own, one opened by Enter, one edited in place.

An empty list says what to do; whoever may not edit is told why, and sees no button.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from schemas.order import Order
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

ORDERS = 30


@pytest.fixture
def orders(line: Line, eventually: Eventually) -> list[Order]:
    made: list[Order] = []

    def all_are_stored() -> bool:
        return bool(line.one("select count(*) from orders") == len(made))

    for so_far in (ORDERS - 25, ORDERS):  # orders that come at once have no order among themselves: the older page's come first
        made += [line.state_order(shopify_order(7300 + number)) for number in range(len(made), so_far)]
        eventually(all_are_stored, what="the orders in the book")
    line.ticket(made[0].order_id, ("set_note", {"note": "seen"}))
    line.ticket(made[1].order_id, ("place_hold", {"kind": "manual", "reason": "Call first"}))
    eventually(lambda: line.one("select count(*) from orders where edits > 0") == 2, what="the edits")
    return made


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_found_filtered_and_kept(page: Page, orders: list[Order]) -> None:
    sign_in(page, "Operator")
    rows = page.get_by_role("table", name="Orders").get_by_role("row").filter(has=page.get_by_role("link"))
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="Older").click()
    expect(rows).to_have_count(ORDERS - 25)
    page.get_by_role("button", name="Newer").click()
    expect(rows).to_have_count(25)

    choose(page, "Edited", "edited")
    expect(rows).to_have_count(2)
    choose(page, "Hold", "manual")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("#7301")
    page.get_by_label("Name", exact=True).fill("Call first")
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("alert").filter(has_text="Saved as Call first.")).to_be_visible()
    picture(page, "orders-filtered")

    page.reload()
    expect(rows).to_have_count(25)
    choose(page, "Saved view", "Call first")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Delete view").click()
    page.get_by_label("Saved view", exact=True).click()
    expect(page.get_by_role("option", name="Call first")).to_have_count(0)
    page.keyboard.press("Escape")

    page.reload()
    choose(page, "Arrived", "over a day ago")
    expect(page.get_by_text("No order fits. Try a shorter text, or another filter.")).to_be_visible()
    choose(page, "Arrived", "within an hour")
    expect(rows).to_have_count(25)

    for number in (7329, 7328):
        page.get_by_role("checkbox", name=f"Choose order #{number}").check()
    expect(page.get_by_role("status", name="Chosen orders")).to_have_text("2 chosen")
    page.get_by_role("button", name="Older").click()
    expect(rows).to_have_count(ORDERS - 25)
    page.get_by_role("checkbox", name="Choose order #7300").check()
    expect(page.get_by_role("status", name="Chosen orders")).to_have_text("3 chosen")


def test_one_is_edited_from_the_list_and_one_is_opened_by_enter(line: Line, page: Page, orders: list[Order]) -> None:
    sign_in(page, "Agent")
    expect(page.get_by_role("button", name="Bulk edit chosen")).to_have_count(0)
    page.get_by_role("button", name="Edit order #7329").click()
    page.get_by_label("Note", exact=True).fill("From the list")
    expect(page.get_by_role("status").filter(has_text="From the list")).to_be_visible()
    page.keyboard.press("Alt+Digit2")
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("row", name=re.compile("#7329"))).to_contain_text("1")
    stored = line.order(orders[29].order_id)
    assert stored is not None
    assert stored.note == "From the list"

    page.get_by_label("Find an order").fill("#7305")
    page.get_by_label("Find an order").press("Enter")
    expect(page.get_by_role("heading", name="Order #7305")).to_be_visible()


def test_whoever_may_not_edit_is_told_why(page: Page, orders: list[Order]) -> None:
    sign_in(page, "Auditor")
    expect(page.get_by_text("Changing an order takes the role Order_Modify.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Edit order"))).to_have_count(0)
    assert len(orders) == ORDERS
