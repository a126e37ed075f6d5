"""An agent looks at stock: nothing is counted yet, then a SKU is found by how it begins, is short, and leads to the order that holds it."""

import re

from playwright.sync_api import Page, expect

from schemas.catalogue import ProductEntry
from schemas.stock import StockEntry
from store import stock
from store.catalogue import save
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_sku_is_found_and_leads_to_the_order_that_holds_it(line: Line, page: Page, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(9401))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    page.goto("/")
    page.get_by_role("button", name=re.compile("^Agent")).click()
    page.get_by_role("link", name="Stock", exact=True).click()
    expect(page.get_by_text("No stock is counted yet")).to_be_visible()

    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [ProductEntry(sku="SKU-A", name="Thing")])
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=0), StockEntry(sku="ZZZ-1", on_hand=7)])
    page.get_by_label("SKU begins with").fill("sku-")
    page.keyboard.press("Enter")
    row = page.get_by_role("row", name=re.compile("SKU-A"))
    expect(row).to_contain_text("Thing")
    expect(row).to_contain_text("short")
    expect(page.get_by_text("ZZZ-1")).to_have_count(0)
    expect(page.get_by_label("SKU begins with")).to_have_value("sku-")

    page.get_by_label("SKU begins with").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No SKU that was counted begins with “nothing”.")).to_be_visible()

    page.get_by_role("link", name="All stock").click()
    page.get_by_role("link", name="ZZZ-1").click()
    expect(page.get_by_text("No order holds units of it.")).to_be_visible()
    page.get_by_role("link", name="All stock").click()
    page.get_by_role("link", name="SKU-A").click()
    page.get_by_role("table", name="Promised to orders").get_by_role("link", name=order.order_number).click()
    expect(page.get_by_role("heading", name=f"Order {order.order_number}")).to_be_visible()
