"""A removed promotion and a replaced price come back by undo alone, read from the history, whether tried at once, approved or retried.

The undo restores every amount to the unit and takes the promotion's use again; the same operations in any other ticket are
refused, and so is an undo whose promotion's last use has gone to somebody else meanwhile.
"""

import json
import threading
from typing import Any
from uuid import UUID, uuid4

from modification_processor import Refused, what_undoes
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.catalogue import Promotion
from schemas.order import Order
from store.catalogue import save
from store.sealing import KeyVault
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

Wish = tuple[str, dict[str, Any]]


def placed(line: Line, eventually: Eventually, number: int) -> Order:
    order = line.state_order(shopify_order(number))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    return order


def stored(line: Line, order: Order) -> Order:
    found = line.order(order.order_id)
    assert found is not None
    return found


def done(line: Line, eventually: Eventually, order: Order, *wishes: Wish, **how: Any) -> UUID:
    """Send a ticket and wait for its answer; one that awaits approval gets it."""
    ticket = line.ticket(order.order_id, *wishes, reason="entry_error", **how)
    eventually(lambda: line.state(ticket) not in (None, "waiting"), what="an answer")
    if line.state(ticket) == "awaiting_approval":
        line.review(order.order_id, ticket)
        eventually(lambda: line.state(ticket) != "awaiting_approval", what="the approved ticket decided")
    return ticket


def back(line: Line, order: Order, ticket: UUID) -> tuple[Wish, ...]:
    """Return what takes a ticket back, as the door says it."""
    with line.book.transaction(), line.book.cursor() as cursor:
        found = what_undoes(cursor, KeyVault.load(line.settings.keys_dir), order.order_id, ticket)
    assert not isinstance(found, Refused), found
    return tuple((operation.name, json.loads(operation.arguments)) for operation in found)


def version(line: Line, order: Order) -> int:
    found: int = line.one("select version from orders where order_id = %s", order.order_id)
    return found


def uses(line: Line) -> int:
    found: int = line.one("select used from promotion_usage where code = 'ONCE'")
    return found


def test_each_edit_of_money_is_undone_to_the_unit(line: Line, eventually: Eventually) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [Promotion(code="ONCE", kind="percent", percent="7", limit=1, on_edit="drop")])
    order = placed(line, eventually, 5451)
    first = order.lines[0].line_id
    done(line, eventually, order, ("apply_promotion", {"code": "ONCE"}))
    row = stored(line, order).adjustments[-1].adjustment_id
    edits: tuple[tuple[Wish, ...], ...] = (
        (("remove_promotion", {"adjustment_id": row}),),
        (("override_price", {"line_id": first, "unit_price": "3.33", "note": "dented"}),),
        (("override_price", {"line_id": first, "unit_price": "1", "note": "x"}), ("remove_promotion", {"adjustment_id": row})),
        (("change_quantity", {"line_id": first, "quantity": 1}),),  # the promotion's own policy drops it with this edit
    )
    for wishes in edits:
        before = stored(line, order)
        edit = done(line, eventually, order, *wishes)
        assert "applied" == line.state(edit), wishes
        after = stored(line, order)
        assert before.totals != after.totals
        assert len(after.adjustments) == uses(line)
        operations = back(line, order, edit)
        undo = done(line, eventually, order, *operations, undoes=edit, base=version(line, order))
        assert ("applied", "undone") == (line.state(undo), line.state(edit)), wishes
        now = stored(line, order)
        assert (before.lines, before.adjustments, before.taxes, before.totals) == (now.lines, now.adjustments, now.taxes, now.totals)
        assert 1 == uses(line)
        # The undo taken back is the edit again, and that taken back the order as it was.
        last = undo
        for expected in (after, before):
            redo = done(line, eventually, order, *back(line, order, last), undoes=last, base=version(line, order))
            assert ("applied", "undone") == (line.state(redo), line.state(last)), wishes
            now, last = stored(line, order), redo
            assert (expected.lines, expected.adjustments, expected.totals) == (now.lines, now.adjustments, now.totals)
        assert 1 == uses(line)
        # The inverse, asked for as if it were an edit of its own, is none.
        fake = done(line, eventually, order, ("restore_adjustment", {"adjustment_id": row, "kind": "discount", "code": "ONCE"}))
        assert "only_as_undo" == line.one("select code from ticket where ticket_id = %s", fake)
    assert () == line.findings()


def test_a_use_that_somebody_else_has_meanwhile_stays_theirs(line: Line, eventually: Eventually) -> None:
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [Promotion(code="ONCE", kind="percent", percent="7", limit=1)])
    one, other = placed(line, eventually, 5452), placed(line, eventually, 5453)
    done(line, eventually, one, ("apply_promotion", {"code": "ONCE"}))
    removed = done(line, eventually, one, ("remove_promotion", {"adjustment_id": stored(line, one).adjustments[-1].adjustment_id}))
    operations = back(line, one, removed)
    assert "applied" == line.state(done(line, eventually, other, ("apply_promotion", {"code": "ONCE"})))
    undo = done(line, eventually, one, *operations, undoes=removed, base=version(line, one))
    assert ("refused", "promotion_exhausted") == line.rows("select state, code from ticket where ticket_id = %s", undo)[0]
    assert 1 == uses(line)
    assert () == line.findings()


def test_an_undo_that_waited_in_its_lane_is_checked_like_any_other(still_line: Line, eventually: Eventually) -> None:
    """Behind an edit that fails at first: neither what is no inverse nor what nobody may state gets through by being retried."""
    line, failing = still_line, uuid4()
    failures = threading.Semaphore(1)

    def fail_once(step: str) -> None:
        if step == f"decide ticket:{failing}" and failures.acquire(blocking=False):
            raise ZeroDivisionError

    app = bootstrap.processor_app(line.settings, Health(), faultpoint=fail_once)
    line.services["processor"] = Running({"processor": app.run})
    line.start("intake", "relay", "retrier")
    order = placed(line, eventually, 5454)
    first = order.lines[0].line_id
    edit = done(line, eventually, order, ("change_quantity", {"line_id": first, "quantity": 7}))
    line.ticket(order.order_id, ("set_note", {"note": "later"}), ticket_id=failing)
    wrong = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 3}), undoes=edit, base=2)
    right = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 2}), undoes=edit, base=2)
    eventually(lambda: line.state(right) == "applied", what="the lane tried again")
    assert 2 <= line.one("select count(*) from parked")
    assert ("refused", "not_the_inverse") == line.rows("select state, code from ticket where ticket_id = %s", wrong)[0]
    assert "undone" == line.state(edit)
    assert () == line.findings()
