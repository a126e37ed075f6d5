"""An agent makes the twenty edits that customers ask for most, one order's page after another, by keyboard alone where it matters.

Each is opened, typed, previewed, given a reason, applied and seen; what of that is the machine's time is printed. A person
types and thinks on top of it: two minutes an edit are the bar for both together, 1.5 s (95 of 100) that for the machine.
"""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from schemas.order import Order
from tests.conftest import PATIENCE, Eventually
from tests.e2e.test_an_agent_corrects_an_address import sign_in
from tests.line import Line, shopify_order

MACHINE_SECONDS = 1.5


class Typical(NamedTuple):
    """An edit: what is asked for, on which order, how it is typed, and what the preview then says."""

    what: str
    order: int
    types: Callable[[Page], None]
    shown: str


def fills(label: str, text: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_label(label, exact=True).fill(text)


def checks(label: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("checkbox", name=label).click()


def picks(label: str, option: str, then: Callable[[Page], None]) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_label(label, exact=True).click()
        page.get_by_role("option", name=option, exact=True).click()
        then(page)

    return act


def both(*acts: Callable[[Page], None]) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for each in acts:
            each(page)

    return act


def folded(part: str, act: Callable[[Page], None]) -> Callable[[Page], None]:
    def opened(page: Page) -> None:
        page.get_by_role("button", name=part).click()
        act(page)

    return opened


TYPICAL = (
    Typical("street", 0, fills("Ship to street lines", "2 Low Street"), "2 Low Street"),
    Typical("postcode", 0, fills("Ship to postcode", "LS2 7EW"), "LS2 7EW"),
    Typical("e-mail", 0, fills("Contact email", "ida@example.org"), "ida@example.org"),
    Typical("phone", 0, fills("Contact phone", "+44 113 496 0000"), "+44 113 496 0000"),
    Typical("more of a SKU", 1, fills("Quantity of SKU-A", "3"), "35.50 GBP"),
    Typical("less of a SKU", 1, fills("Quantity of SKU-A", "1"), "15.50 GBP"),
    Typical("another SKU", 1, fills("SKU of SKU-B", "SKU-C"), "SKU-C"),
    Typical("one more line", 2, both(fills("New line SKU", "SKU-C"), fills("New line quantity", "2")), "40.00 GBP"),
    Typical("a line less", 2, checks("Remove SKU-C"), "-14.50 GBP"),
    Typical("units cancelled", 2, fills("Units of SKU-A to cancel", "1"), "-10.00 GBP"),
    Typical("delivery window", 3, fills("Deliver until (UTC)", "2030-01-02T10:00"), "2030-01-02"),
    Typical("ship method", 3, fills("Ship method", "express"), "express"),
    Typical("promotion", 3, fills("Promotion code", "TENOFF"), "-2.55 GBP"),
    Typical("promotion off", 3, checks("Take off TENOFF"), "2.55 GBP"),
    Typical("note", 4, fills("Note", "Ring twice"), "Ring twice"),
    Typical("tags", 4, fills("Tags", "vip, gift"), "gift, vip"),
    Typical("hold", 4, picks("New hold", "manual", fills("New hold: why", "Call first")), "Call first"),
    Typical("hold released", 4, checks("Release hold manual: Call first"), "Call first"),
    Typical("payment method", 5, fills("Payment method", "invoice"), "invoice"),
    Typical("cancel the order", 5, folded("Cancel the order", checks("Cancel the whole order")), "cancelled"),
)


@pytest.fixture
def orders(line: Line, eventually: Eventually) -> list[Order]:
    made = [line.state_order(shopify_order(7200 + number)) for number in range(6)]
    eventually(lambda: line.one("select count(*) from orders") == 6, what="the orders in the book")
    return made


def test_twenty_typical_edits(line: Line, page: Page, orders: list[Order], capsys: pytest.CaptureFixture[str]) -> None:
    sign_in(page, "Agent")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    both = {typical.what: _one(page, orders[typical.order], typical) for typical in TYPICAL}
    seconds = {what: edit for what, (_, edit) in both.items()}
    taken = sorted(seconds.values())
    p95 = statistics.quantiles(taken, n=20)[18]
    with capsys.disabled():
        slowest = max(seconds, key=lambda what: seconds[what])
        print(  # noqa: T201 -- the figure is what this scenario is for
            f"\n{len(taken)} edits, machine time each: median {statistics.median(taken):.2f} s, p95 {p95:.2f} s,"
            f" longest {taken[-1]:.2f} s ({slowest}); the order's page before it: median {statistics.median(p for p, _ in both.values()):.2f} s"
        )
    assert p95 < MACHINE_SECONDS * PATIENCE
    assert [("applied", 20)] == line.rows("select state, count(*) from ticket group by state")
    assert () == line.findings()


def _one(page: Page, order: Order, typical: Typical) -> tuple[float, float]:
    """Make one edit; return the seconds its order's page took, and those from opening the form to seeing the edit applied."""
    began = time.monotonic()
    page.goto(f"/orders/{order.order_id}")
    expect(page.get_by_role("button", name="Edit order")).to_be_enabled()
    ready = time.monotonic()
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_be_visible()
    typical.types(page)
    expect(page.get_by_role("status")).to_contain_text(typical.shown)
    page.keyboard.press("Alt+Digit1")
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Edit: applied.")).to_be_visible()
    return ready - began, time.monotonic() - ready
