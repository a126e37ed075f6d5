"""A rule was too strict for a shop: it is tuned, and every letter it made goes back as one bulk, canary first, its progress in view."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ordermend import rulebook
from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order

LETTERS = 13


@pytest.fixture
def cause(line: Line, eventually: Eventually) -> Any:
    for number in range(LETTERS):
        line.send_raw(shopify_order(8200 + number, lines=()))
    eventually(lambda: line.one("select count(*) from dead_letter") == LETTERS, what="the letters")
    text = '[[lines_present.scope]]\nchannel = "shopify"\nmode = "shadow"\n'
    rulebook.put(line.book, line.settings.topic_prefix, text, "rosa", "a pre-order shop")

    def heard() -> bool:
        line.send_raw(shopify_order(8300, lines=(), updated="2026-11-02T10:00:00Z"))
        return bool(line.one("select count(*) from orders") == 1)

    eventually(heard, what="intake judging by the new tuning")
    return line.one("select fingerprint from dead_letter limit 1")


def test_a_cause_is_sent_back_as_one(line: Line, page: Page, cause: str) -> None:
    waiting = line.one("select count(*) from dead_letter where status = 'unresolved'")
    sign_in(page, "Operator", f"/letters?cause={cause}")
    page.get_by_label("JSON Patch for every letter (optional)").fill("{")
    page.get_by_role("button", name="Prepare bulk replay").click()
    expect(page.get_by_text("the patch is no JSON")).to_be_visible()
    page.get_by_label("JSON Patch for every letter (optional)").fill("")
    page.get_by_role("button", name="Prepare bulk replay").click()
    expect(page.get_by_role("heading", name=f"Bulk replay of {waiting} letters")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text(f"Not sent yet{waiting}")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("status")).to_contain_text(f"{waiting} of {waiting}", timeout=60_000)
    expect(page.get_by_text("done", exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name="Run")).to_be_disabled()
    picture(page, "bulk-replay")
    assert 0 == line.one("select count(*) from dead_letter where status = 'unresolved'")
    assert waiting + 1 == line.one("select count(*) from orders")
    assert {"operator"} == {actor for (actor,) in line.rows("select distinct actor from audit where action = 'letter_replayed'")}


def test_a_bulk_with_a_patch_waits_for_a_second_person_and_can_be_paused(line: Line, page: Page, cause: str) -> None:
    waiting = line.one("select count(*) from dead_letter where status = 'unresolved'")
    sign_in(page, "Operator", f"/letters?cause={cause}")
    page.get_by_label("JSON Patch for every letter (optional)").fill('[{"op": "add", "path": "/body/note", "value": "pre-order"}]')
    page.get_by_role("button", name="Prepare bulk replay").click()
    expect(page.get_by_text("awaiting approval", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("four_eyes.bulk_edit")
    for name in ("Run", "Pause"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()
    assert [] == line.rows("select letter_id from dead_letter where status = 'replaying'")
    here = page.url
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, "Supervisor", here)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("paused by supervisor")
    expect(page.get_by_role("button", name="Pause")).to_be_disabled()
    assert waiting == line.one("select count(*) from dead_letter where status = 'unresolved'")
    page.get_by_role("button", name="Sign out").click()

    # Whoever runs it needs what its letters need: an edit takes Order_Modify, which the operator has.
    sign_in(page, "Operator", here)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("status")).to_contain_text(f"{waiting} of {waiting}", timeout=60_000)
    expect(page.get_by_text("done", exact=True).first).to_be_visible()
    assert 0 == line.one("select count(*) from dead_letter where status = 'unresolved'")
    acts = [act for (act,) in line.rows("select action from audit where action like 'bulk_replay_%%' order by at")]
    assert ["bulk_replay_prepared", "bulk_replay_approved", "bulk_replay_paused", "bulk_replay_resumed"] == acts


def test_letters_are_looked_through_page_by_page(line: Line, page: Page, cause: str) -> None:
    letters = {str(letter) for (letter,) in line.rows("select letter_id from dead_letter where status = 'unresolved'")}
    sign_in(page, "Operator", f"/letters?cause={cause}&rows=5")
    seen: list[str] = []
    for number in range(len(letters) // 5 + 1):
        table = page.get_by_role("table", name="Dead letters")
        expect(table).to_be_visible()
        seen += [str(link.get_attribute("href")).removeprefix("/letters/") for link in table.get_by_role("link").all()]
        if number < len(letters) // 5:
            page.get_by_role("link", name="Those that cost less").click()
            expect(page).to_have_url(re.compile(f"after={seen[-1]}"))
    assert sorted(letters) == sorted(seen), "no letter is left out, and none stands twice"
    expect(page.get_by_role("link", name="Those that cost less")).to_have_count(0)
    page.get_by_role("link", name="Those that cost most").click()
    expect(page.get_by_role("table", name="Dead letters").get_by_role("link").first).to_have_attribute("href", f"/letters/{seen[0]}")
