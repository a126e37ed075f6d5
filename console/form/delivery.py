"""When and how the goods travel, and what travels on its own. Pure."""

from console.api.models import OperationBody
from console.form.fields import Field, Filled, Maker, Section, instant, op, whole
from schemas.money import scaled_text
from schemas.order import DeliveryWindow, Order, Shipment

WINDOW = "/delivery_window"
"""The path whose mode a shipment has: the processor locks both alike."""


def together(make: Maker) -> Section:
    """Return how the whole order travels."""
    window = make.order.delivery_window
    return Section(
        "Delivery",
        (
            *make("window.earliest", "Deliver from (UTC)", _moment(window, "earliest"), WINDOW, "moment"),
            *make("window.latest", "Deliver until (UTC)", _moment(window, "latest"), WINDOW, "moment"),
            *make("ship_method", "Ship method", make.order.ship_method, "/ship_method"),
        ),
    )


def apart(make: Maker) -> Section:
    """Return what may travel on its own, and what does."""
    order = make.order
    found: list[Field] = []
    for shipment in order.shipments:
        found += make(f"join.{shipment.shipment_id}", f"Send with the rest again: {_carries(order, shipment)}", "", WINDOW, "switch")
    for line in order.lines:
        if line.open > line.shipped:
            name = line.sku or line.name or line.line_id
            found += make(f"apart.{line.line_id}", f"Units of {name} to send apart", "", WINDOW)
    found += make("apart_from", "Send apart from (UTC)", "", WINDOW, "moment")
    found += make("apart_until", "Send apart until (UTC)", "", WINDOW, "moment")
    found += make("apart_method", "Ship method of what is sent apart", "", WINDOW)
    return Section("Split shipment", tuple(found), folded=True)


def _carries(order: Order, shipment: Shipment) -> str:
    """Return what a shipment carries, as people say it."""
    said = []
    for part in shipment.parts:
        line = order.line(part.line_id)
        said.append(f"{scaled_text(part.quantity, line.quantity_exponent if line else 0)} x {(line and line.sku) or part.line_id}")
    return ", ".join(said)


def operations(order: Order, filled: Filled) -> list[OperationBody]:
    """Return what was asked for of window, method and shipments."""
    found = []
    if filled.any("window."):
        found.append(op("set_delivery_window", **{end: instant(filled.now(f"window.{end}")) for end in ("earliest", "latest")}))
    if "ship_method" in filled.changed:
        found.append(op("set_ship_method", method=filled.changed["ship_method"] or None))
    found += [op("split_shipment", shipment_id=s.shipment_id) for s in order.shipments if filled.on(f"join.{s.shipment_id}")]
    parts = [
        {"line_id": line.line_id, "quantity": whole("Units to send apart", filled.changed[f"apart.{line.line_id}"], line.quantity_exponent)}
        for line in order.lines
        if filled.changed.get(f"apart.{line.line_id}")
    ]
    if parts:
        ends = {"earliest": instant(filled.now("apart_from")), "latest": instant(filled.now("apart_until"))}
        found.append(op("split_shipment", parts=parts, ship_method=filled.now("apart_method") or None, **ends))
    return found


def _moment(window: DeliveryWindow | None, end: str) -> str:
    at = getattr(window, end, None)
    return f"{at:%Y-%m-%dT%H:%M}" if at else ""
