"""Every page, light and dark, at 1280 x 800 and on a tablet: nothing is cut off sideways, and every page has one heading that names it.

The edit form, which people look at all day, and the queue of approvals are kept as pictures, also dark and on a tablet.
"""

import pytest
from playwright.sync_api import Page, expect

from schemas.order import Order
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

SIZES = ((1280, 800), (820, 1180))
ABROAD = {"name": "Ida", "lines": ["1 Rue Haute"], "city": "Lille", "postal_code": "59000", "country": "FR"}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    made = [line.state_order(shopify_order(7800 + number)) for number in range(6)]
    line.send_raw(b'{"id": 2', key=b"2")
    eventually(lambda: line.one("select count(*) from orders") == 6, what="the orders in the book")
    ticket = line.ticket(made[0].order_id, ("add_fee", {"label": "Express", "amount": "4.90"}))
    eventually(lambda: line.state(ticket) == "awaiting_approval", what="a ticket awaiting approval")
    line.ticket(made[1].order_id, ("place_hold", {"kind": "manual", "reason": "Call first"}))
    eventually(lambda: line.one("select count(*) from orders where lifecycle = 'held'") == 1, what="an order on hold")
    return made[1]


def fits(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.wait_for_function("document.getAnimations().every(animation => animation.playState !== 'running')")
    assert 0 == page.evaluate(OVERFLOW), f"{path} is wider than the window"


@pytest.mark.parametrize(
    ("user", "paths"),
    [
        ("Operator", ("/", "/orders/{order}", "/bulk", "/bulk/new?selection=over", "/letters", "/rules", "/kpis", "/tickets")),
        ("Approver", ("/approvals",)),
    ],
)
def test_nothing_is_cut_off(page: Page, order: Order, user: str, paths: tuple[str, ...]) -> None:
    sign_in(page, user)
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    for dark in (False, True):
        if dark:
            page.get_by_role("button", name="Switch between light and dark").click()
            expect(page.locator("body.body--dark")).to_have_count(1)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            for path in paths:
                fits(page, path.format(order=order.order_id))
        if dark and user == "Operator":
            page.set_viewport_size({"width": 1280, "height": 800})
            fits(page, "/")
            picture(page, "orders-dark")
    if user == "Approver":
        picture(page, "approvals-tablet-dark")


def test_the_form_fits_too(page: Page, order: Order) -> None:
    sign_in(page, "Agent", f"/orders/{order.order_id}")
    for (width, height), name in zip(SIZES, ("edit-locks", "edit-tablet"), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.reload()
        page.get_by_role("button", name="Edit order").click()
        page.get_by_label("Ship to postcode").fill("LS1")
        page.get_by_label("Quantity of SKU-A").fill("3")
        page.get_by_label("SKU of SKU-B").fill("SKU")
        expect(page.get_by_role("status")).to_contain_text("10.00 GBP")
        expect(page.get_by_text("Postcodes in United Kingdom look like EC1Y 8SY.")).to_be_visible()
        page.get_by_label("Quantity of SKU-A").scroll_into_view_if_needed()
        assert page.get_by_role("dialog").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
        assert 0 == page.evaluate(OVERFLOW)
        picture(page, name)
