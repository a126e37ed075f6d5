"""Whether the order goes on: holds and its end; and what the house notes about it. Pure."""

from typing import Final

from console.api.models import OperationBody
from console.form.fields import Field, Filled, Maker, Section, op
from schemas.order import Order

KINDS: Final = (
    ("", "no new hold"),
    ("manual", "manual"),
    ("address", "address"),
    ("fraud", "fraud"),
    ("payment", "payment"),
    ("stock", "stock"),
)
"""Kinds of hold a person picks from; tools may place others."""
_HOLD: Final = "/holds/-"


def holds(make: Maker) -> Section:
    """Return what holds the order, and a row for one more."""
    found: list[Field] = []
    for hold in make.order.holds:
        said = f"{hold.kind}: {hold.reason}" if hold.reason else hold.kind
        found += make(f"release.{hold.hold_id}", f"Release hold {said}", "", _HOLD, "switch")
    found += make("hold.kind", "New hold", "", _HOLD, "choice", choices=KINDS)
    found += make("hold.reason", "New hold: why", "", _HOLD)
    return Section("Holds", tuple(found))


def notes(make: Maker) -> Section:
    """Return the house's own words."""
    order = make.order
    return Section(
        "Note and tags", (*make("note", "Note", order.note, "/note", "area"), *make("tags", "Tags", ", ".join(order.tags), "/tags"))
    )


def end(make: Maker) -> Section:
    """Return the switch that cancels the whole order."""
    return Section("Cancel the order", tuple(make("cancel_order", "Cancel the whole order", "", "/lifecycle", "switch")), folded=True)


def operations(order: Order, filled: Filled) -> list[OperationBody]:
    """Return what was asked for of holds, note, tags and the order's end."""
    changed = filled.changed
    found = [op("release_hold", hold_id=hold.hold_id) for hold in order.holds if filled.on(f"release.{hold.hold_id}")]
    if changed.get("hold.kind"):
        found.append(op("place_hold", kind=changed["hold.kind"], reason=changed.get("hold.reason", "")))
    if "note" in changed:
        found.append(op("set_note", note=changed["note"] or None))
    if "tags" in changed:
        wanted = [tag.strip() for tag in changed["tags"].split(",") if tag.strip()]
        add, remove = [t for t in wanted if t not in order.tags], [t for t in order.tags if t not in wanted]
        found.append(op("set_tags", add=add, remove=remove))
    if filled.on("cancel_order"):
        found.append(op("cancel_order"))
    return found
