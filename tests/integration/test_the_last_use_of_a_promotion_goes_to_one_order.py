"""Six orders want the last use of a promotion with a limit.

One gets it, the others are refused, the counter is exact, and removing the promotion gives the use back.
"""

from schemas.catalogue import Promotion
from store.catalogue import save
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_of_many_orders_one_gets_the_last_use(line: Line, eventually: Eventually) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [Promotion(code="LAST", kind="percent", percent="10", limit=1)])
    orders = [line.state_order(shopify_order(7400 + n)) for n in range(6)]
    eventually(lambda: all(line.order(order.order_id) for order in orders), what="the orders in the book")
    tickets = [line.ticket(order.order_id, ("apply_promotion", {"code": "LAST"})) for order in orders]
    eventually(lambda: all(line.state(ticket) in ("applied", "refused") for ticket in tickets), what="an answer to each")
    assert ["applied"] == [state for ticket in tickets if (state := line.state(ticket)) == "applied"]
    assert {"promotion_exhausted"} == {code for (code,) in line.rows("select code from ticket where state = 'refused'")}
    assert 1 == line.one("select used from promotion_usage where code = 'LAST'")
    (winner,) = (order for order, ticket in zip(orders, tickets, strict=True) if line.state(ticket) == "applied")
    row = line.order(winner.order_id).adjustments[-1]  # type: ignore[union-attr]  # it is there, see above
    taken = line.ticket(winner.order_id, ("remove_promotion", {"adjustment_id": row.adjustment_id}))
    eventually(lambda: line.state(taken) == "applied", what="the promotion removed")
    assert 0 == line.one("select used from promotion_usage where code = 'LAST'")
    assert () == line.findings()
