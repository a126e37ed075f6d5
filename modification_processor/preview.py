"""The preview: what a ticket would do, worked out by the function that does it.

Over an unlocked snapshot for a form, over the locked order for a ticket whose preview has gone stale: in both cases
`edit.edit`, so what is shown is what is done. Its hash is over the edit's own effects (`edit.preview_hash`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from modification_processor.approvals import ApprovalRules
from modification_processor.edit import Call, Edited, derived, edit, preview_hash
from modification_processor.edit_rules import EditRules
from modification_processor.followup import Followup, followup
from modification_processor.operations.operation import Context
from modification_processor.outcomes import EditWarning, Refused
from modification_processor.past import Move, moves
from modification_processor.payment_plan import Pending
from modification_processor.recalls import Recall
from normalizers.channel import Verb
from schemas.leaves import changed_leaves
from schemas.order import Order


@dataclass(frozen=True)
class PreviewedChange:
    """A leaf as it is and as it would be; `derived` where it follows from the request."""

    path: str
    old: str | None
    new: str | None
    derived: bool


@dataclass(frozen=True)
class Preview:
    """What a ticket would do to an order at `version`. `moves` sum to `money_delta_minor`."""

    version: int
    preview_hash: str
    changes: tuple[PreviewedChange, ...]
    money_delta_minor: int
    moves: tuple[Move, ...]
    approvals: tuple[str, ...]
    followup: Followup
    """What would be asked of gateways and the channel, and the notice the customer would get; not part of the hash."""
    warnings: tuple[EditWarning, ...] = ()
    recalls: tuple[Recall, ...] = ()
    """What the warehouse has to give back before the ticket is applied."""


def preview(
    order: Order,
    version: int,
    calls: Sequence[Call],
    reason_code: str,
    roles: frozenset[str],
    verbs: frozenset[Verb] | None,
    context: Context,
    pending: Sequence[Pending] = (),
    *,
    channel_collects: bool = False,
    rules: ApprovalRules | None = None,
    edit_rules: EditRules | None = None,
    edits: int = 0,
) -> Preview | Refused:
    """Return what the operations would do, or why they would be refused."""
    edited = edit(order, calls, reason_code, roles, verbs, context, rules=rules, edit_rules=edit_rules, edits=edits)
    if isinstance(edited, Refused):
        return edited
    follows = followup(order, edited.order, calls, pending, verbs, channel_collects=channel_collects)
    return preview_of(order, version, edited, calls, follows)


def preview_of(order: Order, version: int, edited: Edited, calls: Sequence[Call], follows: Followup) -> Preview:
    """Describe an edit that was computed."""
    changes = tuple(
        PreviewedChange(leaf.path, leaf.old, leaf.new, derived(leaf, edited.requested)) for leaf in changed_leaves(order, edited.order)
    )
    delta = edited.order.totals.grand_total_minor - order.totals.grand_total_minor
    return Preview(
        version, preview_hash(order, edited, calls), changes, delta, moves(order, edited.order), edited.asks, follows, edited.warnings,
        edited.recalls,
    )  # fmt: skip
