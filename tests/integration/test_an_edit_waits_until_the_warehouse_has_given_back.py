"""An edit of what the warehouse has in hand is applied after the warehouse gave it back, and not at all where it does not."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from modification_processor import Preview, look, preview_for
from ordermend import bootstrap
from ordermend.local.simulated import Behaviour, SimulatedWorld
from ordermend.serving import Running
from schemas.codec import encode
from schemas.facts import FactPayment, ReleaseRequested
from schemas.order import Order
from schemas.ticket import Operation
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Jo Doe", "lines": ["2 New Road"], "city": "Paris", "country": "FR", "postal_code": "75001"}


def picked(line: Line, eventually: Eventually, number: int, kind: str = "released") -> Order:
    """Return an order whose first line the warehouse has in hand."""
    order = line.state_order(shopify_order(number))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.fact(order.order_id, "released", (order.lines[0].line_id, 2))
    if kind == "packed":
        line.fact(order.order_id, "packed", (order.lines[0].line_id, 2))
    eventually(lambda: getattr(stored(line, order), kind) == 2, what=f"the line {kind}")
    return stored(line, order).order


class _First:
    """An order with the counters of its first line."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.ordered, self.released = order.lines[0].ordered, order.lines[0].released
        self.packed, self.shipped = order.lines[0].packed, order.lines[0].shipped


def stored(line: Line, order: Order) -> _First:
    found = line.order(order.order_id)
    assert found is not None
    return _First(found)


def start_settlement(line: Line, path: Path, *, declined: float = 0.0, lost: float = 0.0) -> SimulatedWorld:
    world = SimulatedWorld(path / "world.sqlite", Behaviour(declined=declined, lost=lost))
    line.services["settlement"] = Running({"settlement": bootstrap.settlement(line.settings, Health(), world.ports()).run})
    return world


def release(line: Line, order_id: UUID) -> None:
    request = ReleaseRequested(request_id=uuid.uuid4().hex, order_id=order_id, lines=(), at=datetime(2026, 11, 23, tzinfo=UTC))
    line.send_signed(line.topics.fulfillment, order_id, encode(request), f"release:{request.request_id}", line.warehouse, "wms", ())


def test_a_quantity_in_picking_is_lowered_once_the_pick_is_recalled(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9101)
    first = order.lines[0].line_id
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 1}))
    eventually(lambda: line.state(ticket) == "compensating", what="the ticket waiting for the warehouse")
    assert (2, 2) == (stored(line, order).ordered, stored(line, order).released), "nothing moves before the warehouse's yes"
    assert () == line.findings()

    world = start_settlement(line, tmp_path)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")
    assert (1, 0) == (stored(line, order).ordered, stored(line, order).released)
    assert [f"recall_pick done {first}"] == [what for _, what, _ in world.told("warehouse")]
    assert [("done",)] == line.rows("select state from action where port = 'warehouse'"), "one recall, confirmed"
    derived = line.rows("select derived, user_id from history where path = %s order by version desc limit 1", f"/lines/{first}/released")
    assert [(True, "settlement")] == derived, "history says who took it back"
    eventually(lambda: line.one("select count(*) from work_item") == 0, what="no work item")
    assert () == line.findings()


def test_a_warehouse_that_refuses_ends_the_ticket_and_changes_nothing(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9102, "packed")
    start_settlement(line, tmp_path, declined=1.0)
    ticket = line.ticket(order.order_id, ("set_ship_address", ADDRESS | {"country": order.ship_to.country if order.ship_to else "FR"}))
    eventually(lambda: line.state(ticket) in ("refused", "applied"), what="the ticket decided")
    assert [("refused", "recall_refused")] == line.rows("select state, code from ticket where ticket_id = %s", ticket)
    assert order == stored(line, order).order
    assert () == line.findings()


def test_an_address_behind_a_label_changes_once_the_label_is_void_and_the_goods_are_labelled_anew(
    line: Line, tmp_path: Path, eventually: Eventually
) -> None:
    """The preview says that the label is voided first; who ships asks again and is granted the order with its new address; then it is too late."""
    order = picked(line, eventually, 9109, "packed")
    first, country = order.lines[0].line_id, order.ship_to.country if order.ship_to else ""
    address = ADDRESS | {"country": country}
    with line.book.transaction(), line.book.cursor() as cursor:
        looked = look(cursor, order.order_id)
        assert looked is not None
        operations = [Operation(name="set_ship_address", arguments=json.dumps(address))]
        shown = preview_for(cursor, looked, operations, "customer_request", frozenset({"Order_Modify"}))
    assert isinstance(shown, Preview), shown
    assert [("void_label", first)] == list(shown.recalls)

    ticket = line.ticket(order.order_id, ("set_ship_address", address))
    eventually(lambda: line.state(ticket) == "compensating", what="the ticket waiting for the warehouse")
    assert order.ship_to == stored(line, order).order.ship_to, "nothing moves before the label is void"
    world = start_settlement(line, tmp_path)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")
    assert [f"void_label done {first}"] == [what for _, what, _ in world.told("warehouse")]
    now = stored(line, order).order
    assert ("2 New Road", 0, 0) == ((now.ship_to.lines[0] if now.ship_to else ""), now.lines[0].released, now.lines[0].packed)

    release(line, order.order_id)
    eventually(lambda: stored(line, order).released == 2, what="the release granted, over the order as it is now")
    line.fact(order.order_id, "packed", (first, 2))
    line.fact(order.order_id, "shipped", (first, 2), (order.lines[1].line_id, 1))
    eventually(lambda: stored(line, order).shipped == 2, what="the goods gone")
    late = line.ticket(order.order_id, ("set_ship_address", address | {"lines": ["3 New Road"]}))
    eventually(lambda: line.state(late) == "refused", what="the late edit refused")
    (code, rule, message) = line.rows("select code, rule_id, message from ticket where ticket_id = %s", late)[0]
    assert ("field_locked", True) == (code, rule.startswith("locks.ship_address."))
    assert "The address is locked since the order is closed" == message
    assert () == line.findings()


def test_a_lost_answer_is_asked_for_again_and_recalls_once(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9103)
    world = start_settlement(line, tmp_path, lost=1.0)
    ticket = line.ticket(order.order_id, ("cancel_line", {"line_id": order.lines[0].line_id}))
    eventually(lambda: line.state(ticket) in ("applied", "settling"), 60, what="the ticket applied")
    assert 1 == len(world.told("warehouse"))
    assert () == line.findings()


def test_nothing_is_released_while_an_edit_waits_for_what_comes_back(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9104)
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))
    eventually(lambda: line.state(ticket) == "compensating", what="the ticket waiting for the warehouse")
    release(line, order.order_id)
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'not_granted'") == 1, what="the release refused")
    start_settlement(line, tmp_path)
    eventually(lambda: line.state(ticket) == "applied", what="the ticket applied")
    release(line, order.order_id)
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'granted'") == 1, what="the release granted afterwards")
    assert (1, 1) == (stored(line, order).ordered, stored(line, order).released)
    assert () == line.findings()


def test_a_recall_that_comes_too_late_is_kept_and_told(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9105)
    first = order.lines[0].line_id
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 1}))
    eventually(lambda: line.state(ticket) == "compensating", what="the ticket waiting for the warehouse")
    line.book.execute("update action set state = 'sent', next_attempt_at = now() where port = 'warehouse'")
    line.book.execute("update ticket set due_at = now() where ticket_id = %s", (ticket,))
    line.book.commit()
    eventually(lambda: line.state(ticket) == "expired", what="the ticket ended by its deadline")
    start_settlement(line, tmp_path)
    eventually(lambda: line.one("select count(*) from work_item where kind = 'recalled_in_vain'") == 1, what="the work item")
    assert (2, 0) == (stored(line, order).ordered, stored(line, order).released), "what came back is back; the edit is not made"
    assert () == line.findings()


def test_a_ticket_that_is_withdrawn_asks_the_warehouse_for_nothing(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9106)
    ticket = line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}))
    eventually(lambda: line.state(ticket) == "compensating", what="the ticket waiting for the warehouse")
    line.cancel_ticket(order.order_id, ticket)
    eventually(lambda: line.state(ticket) == "cancelled", what="the ticket withdrawn")
    assert [("cancelled",)] == line.rows("select state from action where port = 'warehouse'")
    world = start_settlement(line, tmp_path)
    other = line.ticket(order.order_id, ("set_note", {"note": "ring twice"}))
    eventually(lambda: line.state(other) == "applied", what="the order goes on")
    assert [] == world.told("warehouse")
    assert order.lines == stored(line, order).order.lines
    assert () == line.findings()


def test_the_approval_comes_first_and_counts_after_the_recall(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9107)
    world = start_settlement(line, tmp_path)
    payment = FactPayment(provider="adyen", transaction="t1", kind="capture", amount_minor=2550, currency="GBP", method="card")
    line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: len(stored(line, order).order.payments) == 1, what="the payment")
    ticket = line.ticket(
        order.order_id,
        ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}),
        ("add_fee", {"label": "Gift wrap", "amount": "3"}),
    )
    eventually(lambda: line.state(ticket) == "awaiting_approval", what="the approval asked for")
    assert [] == world.told("warehouse"), "nothing is recalled for what nobody has approved"
    line.review(order.order_id, ticket)
    eventually(lambda: line.state(ticket) in ("applied", "settling", "settled"), what="the ticket applied")
    assert [("carla",)] == line.rows("select approved_by from ticket where ticket_id = %s", ticket)
    assert 1 == len(world.told("warehouse"))
    assert 1 == stored(line, order).ordered
    assert () == line.findings()


def test_a_channels_change_waits_for_the_warehouse_like_an_agents(line: Line, tmp_path: Path, eventually: Eventually) -> None:
    order = picked(line, eventually, 9108)
    number = order.lines[0].line_id.removeprefix("L")
    items = {"additions": [], "removals": [{"id": int(number), "delta": 1}]}
    edit = {"order_edit": {"id": 1, "order_id": 9108, "created_at": "2026-11-03T10:00:00Z", "line_items": items}}
    line.send_raw(json.dumps(edit).encode(), headers={"x-shopify-topic": "orders/edited"})
    eventually(lambda: line.one("select count(*) from ticket where state = 'compensating'") == 1, what="the channel's ticket waiting")
    start_settlement(line, tmp_path)
    eventually(lambda: line.one("select count(*) from ticket where state = 'applied'") == 1, what="the channel's ticket applied")
    assert (1, ()) == (stored(line, order).ordered - stored(line, order).order.lines[0].cancelled, stored(line, order).order.holds)
    assert () == line.findings()
