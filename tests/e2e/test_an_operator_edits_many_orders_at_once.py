"""An operator chooses orders in the list, tries one edit of them all, starts it, pauses and resumes it, exports what became of each,
and takes it back; an auditor may watch and not touch.
"""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from schemas.order import Order
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

ORDERS = 12


@pytest.fixture
def orders(line: Line, eventually: Eventually) -> list[Order]:
    made = [line.state_order(shopify_order(7400 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, what="the orders in the book")
    line.ticket(made[0].order_id, ("cancel_order", {}))
    eventually(lambda: line.one("select lifecycle from orders where order_id = %s", made[0].order_id) == "cancelled", what="one cancelled")
    return made


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_tried_started_steered_exported_and_undone(line: Line, page: Page, orders: list[Order], eventually: Eventually) -> None:
    sign_in(page, "Operator")
    expect(page.get_by_role("checkbox", name="Choose order #7400")).to_be_visible()
    page.get_by_role("button", name="Choose this page").click()
    expect(page.get_by_role("status", name="Chosen orders")).to_have_text("12 chosen")
    page.get_by_role("button", name="Bulk edit chosen").click()
    expect(page.get_by_role("heading", name="Bulk edit of 12 orders")).to_be_visible()

    choose(page, "Operation", "apply promotion")
    page.get_by_label("Code", exact=True).fill("TENOFF")
    expect(page.get_by_role("button", name="Start for 12 orders")).to_be_disabled()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("choose a reason first")).to_be_visible()
    choose(page, "Reason code (required)", "goodwill")
    page.get_by_role("button", name="Try it").click()
    chart = page.get_by_role("img", name=re.compile("Orders by outcome"))
    expect(chart).to_have_accessible_name(re.compile("applied: 11"))
    expect(page.get_by_role("status")).to_contain_text("-28.05 GBP")
    assert 0 == line.one("select count(*) from bulk_job")
    picture(page, "bulk-dry-run")

    page.get_by_role("button", name="Start for 12 orders").click()
    expect(page.get_by_role("heading", name="Bulk edit: 12 orders")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    expect(page.get_by_text("0 of 12 have an outcome.")).to_be_visible()
    line.start("bulk")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("12 of 12 have an outcome.")).to_be_visible()
    expect(page.get_by_role("table", name="Orders").get_by_role("row").nth(1)).to_contain_text(re.compile("#7400.*refused"))
    picture(page, "bulk-job")
    assert 11 == line.one("select count(*) from orders where grand_total_minor = 2295")

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Outcomes as CSV").click()
    saved = Path(downloading.value.path())
    with saved.open(encoding="utf-8", newline="") as file:
        rows = {row["order_id"]: row for row in csv.DictReader(file)}
    first, second = (rows[str(order.order_id)] for order in orders[:2])
    assert ("refused", "applied", "-2.55") == (first["outcome"], second["outcome"], second["money_moved"])
    assert ORDERS == len(rows)

    expect(page.get_by_role("button", name="Undo all that were applied")).to_be_enabled()
    page.get_by_role("button", name="Undo all that were applied").click()
    expect(page.get_by_role("heading", name="Undo of a bulk edit: 11 orders")).to_be_visible()
    expect(page.get_by_text("11 of 11 have an outcome.")).to_be_visible()
    eventually(lambda: line.one("select count(*) from orders where grand_total_minor = 2550") == ORDERS - 1, what="the totals as before")
    assert () == line.findings()


def test_all_that_fit_a_search_are_edited_and_an_auditor_only_watches(line: Line, page: Page, orders: list[Order]) -> None:
    line.start("bulk")
    sign_in(page, "Operator")
    choose(page, "State", "confirmed")
    expect(page.get_by_role("table", name="Orders").get_by_role("link")).to_have_count(ORDERS - 1)
    page.get_by_role("button", name="Bulk edit all that fit").click()
    expect(page.get_by_role("heading", name="Bulk edit of 11 orders")).to_be_visible()
    choose(page, "Operation", "set tags")
    page.get_by_label("Add (optional), comma between").fill("recall, =1+1")
    choose(page, "Reason code (required)", "customer request")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Start for 11 orders").click()
    expect(page.get_by_text("11 of 11 have an outcome.")).to_be_visible()
    stored = line.order(orders[5].order_id)
    assert stored is not None
    assert {"recall", "=1+1"} == set(stored.tags)

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Auditor", "/bulk")
    page.get_by_role("table", name="Jobs").get_by_role("link").click()
    expect(page.get_by_text("11 of 11 have an outcome.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo all that were applied")).to_be_disabled()
