"""History is not only kept: any version can be read, any move of a total explained, and a person forgotten."""

import time
from itertools import pairwise
from uuid import uuid4

import pytest

from modification_processor import past
from modification_processor.approvals import APPROVAL, default_text
from modification_processor.erasing import NotErasable
from modification_processor.past import NoSuchVersion, Past
from ordermend import bootstrap
from schemas.leaves import changed_leaves
from schemas.order import Order
from store import rulesets
from store.sealing import KeyVault
from tests.conftest import PATIENCE, Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Ida", "lines": ["2 Low Street"], "city": "Leeds", "postal_code": "LS2 2BB", "country": "GB"}


def read_past(line: Line, order: Order) -> Past:
    with bootstrap.connector(line.settings, "past")() as connection, connection.cursor() as cursor:
        return past.load(cursor, KeyVault.load(line.settings.keys_dir), order.order_id)


@pytest.fixture
def edited(line: Line, eventually: Eventually) -> Order:
    """An order that was edited four times."""
    order = line.state_order(shopify_order(5301))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first, second = (row.line_id for row in order.lines)
    line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 5}))
    line.ticket(order.order_id, ("apply_promotion", {"code": "TENOFF"}))
    line.ticket(order.order_id, ("set_ship_address", ADDRESS), reason="address_correction")
    last = line.ticket(order.order_id, ("remove_line", {"line_id": second}))
    eventually(lambda: line.state(last) == "applied", what="the last edit")
    return order


def test_every_version_can_be_read_and_its_rows_are_its_differences(line: Line, edited: Order) -> None:
    found = read_past(line, edited)
    stored = line.order(edited.order_id)
    assert 5 == found.version
    assert stored == past.as_of(found, 5)
    assert past.as_of(found, 1).ship_to == edited.ship_to
    for older, newer in pairwise(range(1, 6)):
        rows = [(e.leaf.path, e.leaf.old, e.leaf.new) for e in found.entries if e.row.version == newer and e.leaf]
        assert rows == [tuple(leaf) for leaf in changed_leaves(past.as_of(found, older), past.as_of(found, newer))]
    assert [(2, "ana"), (3, "ana"), (4, "ana"), (5, "ana")] == [(note.version, note.user_id) for note in past.versions(found)]
    with pytest.raises(NoSuchVersion, match="versions 1 to 5, not 6"):
        past.as_of(found, 6)


def test_two_hundred_versions_are_read_as_placed_as_of_one_and_between_two_in_no_time(line: Line, eventually: Eventually) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        text = default_text().replace("after = 30", "after = 0")  # so many edits of one order want nobody's approval here
        rulesets.add(cursor, APPROVAL, text, "rosa", "a scenario of two hundred edits")
    order = line.state_order(shopify_order(5302))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first = order.lines[0].line_id
    for number in range(199):
        last = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 3 + number % 2}))
    eventually(lambda: line.state(last) == "applied", 60.0, what="the last of them")
    vault, taken = KeyVault.load(line.settings.keys_dir), []
    with bootstrap.connector(line.settings, "past")() as connection, connection.cursor() as cursor:
        for version in range(1, 201, 5):
            started = time.perf_counter()
            found = past.load(cursor, vault, order.order_id)
            placed, then = past.as_of(found, 1), past.as_of(found, version)
            moved = past.why(found, version, 200)
            taken.append(time.perf_counter() - started)
            assert (200, 2) == (found.version, placed.lines[0].ordered)
            assert then.lines[0].ordered == (2 if version == 1 else 4 - (version + 1) % 2)
            assert sum(move.minor for move in moved) == past.as_of(found, 200).totals.grand_total_minor - then.totals.grand_total_minor
    assert sorted(taken)[int(len(taken) * 0.95)] < 0.2 * PATIENCE


def test_the_rows_that_moved_a_total_sum_to_its_move(line: Line, edited: Order) -> None:
    found = read_past(line, edited)
    totals = [past.as_of(found, version).totals.grand_total_minor for version in range(1, 6)]
    assert len(set(totals)) > 3
    for older in range(1, 6):
        for newer in range(older, 6):
            assert totals[newer - 1] - totals[older - 1] == sum(move.minor for move in past.why(found, older, newer))
    assert ["/lines/", "/adjustments/"] == [
        next(p for p in ("/lines/", "/adjustments/") if m.path.startswith(p)) for m in past.why(found, 1, 3)
    ]


def test_a_forgotten_person_is_nowhere_and_the_book_still_verifies(line: Line, eventually: Eventually, edited: Order) -> None:
    processor = bootstrap.processor(line.settings, "erase")
    cleared = processor.erase(edited.order_id, "dana", "request 17")
    processor.close()
    assert any(path.startswith("/ship_to/") for path in cleared)
    order = line.order(edited.order_id)
    assert order is not None
    assert (None, None, {}) == (order.ship_to, order.bill_to, order.extensions)
    assert [] == line.rows("select 1 from order_key where order_id = %s", edited.order_id)
    found = read_past(line, edited)
    assert past.as_of(found, 1).ship_to is None
    assert past.as_of(found, 2).lines[0].ordered == 5
    assert all(entry.leaf is None for entry in found.entries if entry.row.sealed)
    assert [("dana", "request 17")] == line.rows("select actor, reason from erasure")
    assert () == line.findings()

    again = line.ticket(edited.order_id, ("set_ship_address", ADDRESS), reason="address_correction")
    eventually(lambda: line.state(again) == "applied", what="an edit after the erasure, under a new key")
    assert () == line.findings()


def test_nobody_is_forgotten_while_messages_wait(line: Line, eventually: Eventually) -> None:
    order_id = uuid4()
    ticket = line.ticket(order_id, ("set_contact", {"email": "a@example.com"}))
    eventually(lambda: line.state(ticket) == "waiting", what="a ticket that waits")
    processor = bootstrap.processor(line.settings, "erase")
    with pytest.raises(NotErasable):
        processor.erase(order_id, "dana", "request 18")
    processor.close()
