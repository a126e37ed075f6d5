"""The book says that another process owns a partition, and the group says it is ours: after a while it is claimed again.

No rebalance would come by itself, and everything of the partition would wait for ever.
"""

import pytest

from modification_processor import app
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_partition_that_is_nobodys_is_claimed_again(line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "RECLAIM_SECONDS", 6.0)
    orders = [line.state_order(shopify_order(96_000 + number)) for number in range(4)]
    eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders in the book")
    with line.book.transaction():
        line.book.execute("update partition_owner set epoch = epoch + 1, owner = 'gone' where topic = %s", (line.topics.modifications,))
    tickets = [line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3})) for order in orders]
    eventually(lambda: all(line.state(ticket) == "applied" for ticket in tickets), 60, what="the edits behind the stolen partitions")
    assert 0 == line.one("select count(*) from dead_letter")
    assert () == line.findings()
