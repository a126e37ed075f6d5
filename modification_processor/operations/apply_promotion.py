"""Give the order a promotion.

Arguments: the promotion's code. Money: a discount row of the promotion's version, cut over what each open line has
left after its other discounts (largest remainder, ties by line id), never more than is left; every share keeps its
basis, so it follows the line's units from then on (promotion policy `pinned`).
Refused for a code that is unknown in the order's currency, inactive, not started, expired, already applied, or that
would take nothing off.
"""

from modification_processor.operations.operation import Context, Needs, OperationRefused, OperationSpec, Promotion, Touch
from modification_processor.operations.rows import NEW, inverse_of, minted_id, next_position
from modification_processor.totals import discountable
from schemas.model import Model
from schemas.money import allocate, round_ratio
from schemas.order import Adjustment, Allocation, Basis, Order
from schemas.ticket import Operation


class ApplyPromotion(Model):
    """The code as the catalogue writes it."""

    code: str


def touches(_order: Order, _arguments: ApplyPromotion) -> tuple[Touch, ...]:
    """A row of its own."""
    return (Touch("promotion", f"/adjustments/{NEW}"),)


def reads(_order: Order, _arguments: ApplyPromotion) -> frozenset[str]:
    """Nothing: it is cut over the lines as they are when it is applied."""
    return frozenset()


def needs(arguments: ApplyPromotion) -> Needs:
    """The promotion."""
    return Needs(promotions=(arguments.code,))


def apply(order: Order, arguments: ApplyPromotion, context: Context) -> Order:
    """Return the order with the discount behind its other adjustments."""
    adjustment_id = minted_id(context)
    path = f"/adjustments/{adjustment_id}"
    promotion = _usable(order, arguments.code, context, path)
    allocations = _allocations(order, promotion)
    if not any(part.amount_minor for part in allocations):
        message = f"promotion {promotion.code[:80]} takes nothing off this order"
        raise OperationRefused("nothing_to_discount", message, field=path, value=promotion.code)
    row = Adjustment(
        adjustment_id=adjustment_id,
        position=next_position(order.adjustments),
        kind="discount",
        source="promotion",
        code=promotion.code,
        promotion_version=promotion.version,
        label=promotion.label,
        amount_minor=sum(part.amount_minor for part in allocations),
        allocations=allocations,
    )
    return order.model_copy(update={"adjustments": (*order.adjustments, row)})


def _usable(order: Order, code: str, context: Context, path: str) -> Promotion:
    """Return the promotion, or refuse saying why it cannot be used now."""
    promotion = context.promotions.get((code, order.currency))
    shown = code[:80]
    if promotion is None:
        raise OperationRefused("unknown_promotion", f"there is no promotion {shown} in {order.currency}", field=path, value=code)
    if any(row.kind == "discount" and row.code == promotion.code for row in order.adjustments):
        raise OperationRefused("promotion_already_applied", f"the order already has promotion {shown}", field=path, value=code)
    if any(row.adjustment_id == minted_id(context) for row in order.adjustments):
        raise OperationRefused("adjustment_exists", f"the order already has a row {minted_id(context)}", field=path)
    if not promotion.active:
        raise OperationRefused("promotion_inactive", f"promotion {shown} is switched off", field=path, value=code)
    if promotion.starts_at is not None and context.at < promotion.starts_at:
        message = f"promotion {shown} starts at {promotion.starts_at.isoformat()}"
        raise OperationRefused("promotion_not_started", message, field=path, value=code)
    if promotion.ends_at is not None and context.at >= promotion.ends_at:
        raise OperationRefused("promotion_expired", f"promotion {shown} ended at {promotion.ends_at.isoformat()}", field=path, value=code)
    return promotion


def _allocations(order: Order, promotion: Promotion) -> tuple[Allocation, ...]:
    left = discountable(order)
    lines = sorted((line for line in order.lines if line.open > 0 and left[line.line_id] > 0), key=lambda line: line.line_id)
    weights = [left[line.line_id] for line in lines]
    shares = allocate(_amount(order, promotion, sum(weights)), weights)
    return tuple(
        Allocation(line_id=line.line_id, amount_minor=share, basis=Basis(input=line.open, amount_minor=share))
        for line, share in zip(lines, shares, strict=True)
    )


def _amount(order: Order, promotion: Promotion, base: int) -> int:
    """Return what the promotion takes off `base` minor units; never more than all of it."""
    if promotion.percent_bp is not None:
        return min(round_ratio(base, max(promotion.percent_bp, 0), 10_000, order.rounding), base)
    return min(max(promotion.amount_minor or 0, 0), base)


def inverse(_order: Order, _arguments: ApplyPromotion, context: Context) -> tuple[Operation, ...]:
    """Remove the row it made: it stands behind all others, so none of them was cut by it."""
    return (inverse_of("remove_promotion", {"adjustment_id": minted_id(context)}),)


OPERATION = OperationSpec(
    name="apply_promotion",
    version=1,
    arguments=ApplyPromotion,
    reasons=frozenset({"customer_request", "entry_error", "goodwill"}),
    touches=touches,
    reads=reads,
    money="adjustments",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=None,
    needs=needs,
)
