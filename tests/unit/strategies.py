"""Canonical orders for property tests: as intake leaves them, every derived row in step with its basis.

1-60 lines (free ones, cancelled units, stated row amounts that no price gives), taxes included or added with 0-3
rates, 0-6 discounts (also more than a line has), shipping with its tax, currencies with 0, 2 and 3 digits.
One generator over a `Random`: hypothesis drives it where a counterexample shall shrink, a seed where there shall be many.
"""

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from modification_processor.operations import discover
from modification_processor.operations.operation import Context, OperationRefused, Product
from modification_processor.totals import discountable, recalculate
from schemas.catalogue import ANY, Promotion
from schemas.money import Rounding, UnitPrice, allocate, round_decimal
from schemas.order import Address, Adjustment, Allocation, Basis, Contact, Order, OrderLine, Source, TaxRow
from schemas.ticket import Operation

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
CURRENCIES = ("EUR", "JPY", "KWD")
RATES = ("0.2", "0.055", "0.19", "0.08875", "0.07", "0.1")
SKUS = ("TEA-GREEN", "TEA-BLACK", "CUP-2")
PROMOTED = ("TENOFF", "FIVER")


def context(ticket: str = "7d1c2b3a", op_index: int = 0) -> Context:
    """Return what operations may know: every SKU and two promotions, in every currency."""
    products = {
        (sku, cur): Product(sku, f"{sku} as sold", UnitPrice(amount=1250 + 7 * n, exponent=2))
        for n, sku in enumerate(SKUS)
        for cur in CURRENCIES
    }
    percent = Promotion(code="TENOFF", version=3, label="Ten per cent off", kind="percent", percent="10")
    fivers = [Promotion(code="FIVER", currency=cur, version=1, label="Five off", kind="amount", amount="5") for cur in CURRENCIES]
    promotions = {("TENOFF", ANY): percent} | {("FIVER", fiver.currency): fiver for fiver in fivers}
    return Context(at=AT, ticket_id=f"{ticket}-0000-4000-8000-000000000000", products=products, promotions=promotions)


def perform(order: Order, name: str, arguments: dict[str, Any], known: Context | None = None) -> Order:
    """Carry out one operation as the processor does: apply, then recalculate."""
    spec = discover()[name]
    return recalculate(spec.apply(order, spec.arguments.model_validate(arguments), known or context()))


def inverses(order: Order, name: str, arguments: dict[str, Any], known: Context | None = None) -> tuple[Operation, ...]:
    """Return what undoes the operation, from the order before it."""
    spec = discover()[name]
    return spec.inverse(order, spec.arguments.model_validate(arguments), known or context())


def undo(order: Order, operations: tuple[Operation, ...], former: Order | None = None) -> Order:
    """Carry out inverse operations, as a ticket of their own; `former` is the order before what they take back."""
    known = replace(context("eeeeeeee"), former=former)
    for operation in operations:
        spec = discover()[operation.name]
        arguments = spec.arguments.model_validate_json(operation.arguments)
        order = recalculate(spec.apply(order, arguments, known))
    return order


@st.composite
def orders(draw: st.DrawFn, *, fulfilled: bool = False) -> Order:
    """Return a confirmed order; `fulfilled` lets the warehouse have begun. One in eight is large, and comes from a seed."""
    if draw(st.integers(0, 7)):
        return order_of(draw(st.randoms(use_true_random=False)), (1, 12), 4, fulfilled=fulfilled)
    return order_of(Random(draw(st.integers(0, 2**64))), (13, 60), 6, fulfilled=fulfilled)


def order_of(random: Random, lines: tuple[int, int] = (1, 60), discounts: int = 6, *, fulfilled: bool = False) -> Order:
    """Return the order that `random` makes: the same for the same seed. `lines` are fewest and most, `discounts` most."""
    currency = random.choice(CURRENCIES)
    rounding: Rounding = random.choice(("half_up", "half_even"))
    included = random.choice((False, True))
    made = tuple(_line(random, index, currency, rounding, included, fulfilled) for index in range(random.randint(*lines)))
    adjustments = (*(_discount(random, index, made) for index in range(random.randint(0, discounts))), *_shipping(random))
    order = recalculate(
        Order(
            order_id=UUID(int=random.randint(1, 2**64)),
            order_number="1001",
            source=Source(channel="shopify", channel_order_id="1001"),
            currency=currency,
            rounding=rounding,
            lifecycle="confirmed",
            contact=Contact(name="Ada Example", email="ada@example.com"),
            ship_to=Address(lines=("1 Old Road",), city="Paris", postal_code="75001", country="FR", normalized="1oldroad75001fr"),
            lines=made,
            adjustments=adjustments,
        )
    )
    return recalculate(order.model_copy(update={"taxes": _taxes(random, order, included)}))


def _line(random: Random, index: int, currency: str, rounding: Rounding, included: bool, fulfilled: bool) -> OrderLine:
    price = UnitPrice(amount=random.choice((0, random.randint(0, 200_000), random.randint(1, 999))), exponent=random.choice((0, 2, 3, 5)))
    ordered = random.randint(1, 30)
    cancelled = min(random.choice((0, 0, 0, 1, ordered)), ordered)
    released = random.randint(0, ordered - cancelled) if fulfilled else 0
    stated = max(price.times(ordered, 0, currency, rounding) + random.randint(-2, 2), 0)
    return OrderLine(
        line_id=f"L{index + 1}",
        position=index + 1,
        sku="TEA-GREEN",
        name="Green tea",
        unit_price=price,
        tax_included=included,
        gross_basis=Basis(input=ordered, amount_minor=stated) if random.randint(0, 4) else None,
        ordered=ordered,
        cancelled=cancelled,
        released=released,
    )


def _discount(random: Random, index: int, lines: tuple[OrderLine, ...]) -> Adjustment:
    chosen = [line for line in lines if random.choice((False, True))] or [lines[0]]
    amounts = allocate(random.randint(0, 50_000), [random.randint(0, 9) for _ in chosen])
    parts = tuple(
        Allocation(line_id=line.line_id, amount_minor=amount, basis=Basis(input=line.ordered, amount_minor=amount))
        for line, amount in zip(chosen, amounts, strict=True)
    )
    return Adjustment(adjustment_id=f"D{index + 1}", position=index + 1, kind="discount", amount_minor=sum(amounts), allocations=parts)


def _shipping(random: Random) -> tuple[Adjustment, ...]:
    if random.choice((False, True)):
        return ()
    amount = random.randint(0, 5_000)
    off = Adjustment(adjustment_id="SD", position=8, kind="discount", amount_minor=random.randint(0, amount))
    return (Adjustment(adjustment_id="S1", position=9, kind="shipping", amount_minor=amount), off)


def _taxes(random: Random, order: Order, included: bool) -> tuple[TaxRow, ...]:
    rates = random.sample(RATES, random.randint(0, 3))
    bases: list[tuple[str | None, str | None, int]] = [(line_id, None, left) for line_id, left in discountable(order).items()]
    bases += [(None, row.adjustment_id, row.amount_minor) for row in order.adjustments if row.kind == "shipping"]
    rows: list[TaxRow] = []
    for line_id, adjustment_id, base in bases:
        for rate in rates:
            part = UnitPrice.parse(rate).decimal
            exact = round_decimal(part * base / (1 + (part if included else 0)), order.rounding)
            stated = max(exact + random.choice((0, 0, 0, 1, -1)), 0)
            rows.append(
                TaxRow(
                    tax_id=f"X{len(rows) + 1}",
                    position=len(rows) + 1,
                    line_id=line_id,
                    adjustment_id=adjustment_id,
                    title=f"Tax {rate}",
                    rate=rate if random.randint(0, 5) else None,
                    included=included,
                    liable=random.choice(("seller", "seller", "seller", "channel")),
                    amount_minor=stated,
                    basis=Basis(input=base, amount_minor=stated) if random.randint(0, 5) else None,
                )
            )
    return tuple(rows)


LINE_EDITS = ("change_quantity", "remove_line", "cancel_line", "replace_sku", "add_line")


@st.composite
def line_edits(draw: st.DrawFn, order: Order, names: tuple[str, ...] = LINE_EDITS) -> tuple[str, dict[str, Any]]:
    """Return a change of lines: its operation's name and arguments; it may be refused."""
    return line_edit_of(draw(st.randoms(use_true_random=False)), order, names)


def line_edit_of(random: Random, order: Order, names: tuple[str, ...] = LINE_EDITS) -> tuple[str, dict[str, Any]]:
    """Return the change of lines that `random` makes."""
    name = random.choice(names)
    line_id = random.choice([line.line_id for line in order.lines])
    quantity = random.randint(1, 60)
    arguments: dict[str, dict[str, Any]] = {
        "change_quantity": {"line_id": line_id, "quantity": quantity},
        "remove_line": {"line_id": line_id},
        "cancel_line": {"line_id": line_id, "quantity": random.choice((None, random.randint(1, 10)))},
        "replace_sku": {"line_id": line_id, "sku": "TEA-BLACK"},
        "add_line": {"sku": "CUP-2", "quantity": quantity},
    }
    return name, arguments[name]


@st.composite
def money_edits(draw: st.DrawFn, order: Order) -> tuple[str, dict[str, Any]]:
    """Return an edit of a price, a fee or a promotion: its operation's name and arguments; it may be refused."""
    return money_edit_of(draw(st.randoms(use_true_random=False)), order)


def money_edit_of(random: Random, order: Order) -> tuple[str, dict[str, Any]]:
    """Return the edit of a price, a fee or a promotion that `random` makes."""
    name = random.choice(("override_price", "add_fee", "remove_fee", "apply_promotion", "remove_promotion"))
    line_id = random.choice([line.line_id for line in order.lines])
    row_id = random.choice([row.adjustment_id for row in order.adjustments] or ["none"])
    price = random.choice(("0", "0.01", "3.333", "12.50", "999"))
    arguments: dict[str, dict[str, Any]] = {
        "override_price": {"line_id": line_id, "unit_price": price, "note": "agreed on the phone"},
        "add_fee": {"label": "Gift wrap", "amount": str(random.randint(1, 5000))},
        "remove_fee": {"adjustment_id": row_id},
        "apply_promotion": {"code": random.choice(PROMOTED)},
        "remove_promotion": {"adjustment_id": row_id},
    }
    return name, arguments[name]


def possible(order: Order, name: str, arguments: dict[str, Any]) -> bool:
    """Say whether the operation is not refused."""
    try:
        perform(order, name, arguments)
    except OperationRefused:
        return False
    return True
