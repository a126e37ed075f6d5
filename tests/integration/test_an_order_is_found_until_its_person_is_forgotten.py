"""Orders are edited and erased. Each is found by what it says now, and an erased one by nothing that names a person."""

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


def test_the_outbox_keeps_no_letter_once_it_is_sent(line: Line, eventually: Eventually) -> None:
    """A broken document's copy goes to the dead-letter topic with all that it says; the table keeps nothing of it."""
    line.send_raw(b'{"id": 1, "email": "ida@example.com"', key=b"1")
    eventually(lambda: line.rows("select 1 from outbox where event_seq is null and sent_at is not null"), what="the copy sent")
    assert [(b"",)] == line.rows("select value from outbox where event_seq is null")
