"""Orders are edited and erased. Each is found by what it says now, and an erased one by nothing that names a person."""

import pytest

from console.queries import orders
from console.queries.orders import Filters
from ordermend import bootstrap
from schemas.order import Order
from store.search import PERSONAL_KINDS, terms, terms_of
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def _terms(line: Line, order: Order) -> list[str]:
    with line.book.cursor() as cursor:
        return terms(cursor, order.order_id)


def test_the_terms_follow_the_order(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(6101))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    assert terms_of(order) == _terms(line, order)
    edit = line.ticket(order.order_id, ("set_contact", {"email": "new@example.org"}))
    eventually(lambda: line.state(edit) == "applied", what="the edit applied")
    assert "e:new@example.org" in _terms(line, order)
    assert "e:ida@example.com" not in _terms(line, order)
    worker = bootstrap.processor(line.settings, "erase")
    worker.erase(order.order_id, "dora", "asked for it")
    worker.close()
    assert [] == [term for term in _terms(line, order) if term.startswith(PERSONAL_KINDS)]
    assert "n:6101" in _terms(line, order)


@pytest.mark.parametrize(("near", "most"), [(0, 0), (5, 10_000), (100, 0)])
def test_a_list_says_the_same_whichever_way_it_looks(
    line: Line, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, near: int, most: int
) -> None:
    """Hits sorted by arrival, or all terms walked from the newest on: the same orders, page by page, under every filter."""
    for number in range(6110, 6122):
        line.state_order(shopify_order(number))
    eventually(lambda: line.one("select count(*) from orders") == 12, what="the orders in the book")
    ids = [row[0] for row in line.rows("select order_id from orders order by created_at desc, order_id desc")]
    line.book.execute("update orders set edits = 1 where order_id = any(%s)", (ids[::3],))
    line.book.execute("update orders set lifecycle = 'held' where order_id = any(%s)", (ids[::2],))
    line.book.execute("update order_search set channel = null where order_id = any(%s)", (ids[:2],))  # as the previous release stored them
    for name, value in (("NEAR", near), ("NEAR_FILTERED", near), ("FEW", most), ("MANY", most)):
        monkeypatch.setattr(orders, name, value)
    for filters, expected in (
        (Filters("SKU-A"), ids), (Filters("ida"), ids), (Filters("SKU-NONE"), []), (Filters("..."), []), (Filters("#6115"), None),
        (Filters("SKU-A", channel="shopify"), ids), (Filters("SKU-A", channel="ebay"), []), (Filters("SKU-A", edited=True), ids[::3]),
        (Filters("ida", lifecycle="held", edited=True), ids[::6]), (Filters("ida", age="hour"), ids), (Filters("ida", age="over_day"), []),
    ):  # fmt: skip
        found, after = [], None
        while True:
            with line.book.transaction(), line.book.cursor() as cursor:
                rows, after = orders.listing(cursor, filters, after, 5)
            found += [row.order_id for row in rows]
            if after is None:
                break
        assert found == expected if expected is not None else 1 == len(found), filters
        with line.book.transaction(), line.book.cursor() as cursor:
            assert found == orders.ids(cursor, filters, 100)


def test_the_outbox_keeps_no_letter_once_it_is_sent(line: Line, eventually: Eventually) -> None:
    """A broken document's copy goes to the dead-letter topic with all that it says; the table keeps nothing of it."""
    line.send_raw(b'{"id": 1, "email": "ida@example.com"', key=b"1")
    eventually(lambda: line.rows("select 1 from outbox where event_seq is null and sent_at is not null"), what="the copy sent")
    assert [(b"",)] == line.rows("select value from outbox where event_seq is null")
