"""Whoever holds Rules_Tune sees each rule with what it did, sets a mode in one place with a reason, and goes back; others see why not."""

import re

from playwright.sync_api import Page, expect

from tests.conftest import Eventually
from tests.e2e.test_an_agent_corrects_an_address import picture, sign_in
from tests.line import Line, shopify_order


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_mode_is_set_and_taken_back(line: Line, page: Page, eventually: Eventually) -> None:
    line.send_raw(shopify_order(8101, lines=()))
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="a refusal")
    sign_in(page, "Operator", "/rules")
    row = page.get_by_role("table", name="Rules").get_by_role("row", name=re.compile("^lines present"))
    expect(row).to_contain_text("enforce everywhere, as shipped")
    expect(row).to_contain_text("100.0%")

    choose(page, "Rule", "lines_present")
    choose(page, "Mode", "shadow")
    page.get_by_label("Channel", exact=True).fill("shopify")
    page.get_by_role("button", name="Set mode").click()
    expect(page.get_by_role("status")).to_contain_text("a change of the tuning has a reason")
    page.get_by_label("Reason", exact=True).fill("a pre-order shop")
    page.get_by_role("button", name="Set mode").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is in force")
    expect(row).to_contain_text("shadow shopify")
    expect(page.get_by_role("table", name="History")).to_contain_text("a pre-order shop")
    picture(page, "rules")

    def taken() -> bool:
        line.send_raw(shopify_order(8102, lines=()))
        return bool(line.one("select count(*) from orders") == 1)

    eventually(taken, what="an order taken with the rule in shadow")
    choose(page, "Version", "As shipped")
    page.get_by_label("Reason", exact=True).fill("the shop is whole again")
    page.get_by_role("button", name="Revert to it").click()
    expect(page.get_by_role("status")).to_contain_text("Version 2 is in force")
    expect(row).to_contain_text("enforce everywhere, as shipped")
    expect(row).not_to_contain_text("shadow")


def test_others_see_the_rules_and_why_they_cannot_tune(page: Page) -> None:
    sign_in(page, "Agent", "/rules")
    expect(page.get_by_role("table", name="Rules")).to_contain_text("quantities positive")
    expect(page.get_by_text("Tuning the rules takes the role Rules_Tune.")).to_be_visible()
    expect(page.get_by_role("button", name="Set mode")).to_have_count(0)


WINDOW = """
[[windows]]
id = "desk"
classes = ["notes"]
closes = "after_placement"
minutes = 0
mode = "locked"
"""


def test_edit_rules_are_tried_and_put_into_force_by_keyboard_alone(line: Line, page: Page, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(8103))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    sign_in(page, "Operator", "/rules")
    page.get_by_role("link", name="Edits", exact=True).press("Enter")
    row = page.get_by_role("table", name="Edit rules").get_by_role("row", name=re.compile("risk.hold"))
    expect(row).to_contain_text("needs approval while the order has a hold of kind risk")
    page.wait_for_function("window.did_handshake")  # what is typed before reaches the console late
    page.get_by_label("Rules in force, as TOML").focus()
    page.keyboard.press("Control+End")
    page.keyboard.type(WINDOW)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Try")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="What it would do")).to_contain_text("A noteeditablelocked1")
    picture(page, "edit-rules")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Reason", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("a change of the edit rules has a reason")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("stock-taking")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Version 1 is in force")
    row = page.get_by_role("table", name="Edit rules").get_by_role("row", name=re.compile("window.desk"))
    expect(row).to_contain_text(re.compile("A note: is locked from 0 minutes after the order was placed on.*A note on 1"))
    expect(page.get_by_role("table", name="History")).to_contain_text("stock-taking")
    note = line.ticket(order.order_id, ("set_note", {"note": "late"}))
    eventually(lambda: line.state(note) == "refused", what="the note refused by the window")
    choose(page, "Version", "As shipped")
    page.get_by_label("Reason", exact=True).fill("counted")
    page.get_by_role("button", name="Revert to it").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Version 2 is in force")


def test_others_see_the_edit_rules_and_why_they_cannot_tune(page: Page) -> None:
    sign_in(page, "Agent", "/edit-rules")
    expect(page.get_by_label("Rules in force, as TOML")).not_to_be_editable()
    expect(page.get_by_text("Tuning the rules takes the role Rules_Tune.")).to_be_visible()
    expect(page.get_by_role("button", name="Put into force")).to_have_count(0)
