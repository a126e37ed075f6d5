"""The edit form as data: which fields, in which mode, with which reason; and what was filled in as operations. Pure.

The modes are the processor's answer; nothing here decides what may be changed. A field whose change needs compensation is
open: the ticket waits until the warehouse has given back what it touches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from console.api.models import ModesView, ModeView, OperationBody, OperationsView
from schemas.money import scaled_text
from schemas.order import Address, Order, OrderLine

Kind = Literal["text", "area", "moment"]
_ADDRESS: Final = (
    ("name", "name"), ("company", "company"), ("lines", "street lines"), ("city", "city"), ("region", "region"), ("postal_code", "postcode"),
    ("country", "country"), ("phone", "phone"),
)  # fmt: skip
_CONTACT: Final = ("name", "email", "phone")
OPEN: Final = frozenset({"editable", "compensation", "approval"})


class NotReadable(ValueError):
    """A field does not hold what it is for."""


@dataclass(frozen=True)
class Field:
    """A field of the form. `hint` says what its mode means; empty where it is simply editable."""

    key: str
    label: str
    value: str
    enabled: bool
    hint: str = ""
    kind: Kind = "text"


@dataclass(frozen=True)
class Section:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]


Maker = Callable[..., list[Field]]


def sections(order: Order, modes: ModesView) -> tuple[Section, ...]:
    """Return the form of an order: hidden fields are not in it."""
    by_path: dict[str, list[ModeView]] = {}
    for mode in modes.modes:
        by_path.setdefault(mode.path, []).append(mode)

    def field(key: str, label: str, value: str | None, path: str, kind: Kind = "text", only: str = "") -> list[Field]:
        found = [mode for mode in by_path.get(path, []) if mode.field_class == only or not only]
        if not found or all(mode.mode == "hidden" for mode in found):
            return []
        hints = dict.fromkeys(hint for mode in found if (hint := _hint(mode)))
        return [Field(key, label, value or "", any(mode.mode in OPEN for mode in found), "; ".join(hints), kind)]

    found = [
        Section("Ship to", _address("ship_to", "Ship to", order.ship_to, field)),
        Section(
            "Contact", tuple(f for n in _CONTACT for f in field(f"contact.{n}", f"Contact {n}", getattr(order.contact, n), "/contact"))
        ),
        Section("Delivery", _delivery(order, field)),
        Section("Lines", tuple(f for line in order.lines if line.open for f in _line(line, field))),
        Section("Add", _additions(field)),
        Section("Bill to", _address("bill_to", "Bill to", order.bill_to, field)),
        Section("Other", _other(order, field)),
    ]
    return tuple(section for section in found if section.fields)


def _hint(mode: ModeView) -> str:
    """Say what the mode means: why it is not simply editable, and until when it can be changed."""
    until = f"can be changed until {mode.until[:16].replace('T', ' ')} UTC" if mode.until and mode.mode in OPEN else ""
    return "; ".join(text for text in (mode.message, until) if text)


def _address(prefix: str, title: str, address: Address | None, field: Maker) -> tuple[Field, ...]:
    found: list[Field] = []
    for name, label in _ADDRESS:
        value = "\n".join(address.lines) if address and name == "lines" else getattr(address, name, None)
        path = f"/{prefix}/{name}" if prefix == "ship_to" and name in {"country", "region"} else f"/{prefix}"
        found += field(f"{prefix}.{name}", f"{title} {label}", value, path, "area" if name == "lines" else "text")
    return tuple(found)


def _delivery(order: Order, field: Maker) -> tuple[Field, ...]:
    return (
        *field("window.earliest", "Deliver from (UTC)", _moment(order, "earliest"), "/delivery_window", "moment"),
        *field("window.latest", "Deliver until (UTC)", _moment(order, "latest"), "/delivery_window", "moment"),
        *field("ship_method", "Ship method", order.ship_method, "/ship_method"),
    )


def _line(line: OrderLine, field: Maker) -> list[Field]:
    name = line.sku or line.name or line.line_id
    quantity = scaled_text(line.ordered, line.quantity_exponent)
    return [
        *field(f"quantity.{line.line_id}", f"Quantity of {name}", quantity, f"/lines/{line.line_id}/ordered"),
        *field(f"sku.{line.line_id}", f"SKU of {name}", line.sku, f"/lines/{line.line_id}/sku"),
    ]


def _additions(field: Maker) -> tuple[Field, ...]:
    return (
        *field("add.sku", "New line SKU", "", "/lines/-"),
        *field("add.quantity", "New line quantity", "", "/lines/-"),
        *field("promotion", "Promotion code", "", "/adjustments/-", only="promotion"),
    )


def _other(order: Order, field: Maker) -> tuple[Field, ...]:
    return (
        *field("payment_method", "Payment method", order.payment_method, "/payment_method"),
        *field("payments", "Payment dates", ", ".join(f"{p.at:%d %b %Y}" for p in order.payments if p.at), "/payments"),
        *field("warehouse", "Warehouse", order.warehouse, "/warehouse"),
        *field("note", "Note", order.note, "/note", "area"),
        *field("tags", "Tags", ", ".join(order.tags), "/tags"),
    )


def _moment(order: Order, end: str) -> str:
    at = getattr(order.delivery_window, end, None)
    return f"{at:%Y-%m-%dT%H:%M}" if at else ""


def operations(order: Order, before: Sequence[Section], filled: Mapping[str, str]) -> list[OperationBody]:
    """Return the operations that make the order what was filled in; none where nothing changed. Raises `NotReadable`."""
    initial = {field.key: field.value for section in before for field in section.fields if field.enabled}
    changed = {key: filled[key].strip() for key, value in initial.items() if key in filled and filled[key].strip() != value.strip()}
    found: list[OperationBody] = []
    for name, address in (("ship_to", order.ship_to), ("bill_to", order.bill_to)):
        if any(key.startswith(f"{name}.") for key in changed):
            found.append(_op(f"set_{name.removesuffix('_to')}_address", **_whole_address(name, address, changed)))
    found += _contact_operations(changed)
    if any(key.startswith("window.") for key in changed):
        ends = {end: changed.get(f"window.{end}", initial.get(f"window.{end}", "")) for end in ("earliest", "latest")}
        found.append(_op("set_delivery_window", **{end: f"{text}:00Z" if text else None for end, text in ends.items()}))
    found += [_op(f"set_{name}", method=changed[name] or None) for name in ("ship_method", "payment_method") if name in changed]
    found += [operation for line in order.lines for operation in _line_operations(line, changed)]
    return [*found, *_other_operations(order, changed)]


def _contact_operations(changed: Mapping[str, str]) -> list[OperationBody]:
    contact = {key.removeprefix("contact."): value for key, value in changed.items() if key.startswith("contact.")}
    if not contact:
        return []
    cleared = [name for name, value in contact.items() if not value]
    return [_op("set_contact", clear=cleared, **{name: value for name, value in contact.items() if value})]


def _other_operations(order: Order, changed: Mapping[str, str]) -> list[OperationBody]:
    found = []
    if changed.get("add.sku"):
        found.append(_op("add_line", sku=changed["add.sku"], quantity=_whole("New line quantity", changed.get("add.quantity") or "1", 0)))
    if changed.get("promotion"):
        found.append(_op("apply_promotion", code=changed["promotion"]))
    if "note" in changed:
        found.append(_op("set_note", note=changed["note"] or None))
    if "tags" in changed:
        wanted = [tag.strip() for tag in changed["tags"].split(",") if tag.strip()]
        add, remove = [t for t in wanted if t not in order.tags], [t for t in order.tags if t not in wanted]
        found.append(_op("set_tags", add=add, remove=remove))
    return found


def _whole_address(name: str, before: Address | None, changed: Mapping[str, str]) -> dict[str, Any]:
    address: dict[str, Any] = {part: getattr(before, part, None) for part, _ in _ADDRESS}
    address["lines"] = list(before.lines) if before else []
    for part, _ in _ADDRESS:
        if f"{name}.{part}" in changed:
            text = changed[f"{name}.{part}"]
            address[part] = [line.strip() for line in text.splitlines() if line.strip()] if part == "lines" else text or None
    return address | {"city": address["city"] or "", "country": address["country"] or ""}


def _line_operations(line: OrderLine, changed: Mapping[str, str]) -> list[OperationBody]:
    found = []
    if f"quantity.{line.line_id}" in changed:
        quantity = _whole(f"Quantity of {line.sku or line.name}", changed[f"quantity.{line.line_id}"], line.quantity_exponent)
        arguments = {"line_id": line.line_id, "quantity": quantity}
        found.append(_op("change_quantity", **arguments) if quantity else _op("remove_line", line_id=line.line_id))
    if changed.get(f"sku.{line.line_id}"):
        found.append(_op("replace_sku", line_id=line.line_id, sku=changed[f"sku.{line.line_id}"]))
    return found


def _whole(label: str, text: str, exponent: int) -> int:
    try:
        units = Decimal(text).scaleb(exponent)
    except InvalidOperation:
        raise NotReadable(f"{label}: {text[:20]!r} is no number") from None
    if not units.is_finite() or units != units.to_integral_value() or abs(units) >= 10**12:
        raise NotReadable(f"{label}: {text[:20]!r} is no whole number of the line's unit")
    return int(units)


def _op(operation: str, /, **arguments: Any) -> OperationBody:
    return OperationBody(name=operation, version=1, arguments=arguments)


def reasons(known: OperationsView, asked: Iterable[OperationBody]) -> list[str]:
    """Return the reason codes that fit every one of the operations."""
    by_name = {operation.name: set(operation.reasons) for operation in known.items}
    sets = [by_name.get(operation.name, set()) for operation in asked]
    return sorted(set.intersection(*sets)) if sets else sorted(set().union(*by_name.values()))
