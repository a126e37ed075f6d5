"""What narrows field locks by time and by risk: rules over data (`edit_rules.toml`, or what replaced it), and their answers.

Input:   an order, a field class, the fulfilment column it is in, the moment.
Output:  until when the class may be changed (`closing`), what it is afterwards, and what a change costs (`cost_of`).
Rules:   data, versioned and live as the approval rules are (`rules_in_force.py`). Text that cannot be read, names an
         unknown class, kind of window or time zone, is `EditRulesInvalid`, naming what.
Pure: the moment is given. `field_locks.evaluate` alone asks, so a form and a commit get the same answer.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.failures import SettingsInvalid
from schemas.money import exponent_of
from schemas.order import Hold, Order

EDIT_RULES = "edit"
"""The kind under which rule sets of this sort are kept."""
Closes = Literal["after_placement", "cut_off", "before_delivery"]
Closed = Literal["approval", "locked"]
_OTHERS = "*"


class EditRulesInvalid(SettingsInvalid):
    """The rules that narrow edits are not usable."""

    code = "edit_rules_invalid"


@dataclass(frozen=True)
class Window:
    """Until when some classes may be changed, and what they are afterwards. Empty channels or accounts: all."""

    window_id: str
    classes: frozenset[str]
    closes: Closes
    mode: Closed
    channels: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    minutes: timedelta = timedelta(0)
    at: time = time(0)
    zone: ZoneInfo | None = None

    def covers(self, order: Order, field_class: str) -> bool:
        """Whether the window says anything of this class on this order."""
        channel, account = order.source.channel, order.source.account
        return field_class in self.classes and channel in (self.channels or {channel}) and account in (self.accounts or {account})


@dataclass(frozen=True)
class EditRules:
    """The rules, read."""

    version: int
    windows: tuple[Window, ...] = ()
    risk_kinds: frozenset[str] = frozenset()
    risk_classes: frozenset[str] = frozenset()
    approval_from: int = 0
    """Points from which a change needs approval; 0: never."""
    class_points: Mapping[str, int] | None = None
    state_points: Mapping[str, int] | None = None
    value_points: int = 0
    value_from: Mapping[str, Decimal] | None = None
    """Major units by currency, "*" for all others."""

    @property
    def named_classes(self) -> frozenset[str]:
        """Every field class that a rule names."""
        return self.risk_classes.union(self.class_points or (), *(window.classes for window in self.windows))

    @property
    def named_columns(self) -> frozenset[str]:
        """Every fulfilment column that a rule names."""
        return frozenset(self.state_points or ())

    def window_of(self, order: Order, field_class: str, now: datetime) -> tuple[Window, datetime] | None:
        """Return the window that counts, with when it closes: the strictest that has closed, else the first that will."""
        found = [(w, at) for w in self.windows if w.covers(order, field_class) and (at := closing(order, w)) is not None]
        closed = [(w, at) for w, at in found if at <= now]
        if closed:
            return min(closed, key=lambda pair: (pair[0].mode != "locked", pair[1], pair[0].window_id))
        return min(found, key=lambda pair: (pair[1], pair[0].window_id), default=None)

    def risk_hold(self, order: Order, field_class: str) -> Hold | None:
        """Return the hold for whose risk this class needs approval, or None."""
        if field_class not in self.risk_classes:
            return None
        return next((hold for hold in order.holds if hold.kind in self.risk_kinds), None)

    def cost_of(self, order: Order, field_class: str, column: str) -> int:
        """Return the points that a change of this class costs while the warehouse is at `column`; 0 for classes that cost nothing."""
        points = (self.class_points or {}).get(field_class, 0)
        if not points:
            return 0
        return points + (self.state_points or {}).get(column, 0) + (self.value_points if self._is_dear(order) else 0)

    def _is_dear(self, order: Order) -> bool:
        if not self.value_from:
            return False
        limit = self.value_from.get(order.currency, self.value_from[_OTHERS])
        return order.totals.grand_total_minor >= int(limit.scaleb(exponent_of(order.currency)))


def closing(order: Order, window: Window) -> datetime | None:
    """Return when the window closes, UTC; None where the order does not say what it takes to know."""
    if window.closes == "before_delivery":
        wished = order.delivery_window
        end = (wished.latest or wished.earliest) if wished is not None else None
        return None if end is None else end.astimezone(UTC) - window.minutes
    if order.placed_at is None:
        return None
    if window.closes == "after_placement":
        return order.placed_at.astimezone(UTC) + window.minutes
    return _next_time(order.placed_at, window)


def _next_time(placed_at: datetime, window: Window) -> datetime:
    """Return the first such time of day after the order was placed, by the clocks of the window's zone."""
    zone = window.zone or ZoneInfo("UTC")
    day = placed_at.astimezone(zone).date()
    # A day has the time once, also where the clock jumps over it or passes it twice: the earlier reading counts.
    today = datetime.combine(day, window.at, zone).astimezone(UTC)
    return today if today > placed_at else datetime.combine(day + timedelta(days=1), window.at, zone).astimezone(UTC)


def load_edit_rules(text: str, version: int | None = None) -> EditRules:
    """Read rules from TOML; `EditRulesInvalid` says what is missing or unknown. `version` replaces the text's own."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        cost = data.get("cost", {})
        rules = EditRules(
            version=data["version"] if version is None else version,
            windows=tuple(_window(row) for row in data.get("windows", [])),
            risk_kinds=frozenset(data.get("risk_hold", {}).get("kinds", [])),
            risk_classes=frozenset(data.get("risk_hold", {}).get("classes", [])),
            approval_from=int(cost.get("approval_from", 0)),
            class_points=dict(cost.get("class", {})),
            state_points=dict(cost.get("state", {})),
            value_points=int(cost.get("value", {}).get("points", 0)),
            value_from={currency: Decimal(amount) for currency, amount in cost.get("value", {}).get("from", {}).items()},
        )
    except (tomllib.TOMLDecodeError, InvalidOperation, KeyError, TypeError, ValueError, AttributeError, ZoneInfoNotFoundError) as error:
        raise EditRulesInvalid(f"the edit rules cannot be read: {error!r}") from error
    _check(rules)
    return rules


def _window(row: Mapping[str, Any]) -> Window:
    closes, mode = row["closes"], row["mode"]
    if closes not in get_args(Closes) or mode not in get_args(Closed):
        raise EditRulesInvalid(f"edit window {row['id']}: closes {closes!r}, mode {mode!r}; known: {get_args(Closes)}, {get_args(Closed)}")
    by_clock = closes == "cut_off"
    return Window(
        window_id=row["id"],
        classes=frozenset(row["classes"]),
        closes=closes,
        mode=mode,
        channels=frozenset(row.get("channels", ())),
        accounts=frozenset(row.get("accounts", ())),
        minutes=timedelta(0) if by_clock else timedelta(minutes=int(row["minutes"])),
        at=time.fromisoformat(row["time"]) if by_clock else time(0),
        zone=ZoneInfo(row["zone"]) if by_clock else None,
    )


def _check(rules: EditRules) -> None:
    ids = [window.window_id for window in rules.windows]
    if len(set(ids)) != len(ids):
        raise EditRulesInvalid("two edit windows have the same id")
    if rules.value_from and _OTHERS not in rules.value_from:
        raise EditRulesInvalid('the cost of change names no value for other currencies ("*")')
    if any(not amount.is_finite() or amount < 0 for amount in (rules.value_from or {}).values()):
        raise EditRulesInvalid("the cost of change has a value below 0 or that is no number")
    points = [rules.approval_from, rules.value_points, *(rules.class_points or {}).values(), *(rules.state_points or {}).values()]
    if any(not isinstance(number, int) or number < 0 for number in points):
        raise EditRulesInvalid("the cost of change has points that are no whole number from 0 on")
    if any(window.minutes < timedelta(0) or window.at.tzinfo is not None for window in rules.windows):
        raise EditRulesInvalid("an edit window has minutes below 0, or a time with a zone in it")


@cache
def default_edit_rules() -> EditRules:
    """Return the rules that ship with the package."""
    return load_edit_rules(default_edit_text())


def default_edit_text() -> str:
    """Return the text of the rules that ship with the package."""
    return resources.files("modification_processor").joinpath("edit_rules.toml").read_text(encoding="utf-8")
