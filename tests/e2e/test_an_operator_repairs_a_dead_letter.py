"""The operator's day: sees the cause, opens its letter, claims it, looks at the payload, repairs it, rehearses, sends it back, sees the order.

Everything is found by role and label. What an act answers, done or refused, is said in one place of the page, in words.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

BROKEN = shopify_order(8001).replace(b'"quantity": 1', b'"quantity": -1')


@pytest.fixture
def letter(line: Line, eventually: Eventually) -> str:
    line.send_raw(BROKEN, key=b"8001", headers={"x-shopify-topic": "orders/create"})
    eventually(lambda: line.one("select count(*) from dead_letter where parts is not null") == 1, what="the letter, scored")
    return str(line.one("select letter_id from dead_letter"))


def test_from_the_cause_to_the_order(line: Line, page: Page, letter: str, eventually: Eventually) -> None:
    sign_in(page, "Operator", "/letters")
    causes = page.get_by_role("table", name="Causes")
    expect(causes.get_by_role("row", name=re.compile("normalization failed"))).to_contain_text("shopify")
    picture(page, "letters")
    causes.get_by_role("link", name="normalization failed").click()
    page.get_by_role("table", name="Dead letters").get_by_role("link", name="normalization failed").click()

    expect(page.get_by_role("heading", name="Dead letter: normalization failed")).to_be_visible()
    expect(page.get_by_role("table", name="Impact by part")).to_contain_text("money")
    expect(page.get_by_text("/line_items/1/quantity is no quantity").first).to_be_visible()
    expect(page.get_by_text("ida@example.com")).to_have_count(0)
    expect(page.get_by_label("The message, its values hidden")).to_contain_text('"email": "•••"')
    picture(page, "letter")

    page.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("status")).to_contain_text("claimed by operator until")
    expect(page.get_by_text("claimed by you")).to_be_visible()
    page.get_by_role("button", name="Show payload").click()
    field = page.get_by_label("Message as text")
    expect(field).to_have_value(re.compile("ida@example.com"))
    log = page.get_by_role("table", name="Log")
    expect(log.get_by_role("row", name=re.compile("payload viewed"))).to_contain_text("operator")

    # What cannot be read is refused in words.
    field.fill("{")
    page.get_by_role("button", name="Keep edited text").click()
    expect(page.get_by_role("status")).to_contain_text("the edited text is no JSON")
    field.fill(BROKEN.decode().replace('"quantity": -1', '"quantity": 1'))
    page.get_by_role("button", name="Keep edited text").click()
    expect(page.get_by_text("repair kept")).to_be_visible()

    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing was changed.")
    dry_run = page.get_by_role("region", name="Dry run")
    expect(dry_run).to_contain_text("accepted")
    expect(dry_run).to_contain_text("25.50 GBP")
    assert 0 == line.one("select count(*) from orders")
    picture(page, "letter-dry-run")

    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text("resent", exact=True)).to_be_visible()
    expect(page.get_by_role("table", name="Repairs").get_by_role("row", name=re.compile("accepted"))).to_contain_text("operator")
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    expect(log.get_by_role("row", name=re.compile("replayed"))).to_be_visible()
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_text("No message waits for a person.")).to_be_visible()
    assert () == line.findings()


def test_a_discard_has_a_reason_and_an_auditor_only_reads(line: Line, page: Page, letter: str) -> None:
    sign_in(page, "Auditor", f"/letters/{letter}")
    expect(page.get_by_text("Working on a letter takes the role DLQ_Operate.")).to_be_visible()
    for name in ("Show payload", "Claim", "Replay", "Discard"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, "Operator", f"/letters/{letter}")
    page.get_by_label("JSON Patch").fill('[{"op": "replace", "path": "/body/none/such", "value": 1}]')
    page.get_by_role("button", name="Keep patch").click()
    expect(page.get_by_role("status")).to_contain_text("there is nothing at /body/none/such")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("status")).to_contain_text("a discard has a reason")
    page.get_by_label("Note, without personal data").fill("the shop was told")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("table", name="Log")).to_contain_text("the shop was told")
    page.get_by_label("Assign to").fill("otto")
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("claimed by otto", exact=True)).to_be_visible()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("is claimed by otto until")
    line.book.execute("delete from edit_claim")
    page.get_by_label("Reason for a discard").fill("sent by mistake")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("status")).to_contain_text("discarded: sent by mistake")
    assert "discarded" == line.one("select status from dead_letter")
