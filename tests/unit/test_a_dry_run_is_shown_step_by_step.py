"""The dry run on a letter's page: the message first, then each follower; before and after of every field, personal values left out."""

from uuid import UUID

from console.pages.letter import rehearsed_markup
from schemas.events import Change
from schemas.repair import Rehearsed, Step

ORDER = UUID(int=2)


def step(name: str, outcome: str, *changes: Change, code: str | None = None, detail: str | None = None, money: int = 0) -> Step:
    return Step(f"ticket:{name}", "ModificationTicket", ORDER, outcome, code, detail, 2, money, "GBP", changes)


def test_before_and_after_followers_and_who_goes_on_waiting() -> None:
    quantity = Change(path="/lines/L1/ordered", old="2", new="5")
    total = Change(path="/totals/grand_total_minor", old="2000", new="5000")
    street = Change(path="/ship_to/lines", sealed=True)
    refused = step("b", "refused", code="field_locked", detail="<b>packed</b> already")
    text = rehearsed_markup(Rehearsed((step("a", "applied", quantity, total, street, money=3000), refused), 3))
    for words in ("The message", "Follower 1", "ticket:a", "ticket:b", "30.00 GBP", "field locked", "3 messages would go on waiting."):
        assert words in text, words
    assert "<td>2</td><td>5</td>" in text
    assert "<td>20.00 GBP</td><td>50.00 GBP</td>" in text
    assert 2 == text.count(">personal<")
    assert "&lt;b&gt;packed" in text, "what others wrote is text, never markup"
    assert "No field of a stored order changes." in text
