"""The order that the operations are tried on, what a sample is for, and how a refusal is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec
from modification_processor.totals import recalculate
from schemas.money import UnitPrice
from schemas.order import Address, Adjustment, Allocation, Basis, Contact, Hold, Order, OrderLine, Source, TaxRow
from tests.unit.strategies import context, perform

SAMPLES = Path(__file__).parents[2] / "fixtures" / "operations"
UNDONE = {
    "restore_adjustment": ("remove_promotion", {"adjustment_id": "D1"}),
    "restore_price": ("override_price", {"line_id": "L1", "unit_price": "7.50", "note": "the box was dented"}),
}
"""What the operations that only an undo may ask for take back."""
PRICES: tuple[tuple[int, Literal["channel", "override"], Basis | None], ...] = (
    (1, "channel", Basis(input=3, amount_minor=3000)),
    (2, "override", None),
)


def order() -> Order:
    """Two taxed lines (the second's price is ours) under one discount, shipping and a fee; addresses, texts, a hold."""
    lines = tuple(
        OrderLine(
            line_id=f"L{n}",
            position=n,
            sku="TEA-GREEN",
            name="Green tea",
            unit_price=UnitPrice(amount=1000, exponent=2),
            price_source=source,
            gross_basis=basis,
            ordered=3,
        )
        for n, source, basis in PRICES
    )
    shares = tuple(Allocation(line_id=f"L{n}", amount_minor=150, basis=Basis(input=3, amount_minor=150)) for n in (1, 2))
    discount = Adjustment(adjustment_id="D1", position=1, kind="discount", code="WELCOME", amount_minor=300, allocations=shares)
    shipping = Adjustment(adjustment_id="S1", position=2, kind="shipping", amount_minor=490)
    fee = Adjustment(adjustment_id="F1", position=4, kind="fee", source="manual", label="Gift wrap", amount_minor=250)
    taxes = tuple(
        TaxRow(
            tax_id=f"X{n}",
            position=n,
            line_id=f"L{n}",
            title="VAT",
            rate="0.2",
            amount_minor=570,
            basis=Basis(input=2850, amount_minor=570),
        )
        for n in (1, 2)
    )
    return recalculate(
        Order(
            order_id=UUID(int=7),
            order_number="1001",
            source=Source(channel="shopify", channel_order_id="1001"),
            currency="EUR",
            lifecycle="held",
            contact=Contact(name="Ada Example", email="ada@example.com", phone="+33 1"),
            ship_to=Address(
                name="Ada Example", lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"
            ),
            bill_to=Address(lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"),
            ship_method="standard",
            payment_method="card",
            note="Ring twice.",
            tags=("gift", "wholesale"),
            lines=lines,
            adjustments=(discount, shipping, fee),
            taxes=taxes,
            holds=(Hold(hold_id="H1", kind="address", reason="no house number"),),
        )
    )


def going_on() -> Order:
    """The same order with nothing that holds it."""
    return order().model_copy(update={"lifecycle": "confirmed", "holds": ()})


def with_line(**changes: Any) -> Order:
    before = order()
    return recalculate(before.model_copy(update={"lines": (before.lines[0].model_copy(update=changes), before.lines[1])}))


def sample(spec: OperationSpec) -> Any:
    return spec.arguments.model_validate_json((SAMPLES / f"{spec.name}.json").read_bytes())


def subject(spec: OperationSpec) -> Order:
    """Return the order that the operation's sample is for."""
    return perform(order(), *UNDONE[spec.name]) if spec.name in UNDONE else order()


def knowing() -> Context:
    """Return what operations may know where they take an edit of `order()` back."""
    return replace(context(), former=order())


def refusal(before: Order, name: str, arguments: dict[str, Any], known: Any = None) -> str:
    with pytest.raises(OperationRefused) as caught:
        perform(before, name, arguments, known)
    assert caught.value.field
    assert caught.value.field.startswith("/")
    return caught.value.reason_code


def money_of(order: Order) -> list[str]:
    return [part.model_dump_json() for part in (*order.lines, *order.adjustments, *order.taxes, order.totals)]


def rows_of(subject: Order) -> Any:
    """Return everything that is money, rows by their id: where a row stands in its collection is no value of it."""
    return *(sorted(rows, key=str) for rows in (subject.lines, subject.adjustments, subject.taxes)), subject.totals
