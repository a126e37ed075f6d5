"""What a promotion takes off an order: a pure function of order, promotion, clock and uses.

`effect` answers what it would take off now, or refuses naming rule and value; `qualified` asks only what depends on
the order (threshold, lines, other promotions), which is what a later edit can lose. Shares sum to the amount exactly
(largest remainder, ties by line id) and never take a line below 0.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from modification_processor.operations.operation import Context, OperationRefused
from modification_processor.totals import discountable, frees_shipping, shipping_left
from schemas.catalogue import ANY, Promotion
from schemas.money import allocate, round_ratio, to_text
from schemas.order import Adjustment, Allocation, Basis, Order, OrderLine


@dataclass(frozen=True)
class Cut:
    """What is taken off: `allocations` sum to the amount; none where it is the shipping."""

    amount_minor: int
    allocations: tuple[Allocation, ...] = ()


def is_promotion(row: Adjustment) -> bool:
    """Say whether a row is a promotion of our catalogue's: it names the version it was given under."""
    return row.kind == "discount" and row.promotion_version is not None


def uses_moved(before: Order, after: Order) -> dict[str, int]:
    """Return by how many each code's uses moved: one a row that stands, none once the order is cancelled."""
    if before.adjustments is after.adjustments and before.lifecycle == after.lifecycle:
        return {}
    moved = Counter(_uses(after))
    moved.subtract(_uses(before))
    return {code: count for code, count in moved.items() if count}


def _uses(order: Order) -> list[str]:
    return [] if order.lifecycle == "cancelled" else [row.code for row in order.adjustments if is_promotion(row) and row.code is not None]


def in_force(order: Order, code: str, context: Context) -> Promotion | None:
    """Return the version in force for the order's currency; None where the catalogue has none."""
    return context.promotions.get((code, order.currency)) or context.promotions.get((code, ANY))


def terms_of(order: Order, row: Adjustment, context: Context) -> Promotion | None:
    """Return the very version a row was given under; None where the catalogue does not have it any more."""
    version = row.promotion_version or 0
    for currency in (order.currency, ANY):
        found = context.terms.get((row.code or "", currency, version)) or context.promotions.get((row.code or "", currency))
        if found is not None and found.version == version:
            return found
    return None


def effect(order: Order, promotion: Promotion, context: Context, path: str, own_uses: int = 0) -> Cut:
    """Return what the promotion takes off the order now. `own_uses` are uses counted for the row it would replace."""
    shown = promotion.code[:80]
    if not promotion.active:
        raise OperationRefused("promotion_inactive", f"promotion {shown} is switched off", field=path, value=shown)
    if promotion.starts_at is not None and context.at < promotion.starts_at:
        message = f"promotion {shown} starts at {promotion.starts_at.isoformat()}"
        raise OperationRefused("promotion_not_started", message, field=path, value=shown)
    if promotion.ends_at is not None and context.at >= promotion.ends_at:
        raise OperationRefused("promotion_expired", f"promotion {shown} ended at {promotion.ends_at.isoformat()}", field=path, value=shown)
    _check_uses(order, promotion, context, path, own_uses)
    return qualified(order, promotion, context, path)


def stands_again(order: Order, row: Adjustment, context: Context, path: str) -> None:
    """Refuse a removed promotion whose uses are gone meanwhile, or beside which something now stands alone.

    Its dates, its switch and its threshold were met when it was given; one that the catalogue has no more is not counted.
    """
    promotion = terms_of(order, row, context) or in_force(order, row.code or "", context)
    if promotion is not None:
        _check_uses(order, in_force(order, promotion.code, context) or promotion, context, path, 0)
        _check_company(order, promotion, context, path)


def _check_uses(order: Order, promotion: Promotion, context: Context, path: str, own_uses: int) -> None:
    shown = promotion.code[:80]
    here = sum(is_promotion(row) and row.code == promotion.code for row in order.adjustments)
    if here >= promotion.limit_per_order:
        times = "" if promotion.limit_per_order == 1 else f" {here} times, as often as one order may"
        raise OperationRefused("promotion_already_applied", f"the order already has promotion {shown}{times}", field=path, value=shown)
    used = context.uses.get(promotion.code, 0) + context.moved.get(promotion.code, 0) - own_uses
    if promotion.limit is not None and used >= promotion.limit:
        message = f"promotion {shown} is used up: {used} of {promotion.limit} uses"
        raise OperationRefused("promotion_exhausted", message, field=path, value=str(used))


def qualified(order: Order, promotion: Promotion, context: Context, path: str) -> Cut:
    """Return what the promotion takes off, by what the order is alone; or refuse saying what the order lacks."""
    shown = promotion.code[:80]
    if promotion.currency not in (ANY, order.currency):
        message = f"promotion {shown} is in {promotion.currency}, the order in {order.currency}"
        raise OperationRefused("promotion_other_currency", message, field=path, value=promotion.currency)
    _check_company(order, promotion, context, path)
    left = discountable(order)
    lines = _eligible(order, promotion, context, left)
    if not lines:
        message = f"promotion {shown} fits no line of the order with something left to discount"
        raise OperationRefused("no_eligible_line", message, field=path, value=_scope(promotion))
    _check_threshold(order, promotion, sum(left[line.line_id] for line in lines), path)
    found = _cut(order, promotion, lines, left)
    if found.amount_minor <= 0:
        raise OperationRefused("nothing_to_discount", f"promotion {shown} takes nothing off this order", field=path, value=shown)
    return found


def _check_company(order: Order, promotion: Promotion, context: Context, path: str) -> None:
    """Refuse beside another promotion or code where either of the two stands alone."""
    for row in order.adjustments:
        if row.kind != "discount" or row.source not in ("promotion", "code"):
            continue
        other = (row.code or row.label or row.adjustment_id)[:80]
        terms = terms_of(order, row, context) if is_promotion(row) else None
        if promotion.exclusive:
            message = f"promotion {promotion.code[:80]} stands alone, and the order has {other}"
            raise OperationRefused("promotion_excluded", message, field=path, rule="exclusive", value=other)
        if terms is not None and terms.exclusive:
            message = f"the order has promotion {other}, which stands alone"
            raise OperationRefused("promotion_excluded", message, field=path, rule="exclusive", value=other)


def _eligible(order: Order, promotion: Promotion, context: Context, left: Mapping[str, int]) -> list[OrderLine]:
    """Return the open lines it is for that still cost something, by line id."""
    lines = (line for line in order.lines if line.open > 0 and left[line.line_id] > 0 and _in_scope(order, promotion, line, context))
    return sorted(lines, key=lambda line: line.line_id)


def _in_scope(order: Order, promotion: Promotion, line: OrderLine, context: Context) -> bool:
    if not promotion.skus and not promotion.categories:
        return True
    return line.sku is not None and (line.sku in promotion.skus or context.category_of(line.sku, order.currency) in promotion.categories)


def _scope(promotion: Promotion) -> str:
    return ", ".join((*promotion.skus, *promotion.categories)) or "any line"


def _check_threshold(order: Order, promotion: Promotion, base: int, path: str) -> None:
    threshold = promotion.minor("threshold")
    if threshold is not None and base < threshold:
        have, need = to_text(base, order.currency), to_text(threshold, order.currency)
        message = f"promotion {promotion.code[:80]} needs {need} {order.currency} of its lines; the order has {have}"
        raise OperationRefused("threshold_not_met", message, field=path, rule="threshold", value=have)


def _cut(order: Order, promotion: Promotion, lines: list[OrderLine], left: Mapping[str, int]) -> Cut:
    if promotion.kind == "free_shipping":
        return Cut(0 if any(map(frees_shipping, order.adjustments)) else shipping_left(order.adjustments))
    weights = [left[line.line_id] for line in lines]
    if promotion.kind == "buy_x_get_y":
        shares = _cheapest(order, promotion, lines, weights)
    else:
        amount = promotion.minor("amount") if promotion.kind == "amount" else _part(order, promotion, sum(weights), 1, 1)
        shares = allocate(min(amount or 0, sum(weights)), weights)
    allocations = tuple(
        Allocation(line_id=line.line_id, amount_minor=share, basis=Basis(input=line.open, amount_minor=share))
        for line, share in zip(lines, shares, strict=True)
    )
    return Cut(sum(shares), allocations)


def _part(order: Order, promotion: Promotion, amount: int, units: int, of: int) -> int:
    """Return the promotion's percentage of `units` of the `of` units that cost `amount`, rounded once; never more than that."""
    numerator, denominator = Decimal(promotion.percent or "100").as_integer_ratio()
    return min(round_ratio(amount, numerator * units, denominator * 100 * of, order.rounding), amount)


def _cheapest(order: Order, promotion: Promotion, lines: list[OrderLine], weights: list[int]) -> list[int]:
    """Return each line's share: of every `buy` + `get` whole units the `get` cheapest, ties by line id."""
    buy, get = promotion.buy or 1, promotion.get or 1
    whole = [index for index, line in enumerate(lines) if line.quantity_exponent == 0]
    given = sum(lines[index].open for index in whole) // (buy + get) * get
    shares = [0] * len(lines)
    for index in sorted(whole, key=lambda i: (Fraction(weights[i], lines[i].open), lines[i].line_id)):
        units = min(given, lines[index].open)
        shares[index] = _part(order, promotion, weights[index], units, lines[index].open)
        given -= units
    return shares
