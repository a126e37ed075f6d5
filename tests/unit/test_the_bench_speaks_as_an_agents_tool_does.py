"""What the bench sends the console is what the API takes, and its figures are printed for people."""

from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from console.api.models import TicketBody
from ordermend.bench.console import _body
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.edit_way import STAGES, Sent, Stored, cut, figures, of_writers
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.report import print_table
from ordermend.bench.tickets import Planner, Seen
from schemas.order import Order
from tests.line import order_in


def _order(number: int) -> Order:
    return order_in(document(number)[1], CHANNEL)


def test_every_planned_edit_is_a_body_of_the_api() -> None:
    planner = Planner([Seen.of(_order(number)) for number in range(5)], seed=3)
    for ticket in planner.tickets(50):
        body = TicketBody.model_validate(_body(ticket) | {"base_version": ticket.base_version})
        assert [one.name for one in ticket.operations] == [one.name for one in body.operations]


def test_the_consoles_figures_are_printed() -> None:
    spread = {"count": 40, "median": 91.5, "p95": 240.25}
    steps = dict.fromkeys(("preview_ms", "taken_ms", "told_ms", "visible_ms"), spread)
    stages = {name: {"median": 3.5, "p95": 77.25, "slowest": 9.0} for name in STAGES}
    out = StringIO()
    part = {"agents": 20, "orders_a_second": 499.5, "edits_a_second": 14.2, **steps, "stages_ms": stages}
    print_table({"console": part}, Console(file=out, width=120))
    for words in ("20 agents", "14.2 edits", "applied and read back", "240.25 ms", "read back", "77.25 ms"):
        assert words in out.getvalue()


TICKET = UUID(int=5)


def test_the_stages_of_an_edit_add_up_to_its_way() -> None:
    way = cut(Sent(TICKET, 100.0, 100.5, 100.6), Stored(TICKET, 100.01, 100.03, 100.1), [99.0, 100.05, 100.3, 100.4])
    assert way is not None
    assert [10, 20, 70, 200, 200, 100] == [round(each) for each in way]
    assert round(sum(way)) == 600


def test_an_edit_whose_commit_was_not_heard_is_not_counted() -> None:
    stored = Stored(TICKET, 100.01, 100.03, 100.1)
    assert cut(Sent(TICKET, 100.0, 100.5, 100.6), stored, [99.0]) is None
    assert cut(Sent(TICKET, 100.0, 100.5, 100.6), stored, [100.55]) is None


def test_only_the_writers_commits_count() -> None:
    assert [1.0, 3.0] == of_writers([(1.0, 7), (2.0, 8), (3.0, 7)], {7})


def test_what_the_slowest_edits_waited_for_is_told_apart() -> None:
    usual, slow = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 300.0, 4.0, 5.0, 6.0]
    found = figures([usual] * 39 + [slow] * 2)
    assert {"median": 3.0, "slowest": 300.0} == {name: found["waiting"][name] for name in ("median", "slowest")}
    assert {name: 3.0 if name == "waiting" else position + 1.0 for position, name in enumerate(STAGES)} == {
        name: each["median"] for name, each in found.items()
    }
    with pytest.raises(BenchInvalid, match="19 edits"):
        figures([usual] * 19)
