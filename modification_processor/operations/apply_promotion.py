"""Give the order a promotion.

Arguments: the promotion's code. Money: a discount row of the promotion's version, cut over what each open line it is
for has left after its other discounts (largest remainder, ties by line id), never more than is left; every share keeps
its basis, so it follows the line's units from then on (promotion policy `pinned`). Free shipping is a row without shares.
Refused for a code that is unknown in the order's currency, inactive, not started, expired, used up, already applied,
kept out by a promotion that stands alone, that fits no line or misses its threshold, or that would take nothing off.
"""

from modification_processor.operations.operation import Context, Needs, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import NEW, inverse_of, minted_id, next_position
from modification_processor.promotions import effect, in_force
from schemas.catalogue import Promotion
from schemas.model import Model
from schemas.order import Adjustment, Order
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
    """The promotion, and the categories of the order's own SKUs."""
    return Needs(promotions=(arguments.code,), own_lines=True)


def apply(order: Order, arguments: ApplyPromotion, context: Context) -> Order:
    """Return the order with the discount behind its other adjustments."""
    adjustment_id = minted_id(context)
    path = f"/adjustments/{adjustment_id}"
    if any(row.adjustment_id == adjustment_id for row in order.adjustments):
        raise OperationRefused("adjustment_exists", f"the order already has a row {adjustment_id}", field=path)
    promotion = _known(order, arguments.code, context, path)
    found = effect(order, promotion, context, path)
    row = Adjustment(
        adjustment_id=adjustment_id,
        position=next_position(order.adjustments),
        kind="discount",
        source="promotion",
        code=promotion.code,
        promotion_version=promotion.version,
        label=promotion.label,
        amount_minor=found.amount_minor,
        allocations=found.allocations,
    )
    return order.model_copy(update={"adjustments": (*order.adjustments, row)})


def _known(order: Order, code: str, context: Context, path: str) -> Promotion:
    """Return the promotion in force, or refuse saying where there is one."""
    promotion = in_force(order, code, context)
    if promotion is not None:
        return promotion
    elsewhere = sorted(currency for known, currency in context.promotions if known == code)
    if elsewhere:
        message = f"promotion {code[:80]} is in {', '.join(elsewhere)}, the order in {order.currency}"
        raise OperationRefused("promotion_other_currency", message, field=path, value=elsewhere[0])
    raise OperationRefused("unknown_promotion", f"there is no promotion {code[:80]} in {order.currency}", field=path, value=code)


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
