"""Who may change which field in which state: one evaluator, for the console and for the commit.

Input:   an order, what would be written (`Touch`), the actor's roles, the verbs the order's channel declares, the moment.
Output:  a `FieldMode`: the strictest of the state (payment and fulfilment), the role, the channel, the holds, the edit
         window and the risk, with the rule that decided, a sentence for a person, and until when it holds.
Rules:   data, in `field_locks.toml` and `edit_rules.toml`; a table with a hole does not load (`LocksInvalid`). A class the
         table does not have is locked.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from modification_processor.edit_rules import EditRules, EditRulesInvalid, load_edit_rules
from modification_processor.operations.operation import Touch
from modification_processor.operations.rows import row_path
from modification_processor.recalls import recalls_for
from normalizers.channel import Verb
from schemas.failures import SettingsInvalid
from schemas.order import Hold, Order, OrderLine

Mode = Literal["editable", "compensation", "approval", "locked", "hidden"]
STRICTNESS: tuple[Mode, ...] = ("editable", "compensation", "approval", "locked", "hidden")
"""From the mildest to the strictest."""

PAYMENT_COLUMNS = ("unpaid", "authorized", "captured")
FULFILMENT_COLUMNS = ("received", "confirmed", "allocated", "released", "packed", "part_shipped", "shipped", "closed")
COLUMNS = (*PAYMENT_COLUMNS, *FULFILMENT_COLUMNS)
MODIFY_ROLE = "Order_Modify"
CHANNEL_HOLD = "channel"
"""The kind of hold that a change of the channel's waits under, until a person has dealt with it."""

_BOTH = "B"
"""Approval, and then compensation."""
_LETTERS: dict[str, Mode] = {mode[0].upper(): mode for mode in STRICTNESS} | {_BOTH: "approval"}
_RANK = {column: rank for rank, column in enumerate(FULFILMENT_COLUMNS)}
_SAYS: dict[Mode, str] = {
    "editable": "can be changed",
    "compensation": "changes only with compensation",
    "approval": "needs approval",
    "locked": "is locked",
    "hidden": "is not shown",
}
_NEW_LINE = "lines.new"


class LocksInvalid(SettingsInvalid):
    """The table of field locks is not usable."""

    code = "locks_invalid"


@dataclass(frozen=True)
class FieldMode:
    """The answer for one field. `message` is empty where the field is editable.

    `until`: where it can be changed, when that ends (UTC); where it is locked, what has to happen first. `compensates`: the
    warehouse has to give something back before the change. `cost`: what the change costs, in points.
    """

    path: str
    field_class: str
    mode: Mode
    rule_id: str
    message: str = ""
    until: str | None = None
    unlock_action: str | None = None
    compensates: bool = False
    cost: int = 0


class Moment(NamedTuple):
    """When somebody asks, and the rules of windows and risk in force then."""

    at: datetime
    rules: EditRules


class _Cell(NamedTuple):
    """What one (class, payment column, fulfilment column) comes to, worked out when the table is loaded."""

    mode: Mode
    rule_id: str
    text: str
    unlock_action: str | None
    compensates: bool


@dataclass(frozen=True)
class LockTable:
    """The rules, ready to be looked up."""

    modes: Mapping[tuple[str, str], Mode]
    """By (class, column)."""
    cells: Mapping[tuple[str, str, str], _Cell]
    """By (class, payment column, fulfilment column)."""
    both: frozenset[tuple[str, str]]
    """The (class, column) whose approval is followed by compensation."""
    labels: Mapping[str, str]
    marketplaces: frozenset[str]
    marketplace_verbs: Mapping[str, Verb]
    hold_kinds: frozenset[str]
    hold_classes: frozenset[str]
    version: int = 1


def load_locks(text: str) -> LockTable:
    """Read a table from TOML; `LocksInvalid` names every hole and every name it does not know."""
    try:
        data = tomllib.loads(text)
        columns = tuple(data["columns"])
        rows: dict[str, list[str]] = {name: row.split() for name, row in data["modes"].items()}
        problems = _problems(data, columns, rows)
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError) as error:
        raise LocksInvalid(f"the table of field locks cannot be read: {error!r}") from error
    if problems:
        raise LocksInvalid("field locks: " + "; ".join(problems))
    letters = {(name, column): letter for name, row in rows.items() for column, letter in zip(columns, row, strict=True)}
    modes = {place: _LETTERS[letter] for place, letter in letters.items()}
    both = frozenset(place for place, letter in letters.items() if letter == _BOTH)
    return LockTable(
        modes=modes,
        both=both,
        cells={
            (name, payment, fulfilment): _cell(data, modes, both, (name, payment, fulfilment))
            for name in rows
            for payment in PAYMENT_COLUMNS
            for fulfilment in FULFILMENT_COLUMNS
        },
        labels=data["labels"],
        marketplaces=frozenset(data["marketplaces"]["channels"]),
        marketplace_verbs={name: Verb(verb) for name, verb in data["marketplaces"]["verbs"].items()},
        hold_kinds=frozenset(data["holds"]["kinds"]),
        hold_classes=frozenset(data["holds"]["classes"]),
        version=data["version"],
    )


def _problems(data: Mapping[str, Any], columns: tuple[str, ...], rows: Mapping[str, list[str]]) -> list[str]:
    """Return what is missing or unknown, in the order of the file."""
    found = [] if columns == COLUMNS else [f"columns are {list(COLUMNS)}, not {list(columns)}"]
    found += [f"{name} has {len(row)} modes for {len(COLUMNS)} columns" for name, row in rows.items() if len(row) != len(COLUMNS)]
    found += [f"{name} has the unknown mode {letter}" for name, row in rows.items() for letter in row if letter not in _LETTERS]
    found += [f"{name} has no label" for name in rows if name not in data["labels"]]
    found += [f"column {column} has no words in [since]" for column in COLUMNS if column not in data["since"]]
    verbs: Mapping[str, str] = data["marketplaces"]["verbs"]
    known = {str(verb) for verb in Verb}
    found += [f"{verb} is no verb of a channel" for verb in verbs.values() if verb not in known]
    named = [*(name for name in verbs if name != _NEW_LINE), *data["holds"]["classes"]]
    return found + [f"{name} is no class of [modes]" for name in named if name not in rows]


def _cell(
    data: Mapping[str, Any], modes: Mapping[tuple[str, str], Mode], both: frozenset[tuple[str, str]], place: tuple[str, str, str]
) -> _Cell:
    name, payment, fulfilment = place
    by_payment, by_fulfilment = modes[name, payment], modes[name, fulfilment]
    column = payment if STRICTNESS.index(by_payment) > STRICTNESS.index(by_fulfilment) else fulfilment
    mode = modes[name, column]
    always = all(modes[name, other] == mode for other in COLUMNS)
    rule_id = f"locks.{name}.{'always' if always else column}"
    if mode == "editable":
        return _Cell(mode, rule_id, "", None, compensates=False)
    since = "whatever the order's state" if always else data["since"][column]
    unlock = data["unlock"].get(f"{name}.{column}") or data["unlock"].get(mode)
    compensates = by_fulfilment == "compensation" or (name, fulfilment) in both
    return _Cell(mode, rule_id, f"{data['labels'][name]} {_SAYS[mode]} {since}", unlock, compensates)


@cache
def default_locks() -> LockTable:
    """Return the table that ships with the package."""
    return load_locks(resources.files("modification_processor").joinpath("field_locks.toml").read_text(encoding="utf-8"))


def payment_column(order: Order) -> str:
    """Return the payment state that locks look at: captured once anything was, authorized while an authorisation stands."""
    authorized = 0
    for row in order.payments:
        if row.kind == "capture" and row.amount_minor > 0:
            return "captured"
        if row.kind == "authorization":
            authorized += row.amount_minor
        elif row.kind == "void":
            authorized -= row.amount_minor
    return "authorized" if authorized > 0 else "unpaid"


def fulfilment_column(order: Order, line_id: str | None = None) -> str:
    """Return the fulfilment state of that line, or the furthest of the open lines."""
    return _furthest(order, line_id)[0]


def _furthest(order: Order, line_id: str | None) -> tuple[str, str | None]:
    """Return the column and the line that puts the order there."""
    if order.lifecycle in ("closed", "cancelled"):
        return "closed", None
    start = "confirmed" if order.lifecycle == "confirmed" else "received"
    if line_id is not None:
        line = order.line(line_id)
        return ((_line_column(line) or start) if line else start), line_id
    furthest, at, unshipped = start, None, False
    rank = _RANK[start]
    for line in order.lines:
        column = _line_column(line)
        unshipped = unshipped or (column != "shipped" and line.ordered > line.cancelled)
        if column is not None and _RANK[column] > rank:
            furthest, at, rank = column, line.line_id, _RANK[column]
    return ("part_shipped" if furthest == "shipped" and unshipped else furthest), at


def _line_column(line: OrderLine) -> str | None:
    """Return how far the warehouse is with the line; None where it has not begun."""
    if line.shipped > 0:
        return "shipped" if line.shipped >= line.ordered - line.cancelled else "part_shipped"
    if line.packed > 0:
        return "packed"
    if line.released > 0:
        return "released"
    return "allocated" if line.allocated > 0 and line.ordered > line.cancelled else None


def read_edit_rules(text: str, version: int | None = None) -> EditRules:
    """Read the rules of windows and risk; `EditRulesInvalid` also for a field class or a state that the lock table does not have."""
    rules = load_edit_rules(text, version)
    unknown = [*sorted(rules.named_classes - default_locks().labels.keys()), *sorted(rules.named_columns - set(FULFILMENT_COLUMNS))]
    if unknown:
        raise EditRulesInvalid(f"the edit rules name {unknown[0]}, which is no field class or state of field_locks.toml")
    return rules


def evaluate(
    order: Order,
    touch: Touch,
    roles: frozenset[str],
    verbs: frozenset[Verb] | None,
    locks: LockTable | None = None,
    when: Moment | None = None,
    *,
    by_channel: bool = False,
) -> FieldMode:
    """Return the mode of one field for somebody with these roles.

    `verbs` is what the order's channel declares; None asks nothing of it. `by_channel`: the channel itself speaks, whom a hold
    for a change of its own does not hold up. `when` None: windows
    and risk, which are about edits, do not count, as for what a channel states of its whole order. Without `locks` the table
    that ships is used.
    """
    locks = locks or default_locks()
    column, line_id = _furthest(order, touch.line_id)
    cell = locks.cells.get((touch.field_class, payment_column(order), column))
    if cell is None:
        return FieldMode(touch.path, touch.field_class, "locked", "locks.unknown_class", f"no rule allows changing {touch.field_class}")
    if cell.mode in {"locked", "hidden"}:
        return _by_state(order, touch, cell, line_id)
    if MODIFY_ROLE not in roles:
        message = f"{locks.labels[touch.field_class]} is locked for everybody without the role {MODIFY_ROLE}"
        return FieldMode(touch.path, touch.field_class, "locked", "locks.role", message)
    if verbs is not None and order.source.channel in locks.marketplaces:
        refused = _by_channel(order, touch, verbs, locks)
        if refused is not None:
            return refused
    if order.holds and touch.field_class in locks.hold_classes:
        kinds = locks.hold_kinds - {CHANNEL_HOLD} if by_channel else locks.hold_kinds
        hold = next((hold for hold in order.holds if hold.kind in kinds), None)
        if hold is not None:
            return _by_hold(touch, hold, locks)
    if when is None:
        return _by_state(order, touch, cell, line_id)
    cost = when.rules.cost_of(order, touch.field_class, column)
    return _narrowed(order, _by_state(order, touch, cell, line_id, cost), when, locks)


def _by_state(order: Order, touch: Touch, cell: _Cell, line_id: str | None, cost: int = 0) -> FieldMode:
    if not cell.text:
        return FieldMode(touch.path, touch.field_class, cell.mode, cell.rule_id, cost=cost)
    compensates = cell.compensates and cell.mode in ("compensation", "approval") and bool(recalls_for(order, touch.line_id))
    if cell.mode == "compensation" and not compensates:
        # Part of it is shipped, and nothing else is in the warehouse's hands: there is nothing to give back.
        return FieldMode(touch.path, touch.field_class, "editable", cell.rule_id, cost=cost)
    message = cell.text.format(line=f"line {line_id}" if line_id else "the order", lifecycle=order.lifecycle)
    return FieldMode(touch.path, touch.field_class, cell.mode, cell.rule_id, message, None, cell.unlock_action, compensates, cost)


def _narrowed(order: Order, found: FieldMode, when: Moment, locks: LockTable) -> FieldMode:
    """Make the answer as strict as window and risk want it, and say until when the change can be made."""
    rules, name = when.rules, found.field_class
    label = locks.labels[name]
    window = rules.window_of(order, name, when.at) if rules.windows else None
    if window is not None:
        rule, closes = window
        shown = f"{closes:%Y-%m-%dT%H:%M:%SZ}"
        if closes > when.at:
            found = replace(found, until=shown)
        elif _stricter(rule.mode, found.mode):
            message = f"{label} {_SAYS[rule.mode]}: its edit window closed at {shown}"
            found = _stricter_by(found, rule.mode, f"window.{rule.window_id}", message)
    hold = rules.risk_hold(order, name)
    if hold is not None and _stricter("approval", found.mode):
        message = f"{label} needs approval until hold {hold.hold_id} ({hold.kind}) is released"
        found = _stricter_by(found, "approval", "risk.hold", message)
    if rules.approval_from and found.cost >= rules.approval_from and _stricter("approval", found.mode):
        message = f"{label} needs approval: the change costs {found.cost} points here, and from {rules.approval_from} on it does"
        found = _stricter_by(found, "approval", "risk.cost_of_change", message)
    return found


def _stricter(mode: Mode, than: Mode) -> bool:
    return STRICTNESS.index(mode) > STRICTNESS.index(than)


def _stricter_by(found: FieldMode, mode: Mode, rule_id: str, message: str) -> FieldMode:
    unlock = "request_approval" if mode == "approval" else None
    return replace(
        found, mode=mode, rule_id=rule_id, message=message, unlock_action=unlock, compensates=found.compensates and mode != "locked"
    )


def _by_channel(order: Order, touch: Touch, verbs: frozenset[Verb], locks: LockTable) -> FieldMode | None:
    name = _NEW_LINE if touch.field_class == "quantity_up" and touch.line_id is None else touch.field_class
    verb = locks.marketplace_verbs.get(name)
    if verb is None or verb in verbs:
        return None
    message = f"{locks.labels[touch.field_class]} is locked: channel {order.source.channel} takes no {verb.value}"
    return FieldMode(touch.path, touch.field_class, "locked", f"locks.channel.{touch.field_class}", message)


def _by_hold(touch: Touch, hold: Hold, locks: LockTable) -> FieldMode:
    message = f"{locks.labels[touch.field_class]} is locked until hold {hold.hold_id} ({hold.kind}) is released"
    until = f"hold {hold.hold_id} is released"
    return FieldMode(touch.path, touch.field_class, "locked", f"locks.hold.{hold.kind}", message, until, "release_hold")


_ORDER_FIELDS = (
    Touch("identity", "/order_number"),
    Touch("hold", "/holds/-"),
    Touch("cancel_order", "/lifecycle"),
    Touch("contact", "/contact"),
    Touch("ship_address", "/ship_to"),
    Touch("ship_address_area", "/ship_to/country"),
    Touch("ship_address_area", "/ship_to/region"),
    Touch("bill_address", "/bill_to"),
    Touch("delivery_window", "/delivery_window"),
    Touch("ship_method", "/ship_method"),
    Touch("payment_method", "/payment_method"),
    Touch("payment_dates", "/payments"),
    Touch("warehouse", "/warehouse"),
    Touch("notes", "/note"),
    Touch("notes", "/tags"),
    Touch("quantity_up", "/lines/-"),
    Touch("promotion", "/adjustments/-"),
    Touch("price_override", "/adjustments/-"),
    Touch("derived", "/taxes"),
    Touch("derived", "/totals"),
)
_LINE_FIELDS = (
    ("quantity_up", "ordered"),
    ("quantity_down", "ordered"),
    ("quantity_down", "cancelled"),
    ("replace_sku", "sku"),
    ("price_override", "unit_price"),
)


def field_modes(order: Order, roles: frozenset[str], verbs: frozenset[Verb] | None, when: Moment) -> tuple[FieldMode, ...]:
    """Return the mode of every field a form shows: the order's, its holds', then each line's (raising and lowering apart)."""
    locks = default_locks()
    touches = [*_ORDER_FIELDS, *(Touch("release_hold", row_path("holds", hold.hold_id)) for hold in order.holds)]
    for line in order.lines:
        touches += [Touch(name, f"/lines/{line.line_id}/{field}", line.line_id) for name, field in _LINE_FIELDS]
    return tuple(evaluate(order, touch, roles, verbs, locks, when) for touch in touches)
