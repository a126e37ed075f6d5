"""A release is granted whole, and only of units that are open in an order nothing holds."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.outcomes import Granted, NotGranted
from modification_processor.releases import grant
from schemas.facts import FactLine, ReleaseRequested
from schemas.order import Hold, Order, OrderLine, Source
from tests.unit.strategies import AT, orders

ORDER = Order(
    order_id=UUID(int=9), order_number="9", source=Source(channel="shopify", channel_order_id="9"), currency="EUR", lifecycle="confirmed",
    lines=(OrderLine(line_id="L1", position=1, ordered=5, cancelled=1, released=1), OrderLine(line_id="L2", position=2, ordered=2)),
)  # fmt: skip


def asked(*lines: tuple[str, int]) -> ReleaseRequested:
    parts = tuple(FactLine(line_id=line_id, quantity=quantity) for line_id, quantity in lines)
    return ReleaseRequested(request_id="r", order_id=UUID(int=9), lines=parts, at=AT)


def test_a_request_without_lines_is_for_all_that_is_open() -> None:
    answer = grant(ORDER, asked())
    assert isinstance(answer, Granted)
    assert ((("L1", 3), ("L2", 2)), [4, 2]) == (answer.lines, [line.released for line in answer.order.lines])


@pytest.mark.parametrize(
    ("order", "request_", "code"),
    [
        (ORDER, asked(("L1", 4)), "not_open"),
        (ORDER, asked(("L1", 2), ("L1", 2)), "not_open"),
        (ORDER, asked(("L1", 0)), "not_open"),
        (ORDER, asked(("L1", -1)), "not_open"),
        (ORDER, asked(("L2", 1), ("L9", 1)), "unknown_line"),
        (ORDER.model_copy(update={"holds": (Hold(hold_id="h", kind="payment"),)}), asked(("L1", 1)), "order_held"),
        (ORDER.model_copy(update={"lifecycle": "cancelled"}), asked(("L1", 1)), "order_over"),
        (ORDER.model_copy(update={"lines": ()}), asked(), "nothing_open"),
    ],
)
def test_a_refusal_says_why(order: Order, request_: ReleaseRequested, code: str) -> None:
    answer = grant(order, request_)
    assert isinstance(answer, NotGranted)
    assert code == answer.code


@given(orders(fulfilled=True), st.data())
def test_no_grant_passes_what_is_open_and_none_moves_anything_else(order: Order, data: st.DataObject) -> None:
    names = [line.line_id for line in order.lines]
    parts = data.draw(st.lists(st.tuples(st.sampled_from(names), st.integers(-1, 9)), max_size=4))
    answer = grant(order, asked(*parts))
    if isinstance(answer, Granted):
        assert all(line.released <= max(line.open, old.released) for line, old in zip(answer.order.lines, order.lines, strict=True))
        back = tuple(new.model_copy(update={"released": old.released}) for new, old in zip(answer.order.lines, order.lines, strict=True))
        assert order == answer.order.model_copy(update={"lines": back})
