"""What the bench sends the console is what the API takes, and its figures are printed for people."""

from io import StringIO

from rich.console import Console

from console.api.models import TicketBody
from ordermend.bench.console import _body
from ordermend.bench.documents import CHANNEL, document
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
    out = StringIO()
    print_table({"console": {"agents": 20, "orders_a_second": 499.5, "edits_a_second": 14.2, **steps}}, Console(file=out, width=120))
    for words in ("20 agents", "14.2 edits", "applied and read back", "240.25 ms"):
        assert words in out.getvalue()
