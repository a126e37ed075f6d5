"""Every page, light and dark, on a small desk and on a tablet: axe finds nothing serious.

Source: axe-core's rules for WCAG 2.2 A and AA and its best practices, as the package axe-playwright-python ships them; nothing is fetched.
"""

import re
from importlib import resources
from typing import Any, Final
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas.facts import FactPayment
from schemas.stock import StockEntry
from store import stock
from tests.conftest import Eventually
from tests.e2e.people import seat
from tests.e2e.test_an_operator_edits_many_orders_at_once import choose
from tests.line import Line, shopify_order

AXE: Final = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
SIZES: Final = ({"width": 1280, "height": 800}, {"width": 820, "height": 1180})
SERIOUS: Final = {"serious", "critical"}
ABROAD: Final = {"name": "Ida", "lines": ["2 Low Street"], "city": "Lille", "postal_code": "59000", "country": "FR"}


@pytest.fixture
def page_of_everybody(browser: Browser, console: str, line: Line) -> Any:
    context = browser.new_context(base_url=console, viewport=SIZES[0], reduced_motion="reduce")  # type: ignore[arg-type]  # a size
    context.set_default_timeout(30_000)
    seat(line, context, console)
    yield context.new_page()
    context.close()


@pytest.mark.timeout(900)  # some eighty looks at whole pages: a machine that does more beside takes its time over them
def test_axe_finds_nothing_serious_on_any_page(line: Line, page_of_everybody: Page, eventually: Eventually) -> None:
    page = page_of_everybody
    order = line.state_order(shopify_order(8801))
    line.send_raw(shopify_order(8802, lines=()), key=b"8802")
    eventually(lambda: line.one("select count(*) from orders") == 1, what="an order")
    line.fact(
        order.order_id,
        "payment",
        payment=FactPayment(provider="psp", transaction="t", kind="authorization", amount_minor=2550, currency="GBP"),
    )
    eventually(lambda: line.one("select version from orders") == 2, what="the authorisation")
    waiting = line.ticket(order.order_id, ("set_ship_address", ABROAD), reason="address_correction", user="ana")
    eventually(lambda: line.state(waiting) == "awaiting_approval", what="a ticket to approve")
    eventually(lambda: line.one("select count(*) from dead_letter where parts is not null") == 1, what="a letter, scored")
    letter, cause = line.rows("select letter_id::text, fingerprint from dead_letter")[0]
    found: list[str] = []

    def check(where: str, heading: str, path: str | None = None) -> None:
        if path is not None:
            page.goto(path)
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        found.extend(_violations(page, where))

    check("orders", "Orders", "/")
    check("an order", "Order #8801", f"/orders/{order.order_id}")
    for tab in page.get_by_role("tab").all():
        tab.click()
        check(f"an order, {tab.inner_text()}", "Order #8801")
    page.goto(f"/orders/{order.order_id}")
    expect(page.get_by_role("button", name="Edit order")).to_be_enabled()
    page.keyboard.press("e")
    expect(page.get_by_label("Ship to street lines")).to_be_visible()
    # The rest of the page is behind the form, and was looked at before. The library puts the form's backdrop at z-index -1 inside the dialog;
    # axe lays it over the form instead of behind it, and would judge colours that nobody sees.
    page.add_style_tag(content=".q-dialog__backdrop { display: none }")
    found.extend(_violations(page, "the edit form", ".q-dialog"))
    check("approvals", "Approvals", "/approvals")
    check("letters", "Dead letters", "/letters")
    check("a letter", "Dead letter:", f"/letters/{letter}")
    page.get_by_role("button", name="Show payload").click()
    expect(page.get_by_label("Message as text")).to_be_visible()
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("region", name="Dry run")).to_contain_text("The message")
    found.extend(_violations(page, "a letter's payload and dry run"))
    check("a cause", "Dead letters", f"/letters?cause={cause}")
    page.get_by_role("button", name="Prepare bulk replay").click()
    check("a bulk replay", "Bulk replay of 1 letters")
    check("rules", "Rules", "/rules")
    check("edit rules", "Edit rules", "/edit-rules")
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_role("table", name="What would change")).to_have_count(0)
    expect(page.get_by_role("region", name="What it would do")).to_contain_text("No field of these orders")
    found.extend(_violations(page, "edit rules, tried"))
    check("figures", "Figures", "/kpis")
    check("tickets behind a figure", "Tickets", "/tickets?state=awaiting_approval")
    check("bulk edits", "Bulk edits", "/bulk")
    check("stock that nobody counted", "Stock", "/stock")
    with line.book.transaction(), line.book.cursor() as cursor:
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=0), StockEntry(sku="SKU-C", on_hand=3, backorder=True)])
    check("stock, something short", "Stock", "/stock?q=sku")
    check("a SKU and who holds it", "Promised to orders", "/stock?sku=SKU-A")
    for name, path, status in (
        ("no such order", f"/orders/{uuid4()}", 404), ("no such letter", f"/letters/{uuid4()}", 404), ("a sign-in that is over", "/auth/callback", 403),
    ):  # fmt: skip
        answer = page.goto(path)
        assert answer is not None
        assert status == answer.status, name
        found.extend(_violations(page, name))
    assert [] == found, "\n".join(found)


@pytest.mark.timeout(900)  # as above
def test_axe_finds_nothing_serious_while_many_orders_are_edited(line: Line, page_of_everybody: Page, eventually: Eventually) -> None:
    """A bulk edit with nothing chosen, refused, tried, waiting, running, paused, done and taken back."""
    page, found = page_of_everybody, list[str]()
    orders = [line.state_order(shopify_order(8810 + number)) for number in range(6)]
    eventually(lambda: line.one("select count(*) from orders") == len(orders), what="the orders in the book")
    line.ticket(orders[0].order_id, ("cancel_order", {}))
    eventually(lambda: line.one("select count(*) from orders where lifecycle = 'cancelled'") == 1, what="one that will be refused")

    page.goto("/bulk/new")
    expect(page.get_by_role("alert")).to_contain_text("choose the orders again")
    found.extend(_violations(page, "a bulk edit of nothing"))
    page.goto("/")
    page.get_by_role("button", name="Choose this page").click()
    page.get_by_role("button", name="Bulk edit chosen").click()
    expect(page.get_by_role("heading", name="Bulk edit of 6 orders")).to_be_visible()
    found.extend(_violations(page, "a bulk edit to be filled in"))
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("alert")).to_contain_text("choose a reason first")
    found.extend(_violations(page, "a bulk edit without a reason"))
    choose(page, "Operation", "apply promotion")
    page.get_by_label("Code", exact=True).fill("TENOFF")
    choose(page, "Reason code (required)", "goodwill")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("img", name=re.compile("Orders by outcome"))).to_be_visible()
    found.extend(_violations(page, "a bulk edit, tried"))

    page.get_by_role("button", name="Start for 6 orders").click()
    expect(page.get_by_text("0 of 6 have an outcome.")).to_be_visible()
    found.extend(_violations(page, "a bulk edit, running"))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    found.extend(_violations(page, "a bulk edit, paused"))
    line.start("bulk")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("6 of 6 have an outcome.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo all that were applied")).to_be_enabled()
    found.extend(_violations(page, "a bulk edit, done"))
    page.get_by_role("button", name="Undo all that were applied").click()
    expect(page.get_by_role("heading", name="Undo of a bulk edit: 5 orders")).to_be_visible()
    found.extend(_violations(page, "a bulk edit, taken back"))
    page.goto("/bulk")
    expect(page.get_by_role("table", name="Jobs")).to_be_visible()
    found.extend(_violations(page, "the list of bulk edits"))
    assert [] == found, "\n".join(found)


def _violations(page: Page, where: str, part: str = "html") -> list[str]:
    """Return what axe holds against what is on the page (or in a part of it) now, in each colour and size."""
    page.evaluate(AXE)
    found: set[str] = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for size in SIZES:
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a size
            page.wait_for_function("document.getAnimations().every(animation => animation.playState !== 'running')")
            result = page.evaluate("part => axe.run(part, {resultTypes: ['violations']})", part)
            found |= {
                f"{where}, {scheme}, {size['width']}: {one['id']}: {(node['any'] or [one])[0].get('message', one['help'])}: {node['html'][:160]}"
                for one in result["violations"]
                if one["impact"] in SERIOUS
                for node in one["nodes"]
            }
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(SIZES[0])  # type: ignore[arg-type]  # a size
    return sorted(found)
