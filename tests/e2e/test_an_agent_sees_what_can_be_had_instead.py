"""An agent asks for more units than there are: the form says so while they type, with what can be had instead, and takes what can be had."""

import re
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from schemas.catalogue import ProductEntry
from schemas.stock import StockEntry
from store import stock
from store.catalogue import save
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_less_later_or_another_sku(line: Line, page: Page, eventually: Eventually) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [ProductEntry(sku="SKU-A", name="Thing SKU-A", substitutes=("SKU-C",))])
        comes = datetime(2027, 1, 5, tzinfo=UTC)
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=6, incoming=20, incoming_at=comes), StockEntry(sku="SKU-C", on_hand=40)])
    order = line.state_order(shopify_order(7801))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    page.goto("/")
    page.get_by_role("button", name=re.compile("^Agent")).click()
    page.get_by_label("Find an order").wait_for()
    page.goto(f"/orders/{order.order_id}")
    page.get_by_role("button", name="Edit order").click()
    page.get_by_label("Quantity of SKU-A").fill("9")
    said = page.get_by_role("status")
    expect(said).to_contain_text("9 of SKU SKU-A are wanted and 6 can be had")
    expect(said).to_contain_text("less: 6 can be had now")
    expect(said).to_contain_text("later: all 9 from 2027-01-05 on")
    expect(said).to_contain_text("another SKU: SKU-C, of which 40 can be had")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()

    page.get_by_label("Quantity of SKU-A").fill("6")
    expect(said).not_to_contain_text("can be had")
    page.keyboard.press("Alt+Digit1")
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    assert [(6, 6)] == line.rows("select on_hand, reserved from stock where sku = 'SKU-A'")
