"""What the rules of windows and risk do to orders as they are now: rule by rule, and where others stood in their place. Pure.

Input:   orders, the rules, the moment.
Output:  by rule, how many of the orders have a field that is stricter for it, and of which class; by field class, how many orders
         would change their mode under other rules.
The modes are `field_locks.field_modes` for somebody who may edit: what is counted here is what a form would show and a commit hold to.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from modification_processor.edit_rules import EditRules, Window
from modification_processor.field_locks import MODIFY_ROLE, STRICTNESS, Mode, Moment, default_locks, field_modes
from schemas.order import Order

_EDITOR = frozenset({MODIFY_ROLE})
_AFTERWARDS = {"locked": "is locked", "approval": "needs approval"}


class Narrowing(NamedTuple):
    """One rule: what it says, of which field classes, and of the orders looked at, how many it makes stricter now, by class."""

    rule_id: str
    says: str
    classes: tuple[str, ...]
    orders: int
    by_class: Mapping[str, int]


class Shift(NamedTuple):
    """So many orders would have a field of this class in another mode."""

    field_class: str
    before: Mode
    after: Mode
    orders: int


def narrowings(orders: Sequence[Order], rules: EditRules, now: datetime) -> list[Narrowing]:
    """Return what each rule does to the orders now, each as if it stood alone."""
    without = _modes_of(orders, EditRules(rules.version), now)
    return [_narrowing(rule_id, says, alone, without, _modes_of(orders, alone, now)) for rule_id, says, alone in _each(rules)]


def shifts(orders: Sequence[Order], before: EditRules, after: EditRules, now: datetime) -> list[Shift]:
    """Return how many orders would have which field in which other mode, those that become stricter first."""
    counted: Counter[tuple[str, Mode, Mode]] = Counter()
    for old, new in zip(_modes_of(orders, before, now), _modes_of(orders, after, now), strict=True):
        counted.update({(name[0], mode, new[name]) for name, mode in old.items() if mode != new[name]})
    found = [Shift(*moved, count) for moved, count in counted.items()]
    return sorted(
        found, key=lambda shift: (STRICTNESS.index(shift.after) < STRICTNESS.index(shift.before), -shift.orders, shift.field_class)
    )


def label(field_class: str) -> str:
    """Return how a person calls a field class."""
    return default_locks().labels[field_class]


def _each(rules: EditRules) -> list[tuple[str, str, EditRules]]:
    """Return (id, what it says, it alone) of each rule."""
    found = [(f"window.{w.window_id}", _window(w), EditRules(rules.version, windows=(w,))) for w in rules.windows]
    if rules.risk_classes and rules.risk_kinds:
        alone = EditRules(rules.version, risk_kinds=rules.risk_kinds, risk_classes=rules.risk_classes)
        found.append(("risk.hold", f"needs approval while the order has a hold of kind {' or '.join(sorted(rules.risk_kinds))}", alone))
    if rules.approval_from and rules.class_points:
        alone = EditRules(
            rules.version, approval_from=rules.approval_from, class_points=rules.class_points, state_points=rules.state_points,
            value_points=rules.value_points, value_from=rules.value_from,
        )  # fmt: skip
        found.append(("risk.cost_of_change", f"needs approval from {rules.approval_from} points on", alone))
    return found


def _window(window: Window) -> str:
    minutes = int(window.minutes.total_seconds() // 60)
    when = {
        "after_placement": f"{minutes} minutes after the order was placed",
        "cut_off": f"at {window.at:%H:%M} {window.zone} after the order was placed",
        "before_delivery": f"{minutes} minutes before the delivery window ends",
    }[window.closes]
    places = " and ".join(
        f"{name} {', '.join(sorted(values))}" for name, values in (("channel", window.channels), ("account", window.accounts)) if values
    )
    return f"{_AFTERWARDS[window.mode]} from {when} on" + (f", for {places}" if places else "")


def _narrowing(
    rule_id: str,
    says: str,
    alone: EditRules,
    without: Sequence[Mapping[tuple[str, str], Mode]],
    under: Sequence[Mapping[tuple[str, str], Mode]],
) -> Narrowing:
    stricter = [{name[0] for name, mode in new.items() if mode != old[name]} for old, new in zip(without, under, strict=True)]
    counted = Counter(field_class for classes in stricter for field_class in classes)
    return Narrowing(rule_id, says, tuple(sorted(alone.named_classes)), sum(map(bool, stricter)), dict(counted))


def _modes_of(orders: Sequence[Order], rules: EditRules, now: datetime) -> list[dict[tuple[str, str], Mode]]:
    """Return each order's modes by (class, path)."""
    when = Moment(now, rules)
    return [{(mode.field_class, mode.path): mode.mode for mode in field_modes(order, _EDITOR, None, when)} for order in orders]
