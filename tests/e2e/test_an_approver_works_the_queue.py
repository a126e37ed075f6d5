"""An approver's morning: each ticket says who asks, why, of which order, what it does, what asks for somebody and until when.

One is approved, one declined, one's own cannot be; one whose order changed meanwhile asks again and is shown anew. The queue has
pages, and a right that was lent is named.
"""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from modification_processor.approvals import APPROVAL, default_text
from schemas.facts import FactPayment
from schemas.order import Order
from store import rulesets
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

ORDERS = 12
ABROAD = {"name": "Ida", "lines": ["1 Rue Haute"], "city": "Lille", "postal_code": "59000", "country": "FR"}
LENT = """
[[delegations]]
from = "carla"
to = "approver"
role = "Order_Approve"
until = 2036-12-24T00:00:00Z
"""


@pytest.fixture
def orders(line: Line, eventually: Eventually) -> list[Order]:
    made = [line.state_order(shopify_order(7500 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, what="the orders in the book")
    return made


def test_a_morning_at_the_queue(line: Line, page: Page, orders: list[Order], eventually: Eventually) -> None:
    with line.book.cursor() as cursor:
        rulesets.add(cursor, APPROVAL, default_text() + LENT, "test", "carla is away")
    first, second, third, own = orders[:4]
    price = {"line_id": first.lines[0].line_id, "unit_price": "7.50", "note": "promised on the phone"}
    cheaper = line.ticket(first.order_id, ("override_price", price), reason="goodwill")
    eventually(lambda: line.state(cheaper) == "awaiting_approval", what="the first ticket")
    fee = line.ticket(second.order_id, ("add_fee", {"label": "Express", "amount": "4.90"}))
    eventually(lambda: line.state(fee) == "awaiting_approval", what="the second ticket")
    authorised = FactPayment(provider="psp", transaction="t1", kind="authorization", amount_minor=2550, currency="GBP")
    line.fact(third.order_id, "payment", payment=authorised)
    eventually(lambda: line.one("select version from orders where order_id = %s", third.order_id) == 2, what="the authorisation")
    abroad = line.ticket(third.order_id, ("set_ship_address", ABROAD), reason="address_correction")
    eventually(lambda: line.state(abroad) == "awaiting_approval", what="the third ticket")
    mine = line.ticket(own.order_id, ("add_fee", {"label": "Gift wrap", "amount": "1.00"}), user="approver")
    eventually(lambda: line.state(mine) == "awaiting_approval", what="one of the approver's own")

    sign_in(page, "Approver", "/approvals")
    card = page.get_by_role("region", name="Ticket of order #7500")
    expect(card).to_contain_text("-5.00 GBP")
    for fact in ("ana (Order_Modify)", "override price", "goodwill", "a price or an amount is set by hand"):
        expect(card).to_contain_text(fact)
    expect(card.get_by_role("table", name="What it does")).to_contain_text(re.compile("unit price10.00 GBP7.50 GBP"))
    expect(card.get_by_role("timer", name="Expires")).to_contain_text(re.compile(r"expires in 23 h 5\d min"))
    expect(card).to_contain_text("You stand in with Order_Approve of carla until 24 Dec 2036")
    picture(page, "approvals")
    card.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text("Order #7500: applied.")
    expect(card).to_have_count(0)
    assert "applied" == line.state(cheaper)

    card = page.get_by_role("region", name="Ticket of order #7501")
    card.get_by_label("Comment for the author").fill("Not for this one")
    card.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("status")).to_contain_text("Order #7501: declined.")

    card = page.get_by_role("region", name="Ticket of order #7503")
    expect(card).to_contain_text("This is a ticket of your own: somebody else has to review it.")
    expect(card.get_by_role("button")).to_have_count(0)

    card = page.get_by_role("region", name="Ticket of order #7502")
    expect(card.get_by_role("table", name="What it does")).to_contain_text("1 Rue Haute")
    line.ticket(third.order_id, ("set_ship_address", {**ABROAD, "country": "GB", "city": "York", "postal_code": "YO1 7HH"}))
    eventually(lambda: line.one("select version from orders where order_id = %s", third.order_id) == 3, what="another address meanwhile")
    card.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile("would do something else now|conflicted"))
    assert "applied" != line.state(abroad)
    assert () == line.findings()


def test_the_queue_has_pages_and_an_empty_one_says_so(line: Line, page: Page, orders: list[Order], eventually: Eventually) -> None:
    sign_in(page, "Approver", "/approvals")
    expect(page.get_by_text("Nothing awaits approval.")).to_be_visible()
    for order in orders:
        line.ticket(order.order_id, ("add_fee", {"label": "Express", "amount": "4.90"}))
    waiting = "select count(*) from ticket where state = 'awaiting_approval'"
    eventually(lambda: line.one(waiting) == ORDERS, what="the tickets awaiting approval")
    page.get_by_role("button", name="Look again").click()
    cards = page.get_by_role("region", name=re.compile("^Ticket of order"))
    expect(cards).to_have_count(10)
    page.get_by_role("button", name="More").click()
    expect(cards).to_have_count(ORDERS - 10)
    page.get_by_role("button", name="Back").click()
    expect(cards).to_have_count(10)
    assert datetime.now(UTC) < line.one("select min(due_at) from ticket")
