"""What a form is made of: fields in the mode that the processor answers, and what was typed into them. Pure.

The modes are the processor's; nothing here decides what may be changed. A field that needs an approval or the warehouse's
help is open, and says so; a hidden one is not in the form at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from console.api.models import ModesView, ModeView, OperationBody
from schemas.order import Order

Kind = Literal["text", "area", "moment", "choice", "switch", "sku", "promotion"]
OPEN: Final = frozenset({"editable", "compensation", "approval"})
ON: Final = "yes"
"""What a switch holds that is on; off, it holds nothing."""
WAYS_ON: Final[Mapping[str, str]] = {
    "request_carrier_redirect": "Ask the carrier to redirect the parcel.",
    "open_return": "Open a return instead.",
    "place_new_order": "Take a new order for it.",
    "request_approval": "It will wait for somebody's approval.",
    "recall_from_warehouse": "The warehouse gives it back first.",
    "release_hold": "Release the hold below.",
}
"""What leads on from a field that is not simply open, by the processor's `unlock_action`."""


class NotReadable(ValueError):
    """A field does not hold what it is for."""


@dataclass(frozen=True)
class Field:
    """A field of the form. `hint` says what its mode means; empty where it is simply editable. `group` is the row it belongs to."""

    key: str
    label: str
    value: str
    enabled: bool
    hint: str = ""
    kind: Kind = "text"
    path: str = ""
    group: str = ""
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """Fields that belong together. `folded`: rarely needed, shown when asked for."""

    title: str
    fields: tuple[Field, ...]
    folded: bool = False


class Maker:
    """Makes fields of one order in the modes that were answered for it."""

    def __init__(self, order: Order, modes: ModesView) -> None:
        self.order = order
        self._by_path: dict[str, list[ModeView]] = {}
        for mode in modes.modes:
            self._by_path.setdefault(mode.path, []).append(mode)

    def __call__(
        self,
        key: str,
        label: str,
        value: str | None,
        path: str,
        kind: Kind = "text",
        *,
        only: str = "",
        group: str = "",
        choices: tuple[tuple[str, str], ...] = (),
    ) -> list[Field]:
        """Return the field, or none where it is hidden. `only`: of several classes under this path, this one."""
        found = [mode for mode in self._by_path.get(path, []) if mode.field_class == only or not only]
        if not found or all(mode.mode == "hidden" for mode in found):
            return []
        hints = dict.fromkeys(said for mode in found if (said := self._said(mode)))
        return [Field(key, label, value or "", any(mode.mode in OPEN for mode in found), " ".join(hints), kind, path, group, choices)]

    def _said(self, mode: ModeView) -> str:
        """Return the mode's reason as people say it, what leads on, and until when it can be changed."""
        said = mode.message
        for line in self.order.lines:
            said = said.replace(f"line {line.line_id} ", f"{line.sku or line.name or line.line_id} ")
        until = f"Can be changed until {mode.until[:16].replace('T', ' ')} UTC." if mode.until and mode.mode in OPEN else ""
        return " ".join(text for text in (f"{said}." if said else "", WAYS_ON.get(mode.unlock_action or "", ""), until) if text)


class Filled:
    """What was changed in the form: the open fields whose text differs from what the order says."""

    def __init__(self, sections: Iterable[Section], typed: Mapping[str, str]) -> None:
        self.initial = {field.key: field.value for section in sections for field in section.fields if field.enabled}
        self.changed = {
            key: typed[key].strip() for key, value in self.initial.items() if key in typed and typed[key].strip() != value.strip()
        }

    def any(self, prefix: str) -> bool:
        """Return whether any field whose key begins like this was changed."""
        return any(key.startswith(prefix) for key in self.changed)

    def now(self, key: str) -> str:
        """Return what the field holds, typed or not."""
        return self.changed.get(key, self.initial.get(key, ""))

    def on(self, key: str) -> bool:
        """Return whether a switch was switched on."""
        return self.changed.get(key) == ON


def op(operation: str, /, **arguments: Any) -> OperationBody:
    """Return an operation as the API takes it."""
    return OperationBody(name=operation, version=1, arguments=arguments)


def whole(label: str, text: str, exponent: int) -> int:
    """Return a quantity in the line's own unit; raise `NotReadable`."""
    try:
        units = Decimal(text).scaleb(exponent)
    except InvalidOperation:
        raise NotReadable(f"{label}: {text[:20]!r} is no number") from None
    if not units.is_finite() or units != units.to_integral_value() or abs(units) >= 10**12:
        raise NotReadable(f"{label}: {text[:20]!r} is no whole number of the line's unit")
    return int(units)


def instant(text: str) -> str | None:
    """Return what a date field holds as a time in UTC; None where it is empty."""
    return f"{text}:00Z" if text else None
