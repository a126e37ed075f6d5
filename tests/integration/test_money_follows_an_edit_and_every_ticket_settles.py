"""An edit of a paid order is settled after its commit, over several tenders, once, whatever the gateway does.

No gateway is ever called inside a transaction, no tender gives back more than it has, and no ticket hangs.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from psycopg.pq import TransactionStatus

from modification_processor.settlement import Declined, NoAnswer, PaymentRequest, StockRequest
from ordermend import bootstrap
from ordermend.local.simulated import Behaviour, SimulatedWorld
from ordermend.serving import Running
from schemas.facts import FactPayment
from schemas.order import Order
from schemas.stock import StockEntry
from store import stock
from store.database import Connection
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order


class Watched(SimulatedWorld):
    """A world that refuses to be asked while the asker has a transaction open, and that can die at an answer."""

    def __init__(self, path: Path, behaviour: Behaviour | None = None) -> None:
        super().__init__(path, behaviour or Behaviour())
        self.connections: list[Connection] = []
        self.in_transaction = 0
        self.ports_called: set[str] = set()
        self.before: Callable[[PaymentRequest], None] = lambda _: None

    def execute(self, request: PaymentRequest) -> str | None:
        self._called("gateway")
        self.before(request)
        return super().execute(request)

    def tell(self, key: UUID, verb: str, order: Order, amount_minor: int) -> None:
        self._called("channel")
        super().tell(key, verb, order, amount_minor)

    def notify(self, key: UUID, template: str, order: Order) -> None:
        self._called("notifier")
        super().notify(key, template, order)

    def recall(self, key: UUID, kind: str, order: Order, line_id: str) -> None:
        self._called("warehouse")
        super().recall(key, kind, order, line_id)

    def hold(self, request: StockRequest) -> None:
        self._called("inventory")
        super().hold(request)

    def _called(self, port: str) -> None:
        self.ports_called.add(port)
        self.in_transaction += sum(c.info.transaction_status != TransactionStatus.IDLE for c in self.connections if not c.closed)


@pytest.fixture
def world(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "world.sqlite")


@pytest.fixture
def settling(line: Line, world: Watched) -> Iterator[Line]:
    start_settlement(line, world)
    yield line
    assert 0 == world.in_transaction


def start_settlement(line: Line, world: Watched) -> None:
    """Run the worker with its connections watched."""
    worker = bootstrap.settlement(line.settings, Health(), world.ports())
    connect = worker._connect

    def watched() -> Connection:
        world.connections.append(connect())
        return world.connections[-1]

    worker._connect = watched
    line.services["settlement"] = Running({"settlement": worker.run})


def paid_order(line: Line, eventually: Eventually, number: int, *tenders: tuple[str, str, int]) -> Order:
    """Bring an order of 25.50 into the book, paid by tenders (transaction, method, minor units)."""
    order = line.state_order(shopify_order(number))
    for transaction, method, amount in tenders:
        payment = FactPayment(provider="adyen", transaction=transaction, kind="capture", amount_minor=amount, currency="GBP", method=method)
        line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    eventually(lambda: len(stored(line, order.order_id).payments) == len(tenders), what="the payments in the ledger")
    return order


def stored(line: Line, order_id: UUID) -> Order:
    found = line.order(order_id)
    assert found is not None
    return found


def ledger(line: Line, order_id: UUID) -> list[tuple[str, str | None, int]]:
    return [(row.kind, row.parent, row.amount_minor) for row in stored(line, order_id).payments]


def test_a_refund_over_three_tenders_is_made_once_each(settling: Line, world: Watched, eventually: Eventually) -> None:
    order = paid_order(settling, eventually, 5601, ("t1", "card", 1500), ("t2", "gift_card", 550), ("t3", "wallet", 500))
    ticket = settling.ticket(order.order_id, ("cancel_line", {"line_id": order.lines[0].line_id}))
    eventually(lambda: settling.state(ticket) == "settled", what="the ticket settled")
    moves = [(kind, tender, amount) for _, kind, tender, amount, _ in world.movements()]
    assert [("refund", "t3", 500), ("refund", "t2", 550), ("refund", "t1", 950)] == sorted(moves, key=lambda move: move[1], reverse=True)
    assert {("refund", "t3", 500), ("refund", "t2", 550), ("refund", "t1", 950)} <= set(ledger(settling, order.order_id))
    eventually(lambda: [what for _, what, _ in world.told("notice")] == ["order_changed"], what="one notice")
    eventually(lambda: {what for _, what, _ in world.told("channel")} == {"cancel_line"}, what="the channel told what it can be told")
    assert () == settling.findings()


def test_a_dearer_edit_is_charged_and_its_undo_refunds_the_charge(settling: Line, world: Watched, eventually: Eventually) -> None:
    order = paid_order(settling, eventually, 5602, ("t1", "card", 2550))
    first, version = order.lines[0].line_id, 2
    dearer = settling.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 5}), reason="entry_error")
    eventually(lambda: settling.state(dearer) == "settled", what="the charge settled")
    version = settling.one("select version from orders where order_id = %s", order.order_id)
    undo = settling.ticket(
        order.order_id, ("change_quantity", {"line_id": first, "quantity": 2}), reason="entry_error", undoes=dearer, base=version
    )
    eventually(lambda: settling.state(undo) == "settled", what="the undo settled")
    assert "undone" == settling.state(dearer)
    assert [("charge", 3000), ("refund", 3000)] == [(kind, amount) for _, kind, _, amount, _ in world.movements()]
    assert () == settling.findings()


def test_what_is_added_and_removed_before_it_was_charged_moves_nothing(line: Line, world: Watched, eventually: Eventually) -> None:
    order = paid_order(line, eventually, 5603, ("t1", "card", 2550))
    first = order.lines[0].line_id
    up = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 5}))
    down = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 2}))
    eventually(lambda: line.state(down) == "applied", what="both edits applied")
    assert "settled" == line.state(up)
    start_settlement(line, world)
    eventually(lambda: len(world.told("notice")) == 2, what="the worker at work")
    assert [] == world.movements()
    assert ["cancelled"] == [row[0] for row in line.rows("select state from action where port = 'payment'")]


def test_a_declined_charge_ends_the_ticket_and_holds_what_was_added(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    world = Watched(tmp_path / "declining.sqlite", Behaviour(declined=1.0))
    start_settlement(line, world)
    order = paid_order(line, eventually, 5604, ("t1", "card", 2550))
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5}))
    eventually(lambda: line.state(ticket) == "settlement_failed", what="the ticket failed to settle")
    after = stored(line, order.order_id)
    assert (["payment"], "held", 5) == ([hold.kind for hold in after.holds], after.lifecycle, after.lines[0].ordered)
    assert 1 == line.one("select count(*) from work_item where kind = 'settlement_failed'")
    assert () == line.findings()


def test_a_lost_answer_is_asked_for_again_and_moves_money_once(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    world = Watched(tmp_path / "losing.sqlite", Behaviour(lost=1.0))
    start_settlement(line, world)
    order = paid_order(line, eventually, 5605, ("t1", "card", 2550))
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))
    eventually(lambda: line.one("select max(attempts) from action where port = 'payment'") == 1, what="the first, lost, answer")
    due_now(line)
    eventually(lambda: line.state(ticket) == "settled", what="the ticket settled")
    assert [("refund", 1000)] == [(kind, amount) for _, kind, _, amount, _ in world.movements()]
    assert [("refund", "t1", 1000)] == [row for row in ledger(line, order.order_id) if row[0] == "refund"]


def test_after_a_crash_between_three_refunds_only_the_one_without_an_answer_is_asked_again(
    line: Line, world: Watched, eventually: Eventually
) -> None:
    def third_time_nobody_answers(request: PaymentRequest) -> None:
        if request.transaction == "t1":
            raise NoAnswer

    world.before = third_time_nobody_answers
    start_settlement(line, world)
    order = paid_order(line, eventually, 5606, ("t1", "card", 1500), ("t2", "card", 550), ("t3", "card", 500))
    ticket = line.ticket(order.order_id, ("cancel_line", {"line_id": order.lines[0].line_id}))
    eventually(lambda: sum(row[0] == "refund" for row in ledger(line, order.order_id)) == 2, what="two refunds recorded")
    line.stop("settlement")
    assert "settling" == line.state(ticket)
    world.before = lambda _: None
    due_now(line)
    start_settlement(line, world)
    eventually(lambda: line.state(ticket) == "settled", what="the ticket settled")
    assert [1, 1, 1] == [count for _, count in sorted(asked(world).items())]


def test_a_request_nobody_answers_expires_and_no_ticket_hangs(line: Line, world: Watched, eventually: Eventually) -> None:
    def nobody(_: PaymentRequest) -> None:
        raise NoAnswer

    world.before = nobody
    start_settlement(line, world)
    order = paid_order(line, eventually, 5607, ("t1", "card", 2550))
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))
    eventually(lambda: line.one("select max(attempts) from action where port = 'payment'") == 1, what="the first try")
    line.rows("update action set due_at = now(), next_attempt_at = now() where port = 'payment' returning 1")
    eventually(lambda: line.state(ticket) == "settlement_failed", what="the ticket given up")
    assert 1 == line.one("select count(*) from work_item where kind = 'settlement_failed'")


def test_a_payment_the_customer_was_asked_for_settles_the_ticket(settling: Line, world: Watched, eventually: Eventually) -> None:
    order = paid_order(settling, eventually, 5608, ("t1", "bank_transfer", 2550))
    ticket = settling.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3}))
    eventually(lambda: len(world.movements()) == 1, what="the customer asked")
    assert "settling" == settling.state(ticket)
    eventually(lambda: [what for _, what, _ in world.told("notice")] == ["payment_requested"], what="the one notice says so")
    payment = FactPayment(provider="adyen", transaction="t9", kind="capture", amount_minor=1000, currency="GBP", method="bank_transfer")
    settling.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: settling.state(ticket) == "settled", what="the ticket settled")


def asked_of(line: Line) -> UUID:
    """Return the key of the one payment request."""
    key: UUID = line.one("select action_id from action where kind = 'request_payment'")
    return key


def requested(line: Line, world: Watched, eventually: Eventually, number: int) -> tuple[Order, UUID]:
    """Raise an order paid by transfer from 2 to 5 units; return it, and the ticket, once the customer was asked for 30.00."""
    order = paid_order(line, eventually, number, ("t1", "bank_transfer", 2550))
    up = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5}))
    eventually(lambda: len(world.movements()) == 1, what="the customer asked")
    eventually(lambda: line.one("select next_attempt_at = due_at from action where kind = 'request_payment'"), what="and that kept")
    return order, up


def customer_pays(line: Line, world: Watched, order: Order, key: UUID) -> None:
    """Let the customer meet the request, and the payment side say so."""
    transaction, amount = world.pay(key)
    payment = FactPayment(
        provider="adyen", transaction=transaction, kind="capture", amount_minor=amount, currency="GBP", method="bank_transfer"
    )
    line.fact(order.order_id, "payment", payment=payment)


def test_what_is_added_and_removed_before_the_customer_paid_asks_for_nothing_any_more(
    settling: Line, world: Watched, eventually: Eventually
) -> None:
    order, up = requested(settling, world, eventually, 5611)
    down = settling.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2}))
    eventually(lambda: settling.state(down) == settling.state(up) == "settled", what="both tickets settled")
    assert [("request_payment", 3000), ("take_back", 3000)] == [(kind, amount) for _, kind, _, amount, _ in world.movements()]
    assert [("capture", None, 2550)] == ledger(settling, order.order_id)
    with pytest.raises(Declined, match="taken_back"):
        world.pay(asked_of(settling))
    assert () == settling.findings()


def test_a_request_is_lowered_by_what_a_cheaper_edit_needs_less_and_met_by_what_is_left(
    settling: Line, world: Watched, eventually: Eventually
) -> None:
    order, up = requested(settling, world, eventually, 5612)
    less = settling.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 4}))
    eventually(lambda: settling.state(less) == "settled", what="the request lowered")
    assert "settling" == settling.state(up)
    customer_pays(settling, world, order, asked_of(settling))
    eventually(lambda: settling.state(up) == "settled", what="the request met")
    assert [2550, 2000] == [amount for _, _, amount in ledger(settling, order.order_id)]
    assert 0 == settling.one("select count(*) from work_item")
    assert () == settling.findings()


@pytest.mark.parametrize("told_first", [True, False], ids=["the payment is told first", "the taking back is answered first"])
def test_a_customer_who_pays_before_the_request_was_taken_back_gets_it_back(
    line: Line, world: Watched, eventually: Eventually, told_first: bool
) -> None:
    start_settlement(line, world)
    order, up = requested(line, world, eventually, 5613 + told_first)
    line.stop("settlement")
    key = asked_of(line)
    if told_first:
        transaction, amount = world.pay(key)
        down = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2}))
        eventually(lambda: line.state(down) == "settling", what="the cheaper edit")
        payment = FactPayment(provider="adyen", transaction=transaction, kind="capture", amount_minor=amount, currency="GBP")
        line.fact(order.order_id, "payment", payment=payment)
        eventually(lambda: line.state(up) == "settled", what="the request met")
        start_settlement(line, world)
    else:
        transaction, amount = world.pay(key)
        down = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2}))
        start_settlement(line, world)
        eventually(lambda: line.one("select result from action where kind = 'take_back'") == "already_paid", what="the gateway's no")
        assert ("settling", "settling") == (line.state(up), line.state(down))
        payment = FactPayment(provider="adyen", transaction=transaction, kind="capture", amount_minor=amount, currency="GBP")
        line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.state(down) == line.state(up) == "settled", what="both settled")
    assert ("refund", transaction, 3000) == ledger(line, order.order_id)[-1]
    assert 0 == line.one("select count(*) from work_item")
    assert 0 == world.in_transaction
    assert () == line.findings()


def test_a_payment_that_comes_after_its_request_was_gone_is_a_named_open_item(
    settling: Line, world: Watched, eventually: Eventually
) -> None:
    order, up = requested(settling, world, eventually, 5616)
    down = settling.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2}))
    eventually(lambda: settling.state(down) == settling.state(up) == "settled", what="the request taken back")
    payment = FactPayment(provider="adyen", transaction="late", kind="capture", amount_minor=3000, currency="GBP", method="bank_transfer")
    settling.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: settling.one("select count(*) from work_item where kind = 'paid_in_vain'") == 1, what="the open item")
    assert "3000 GBP" in settling.one("select detail from work_item where kind = 'paid_in_vain'")
    assert () == settling.findings()


def test_a_request_taken_back_before_it_arrived_is_never_delivered(line: Line, world: Watched, eventually: Eventually) -> None:
    """The gateway heard of the taking back alone: asked again for what it never got, it says that it is void."""

    def nobody(request: PaymentRequest) -> None:
        if request.kind == "request_payment":
            raise NoAnswer

    world.before = nobody
    start_settlement(line, world)
    order = paid_order(line, eventually, 5617, ("t1", "bank_transfer", 2550))
    up = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 5}))
    eventually(lambda: line.one("select max(attempts) from action where kind = 'request_payment'") == 1, what="the first, lost, try")
    less = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 4}))
    eventually(lambda: line.state(less) == "settled", what="lowered")
    world.before = lambda _: None
    due_now(line)
    eventually(lambda: len(world.movements()) == 2, what="the request delivered at last")
    assert ("paid", 2000) == (world.pay(asked_of(line))[0][:4], world.movements()[1][3] - world.movements()[0][3])
    down = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2}))
    eventually(lambda: line.one("select count(*) from action where result = 'already_paid'") == 1, what="paid meanwhile")
    assert ("settling", "settling") == (line.state(up), line.state(down))
    assert () == line.findings()


def test_no_port_of_the_five_is_called_while_a_transaction_is_open(settling: Line, world: Watched, eventually: Eventually) -> None:
    """An edit of picked units recalls them, refunds, gives stock back, tells the channel and the customer: each with no transaction open."""
    with settling.book.transaction(), settling.book.cursor() as cursor:
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=5)])
    order = paid_order(settling, eventually, 5618, ("t1", "card", 2550))
    first = order.lines[0].line_id
    settling.fact(order.order_id, "released", (first, 2))
    eventually(lambda: stored(settling, order.order_id).lines[0].released == 2, what="the pick begun")
    ticket = settling.ticket(order.order_id, ("cancel_line", {"line_id": first}))
    eventually(lambda: settling.state(ticket) == "settled", what="the ticket settled")
    eventually(lambda: world.ports_called == {"gateway", "channel", "notifier", "warehouse", "inventory"}, what="all five asked")
    assert world.connections, "nobody was watched"
    assert 0 == world.in_transaction
    assert () == settling.findings()


def test_refused_edits_and_repeats_tell_nobody_anything(settling: Line, world: Watched, eventually: Eventually) -> None:
    order = paid_order(settling, eventually, 5609, ("t1", "card", 2550))
    first = order.lines[0].line_id
    refused = settling.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 1}), roles=())
    once = settling.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 1}))
    settling.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 1}), ticket_id=once)
    note = settling.ticket(order.order_id, ("set_note", {"note": "Ring twice"}))
    eventually(lambda: settling.state(note) == "applied" and settling.state(once) == "settled", what="all decided")
    assert "refused" == settling.state(refused)
    eventually(lambda: settling.one("select count(*) from action where state in ('planned', 'sent')") == 0, what="all asked")
    assert (1, 1) == (len(world.movements()), len(world.told("notice")))


def due_now(line: Line) -> None:
    """Let whatever waits for its next try be due."""
    line.rows("update action set next_attempt_at = now() where state = 'sent' and next_attempt_at is not null returning 1")


def asked(world: Watched) -> dict[str, int]:
    """Return how often each tender's movement was asked for."""
    with world._open() as book:
        return dict(book.execute("select tender, asked from movement").fetchall())
