"""One order is edited a thousand times, every kind of edit among them: its id and the ids of its lines are what they were."""

import json
from collections import Counter
from random import Random
from typing import Any

from modification_processor.edit import Edited, calls_of, edit
from modification_processor.operations import discover
from modification_processor.outcomes import Refused
from schemas.order import Order
from schemas.ticket import Operation
from tests.contract.operations.subjects import SAMPLES, UNDONE, going_on
from tests.unit.strategies import LINE_EDITS, context, line_edit_of, money_edit_of

EDITS = 1000
NEVER = frozenset({*UNDONE, "cancel_order"})
"""What only an undo asks for, and what would end the order."""


def _wish(rng: Random, order: Order, number: int) -> tuple[str, dict[str, Any]]:
    kind = rng.random()
    if kind < 0.4:
        return line_edit_of(rng, order, LINE_EDITS)
    if kind < 0.7:
        return money_edit_of(rng, order)
    name = rng.choice(sorted(set(discover()) - NEVER))
    arguments: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    if name == "set_note":
        arguments = {"note": f"note {number}"}
    return name, arguments


def test_a_thousand_edits_rename_nothing() -> None:
    rng, order, applied = Random(16), going_on(), Counter[str]()
    first = order
    while applied.total() < EDITS:
        number = applied.total()
        name, arguments = _wish(rng, order, number)
        calls = calls_of((Operation(name=name, arguments=json.dumps(arguments)),))
        assert not isinstance(calls, Refused), (name, calls)
        reason = min(discover()[name].reasons)
        found = edit(order, calls, reason, frozenset({"Order_Modify"}), None, context(f"{rng.getrandbits(32):08x}"))
        if isinstance(found, Refused):
            continue
        assert isinstance(found, Edited)
        before, order = order, found.order
        applied[name] += 1
        assert (before.order_id, before.order_number, before.source) == (order.order_id, order.order_number, order.source)
        ids = [line.line_id for line in order.lines]
        assert ids[: len(before.lines)] == [line.line_id for line in before.lines], "lines are added behind, and none leaves"
        assert len(set(ids)) == len(ids)
        for line in order.lines[len(before.lines) :]:
            assert (line.replaces_line_id is not None) == (name == "replace_sku")
            assert line.replaces_line_id in {None, *ids}
    assert (first.order_id, ["L1", "L2"]) == (order.order_id, [line.line_id for line in order.lines[:2]])
    assert {"change_quantity", "replace_sku", "add_line", "remove_line", "cancel_line", "override_price"} <= set(applied), applied
