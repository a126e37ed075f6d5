"""Derived money: recalculated from each row's basis, never from a moving catalogue.

A row keeps the amount that was agreed while its input equals its basis; otherwise its amount is the basis'
share, rounded once under the order's pinned mode and capped at what it applies to. So recalculating twice is
recalculating once, an unedited order changes no byte, an edit and its inverse restore every amount, and two
operations in one ticket leave what two tickets leave. Totals are sums of the stored rows.

Order of work: line gross -> discounts in position order (each capped at what the line has left) -> tax on the
discounted base -> totals. Shipping, fees and the channel's rounding do not follow quantities. A promotion without
shares is free shipping: it is what the shipping still costs, and the seller's tax on shipping leaves with it. Beside money,
shipments are kept to what is open.
"""

import math
import operator
from decimal import Decimal
from fractions import Fraction

from schemas.money import Rounding, allocate, round_decimal, round_ratio
from schemas.order import Adjustment, Allocation, Basis, Order, OrderLine, Shipment, TaxRow, Totals


def share(basis: Basis, now: int, rounding: Rounding) -> int:
    """Return the basis amount's share for input `now` (same unit as `basis.input`)."""
    if now == basis.input:
        return basis.amount_minor
    if basis.input <= 0:
        return 0
    return round_ratio(basis.amount_minor, now, basis.input, rounding)


def recalculate(order: Order) -> Order:
    """Return `order` with every derived amount in step with its inputs; the same object if nothing moved."""
    lines = tuple(_line(order, line) for line in order.lines)
    left = {line.line_id: line.gross_minor for line in lines}
    units = {line.line_id: line.open for line in lines}
    adjustments = _adjustments(order, left, units)
    free = any(frees_shipping(row) and row.amount_minor for row in adjustments)
    amounts = {row.adjustment_id: 0 if free and row.kind == "shipping" else row.amount_minor for row in adjustments}
    taxes = tuple(_tax(order, row, left, amounts) for row in order.taxes)
    totals = _totals(lines, adjustments, taxes)
    rows = (("lines", lines, order.lines), ("adjustments", adjustments, order.adjustments), ("taxes", taxes, order.taxes))
    # A row that kept its amount is the same object, so identity tells what moved.
    changed: dict[str, object] = {name: new for name, new, old in rows if any(map(operator.is_not, new, old))}
    if totals != order.totals:
        changed["totals"] = totals
    if order.shipments and (shipments := _shipments(order.shipments, units)) != order.shipments:
        changed["shipments"] = shipments
    return order.model_copy(update=changed) if changed else order


def _shipments(rows: tuple[Shipment, ...], units: dict[str, int]) -> tuple[Shipment, ...]:
    """Let shipments carry no more of a line than is open: the first keep what they have, and one that carries nothing is gone."""
    left = dict(units)
    found = []
    for row in rows:
        parts = []
        for part in row.parts:
            quantity = min(part.quantity, max(left.get(part.line_id, 0), 0))
            left[part.line_id] = left.get(part.line_id, 0) - quantity
            if quantity:
                parts.append(part if quantity == part.quantity else part.model_copy(update={"quantity": quantity}))
        if parts:
            found.append(row if tuple(parts) == row.parts else row.model_copy(update={"parts": tuple(parts)}))
    return tuple(found)


def _line(order: Order, line: OrderLine) -> OrderLine:
    gross = gross_of(order, line)
    return line if gross == line.gross_minor else line.model_copy(update={"gross_minor": gross})


def gross_of(order: Order, line: OrderLine) -> int:
    """Return what the line's open units cost before discounts, in minor units."""
    basis = line.gross_basis
    if basis is not None and (basis.input > 0 or line.open == basis.input):
        return share(basis, line.open, order.rounding)
    if line.unit_price is None:
        return 0
    return line.unit_price.times(line.open, line.quantity_exponent, order.currency, order.rounding)


def _adjustments(order: Order, left: dict[str, int], units: dict[str, int]) -> tuple[Adjustment, ...]:
    """Recut every discount in position order; the rows stay where they are."""
    rows = order.adjustments
    if len(rows) < 2:
        return _shipped_free(tuple(_adjustment(order, row, left, units) for row in rows))
    new = {row.adjustment_id: _adjustment(order, row, left, units) for row in sorted(rows, key=lambda row: row.position)}
    return _shipped_free(tuple(new[row.adjustment_id] for row in rows))


def frees_shipping(row: Adjustment) -> bool:
    """Say whether a row is a promotion's free shipping: a discount of a version that belongs to no line."""
    return row.kind == "discount" and row.promotion_version is not None and not row.allocations


def shipping_left(rows: tuple[Adjustment, ...]) -> int:
    """Return what shipping costs after the discounts that belong to no line, free shipping apart; never below 0."""
    cost = sum(row.amount_minor for row in rows if row.kind == "shipping")
    off = sum(row.amount_minor for row in rows if row.kind == "discount" and not row.allocations and not frees_shipping(row))
    return max(cost - off, 0)


def _shipped_free(rows: tuple[Adjustment, ...]) -> tuple[Adjustment, ...]:
    """Give free shipping what shipping still costs: all of it to the first such row by position."""
    free = sorted((row for row in rows if frees_shipping(row)), key=lambda row: row.position)
    if not free:
        return rows
    amounts = {row.adjustment_id: 0 if index else shipping_left(rows) for index, row in enumerate(free)}
    return tuple(
        row.model_copy(update={"amount_minor": amount})
        if (amount := amounts.get(row.adjustment_id, row.amount_minor)) != row.amount_minor
        else row
        for row in rows
    )


def _adjustment(order: Order, row: Adjustment, left: dict[str, int], units: dict[str, int]) -> Adjustment:
    """Recut a discount's shares; `left` is what each line still has to be discounted, and is lowered here."""
    if row.kind != "discount" or not row.allocations:
        return row
    allocations = tuple(_allocation(order, part, left, units) for part in row.allocations)
    amount = sum(part.amount_minor for part in allocations)
    if amount == row.amount_minor and allocations == row.allocations:
        return row
    return row.model_copy(update={"amount_minor": amount, "allocations": allocations})


def _allocation(order: Order, part: Allocation, left: dict[str, int], units: dict[str, int]) -> Allocation:
    amount = share(part.basis, units[part.line_id], order.rounding) if part.basis else part.amount_minor
    amount = min(amount, max(left[part.line_id], 0))
    left[part.line_id] -= amount
    return part if amount == part.amount_minor else part.model_copy(update={"amount_minor": amount})


def _tax(order: Order, row: TaxRow, left: dict[str, int], amounts: dict[str, int]) -> TaxRow:
    if row.liable == "channel":
        return row
    base = left.get(row.line_id or "", 0) if row.line_id else amounts.get(row.adjustment_id or "", 0)
    amount = tax_of(order, row, base)
    return row if amount == row.amount_minor else row.model_copy(update={"amount_minor": amount})


def tax_of(order: Order, row: TaxRow, base: int) -> int:
    """Return the tax on `base` minor units: the basis' share, or by the rate where no basis helps.

    A base that includes its taxes holds all of the seller's: what is not the net amount, rounded once, is cut by rate.
    """
    if row.basis is not None and (row.basis.input > 0 or base == row.basis.input):
        return share(row.basis, base, order.rounding)
    if row.rate is None:
        return row.amount_minor
    return _inside(order, row, base) if row.included else round_decimal(base * Decimal(row.rate), order.rounding)


def _inside(order: Order, row: TaxRow, base: int) -> int:
    """Return the row's part of the taxes inside `base`: base - round(base / (1 + sum of rates)), largest remainder, ties by position."""
    on = (row.line_id, row.adjustment_id)
    same = [r for r in order.taxes if r.included and r.liable == "seller" and r.rate is not None and (r.line_id, r.adjustment_id) == on]
    same.sort(key=lambda other: (other.position, other.tax_id))
    rates = [Fraction(Decimal(other.rate or "0")) for other in same]
    whole = 1 + sum(rates)
    tax = base - round_ratio(base, whole.denominator, whole.numerator, order.rounding)
    scale = math.lcm(*(rate.denominator for rate in rates))
    parts = allocate(tax, [int(rate * scale) for rate in rates])
    return next(part for other, part in zip(same, parts, strict=True) if other.tax_id == row.tax_id)


def discountable(order: Order) -> dict[str, int]:
    """Return what each line has left after its discounts, in minor units."""
    left = {line.line_id: line.gross_minor for line in order.lines}
    for row in order.adjustments:
        if row.kind == "discount":
            for part in row.allocations:
                left[part.line_id] -= part.amount_minor
    return left


def _totals(lines: tuple[OrderLine, ...], adjustments: tuple[Adjustment, ...], taxes: tuple[TaxRow, ...]) -> Totals:
    sums = dict.fromkeys(("discount", "shipping", "fee", "channel_rounding"), 0)
    for row in adjustments:
        sums[row.kind] += row.amount_minor
    subtotal = sum(line.gross_minor for line in lines)
    tax = added = 0
    for tax_row in taxes:
        tax += tax_row.amount_minor
        added += 0 if tax_row.included else tax_row.amount_minor
    return Totals.of(
        subtotal_minor=subtotal,
        discount_minor=sums["discount"],
        shipping_minor=sums["shipping"],
        fee_minor=sums["fee"],
        tax_minor=tax,
        rounding_minor=sums["channel_rounding"],
        grand_total_minor=subtotal - sums["discount"] + sums["shipping"] + sums["fee"] + added + sums["channel_rounding"],
    )


def totals_of(order: Order) -> Totals:
    """Return the sums of the stored rows, for checking."""
    return _totals(order.lines, order.adjustments, order.taxes)
