"""The lines: how many, of what, at which price; added, swapped, cancelled, removed. Pure."""

from typing import Any, Final

from console.api.models import OperationBody
from console.form.fields import Field, Filled, Maker, Section, op, whole
from schemas.money import scaled_text
from schemas.order import Order, OrderLine

ADDED: Final = (
    ("", "the price they were sold at"),
    ("list", "the list price of now"),
    ("unchanged", "the sold price, if it still is the list price"),
)
POLICIES: Final = (
    ("", "as each promotion says"), ("pinned", "stay as they are"), ("warn", "stay, and say where they no longer fit"),
    ("revalidate", "have to fit"), ("drop", "leave"), ("reapply", "are cut anew"),
)  # fmt: skip
_UP: Final = "/lines/-"


def section(make: Maker) -> Section:
    """Return the open lines, a row each, removed ones that can come back, and a row for a new one."""
    found = [field for line in make.order.lines if line.open for field in _line(line, make)]
    for line in make.order.lines:
        if not line.ordered:
            found += make(
                f"quantity.{line.line_id}", f"Quantity of {_name(line)} (removed)", "0", f"/lines/{line.line_id}/ordered", group="Removed"
            )
    found += make("add.sku", "New line SKU", "", _UP, "sku", group="New line")
    found += make("add.quantity", "New line quantity", "", _UP, group="New line")
    found += make("added", "Added units cost", "", _UP, "choice", group="For all lines", choices=ADDED)
    found += make("policy", "Promotions the order has", "", _UP, "choice", group="For all lines", choices=POLICIES)
    found += make("price_note", "Why the price changes", "", "/adjustments/-", only="price_override", group="For all lines")
    return Section("Lines", tuple(found))


def _name(line: OrderLine) -> str:
    return line.sku or line.name or line.line_id


def _line(line: OrderLine, make: Maker) -> list[Field]:
    name, at = _name(line), f"/lines/{line.line_id}"
    group = f"{name} {line.name}" if line.name and line.name != name else name
    price = scaled_text(line.unit_price.amount, line.unit_price.exponent) if line.unit_price else ""
    quantity = scaled_text(line.ordered, line.quantity_exponent)
    return [
        *make(f"quantity.{line.line_id}", f"Quantity of {name}", quantity, f"{at}/ordered", group=group),
        *make(f"sku.{line.line_id}", f"SKU of {name}", line.sku, f"{at}/sku", "sku", group=group),
        *make(f"price.{line.line_id}", f"Unit price of {name}", price, f"{at}/unit_price", group=group),
        *make(f"cancel.{line.line_id}", f"Units of {name} to cancel", "", f"{at}/cancelled", group=group),
        *make(f"remove.{line.line_id}", f"Remove {name}", "", f"{at}/ordered", "switch", only="quantity_down", group=group),
    ]


def operations(order: Order, filled: Filled) -> list[OperationBody]:
    """Return what was asked for of each line, and of a new one."""
    policy = {"promotions": filled.changed["policy"]} if filled.changed.get("policy") else {}
    found = [operation for line in order.lines for operation in _of_line(line, filled, policy)]
    if filled.changed.get("add.sku"):
        quantity = whole("New line quantity", filled.changed.get("add.quantity") or "1", 0)
        found.append(op("add_line", sku=filled.changed["add.sku"], quantity=quantity, **policy))
    return found


def _of_line(line: OrderLine, filled: Filled, policy: dict[str, Any]) -> list[OperationBody]:
    line_id, changed = line.line_id, filled.changed
    if filled.on(f"remove.{line_id}"):
        return [op("remove_line", line_id=line_id, **policy)]
    found = []
    if f"quantity.{line_id}" in changed:
        quantity = whole(f"Quantity of {_name(line)}", changed[f"quantity.{line_id}"], line.quantity_exponent)
        added = {"added": changed["added"]} if changed.get("added") else {}
        found.append(
            op("change_quantity", line_id=line_id, quantity=quantity, **added, **policy)
            if quantity
            else op("remove_line", line_id=line_id, **policy)
        )
    if changed.get(f"cancel.{line_id}"):
        units = whole(f"Units of {_name(line)} to cancel", changed[f"cancel.{line_id}"], line.quantity_exponent)
        found.append(op("cancel_line", line_id=line_id, quantity=units, **policy))
    if changed.get(f"price.{line_id}"):
        found.append(op("override_price", line_id=line_id, unit_price=changed[f"price.{line_id}"], note=filled.now("price_note"), **policy))
    if changed.get(f"sku.{line_id}"):
        found.append(op("replace_sku", line_id=line_id, sku=changed[f"sku.{line_id}"], **policy))
    return found
