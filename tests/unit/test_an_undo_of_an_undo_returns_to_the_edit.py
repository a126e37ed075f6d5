"""Edit, undo, undo of the undo: the order is as the edit left it, for any one to four operations that declare an inverse.

The tickets are carried out as the processor does: over the order as the one before left it, with what the history proves.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from modification_processor import undo
from modification_processor.edit import Call, Edited, calls_of, edit
from modification_processor.operations import discover
from modification_processor.outcomes import Refused
from modification_processor.past import Entry, Past
from modification_processor.totals import recalculate
from normalizers import discover as channels
from schemas.catalogue import ANY, Promotion
from schemas.leaves import changed_leaves
from schemas.order import Adjustment, Hold, Order, Shipment, ShipmentPart
from schemas.ticket import Operation
from store.history import HistoryRow
from store.tickets import TicketRow
from tests.unit.strategies import AT, context, line_edit_of, money_edit_of, order_of

ROLES: Final = frozenset({"Order_Modify", "Order_Approve"})
NO_INVERSE: Final = frozenset({"cancel_order", "cancel_line"})
"""Operations that declare none (ADR 20)."""
ADDRESS: Final = {"lines": ["2 New Road"], "city": "Paris", "postal_code": "75002", "country": "FR"}


class Told:
    """An order with its past, and the tickets that made it."""

    def __init__(self, order: Order) -> None:
        self.versions = [order]
        self._entries: list[Entry] = []

    @property
    def past(self) -> Past:
        return Past(self.versions[0].order_id, self.versions[0], AT, tuple(self._entries))

    def apply(
        self, number: int, operations: Sequence[Operation], undoes: TicketRow | None = None
    ) -> tuple[TicketRow, tuple[Call, ...]] | Refused:
        """Apply a ticket; return its row and its operations, or why it is refused."""
        ticket_id = UUID(int=number << 96)
        calls = calls_of(operations)
        if isinstance(calls, Refused):
            return calls
        former = undo.before(self.past, undoes) if undoes is not None else None
        known = replace(context(), ticket_id=str(ticket_id), former=former)
        found = edit(self.versions[-1], calls, "entry_error", ROLES, channels()["shopify"].verbs, known)
        if isinstance(found, Refused):
            return found
        version = len(self.versions) + 1
        for leaf in changed_leaves(self.versions[-1], found.order):
            row = HistoryRow(
                found.order.order_id, len(self._entries) + 1, version, "ticket", f"ticket:{ticket_id}", leaf.path, None, None, False, False,
                "ana", "Order_Modify", None, "entry_error", AT, b"",
            )  # fmt: skip
            self._entries.append(Entry(row, leaf))
        self.versions.append(found.order)
        ticket = TicketRow(
            found.order.order_id, ticket_id, "applied", "ana", "Order_Modify", "console", None, "entry_error", version - 1, version, "", b"",
            0, None, None, None, None, AT, AT, AT, undoes=undoes.ticket_id if undoes is not None else None,
        )  # fmt: skip
        return ticket, calls

    def inverse(self, ticket: tuple[TicketRow, tuple[Call, ...]]) -> tuple[Operation, ...] | Refused:
        return undo.operations(self.past, *ticket, context())


def there_and_back(order: Order, operations: Sequence[Operation]) -> Told | Refused | None:
    """Edit, undo and undo the undo; None where the edit itself cannot be, or has no inverse."""
    told = Told(order)
    first = told.apply(1, operations)
    if isinstance(first, Refused) or len(told.versions[0:2]) < 2 or told.versions[0] == told.versions[1]:
        return None
    back = told.inverse(first)
    if isinstance(back, Refused):
        return None if back.rule_id in {f"inverse.{name}" for name in NO_INVERSE} | {"inverse.consequences"} else back
    second = told.apply(2, back, first[0])
    if isinstance(second, Refused):
        return second
    again = told.inverse(second)
    if isinstance(again, Refused):
        return again
    third = told.apply(3, again, second[0])
    return third if isinstance(third, Refused) else told


def wish_of(random: Random, order: Order) -> tuple[str, dict[str, Any]]:
    """Return any operation with arguments that may fit the order."""
    others: list[tuple[str, dict[str, Any]]] = [
        ("set_ship_address", ADDRESS),
        ("set_bill_address", ADDRESS),
        ("set_contact", {"email": f"ada{random.randint(1, 9)}@example.com"}),
        ("set_delivery_window", {"latest": "2026-12-24T18:00:00Z"}),
        ("set_ship_method", {"method": "express"}),
        ("set_payment_method", {"method": "invoice"}),
        ("set_note", {"note": f"Ring {random.randint(1, 9)} times."}),
        ("set_tags", {"add": ["gift"], "remove": ["vip"]}),
        ("place_hold", {"kind": "address", "reason": "no house number"}),
        ("release_hold", {"hold_id": "H1"}),
        ("remove_fee", {"adjustment_id": "F1"}),
        ("split_shipment", {"parts": [{"line_id": order.lines[0].line_id, "quantity": 1}]}),
        ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": random.randint(1, 40), "added": "list"}),
    ]
    return random.choice((line_edit_of, money_edit_of, lambda r, _: r.choice(others)))(random, order)


def operation(name: str, arguments: dict[str, Any]) -> Operation:
    return Operation(name=name, arguments=json.dumps(arguments))


def placed(random: Random) -> Order:
    order = order_of(random, (1, 5), 3)
    held = random.choice((False, True))
    fee = Adjustment(adjustment_id="F1", position=11, kind="fee", source="manual", label="Gift wrap", amount_minor=random.randint(1, 900))
    order = recalculate(order.model_copy(update={"adjustments": (*order.adjustments, fee), "bill_to": order.ship_to}))
    holds = (Hold(hold_id="H1", kind="address", reason="no house number"),) if held else ()
    texts = {"tags": ("vip",), "note": "Ring.", "ship_method": "standard", "payment_method": "card"}
    if order.lines[0].open and random.choice((False, True)):
        shipment = Shipment(shipment_id="S1", parts=(ShipmentPart(line_id="L1", quantity=random.randint(1, order.lines[0].open)),))
        order = order.model_copy(update={"shipments": (shipment,)})
    return order.model_copy(update=texts | {"holds": holds, "lifecycle": "held" if held else "confirmed"})


def again(order: Order) -> Order:
    """Return the order with its holds by kind and reason, and its shipments by name: what is made again is another hold, and comes last."""
    holds = tuple(hold.model_copy(update={"hold_id": "", "placed_at": None}) for hold in order.holds)
    return order.model_copy(update={"holds": holds, "shipments": tuple(sorted(order.shipments, key=lambda row: row.shipment_id))})


@given(st.randoms(use_true_random=False))
def test_any_edit_comes_back(random: Random) -> None:
    order = placed(random)
    wishes = [wish_of(random, order) for _ in range(random.choice((1, 1, 2, 3, 4)))]
    told = there_and_back(order, [operation(*wish) for wish in wishes])
    assume(told is not None)
    assert isinstance(told, Told), told
    event(" ".join(sorted(name for name, _ in wishes)))
    assert again(told.versions[1]) == again(told.versions[3])
    assert set(told.versions[0].shipments) == set(told.versions[2].shipments)


def test_every_operation_that_declares_an_inverse_is_among_them() -> None:
    random, done = Random(5), set()
    for _ in range(3000):
        order = placed(random)
        name, arguments = wish_of(random, order)
        if name not in done and isinstance(there_and_back(order, [operation(name, arguments)]), Told):
            done.add(name)
    assert {name for name, spec in discover().items() if not spec.undo_only} - NO_INVERSE == done


@pytest.mark.parametrize(
    "wishes",
    [
        (("remove_promotion", {"adjustment_id": "D1"}), ("override_price", {"line_id": "L1", "unit_price": "3", "note": "dented"})),
        (("apply_promotion", {"code": "TENOFF"}), ("set_note", {"note": "x"}), ("remove_promotion", {"adjustment_id": "D1"})),
    ],
    ids=["two that restore", "one that was used up meanwhile"],
)
def test_several_that_restore_come_back(wishes: tuple[tuple[str, dict[str, Any]], ...]) -> None:
    random = Random(3)
    order = next(o for o in (order_of(random, (1, 3), 2) for _ in range(999)) if any(r.adjustment_id == "D1" for r in o.adjustments))
    told = there_and_back(order, [operation(*wish) for wish in wishes])
    assert isinstance(told, Told), told
    assert told.versions[1] == told.versions[3]


def test_a_promotions_last_use_is_the_tickets_own() -> None:
    """Carried out again to be taken back, an operation is not refused for what it used itself, nor for a promotion that has ended since."""
    told = Told(order_of(Random(2), (2, 3), 0))
    first = told.apply(1, [operation("apply_promotion", {"code": "TENOFF"}), operation("set_note", {"note": "x"})])
    assert not isinstance(first, Refused), first
    now = context()
    once = Promotion(code="TENOFF", version=3, label="Ten per cent off", kind="percent", percent="10", limit=1, ends_at=AT.replace(hour=13))
    spent = replace(now, at=AT.replace(hour=14), uses={"TENOFF": 1}, promotions={("TENOFF", ANY): once})
    back = undo.operations(told.past, *first, spent)
    assert not isinstance(back, Refused), back
    assert ["set_note", "remove_promotion"] == [each.name for each in back]


def test_a_fold_of_what_was_told_is_what_is_stored() -> None:
    told = Told(order_of(Random(2), (2, 3), 0))
    assert isinstance(told.apply(1, [operation("set_note", {"note": "x"})]), tuple)
    row = TicketRow(
        told.versions[0].order_id, UUID(int=1), "applied", "", "", "", None, "", 1, 2, "", b"", 0, None, None, None, None, AT, AT, AT
    )  # fmt: skip
    assert told.versions[0] == undo.before(told.past, row)
    assert isinstance(edit(told.versions[1], (), "entry_error", ROLES, None, context()), Edited)
