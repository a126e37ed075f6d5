"""Approval rules are put into force and taken back while the processor runs; every version and its author is kept."""

from typing import Any

from modification_processor.approvals import APPROVAL, default_text
from ordermend.reviews import send_review
from store import rulesets
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def put(line: Line, text: str) -> int:
    with line.book.transaction(), line.book.cursor() as cursor:
        return rulesets.add(cursor, APPROVAL, text, "rosa", "a scenario")


def test_a_stricter_limit_holds_from_the_next_edit_on_and_is_reverted(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(5701))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first = order.lines[0].line_id

    def edit(quantity: int) -> Any:
        ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": quantity}))
        eventually(lambda: line.state(ticket) is not None, what="the edit decided")
        return ticket

    assert "applied" == line.state(edit(3))
    strict = default_text().replace('"*" = "500"', '"*" = "5"')
    assert (1, 2) == (put(line, strict), put(line, strict))
    held = edit(4)
    assert ("awaiting_approval", 1000) == line.rows("select state, money_delta_minor from ticket where ticket_id = %s", held)[0]
    send_review(line.book, line.door, line.topics, held, "carla", "Order_Approve", "approve")
    eventually(lambda: line.state(held) == "applied", what="the approved edit applied")
    assert 3 == put(line, default_text())
    assert "applied" == line.state(edit(5))
    assert [3, 2, 1] == [row[0] for row in line.rows("select version from rule_set where author = 'rosa' order by version desc")]
    assert () == line.findings()
