"""Two hundred texts that would be scripts, stored by every way in, in every field that people are shown: none runs on any page.

Each text is also found on some page as the text that it is: what was not shown was not tried.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from ordermend import bootstrap, rulebook
from schemas.assertion import Actor
from schemas.facts import FactPayment
from tests.conftest import Eventually
from tests.e2e.people import seat
from tests.line import Line, shopify_order

BEFORE: Final = ("", '">', "'>", "</textarea>", "</title>", "</script>", "-->", "</pre>", "</style>", "`]}")
"""What ends the place where a text might stand."""
HOSTILE: Final = (
    "<img src=x onerror=xss({n})>", "<svg onload=xss({n})>", "<script>xss({n})</script>", "<details open ontoggle=xss({n})>",
    '<iframe srcdoc="<script>parent.xss({n})</script>">', '<a href="javascript:xss({n})">look</a>', "<input autofocus onfocus=xss({n})>",
    "<math><mtext><img src=x onerror=xss({n})>", "<video><source onerror=xss({n})></video>", '<object data="javascript:xss({n})">',
    "<style onload=xss({n})></style>", '" autofocus onfocus="xss({n})', "' onmouseover='xss({n})", "{{{{constructor.constructor('xss({n})')()}}}}",
    "${{xss({n})}}", '<img src=x onerror="&#120;ss({n})">', "<svg><animate onbegin=xss({n}) attributeName=x>", "<q-btn @vue:mounted=xss({n})>",
    '<div v-html="xss({n})"></div>', "<form><button formaction=javascript:xss({n})>go",
)  # fmt: skip
TEXTS: Final = tuple(
    (before + hostile.format(n=number)) for number, (before, hostile) in enumerate((b, h) for h in HOSTILE for b in BEFORE)
)
WATCH: Final = """
window.ran = []; window.reports = [];
window.xss = number => { window.ran.push(number); };
document.addEventListener('securitypolicyviolation', event => window.reports.push(event.violatedDirective + ' ' + event.blockedURI));
"""
IN_AN_ORDER: Final = 20
"""Texts that one order carries."""


@pytest.fixture
def watched(browser: Browser, console: str, line: Line) -> Iterator[Page]:
    context = browser.new_context(base_url=console, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    context.add_init_script(WATCH)
    seat(line, context, console, sub=TEXTS[3], name=TEXTS[0])
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a script spoke: {dialog.message}"))
    yield page
    context.close()


def test_two_hundred_texts_are_texts(line: Line, watched: Page, eventually: Eventually) -> None:
    assert 200 == len(set(TEXTS))
    orders = [line.state_order(_document(9000 + start, TEXTS[start : start + IN_AN_ORDER])) for start in range(0, len(TEXTS), IN_AN_ORDER)]
    letters = [TEXTS[number] for number in range(0, len(TEXTS), 10)]
    for number, text in enumerate(letters):
        line.send_raw(_failing(9500 + number, text), key=str(9500 + number).encode())
    eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders")
    eventually(lambda: line.one("select count(*) from dead_letter where parts is not null") == len(letters), 60, what="the letters, scored")
    edited = orders[0].order_id
    paid = FactPayment(provider=TEXTS[1], transaction=TEXTS[2], kind="authorization", amount_minor=2550, currency="GBP", method=TEXTS[5])
    line.fact(edited, "payment", payment=paid)
    eventually(lambda: line.one("select version from orders where order_id = %s", edited) == 2, what="the payment")
    moved = line.ticket(edited, ("set_note", {"note": TEXTS[7]}), ("set_tags", {"add": [TEXTS[10][:40]]}), user=TEXTS[8])
    abroad = {"name": TEXTS[11], "lines": [TEXTS[12]], "city": TEXTS[13], "postal_code": "59000", "country": "FR"}
    waits = line.ticket(edited, ("set_ship_address", abroad), reason="address_correction", user=TEXTS[14])
    eventually(lambda: (line.state(moved), line.state(waits)) == ("applied", "awaiting_approval"), what="the tickets")
    letter = line.one("select letter_id from dead_letter limit 1")
    desk = bootstrap.desk(line.settings)
    actor = Actor(TEXTS[15], frozenset({"DLQ_Operate"}), "test")
    desk.remark(letter, actor, TEXTS[16])
    desk.assign(letter, actor, TEXTS[17])
    desk.close()
    rulebook.tune(line.book, line.settings.topic_prefix, "lines_present", "warn", ("shopify", TEXTS[18], None), TEXTS[19], TEXTS[20])

    seen: set[str] = set()
    look = _Looker(watched, seen)
    look.at("/", "Orders")
    for order in orders:
        look.at(f"/orders/{order.order_id}", "Order ")
        for tab in watched.get_by_role("tab").all():
            tab.click()
            look.here()
    watched.goto(f"/orders/{edited}")
    expect(watched.get_by_role("button", name="Edit order")).to_be_enabled()
    watched.keyboard.press("e")
    expect(watched.get_by_label("Ship to street lines")).to_be_visible()
    look.here()
    look.at("/approvals", "Approvals")
    look.at("/letters", "Dead letters")
    watched.get_by_role("link").filter(has_text="normalization failed").first.hover()
    for (letter_id,) in [*line.rows("select letter_id::text from dead_letter order by first_failed_at limit 4"), (str(letter),)]:
        look.at(f"/letters/{letter_id}", "Dead letter:")
    watched.get_by_role("button", name="Show payload").click()
    expect(watched.get_by_label("Message as text")).to_be_visible()
    look.here()
    look.at("/rules", "Rules")
    look.at("/kpis", "Figures")
    watched.goto(f"/?find={TEXTS[4]}")
    watched.get_by_label("Find an order").fill(TEXTS[4])
    look.here()
    assert [] == [text for text in TEXTS if text not in seen], "every text was shown as the text that it is"
    # What watches would have seen it: the same text put on the page as markup runs.
    watched.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", TEXTS[0])
    watched.wait_for_function("window.ran.length === 1")
    assert () == line.findings()


class _Looker:
    """Looks at pages: nothing ran, nothing was reported, nothing waits to run; and collects which texts are shown."""

    def __init__(self, page: Page, seen: set[str]) -> None:
        self._page = page
        self._seen = seen

    def at(self, path: str, heading: str) -> None:
        self._page.goto(path)
        expect(self._page.get_by_role("heading", name=heading).first).to_be_visible()
        self.here()

    def here(self) -> None:
        found = self._page.evaluate(LOOK)
        assert [] == found["ran"], self._page.url
        assert [] == found["reports"], self._page.url
        assert [] == found["armed"], self._page.url
        self._seen |= {text for text in TEXTS if text in found["text"]}


LOOK: Final = """() => {
  const armed = [];
  for (const element of document.querySelectorAll('*')) {
    for (const attribute of element.attributes) {
      const link = ['href', 'src', 'data', 'action', 'formaction', 'srcdoc'].includes(attribute.name);
      if (attribute.name.startsWith('on') || attribute.name.startsWith('v-') || (link && attribute.value.includes('xss('))) {
        if (attribute.value.includes('xss(')) armed.push(element.outerHTML.slice(0, 200));
      }
    }
    if (element.tagName === 'SCRIPT' && element.textContent.trim().startsWith('xss(')) armed.push(element.outerHTML.slice(0, 200));
  }
  const values = [...document.querySelectorAll('input, textarea')].map(field => field.value);
  return {ran: window.ran, reports: window.reports, armed, text: document.body.textContent + ' ' + values.join(' ')};
}"""


def _document(number: int, texts: Sequence[str]) -> bytes:
    """Return an order of a shop whose every text is one of these."""
    found: dict[str, Any] = json.loads(shopify_order(number))
    line = found["line_items"]
    ship, bill = found["shipping_address"], dict(found["billing_address"])
    found["billing_address"] = bill
    found["name"], found["email"], found["phone"], found["note"] = texts[0], texts[1], texts[2], texts[3]
    for at, (address, name) in enumerate((a, n) for a in (ship, bill) for n in ("name", "company", "address1", "city", "zip")):
        address[name] = texts[4 + at]
    ship["province"], ship["phone"] = texts[14], texts[15]
    line[0]["sku"], line[0]["title"], line[1]["sku"], line[1]["title"] = texts[16], texts[17], texts[18], texts[19]
    return json.dumps(found).encode()


def _failing(number: int, text: str) -> bytes:
    """Return a document that cannot be normalised for a value that its error quotes."""
    found: dict[str, Any] = json.loads(shopify_order(number))
    found["line_items"][0]["quantity"] = text
    return json.dumps(found).encode()
