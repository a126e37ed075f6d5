"""Two transactions want units of the same shelf: the second waits and sees what the first promised, in whatever order they name their SKUs.

The first count of a SKU waits for who reads shelves, and who reads waits for it: no order is written beside it.
"""

from collections.abc import Iterator
from uuid import UUID

import pytest

from ordermend.local.stack import Stack
from schemas.stock import Reservation, Shelf, StockEntry
from store import stock
from store.database import Connection
from tests.stores import PostgresBook, postgres_book

ONE = UUID(int=1)


@pytest.fixture
def book(stack: Stack) -> Iterator[PostgresBook]:
    with postgres_book(stack.owner_database_url, stack.database_url) as found:
        with found.connect() as connection, connection.cursor() as cursor:
            stock.save(cursor, [StockEntry(sku=sku, on_hand=5) for sku in ("A", "B", "C")])
        yield found


@pytest.fixture
def first(book: PostgresBook) -> Iterator[Connection]:
    with book.connect() as connection:
        yield connection


@pytest.fixture
def second(book: PostgresBook) -> Iterator[Connection]:
    with book.connect() as connection:
        yield connection


def promised(shelves: list[Shelf]) -> dict[str, int]:
    return {shelf.sku: shelf.reserved for shelf in shelves}


def test_the_second_waits_and_sees_it(book: PostgresBook, first: Connection, second: Connection) -> None:
    assert {"A": 0, "B": 0} == promised(stock.lock_shelves(first.cursor(), ["B", "A"]))
    stock.hold(first.cursor(), [Reservation(ONE, "L1", "A", "*", 5, 1)])
    stock.move(first.cursor(), {("A", "*"): 5}, {})
    seen = book.blocked(lambda: promised(stock.lock_shelves(second.cursor(), ["A", "C"])), first.commit)
    assert {"A": 5, "C": 0} == seen
    assert [Reservation(ONE, "L1", "A", "*", 5, 1)] == stock.held(second.cursor(), [ONE])


def test_who_names_its_skus_the_other_way_round_waits_too_and_for_nobody_in_a_circle(
    book: PostgresBook, first: Connection, second: Connection
) -> None:
    stock.lock_shelves(first.cursor(), ["C", "A"])
    assert {"A": 0, "C": 0} == book.blocked(lambda: promised(stock.lock_shelves(second.cursor(), ["A", "C"])), first.commit)


def test_who_only_looks_waits_for_nobody(first: Connection, second: Connection) -> None:
    stock.lock_shelves(first.cursor(), ["A"])
    assert {"A": 0} == promised(stock.shelves(second.cursor(), ["A"]))


def test_a_first_count_waits_for_who_reads_shelves(book: PostgresBook, first: Connection, second: Connection) -> None:
    assert [] == stock.lock_shelves(first.cursor(), ["NEW"])
    loaded = book.blocked(lambda: stock.save(second.cursor(), [StockEntry(sku="NEW", on_hand=3)]), first.commit)
    assert (1, 0, 0) == loaded


def test_who_reads_shelves_waits_for_a_first_count_and_sees_it(book: PostgresBook, first: Connection, second: Connection) -> None:
    stock.save(first.cursor(), [StockEntry(sku="NEW", on_hand=3)])
    found = book.blocked(lambda: stock.lock_shelves(second.cursor(), ["NEW"]), first.commit)
    assert [Shelf("NEW", "*", 3)] == found


def test_a_shelf_nobody_counted_begins_empty(first: Connection) -> None:
    stock.move(first.cursor(), {("A", "LEEDS"): 2}, {("A", "LEEDS"): 1})
    assert Shelf("A", "LEEDS", -1, reserved=2) in stock.shelves(first.cursor(), ["A"])
