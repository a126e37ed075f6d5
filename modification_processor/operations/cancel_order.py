"""Cancel the whole order.

No arguments. Every line's units are cancelled and the lifecycle becomes `cancelled`. Money: shares and the seller's
tax follow the lines to 0; shipping, fees, the channel's rounding and discounts that belong to no line become 0. Tax
the channel is liable for is carried: the channel gives it back itself.
Refused once the warehouse holds a unit of any line, and where the order is cancelled or closed already.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import taken
from normalizers.channel import Verb
from schemas.model import Model
from schemas.order import Adjustment, Order, TaxRow
from schemas.ticket import Operation

PATH = "/lifecycle"


class CancelOrder(Model):
    """Nothing to say beside the ticket's reason."""


def touches(order: Order, _arguments: CancelOrder) -> tuple[Touch, ...]:
    """The lifecycle, the cancelled units of every open line, and the amounts no line carries."""
    return (
        Touch("cancel_order", PATH),
        *(Touch("cancel_order", f"/lines/{line.line_id}/cancelled", line.line_id) for line in order.lines if line.open),
        *(Touch("cancel_order", f"/adjustments/{row.adjustment_id}") for row in order.adjustments if _stands_alone(row)),
        *(Touch("cancel_order", f"/taxes/{row.tax_id}") for row in order.taxes if _follows_nothing(row)),
    )


def reads(_order: Order, _arguments: CancelOrder) -> frozenset[str]:
    """Nothing: whatever the order became since, all of it is cancelled."""
    return frozenset()


def apply(order: Order, _arguments: CancelOrder, _context: Context) -> Order:
    """Return the order cancelled."""
    _check_cancellable(order)
    return order.model_copy(
        update={
            "lifecycle": "cancelled",
            "lines": tuple(line.model_copy(update={"cancelled": line.ordered}) if line.open else line for line in order.lines),
            "adjustments": tuple(_zero(row) if _stands_alone(row) else row for row in order.adjustments),
            "taxes": tuple(
                row.model_copy(update={"amount_minor": 0, "basis": None}) if _follows_nothing(row) else row for row in order.taxes
            ),
        }
    )


def _check_cancellable(order: Order) -> None:
    if order.lifecycle == "cancelled":
        raise OperationRefused("already_cancelled", "the order is cancelled already", field=PATH)
    if order.lifecycle == "closed":
        raise OperationRefused("order_closed", "the order is closed", field=PATH, value=order.lifecycle)
    for line in order.lines:
        if taken(line):
            message = f"the order cannot be cancelled: {taken(line)} of line {line.line_id} are already released or shipped"
            raise OperationRefused("below_fulfilled", message, field=f"/lines/{line.line_id}/cancelled", value=str(taken(line)))


def _stands_alone(row: Adjustment) -> bool:
    """Say whether recalculation leaves the row's amount as it is: all but discounts with shares."""
    return row.kind != "discount" or not row.allocations


def _follows_nothing(row: TaxRow) -> bool:
    """Say whether the seller's tax stands whatever the lines become: it was agreed on a base of 0, or on none."""
    agreed_on_nothing = row.basis is not None and row.basis.input <= 0
    unknown = row.basis is None and row.rate is None
    return row.liable == "seller" and row.amount_minor != 0 and (agreed_on_nothing or unknown)


def _zero(row: Adjustment) -> Adjustment:
    shares = tuple(part.model_copy(update={"amount_minor": 0}) for part in row.allocations)
    return row.model_copy(update={"amount_minor": 0, "allocations": shares})


def inverse(_order: Order, _arguments: CancelOrder, _context: Context) -> tuple[Operation, ...]:
    """None: channel, warehouse and customer were told; the customer orders anew."""
    return ()


OPERATION = OperationSpec(
    name="cancel_order",
    version=1,
    arguments=CancelOrder,
    reasons=frozenset({"customer_request", "entry_error", "out_of_stock", "fraud_review", "duplicate_order", "channel_change"}),
    touches=touches,
    reads=reads,
    money="lines",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=Verb.CANCEL_ORDER,
)
