"""A ticket whose row the tables refuse waits under the id of its place, is repaired and applied: from then on it goes by its own id.

The book has an outcome for the ticket, the repair has one too, and the ticket's id is known should it come again.
"""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from dlq_handler.desk import Desk
from ordermend import bootstrap
from schemas.assertion import Actor
from tests.conftest import Eventually
from tests.line import Line, shopify_order

OLGA = Actor("olga", frozenset({"DLQ_Operate", "Order_Modify"}), "test")


@pytest.fixture
def desk(line: Line) -> Iterator[Desk]:
    at = bootstrap.desk(line.settings)
    yield at
    at.close()


def test_it_has_one_outcome_and_comes_in_once(line: Line, eventually: Eventually, desk: Desk) -> None:
    order, bad = line.state_order(shopify_order(9300)), uuid4()
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.ticket(order.order_id, ("set_note", {"note": "at the gate"}), ticket_id=bad, reason="customer\x00request")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    place, letter = line.rows("select message_id, letter_id from dead_letter")[0]
    assert place.startswith(line.topics.modifications)

    desk.edit(letter, OLGA, json.dumps([{"op": "replace", "path": "/reason_code", "value": "customer_request"}]))
    desk.replay(letter, OLGA)
    eventually(lambda: line.state(bad) == "applied", what="the repaired ticket")
    assert [(f"ticket:{bad}", "applied")] == line.rows("select message_id, outcome from inbox where message = 'ModificationTicket'")
    eventually(lambda: line.rows("select outcome from repair") == [("applied",)], what="the repair's outcome")

    line.ticket(order.order_id, ("set_note", {"note": "at the door"}), ticket_id=bad)
    eventually(
        lambda: line.rows("select code from dead_letter where status = 'unresolved'") == [("same_id_other_content",)],
        what="its id told apart",
    )
    assert [] == line.rows("select 1 from lane")
    assert () == line.findings()
