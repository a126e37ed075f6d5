"""The figures: each beside its goal, over days and by channel, with the tickets behind it one link away."""

import re

from playwright.sync_api import Page, expect

from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

ORDERS = 20


def test_figures_charts_and_their_tickets(line: Line, page: Page, eventually: Eventually) -> None:
    orders = [line.state_order(shopify_order(7700 + number)) for number in range(ORDERS)]
    line.send_raw(shopify_order(7790, lines=()))
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, what="the orders in the book")
    line.ticket(orders[0].order_id, ("set_note", {"note": "seen"}))
    line.ticket(orders[1].order_id, ("cancel_line", {"line_id": "nothing"}))
    eventually(lambda: line.one("select count(*) from ticket where decided_at is not null") == 2, what="both tickets decided")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the refusal")

    sign_in(page, "Operator", "/kpis")
    rate = page.locator("section").filter(has=page.get_by_role("heading", name="Order modification rate"))
    expect(rate).to_contain_text(re.compile(r"5\.0 %.*1 of 20 orders"))
    resolution = page.locator("section").filter(has=page.get_by_role("heading", name="Edit resolution time"))
    expect(resolution).to_contain_text("goal: 2 min")
    integrity = page.locator("section").filter(has=page.get_by_role("heading", name="Integrity errors after edits"))
    expect(integrity.get_by_role("status")).to_contain_text(re.compile("^0goal: 0; among 20 orders"))
    refusals = page.locator("section").filter(has=page.get_by_role("heading", name="False-positive refusals"))
    expect(refusals).to_contain_text("of 1 refused by intake's rules")
    behind = page.locator("section").filter(has=page.get_by_role("heading", name="Not handled yet", exact=True))
    expect(behind).to_contain_text("messages on Kafka that are not in the book")
    chart = page.get_by_role("img", name=re.compile("^Modification rate:"))
    expect(chart).to_have_accessible_name(re.compile(r" 5; goal 5 %$"))
    expect(page.get_by_role("table", name="By channel").get_by_role("row", name=re.compile("^shopify"))).to_contain_text("5.0 %")
    picture(page, "figures")

    page.get_by_role("table", name="Tickets by state").get_by_role("link", name="refused").click()
    tickets = page.get_by_role("table", name="Tickets")
    expect(page.get_by_role("heading", name="Tickets that are refused of the last 30 days")).to_be_visible()
    expect(tickets.get_by_role("row")).to_have_count(2)
    expect(tickets).to_contain_text(re.compile("#7701.*cancel line"))
    picture(page, "tickets")
    page.get_by_role("link", name="All figures").click()
    resolution.get_by_role("link", name="Show them").click()
    expect(page.get_by_role("heading", name=re.compile("took longer than 120 s"))).to_be_visible()
    page.go_back()
    rate.get_by_role("link", name="Show them").click()
    expect(page.get_by_role("table", name="Orders").get_by_role("link")).to_have_count(1)
