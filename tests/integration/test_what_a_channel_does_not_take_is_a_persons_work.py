"""An edit is told to its channel within the promised time: a channel that says no, or says nothing until then, is a person's work.

The edit itself stands: it was locked beforehand where the channel declares that it cannot take it.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from modification_processor.settlement import Declined, NoAnswer
from ordermend import bootstrap
from ordermend.local.simulated import SimulatedWorld
from ordermend.serving import Running
from schemas.order import Order
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order


class Channel(SimulatedWorld):
    """A channel that does not take what it is told."""

    answer: type[Exception] = Declined

    def tell(self, key: UUID, verb: str, order: Order, amount_minor: int) -> None:
        raise self.answer("order_archived") if self.answer is Declined else self.answer()


@pytest.fixture
def world(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "world.sqlite")


@pytest.fixture
def telling(line: Line, world: Channel) -> Iterator[Line]:
    worker = bootstrap.settlement(line.settings, Health(), world.ports())
    line.services["settlement"] = Running({"settlement": worker.run})
    yield line
    assert () == line.findings()


def cancelled_line(line: Line, eventually: Eventually, number: int) -> UUID:
    """Return a ticket that the channel has to hear of."""
    order = line.state_order(shopify_order(number))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    ticket = line.ticket(order.order_id, ("cancel_line", {"line_id": order.lines[0].line_id}))
    eventually(lambda: line.state(ticket) == "applied", what="the edit applied")
    return ticket


def test_a_no_is_said_once_with_its_reason(telling: Line, eventually: Eventually) -> None:
    ticket = cancelled_line(telling, eventually, 612_001)
    eventually(lambda: telling.one("select count(*) from work_item where kind = 'action_failed'") == 1, what="a work item")
    detail = telling.one("select detail from work_item where kind = 'action_failed'")
    assert "order_archived" in detail
    assert "channel cancel_line" in detail
    assert [("failed", "order_archived")] == telling.rows("select state, result from action where port = 'channel'")
    assert "applied" == telling.state(ticket)


def test_silence_until_the_deadline_is_one_too(telling: Line, world: Channel, eventually: Eventually) -> None:
    world.answer = NoAnswer
    cancelled_line(telling, eventually, 612_002)
    eventually(lambda: telling.one("select max(attempts) from action where port = 'channel'") == 1, what="the first try")
    promised = telling.one("select extract(epoch from due_at - created_at) from action where port = 'channel'")
    assert 3600 == promised
    assert 0 == telling.one("select count(*) from work_item")
    telling.rows("update action set due_at = now(), next_attempt_at = now() where port = 'channel' returning 1")
    eventually(lambda: telling.one("select count(*) from work_item where kind = 'action_failed'") == 1, what="a work item")
    assert "expired" in telling.one("select detail from work_item")
