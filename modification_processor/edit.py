"""An edit, computed and not written: the one function behind preview and commit.

`edit` is pure: (order, operations, reason, roles, channel verbs, context) -> the new order with what was
requested and what approvals it needs, or why not. Preview calls it over an unlocked snapshot, the processor over
the locked order; there is no second rule anywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from modification_processor.approvals import ApprovalRules, default_rules, needed
from modification_processor.consequences import follow
from modification_processor.edit_rules import EditRules, default_edit_rules
from modification_processor.field_locks import Moment, evaluate
from modification_processor.operations import discover
from modification_processor.operations.operation import Context, Needs, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import minted_prefix, resolved_path
from modification_processor.outcomes import EditWarning, Refused
from modification_processor.recalls import Recall, recalled, recalls_for
from modification_processor.shortages import answer
from modification_processor.totals import recalculate
from normalizers.channel import Verb
from schemas.leaves import Leaf, changed_leaves
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation

MAX_OPERATIONS = 50
_CLOCK = "/placed_at"
"""The moment of the edit itself (a hold's): no two previews agree on it, and nobody decides by it."""
ROLE = "Order_Modify"
BULK_ROLE = "Order_Bulk"
BULK_DOOR = "bulk"
"""The door through which the tickets of a bulk job come."""
MAPPING_DOOR = "mapping"
"""The door through which a corrected reading of stored documents comes: nobody outside has to be told of it."""


class Call(NamedTuple):
    """An operation with its arguments read."""

    spec: OperationSpec
    arguments: Model
    operation: Operation


@dataclass(frozen=True)
class Edited:
    """A possible edit: the order it leaves, the paths asked for, and the rules that want an approval of what it does."""

    order: Order
    requested: tuple[str, ...]
    approvals: tuple[str, ...]
    minted: str = ""
    """How the ids of rows that this ticket makes begin."""
    warnings: tuple[EditWarning, ...] = ()
    recalls: tuple[Recall, ...] = ()
    """What the warehouse has to give back first; `order` is how the edit leaves it then."""
    before_recall: tuple[str, ...] = ()
    """Rules that want an approval only as long as the warehouse has it in hand: before it is asked, not after."""

    @property
    def asks(self) -> tuple[str, ...]:
        """Every rule that wants an approval now."""
        return tuple(dict.fromkeys((*self.before_recall, *self.approvals)))


class _First(NamedTuple):
    """The edit cannot be carried out before this is done."""

    recalls: tuple[Recall, ...]
    approvals: tuple[str, ...]


class _Bounds(NamedTuple):
    """What an edit is held to: whose it is, what the channel takes, which rules are in force."""

    roles: frozenset[str]
    verbs: frozenset[Verb] | None
    rules: ApprovalRules
    edit_rules: EditRules
    edits: int
    by_channel: bool


def calls_of(operations: Sequence[Operation]) -> tuple[Call, ...] | Refused:
    """Read the operations' names and arguments; refuse naming operation, field and rule."""
    if not 0 < len(operations) <= MAX_OPERATIONS:
        return Refused("operation_count", f"a ticket has 1 to {MAX_OPERATIONS} operations, this one has {len(operations)}", "/operations")
    known = discover()
    calls = []
    for index, operation in enumerate(operations):
        spec = known.get(operation.name)
        if spec is None or spec.version != operation.version:
            return Refused(
                "unknown_operation", f"there is no operation {operation.name[:40]} version {operation.version}", f"/operations/{index}/name"
            )
        try:
            arguments = spec.arguments.model_validate_json(operation.arguments)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            path = "/".join(("", "operations", str(index), "arguments", *(str(part) for part in first["loc"])))
            return Refused("invalid_arguments", f"{spec.name}: {first['msg']}", path, first["type"])
        calls.append(Call(spec, arguments, operation))
    return tuple(calls)


def not_in_bulk(calls: Sequence[Call], roles: frozenset[str]) -> Refused | None:
    """Return why the operations cannot be carried out on many orders at once, or None."""
    if BULK_ROLE not in roles:
        return Refused("role_missing", f"changing many orders at once takes the role {BULK_ROLE}", rule_id="roles.order_bulk")
    unsafe = next((call.spec.name for call in calls if not call.spec.bulk_safe), None)
    if unsafe is None:
        return None
    return Refused(
        "not_bulk_safe", f"{unsafe} is not safe in bulk: its effect has to be looked at order by order", rule_id=f"bulk.{unsafe}"
    )


def needs_of(calls: Iterable[Call]) -> Needs:
    """Return the catalogue entries the operations read, so that they can be loaded for a whole batch at once."""
    needs = [call.spec.needs(call.arguments) for call in calls]
    return Needs(
        tuple(s for n in needs for s in n.skus),
        tuple(p for n in needs for p in n.promotions),
        next((n.tax_area for n in reversed(needs) if n.tax_area is not None), None),
        any(n.own_lines for n in needs),
    )


def reads_and_writes(order: Order, calls: Sequence[Call]) -> frozenset[str]:
    """Return every path whose change by somebody else would change what this edit means."""
    paths: set[str] = set()
    for call in calls:
        paths |= call.spec.reads(order, call.arguments)
        paths.update(touch.path for touch in call.spec.touches(order, call.arguments))
    return frozenset(paths)


def overlaps(path: str, paths: Iterable[str]) -> bool:
    """Whether `path` is one of `paths`, below one, or above one."""
    for other in paths:  # noqa: SIM110 -- asked of every changed leaf: `any` makes a generator each time
        if path == other or path.startswith(other + "/") or other.startswith(path + "/"):
            return True
    return False


def edit(
    order: Order,
    calls: Sequence[Call],
    reason_code: str,
    roles: frozenset[str],
    verbs: frozenset[Verb] | None,
    context: Context,
    *,
    rules: ApprovalRules | None = None,
    edit_rules: EditRules | None = None,
    edits: int = 0,
    by_channel: bool = False,
) -> Edited | Refused:
    """Carry out the operations one after another on a copy, each under its locks.

    `rules` are the approval rules in force, `edit_rules` those of windows and risk (none given: those that ship), `edits` how
    many edits were applied before; `by_channel`: the order's channel asks. Where the warehouse has to give something back first, the edit is worked out over the
    order as it will be then.
    """
    if ROLE not in roles:
        return Refused("role_missing", f"changing an order takes the role {ROLE}", rule_id="roles.order_modify")
    bounds = _Bounds(roles, verbs, rules or default_rules(), edit_rules or default_edit_rules(), edits, by_channel)
    recalls: tuple[Recall, ...] = ()
    asked: tuple[str, ...] = ()
    found = _carry_out(order, calls, reason_code, bounds, context)
    # Each round takes lines out of the warehouse's hands, and no operation puts one into them: it ends.
    while isinstance(found, _First):
        recalls += found.recalls
        asked += found.approvals
        base = recalled(order, (recall.line_id for recall in recalls))
        found = _carry_out(base, calls, reason_code, bounds, context)
    if not recalls or isinstance(found, Refused):
        return found
    return replace(found, recalls=recalls, before_recall=tuple(dict.fromkeys(asked)))


def _carry_out(
    order: Order,
    calls: Sequence[Call],
    reason_code: str,
    bounds: _Bounds,
    context: Context,
) -> Edited | Refused | _First:
    before = order
    requested: list[str] = []
    approvals: list[str] = []
    for index, call in enumerate(calls):
        here = context if index == context.op_index else replace(context, op_index=index)
        if reason_code not in call.spec.reasons:
            return Refused(
                "reason_not_allowed",
                f"reason {reason_code[:40]} does not fit {call.spec.name}",
                "/reason_code",
                f"reasons.{call.spec.name}",
            )
        try:
            touches = call.spec.touches(order, call.arguments)
            barred = _guard(order, touches, bounds, context, approvals)
            if barred is not None:
                return barred
            order = call.spec.apply(order, call.arguments, here)
            # An edit that touches no money moves no money: not even what an older rule had left.
            order = recalculate(order) if call.spec.recalculates else order
        except OperationRefused as error:
            return Refused(error.reason_code, error.message, error.field, error.rule)
        requested += [resolved_path(touch.path, here) for touch in touches]
    try:
        found = follow(before, order, [call.arguments for call in calls], context)
    except OperationRefused as error:
        return Refused(error.reason_code, error.message, error.field, error.rule)
    order = found.order
    said = answer(before, order, context.stock, context.entries, by_channel=bounds.by_channel) if context.stock is not None else ()
    if isinstance(said, Refused):
        return said
    wanted = needed(before, order, tuple(dict.fromkeys(approvals)), bounds.rules, bounds.roles, bounds.edits)
    return Edited(order, tuple(requested), wanted, minted_prefix(context), (*found.warnings, *said))


def _guard(order: Order, touches: Sequence[Touch], bounds: _Bounds, context: Context, approvals: list[str]) -> Refused | _First | None:
    when = Moment(context.at, bounds.edit_rules)
    for touch in touches:
        mode = evaluate(order, touch, bounds.roles, bounds.verbs, when=when, by_channel=bounds.by_channel)
        if mode.mode in ("locked", "hidden"):
            return Refused("field_locked", mode.message, mode.path, mode.rule_id)
        if mode.mode == "approval":
            approvals.append(mode.rule_id)
        if mode.compensates:
            return _First(recalls_for(order, touch.line_id), tuple(approvals))
    return None


def preview_hash(before: Order, edited: Edited, calls: Sequence[Call]) -> str:
    """Return a hash of the edit's own effects: what it does, not what others did beside it, nor what is recalled for it."""
    before = recalled(before, (recall.line_id for recall in edited.recalls))
    deltas: list[Any] = [
        [leaf.path, leaf.old, leaf.new]
        for leaf in changed_leaves(before, edited.order)
        if not leaf.path.startswith("/totals/") and not leaf.path.endswith(_CLOCK)
    ]
    money = edited.order.totals.grand_total_minor - before.totals.grand_total_minor
    effects = [[call.spec.name, call.spec.version, call.operation.arguments] for call in calls]
    text = orjson.dumps([effects, deltas, money, edited.approvals])
    # Rows the ticket makes are named after it; another ticket that does the same has the same effects.
    return sha256(text.replace(edited.minted.encode(), b"T-") if edited.minted else text).hexdigest()


def derived(leaf: Leaf, requested: Sequence[str]) -> bool:
    """Whether a changed leaf follows from the request rather than being asked for."""
    return not overlaps(leaf.path, requested)
