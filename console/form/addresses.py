"""Ship to, bill to and contact. An address is asked for whole, a contact field by field. Pure."""

from typing import Any, Final

from console.api.models import OperationBody
from console.form.fields import Field, Filled, Maker, Section, op
from schemas.order import Address

PARTS: Final = (
    ("name", "name"), ("company", "company"), ("lines", "street lines"), ("city", "city"), ("region", "region"), ("postal_code", "postcode"),
    ("country", "country"), ("phone", "phone"),
)  # fmt: skip
_CONTACT: Final = ("name", "email", "phone")


def ship_to(make: Maker) -> Section:
    """Return where the goods go."""
    return Section("Ship to", _address("ship_to", "Ship to", make.order.ship_to, make))


def bill_to(make: Maker) -> Section:
    """Return where the bill goes."""
    return Section("Bill to", _address("bill_to", "Bill to", make.order.bill_to, make), folded=True)


def contact(make: Maker) -> Section:
    """Return whom to write to."""
    return Section(
        "Contact", tuple(f for n in _CONTACT for f in make(f"contact.{n}", f"Contact {n}", getattr(make.order.contact, n), "/contact"))
    )


def _address(prefix: str, title: str, address: Address | None, make: Maker) -> tuple[Field, ...]:
    found: list[Field] = []
    for name, label in PARTS:
        value = "\n".join(address.lines) if address and name == "lines" else getattr(address, name, None)
        path = f"/{prefix}/{name}" if prefix == "ship_to" and name in {"country", "region"} else f"/{prefix}"
        found += make(f"{prefix}.{name}", f"{title} {label}", value, path, "area" if name == "lines" else "text")
    return tuple(found)


def operations(ship: Address | None, bill: Address | None, filled: Filled) -> list[OperationBody]:
    """Return what was asked for of both addresses and the contact."""
    found = []
    for name, address in (("ship_to", ship), ("bill_to", bill)):
        if filled.any(f"{name}."):
            found.append(op(f"set_{name.removesuffix('_to')}_address", **_whole(name, address, filled)))
    given = {key.removeprefix("contact."): value for key, value in filled.changed.items() if key.startswith("contact.")}
    if given:
        cleared = [name for name, value in given.items() if not value]
        found.append(op("set_contact", clear=cleared, **{name: value for name, value in given.items() if value}))
    return found


def _whole(name: str, before: Address | None, filled: Filled) -> dict[str, Any]:
    address: dict[str, Any] = {part: getattr(before, part, None) for part, _ in PARTS}
    address["lines"] = list(before.lines) if before else []
    for part, _ in PARTS:
        if f"{name}.{part}" in filled.changed:
            text = filled.changed[f"{name}.{part}"]
            address[part] = [line.strip() for line in text.splitlines() if line.strip()] if part == "lines" else text or None
    return address | {"city": address["city"] or "", "country": address["country"] or ""}
