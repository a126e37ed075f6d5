"""Fifty values that name people go through success, edits, refusal, failure and retry; afterwards their people are erased.

What must hold: in clear they are only where the work is done (the current order, what it is found by, topics kept for 30 days), never in logs,
metrics, headers, causes of dead letters, tickets or events; who works a letter sees the value it is about; and once erased, they are in no
table at all.
"""

import logging
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import generate_latest
from sqlalchemy import LargeBinary

from dlq_handler.desk import Desk
from ordermend import bootstrap
from schemas.assertion import Actor
from schemas.failures import OrdermendError
from store import tables
from streaming.reading import Reader
from tests.conftest import Eventually
from tests.line import Line, shopify_order

OLGA = Actor("olga", frozenset({"DLQ_Operate", "DLQ_Payload", "Order_Modify"}), "test")
AT_WORK = {("orders", "doc"), ("order_search", "terms")}
"""Where the current order is worked with: in clear by design, until its person is erased."""
IN_PASSING = {("outbox", "value")}
"""In clear until the relay has sent it, then blanked."""


class Canaries:
    """Texts that occur nowhere else; `sown` are all that were handed out."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.sown: list[str] = []

    def one(self) -> str:
        """Return a new one: a word of letters alone, so that it fits names, streets and e-mails."""
        number = next(self._numbers)
        self.sown.append("zq" + "".join("abcdefghij"[int(digit)] for digit in f"{number:04d}") + "qz")
        return self.sown[-1]


def address(sow: Canaries) -> dict[str, Any]:
    return {"name": sow.one(), "address1": f"1 {sow.one()}", "city": sow.one(), "zip": "LS1 1AA", "country_code": "GB"}


def order_with(sow: Canaries, number: int, **extra: Any) -> bytes:
    place = address(sow)
    person: dict[str, Any] = {"email": f"{sow.one()}@example.com", "note": sow.one(), "shipping_address": place, "billing_address": place}
    return shopify_order(number, **person, note_attributes=[{"name": "for", "value": sow.one()}], **extra)


def cells(line: Line) -> Iterator[tuple[str, str, str]]:
    """Every cell of every table as text: (table, column, text)."""
    for table in tables.metadata.sorted_tables:
        names = [column.name for column in table.columns]
        cast = [f"encode({c.name}, 'escape')" if isinstance(c.type, LargeBinary) else f"{c.name}::text" for c in table.columns]
        for row in line.rows(f"select {', '.join(cast)} from {table.name}"):
            yield from ((table.name, name, text) for name, text in zip(names, row, strict=True) if text)


def found_in(line: Line, sown: list[str]) -> set[tuple[str, str]]:
    return {(table, column) for table, column, text in cells(line) if any(canary in text.lower() for canary in sown)}


def test_fifty_canaries_are_found_nowhere_in_clear(
    line: Line, eventually: Eventually, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sow = Canaries()
    taken = [line.state_order(order_with(sow, number)) for number in range(1, 6)]
    eventually(lambda: line.one("select count(*) from orders") == 5, what="the orders in the book")
    for order in taken[:2]:
        moved = {"name": sow.one(), "lines": [sow.one()], "city": sow.one(), "postal_code": "LS2 2BB", "country": "GB"}
        edits = [
            line.ticket(order.order_id, ("set_contact", {"email": f"{sow.one()}@example.org"})),
            line.ticket(order.order_id, ("set_ship_address", moved), reason="address_correction"),
            line.ticket(order.order_id, ("place_hold", {"kind": "fraud", "reason": f"{sow.one()} called"}), reason="fraud_review"),
        ]
        wrong = {**moved, "country": sow.one()}
        edits.append(line.ticket(order.order_id, ("set_ship_address", wrong), reason="address_correction"))
        eventually(partial(_ended, line, edits), what="the edits")

    bad = sow.one()
    broken = [order_with(sow, 11, line_items=[{"id": 1, "quantity": bad, "price": "1.00"}]), order_with(sow, 12, line_items=[])]
    for body in broken:
        line.send_raw(body)
    eventually(lambda: line.one("select count(*) from dead_letter") == 2, what="two dead letters")
    desk = bootstrap.desk(line.settings)
    try:
        _work(line, desk, eventually, bad)
        eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="everything sent")
        assert len(sow.sown) >= 50
        assert found_in(line, sow.sown) - IN_PASSING == AT_WORK
        said = capfd.readouterr()
        assert not [canary for canary in sow.sown if canary in (said.out + said.err + caplog.text).lower()]
        assert not [canary for canary in sow.sown if canary in generate_latest().decode().lower()]
        assert not _in_headers(line, sow.sown)
        assert not _in_events(line, sow.sown)
        _forget(line)
        assert found_in(line, sow.sown) == set()
        for (letter,) in line.rows("select letter_id from dead_letter where status = 'unresolved'"):
            with pytest.raises(OrdermendError):
                desk.view(letter, OLGA)
        assert line.findings() == ()
    finally:
        desk.close()


def _ended(line: Line, tickets: list[UUID]) -> bool:
    return [line.state(ticket) for ticket in tickets] == ["applied"] * 3 + ["refused"]


def _work(line: Line, desk: Desk, eventually: Eventually, bad: str) -> None:
    """See the value the letter is about, and send both letters back as they are: they fail again."""
    for letter, rule in line.rows("select letter_id, rule from dead_letter"):
        view = desk.view(letter, OLGA)
        assert any(bad in said for said in view.said) == (rule == "quantity")
        desk.claim(letter, OLGA)
        desk.replay(letter, OLGA)
    eventually(lambda: line.one("select count(*) from dead_letter where status = 'unresolved'") == 2, what="both refused again")


def _forget(line: Line) -> None:
    processor = bootstrap.processor(line.settings, "erase")
    try:
        for (order_id,) in line.rows("select order_id from orders"):
            processor.erase(order_id, "dana", "request 1")
    finally:
        processor.close()
    # A letter whose order never came has a key of its own: erasing is deleting it.
    line.book.execute("delete from order_key where order_id in (select order_id from dead_letter)")


def _records(line: Line) -> Iterator[Any]:
    for topic in bootstrap.all_topics(line.settings.topic_prefix, ("shopify", "x12", "ebay")):
        yield from Reader(bootstrap.bootstrap_of(line.settings), topic.name).messages()


def _in_headers(line: Line, sown: list[str]) -> list[str]:
    headers = [str(value) for message in _records(line) for _, value in message.headers() or ()]
    assert headers
    return [canary for canary in sown if any(canary in text.lower() for text in headers)]


def _in_events(line: Line, sown: list[str]) -> list[str]:
    values = [message.value() or b"" for message in Reader(bootstrap.bootstrap_of(line.settings), line.topics.events).messages()]
    assert values
    return [canary for canary in sown if any(canary.encode() in value.lower() for value in values)]
