"""A dependency goes away under load and comes back: it is hardly asked meanwhile, not overrun afterwards, and nothing is lost.

ORDERMEND_OUTAGE says for how many seconds it is away; the suite has a few.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from dlq_handler import budget
from dlq_handler.retrier import Retrier
from modification_processor.dependencies import Gates, default_limits
from modification_processor.settlement import NoAnswer, PaymentRequest, Ports
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.order import Order
from store.database import connect
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

AWAY_SECONDS = float(os.environ.get("ORDERMEND_OUTAGE", "8"))
STEADY_SECONDS = 6.0
PER_SECOND = 20.0
ORDERS = 60
LIMITS = replace(default_limits(), probe_after=timedelta(seconds=2), floor_per_second=1.0)
NOTIFIER = "port:notice"


class World:
    """Every port. The notifier can be away; what came when is kept."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.calls: list[tuple[float, bool]] = []
        self.sent: Counter[UUID] = Counter()
        self.retry_after: float | None = None

    def execute(self, request: PaymentRequest) -> str | None:
        return f"t-{request.key}"

    def tell(self, key: UUID, verb: str, order: Order, amount_minor: int) -> None:
        """The channel is always there."""

    def recall(self, key: UUID, kind: str, order: Order, line_id: str) -> None:
        """So is the warehouse."""

    def notify(self, key: UUID, template: str, order: Order) -> None:
        away = self.away.is_set()
        self.calls.append((time.monotonic(), not away))
        if away:
            raise NoAnswer(self.retry_after)
        self.sent[key] += 1

    def between(self, since: float, until: float) -> int:
        """Return how many calls came in that time."""
        return sum(since <= at < until for at, _ in self.calls)

    def peak(self, since: float) -> int:
        """Return the most calls within any second."""
        ats = [at for at, _ in self.calls if at >= since]
        return max((sum(at <= other < at + 1 for other in ats) for at in ats), default=0)


@pytest.fixture
def world(line: Line) -> Iterator[World]:
    made = World()
    worker = bootstrap.settlement(line.settings, Health(), Ports(made, made, made, made), Gates(LIMITS))
    line.services["settlement"] = Running({"settlement": worker.run})
    yield made
    made.away.clear()


class Edits:
    """Sends edits at a steady rate, each of another order than the one before."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._orders = [line.state_order(shopify_order(95_000 + number)) for number in range(ORDERS)]
        self.sent = 0

    def send_for(self, seconds: float) -> None:
        began = time.monotonic()
        for number in range(int(seconds * PER_SECOND)):
            time.sleep(max(began + number / PER_SECOND - time.monotonic(), 0))
            order = self._orders[self.sent % ORDERS]
            self._line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3 + self.sent // ORDERS}))
            self.sent += 1


def test_an_outage_of_a_dependency_makes_no_storm(line: Line, world: World, eventually: Eventually) -> None:
    edits = Edits(line)
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, 60, what="the orders in the book")
    began = time.monotonic()
    edits.send_for(STEADY_SECONDS)
    eventually(lambda: len(world.sent) == edits.sent, what="a notice for each edit")
    steady = edits.sent / (time.monotonic() - began)

    world.away.set()
    edits.send_for(2.0)
    opened = "select opened_at from breaker where key = %s and closed_at is null"
    eventually(lambda: line.one(f"select count(*) from ({opened}) x", NOTIFIER) == 1, what="the notifier's breaker open")
    time_open = time.monotonic()
    time.sleep(0.5)  # calls under way when it opened
    since = time.monotonic()
    edits.send_for(AWAY_SECONDS)
    while_away = world.between(since, time.monotonic()) / AWAY_SECONDS
    assert while_away <= 0.1 * PER_SECOND, f"{while_away:.1f} calls a second while it was away"

    world.away.clear()
    back = time.monotonic()
    eventually(lambda: len(world.sent) == edits.sent, 120, what="every notice sent")
    assert line.one("select closed_by from breaker where key = %s", NOTIFIER) == "probe"
    # Two seconds of the first probe's own chance, and the rate is measured from when edits began.
    assert world.peak(back) <= 1.5 * max(steady, PER_SECOND) + 1, f"{world.peak(back)} calls in a second, {steady:.0f} are usual"
    assert back > time_open
    assert {1} == set(world.sent.values())
    eventually(lambda: line.one("select count(*) from action where state not in ('done', 'cancelled')") == 0, what="every answer heard")
    assert () == line.findings()


def test_a_retry_after_is_kept_to(line: Line, world: World, eventually: Eventually) -> None:
    edits = Edits(line)
    eventually(lambda: line.one("select count(*) from orders") == ORDERS, 60, what="the orders in the book")
    world.retry_after = 6.0
    world.away.set()
    edits.send_for(0.5)
    eventually(lambda: world.calls, what="the first call")
    eventually(
        lambda: line.one("select count(*) from breaker where key = %s and closed_at is null", NOTIFIER) == 1, what="it is left alone"
    )
    asked = world.calls[-1][0]
    world.away.clear()
    eventually(lambda: len(world.sent) == edits.sent, 60, what="every notice sent")
    assert min(at for at, answered in world.calls if answered) - asked >= 5.5
    assert () == line.findings()


def test_lanes_that_failed_are_tried_within_their_budget_and_hold_up_no_work(still_line: Line) -> None:
    line = still_line
    rows = {"BUG": ("unexpected", 5000), "DEPENDENCY": ("breaker:operation:set_note", 500), "ORDERING": ("order_unknown", 80)}
    kinds = {uuid4(): error_class for error_class, (_, count) in rows.items() for _ in range(count)}
    with line.book.transaction(), line.book.cursor() as cursor:
        # What failed came first: it must not stand before what is work.
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        cursor.executemany(
            """insert into lane (order_id, topic, state, next_seq, depth, attempt, next_attempt_at, error_class, code, blocked_since)
               values (%s, 'orders.modifications.v1', 'retrying', 1, 1, 1, %s, %s, %s, now())""",
            [(order_id, long_ago + timedelta(minutes=50 * (kind == "ORDERING")), kind, rows[kind][0]) for order_id, kind in kinds.items()],
        )
    tried: list[UUID] = []

    def retry_lanes(places: Sequence[tuple[UUID, str]]) -> int:
        tried.extend(order_id for order_id, _ in places)
        return 0

    retrier = Retrier(lambda: line.book, retry_lanes, lambda _order, _ticket: False, lambda: None)
    with connect(bootstrap.database_of(line.settings), line.settings.db_schema, autocommit=True) as connection:
        retrier.round(connection)
        first = Counter(kinds[order_id] for order_id in tried)
        assert {"BUG": 50, "DEPENDENCY": 50, "ORDERING": 80} == first
        began = time.monotonic()
        while time.monotonic() - began < 3.0:
            retrier.round(connection)
        later = Counter(kinds[order_id] for order_id in tried)
        assert later["BUG"] - first["BUG"] <= budget.default_limits().floor_per_second * (time.monotonic() - began) + 1
        assert later["ORDERING"] > first["ORDERING"]
