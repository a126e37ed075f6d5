"""An applied edit is undone by a ticket of its own: exactly its inverse, under today's locks, once."""

from uuid import UUID

from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_an_edit_of_two_operations_is_undone_and_says_so(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(5401))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first, second = (row.line_id for row in order.lines)
    edit = line.ticket(
        order.order_id, ("change_quantity", {"line_id": first, "quantity": 7}), ("change_quantity", {"line_id": second, "quantity": 4}),
        reason="entry_error",
    )  # fmt: skip
    eventually(lambda: line.state(edit) == "applied", what="the edit applied")
    back = (("change_quantity", {"line_id": second, "quantity": 1}), ("change_quantity", {"line_id": first, "quantity": 2}))
    undo = line.ticket(order.order_id, *back, reason="entry_error", undoes=edit, base=2)
    eventually(lambda: line.state(undo) == "applied", what="the undo applied")
    assert "undone" == line.state(edit)
    stored = line.order(order.order_id)
    assert stored is not None
    assert (order.lines, order.totals) == (stored.lines, stored.totals)
    again = line.ticket(order.order_id, *back, reason="entry_error", undoes=edit, base=2)
    eventually(lambda: line.state(again) == "refused", what="the second undo refused")
    assert "not_applied" == _code(line, again)
    assert () == line.findings()


def test_what_is_not_the_inverse_is_no_undo(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(5402))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first = order.lines[0].line_id
    edit = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 7}), reason="entry_error")
    wrong = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 3}), reason="entry_error", undoes=edit, base=2)
    unknown = line.ticket(
        order.order_id, ("change_quantity", {"line_id": first, "quantity": 2}), reason="entry_error", undoes=wrong, base=2
    )
    eventually(lambda: line.state(unknown) == "refused", what="both refused")
    assert ("not_the_inverse", "not_applied") == (_code(line, wrong), _code(line, unknown))
    assert "applied" == line.state(edit)
    assert () == line.findings()


def test_an_undo_of_what_somebody_changed_since_conflicts(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(5403))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    first = order.lines[0].line_id
    edit = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 7}), reason="entry_error")
    line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 9}), user="ben")
    undo = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 2}), reason="entry_error", undoes=edit, base=2)
    eventually(lambda: line.state(undo) == "conflicted", what="the undo conflicted")
    assert "applied" == line.state(edit)
    assert () == line.findings()


def _code(line: Line, ticket: UUID) -> str | None:
    code: str | None = line.one("select code from ticket where ticket_id = %s", ticket)
    return code
