"""Send some of the units on their own: at another time, or another way.

Arguments: how many units of which lines, and the new shipment's delivery window and method; or a shipment's id with what it shall carry
instead, nothing to send it together with the rest again. Moves no money: lines, discounts and taxes stay as they are, and a shipment
only says what travels together. When a line's units go, shipments carry fewer of them (`totals.recalculate`), the last one first.
Refused for more units than are open, not yet released and in no other shipment, for a line that is named twice, and for a shipment that
carries nothing.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import NEW, check_units, inverse_of, line_of, minted_id, row_path, taken
from modification_processor.operations.texts import optional
from schemas.model import Instant, Model
from schemas.order import DeliveryWindow, Order, Shipment, ShipmentPart
from schemas.ticket import Operation

PATH = "/shipments"
MAX_SHIPMENTS = 50


class SplitPart(Model):
    """`quantity` units of a line, in the line's own unit."""

    line_id: str
    quantity: int


class SplitShipment(Model):
    """What travels on its own. `shipment_id` null makes a shipment; given, that one carries these parts instead of its own."""

    parts: tuple[SplitPart, ...] = ()
    earliest: Instant | None = None
    latest: Instant | None = None
    ship_method: str | None = None
    shipment_id: str | None = None


def touches(order: Order, arguments: SplitShipment) -> tuple[Touch, ...]:
    """The shipment, once for each line it takes units from or gives them back to: each may be locked by what the warehouse did with it."""
    own = _shipment(order, arguments.shipment_id)
    path = row_path("shipments", arguments.shipment_id) if arguments.shipment_id is not None else f"{PATH}/{NEW}"
    named = [part.line_id for part in arguments.parts] + [part.line_id for part in (own.parts if own else ())]
    return tuple(Touch("delivery_window", path, line_id) for line_id in dict.fromkeys(named)) or (Touch("delivery_window", path),)


def reads(order: Order, arguments: SplitShipment) -> frozenset[str]:
    """The lines as the author saw them, and what other shipments carry of them."""
    lines = {part.line_id for part in arguments.parts}
    others = {
        f"{row_path('shipments', row.shipment_id)}/parts/{part.line_id}/quantity"
        for row in order.shipments
        for part in row.parts
        if part.line_id in lines and row.shipment_id != arguments.shipment_id
    }
    return frozenset(others | {f"{row_path('lines', line_id)}/{name}" for line_id in lines for name in ("ordered", "cancelled", "sku")})


def apply(order: Order, arguments: SplitShipment, context: Context) -> Order:
    """Return the order with the shipment made, changed, or dissolved."""
    shipment_id = arguments.shipment_id if arguments.shipment_id is not None else minted_id(context)
    own, others = _shipment(order, shipment_id), tuple(row for row in order.shipments if row.shipment_id != shipment_id)
    if not arguments.parts:
        if own is None or arguments.shipment_id is None:
            raise OperationRefused("nothing_to_ship", "a shipment carries at least one unit", field=f"{PATH}/{shipment_id}/parts")
        return order.model_copy(update={"shipments": others})
    if own is None and len(others) >= MAX_SHIPMENTS:
        raise OperationRefused("too_many_shipments", f"an order has at most {MAX_SHIPMENTS} shipments", field=PATH)
    _check_parts(order, arguments, others, f"{PATH}/{shipment_id}/parts")
    new = Shipment(
        shipment_id=shipment_id,
        delivery_window=_window(arguments, context, f"{PATH}/{shipment_id}/delivery_window"),
        ship_method=optional(arguments.ship_method, f"{PATH}/{shipment_id}/ship_method"),
        parts=tuple(ShipmentPart(line_id=part.line_id, quantity=part.quantity) for part in arguments.parts),
    )
    if new == own:
        raise OperationRefused("no_change", f"shipment {shipment_id} is like that already", field=f"{PATH}/{shipment_id}")
    # A row keeps its place; the fold of history puts one that comes back at the end.
    return order.model_copy(
        update={"shipments": (*others, new) if own is None else tuple(new if row is own else row for row in order.shipments)}
    )


def _shipment(order: Order, shipment_id: str | None) -> Shipment | None:
    return next((row for row in order.shipments if row.shipment_id == shipment_id), None)


def _check_parts(order: Order, arguments: SplitShipment, others: tuple[Shipment, ...], path: str) -> None:
    seen: set[str] = set()
    for part in arguments.parts:
        line, where = line_of(order, part.line_id), f"{path}/{part.line_id}/quantity"
        if part.line_id in seen:
            raise OperationRefused("line_twice", f"line {part.line_id} is named twice", field=where, value=part.line_id)
        seen.add(part.line_id)
        if part.quantity <= 0:
            raise OperationRefused(
                "quantity_not_positive", f"quantity {part.quantity} is not above 0", field=where, value=str(part.quantity)
            )
        check_units(part.quantity, line.quantity_exponent, where)
        elsewhere = sum(other.quantity for row in others for other in row.parts if other.line_id == part.line_id)
        free = line.open - taken(line) - elsewhere
        if part.quantity > free:
            message = f"{part.quantity} of line {part.line_id} cannot be sent apart: {max(free, 0)} are open, not released and in no other shipment"
            raise OperationRefused("not_free", message, field=where, value=str(part.quantity))


def _window(arguments: SplitShipment, context: Context, path: str) -> DeliveryWindow | None:
    earliest, latest = arguments.earliest, arguments.latest
    if latest is not None and earliest is not None and latest <= earliest:
        message = f"the window's end {latest.isoformat()} is not after its start {earliest.isoformat()}"
        raise OperationRefused("window_reversed", message, field=f"{path}/latest", value=latest.isoformat())
    if latest is not None and latest <= context.at:
        message = f"the window's end {latest.isoformat()} is past at {context.at.isoformat()}"
        raise OperationRefused("window_past", message, field=f"{path}/latest", value=latest.isoformat())
    return None if earliest is latest is None else DeliveryWindow(earliest=earliest, latest=latest)


def inverse(order: Order, arguments: SplitShipment, context: Context) -> tuple[Operation, ...]:
    """Dissolve the new shipment, or give a former one back what it carried; refused then if its window is past."""
    shipment_id = arguments.shipment_id if arguments.shipment_id is not None else minted_id(context)
    own = _shipment(order, shipment_id)
    return (dissolving(shipment_id) if own is None else restoring(own),)


def dissolving(shipment_id: str) -> Operation:
    """Return what lets a shipment's units travel with the others again."""
    return inverse_of(OPERATION.name, SplitShipment(shipment_id=shipment_id))


def restoring(row: Shipment) -> Operation:
    """Return what lets a shipment be as it was."""
    window = row.delivery_window or DeliveryWindow()
    parts = tuple(SplitPart(line_id=part.line_id, quantity=part.quantity) for part in row.parts)
    former = SplitShipment(
        shipment_id=row.shipment_id, parts=parts, earliest=window.earliest, latest=window.latest, ship_method=row.ship_method
    )  # fmt: skip
    return inverse_of(OPERATION.name, former)


OPERATION = OperationSpec(
    name="split_shipment",
    version=1,
    arguments=SplitShipment,
    reasons=frozenset({"customer_request", "entry_error", "out_of_stock", "reschedule", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
