"""Promotions, fees and the payment method. Pure."""

from console.api.models import OperationBody
from console.form.fields import Field, Filled, Maker, Section, op
from schemas.money import to_text
from schemas.order import Adjustment, Order

_ROW = "/adjustments/-"
"""The path whose mode every discount and fee has."""


def section(make: Maker) -> Section:
    """Return what is taken off and put on."""
    order = make.order
    found: list[Field] = []
    for row in order.adjustments:
        if row.kind == "discount":
            found += make(f"unpromote.{row.adjustment_id}", f"Take off {_said(row, order)}", "", _ROW, "switch", only="promotion")
        if row.kind == "fee":
            found += make(f"waive.{row.adjustment_id}", f"Waive {_said(row, order)}", "", _ROW, "switch", only="price_override")
    found += make("promotion", "Promotion code", "", _ROW, "promotion", only="promotion")
    found += make("fee.label", "New fee: what for", "", _ROW, only="price_override")
    found += make("fee.amount", f"New fee: amount in {order.currency}", "", _ROW, only="price_override")
    return Section("Promotions and fees", tuple(found))


def payment(make: Maker) -> Section:
    """Return how it is paid; what was paid is the ledger's and never changes here."""
    order = make.order
    return Section(
        "Payment and fulfilment",
        (
            *make("payment_method", "Payment method", order.payment_method, "/payment_method"),
            *make("payments", "Payment dates", ", ".join(f"{p.at:%d %b %Y}" for p in order.payments if p.at), "/payments"),
            *make("warehouse", "Warehouse", order.warehouse, "/warehouse"),
        ),
    )


def _said(row: Adjustment, order: Order) -> str:
    return f"{row.code or row.label or row.kind} ({to_text(row.amount_minor, order.currency)} {order.currency})"


def operations(order: Order, filled: Filled) -> list[OperationBody]:
    """Return what was asked for of discounts, fees and the payment method."""
    changed = filled.changed
    found = []
    for row in order.adjustments:
        if filled.on(f"unpromote.{row.adjustment_id}"):
            found.append(op("remove_promotion", adjustment_id=row.adjustment_id))
        if filled.on(f"waive.{row.adjustment_id}"):
            found.append(op("remove_fee", adjustment_id=row.adjustment_id))
    if changed.get("promotion"):
        found.append(op("apply_promotion", code=changed["promotion"]))
    if changed.get("fee.label") or changed.get("fee.amount"):
        found.append(op("add_fee", label=changed.get("fee.label", ""), amount=changed.get("fee.amount", "")))
    if "payment_method" in changed:
        found.append(op("set_payment_method", method=changed["payment_method"] or None))
    return found
