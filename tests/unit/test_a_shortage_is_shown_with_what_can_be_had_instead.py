"""What an edit is short of, and what can be had instead, stand in the API's preview and on the page, each alternative for itself."""

from random import Random
from types import SimpleNamespace
from typing import Any, cast

from console.pages import effects
from console.services import preview_view
from modification_processor import Looked
from modification_processor.outcomes import EditWarning, Refused
from tests.unit.strategies import order_of

PATH = "/lines/L1/ordered"
INSTEAD = (
    EditWarning("stock_less", "less: 5 can be had now", PATH),
    EditWarning("stock_other", "another SKU: <TEA>, of which 39 can be had", PATH),
)
SHORT = Refused("stock_short", "9 of SKU TEA-GREEN are wanted and 5 can be had", PATH, "stock.available", alternatives=INSTEAD)


def test_the_api_and_the_page_say_it() -> None:
    order = order_of(Random(7), (1, 1), 0)
    view = preview_view(Looked(order, 3), SHORT)
    assert view.refusal is not None
    assert ("stock_short", PATH, "stock.available") == (view.refusal.code, view.refusal.path, view.refusal.rule_id)
    assert [("stock_less", PATH), ("stock_other", PATH)] == [(one.code, one.path) for one in view.refusal.alternatives]
    shown = effects.markup(view, cast("Any", SimpleNamespace(order=order)))
    assert "<dt>Instead</dt><dd>less: 5 can be had now</dd>" in shown
    assert "&lt;TEA&gt;, of which 39 can be had" in shown
    assert "9 of SKU TEA-GREEN are wanted and 5 can be had" in shown


def test_who_reads_the_ticket_later_is_told_the_same_in_one_line() -> None:
    expected = f"{SHORT.message}; {INSTEAD[0].message}; {INSTEAD[1].message}"
    assert expected == SHORT.told
    assert SHORT.message == Refused("stock_short", SHORT.message).told
