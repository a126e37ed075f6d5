"""The decisions: (order, message, what is known beside it) -> outcome. Pure; no clock, no I/O, no row.

Everything a decision depends on is in `Known`, loaded for the whole batch before the first decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from modification_processor import channel_changes, restated_operations
from modification_processor.approvals import ApprovalRules
from modification_processor.edit import Call, Edited, calls_of, edit, not_in_bulk, overlaps, preview_hash, reads_and_writes
from modification_processor.edit_rules import EditRules
from modification_processor.facts import record
from modification_processor.followup import Followup, followup
from modification_processor.incoming import Body, Read
from modification_processor.operations.operation import Context
from modification_processor.outcomes import (
    Applied,
    Asked,
    AwaitsApproval,
    AwaitsRecalls,
    Conflicted,
    Failed,
    Noted,
    Outcome,
    Recalled,
    Recorded,
    Refused,
    Restated,
    Reviewed,
    Said,
    Stored,
    Withdrawn,
    WorkItem,
)
from modification_processor.payment_plan import Pending
from modification_processor.preview import preview_of
from modification_processor.recalls import OpenRecall, recalled
from modification_processor.releases import grant
from modification_processor.reports import overpaid, report, requests_paid
from modification_processor.restatement import restate
from modification_processor.totals import recalculate
from normalizers.channel import Verb
from schemas.codec import encode
from schemas.events import Conflict
from schemas.facts import ActionReported, FulfillmentFact, ReleaseRequested
from schemas.failures import OrderUnknown
from schemas.leaves import SETS, is_personal, leaves
from schemas.order import Hold, Order, held
from schemas.statement import ChangeStated, FetchNeeded, IntakeFailed, OrderStated, fetch_of
from schemas.ticket import ModificationTicket, TicketCancelled, TicketReviewed
from store.history import RecentChange

MAX_FETCHES = 2
"""A pack names its orders, and each of those is fetched; what names others yet again is a person's."""
OUTCOME_OF_VERDICT = {"quarantine": "quarantined", "reject": "rejected"}


@dataclass(frozen=True)
class Known:
    """What a decision may look at beside the order and the message."""

    version: int
    at: datetime
    context: Context
    verbs: frozenset[Verb] | None = None
    recent: Sequence[RecentChange] = ()
    previous: Order | None = None
    """The channel's previous statement, normalised by today's mapping."""
    previous_sha256: str | None = None
    approved: tuple[str, str] | None = None
    """Who approved the ticket, and the hash of the effects that were approved."""
    rules: ApprovalRules | None = None
    """The approval rules in force."""
    edit_rules: EditRules | None = None
    """The rules of windows and risk in force."""
    edits: int = 0
    """How many edits of the order were applied before."""
    pending: Sequence[Pending] = ()
    """Payment steps of the order whose outcome is not known yet."""
    recalls: Sequence[OpenRecall] = ()
    """What the warehouse was asked to give back and has not answered."""
    taken_back: bool = False
    """Whether a payment request of the order was taken back, whole or in part."""
    in_bulk: bool = False
    """Whether the ticket is one of many: only what is safe in bulk, by whoever may do that, and without a notice each."""
    unnoticed: bool = False
    """Whether the customer hears nothing of the ticket: only our reading of what they ordered was corrected."""
    fetch_planned: bool = False
    """Whether the order is to be fetched anyway, and nobody was asked yet."""
    by_channel: bool = False
    """Whether the order's channel itself asks: it is told nothing of its own change, and bound by no hold for one."""
    channel_collects: bool = False
    """Whether the channel takes the customer's money, so that it alone can give it back."""


def decide(order: Order | None, read: Read, known: Known) -> Outcome:
    """Return what becomes of a message; `read.failure` is an outcome already."""
    if read.failure is not None:
        return read.failure
    body: Body | None = read.body
    assert body is not None
    if isinstance(body, OrderStated):
        return _stated(order, body, read, known)
    if isinstance(body, IntakeFailed):
        return _intake_failed(body)
    if isinstance(body, FetchNeeded):
        return _fetch_needed(body, known)
    if isinstance(body, TicketCancelled | TicketReviewed):
        return Reviewed(str(body.ticket_id), body.decision) if isinstance(body, TicketReviewed) else _withdraw(read, body)
    if order is None:
        return Failed.of(OrderUnknown(f"order {read.order_id} is not in the book yet", field="/order_id", rule="order_exists"), "decide")
    if isinstance(body, ChangeStated):
        return _change_stated(order, body, read, known)
    if isinstance(body, FulfillmentFact | ReleaseRequested | ActionReported):
        return _fact(order, body, known)
    if isinstance(body, ModificationTicket):
        return _ticket(order, body, read, known)
    assert_never(body)


def _fetch_needed(body: FetchNeeded, known: Known) -> Noted:
    """Plan a fetch with its work item, unless one is planned already; of what a fetched document named, only once more.

    A cart or checkout that nobody placed has nothing to be fetched.
    """
    if not body.missing:
        return Noted(body.event)
    if known.fetch_planned:
        return Noted("incomplete")
    what = ", ".join(body.missing)
    item = WorkItem("fetch_order", f"fetch {what} of {body.channel} order {body.channel_order_id}")
    brought = fetch_of(body.message_id)
    depth = 1 if brought is None else brought[1] + 1
    return Noted("incomplete", (item,), fetch=depth if depth <= MAX_FETCHES else 0)


def _stated(order: Order | None, body: OrderStated, read: Read, known: Known) -> Outcome:
    if order is None:
        return Stored(accepted(body))
    mine, theirs = order.source.channel_updated_at, body.order.source.channel_updated_at
    if mine is not None and theirs is not None and theirs < mine:
        return Noted("stale")
    if body.raw.sha256 == known.previous_sha256:
        return Noted("duplicate")
    if known.previous is None:
        detail = f"the channel's previous statement of {order.source.channel_order_id} cannot be read with today's mapping"
        return Noted("held", (WorkItem("channel_conflict", detail),))
    says = accepted(body)
    merged = restate(_placed(order, body), known.previous, says, body.message_id, known.at)
    return replace(merged, said=_said(order, merged.order, read, body, known), says=says)


def _placed(order: Order, body: OrderStated) -> Order:
    """Return the order without its hold `draft` once the channel no longer calls it one."""
    if body.event == "draft" or not any(hold.kind == "draft" for hold in order.holds):
        return order
    holds = tuple(hold for hold in order.holds if hold.kind != "draft")
    lifecycle = "confirmed" if order.lifecycle == "held" and not holds else order.lifecycle
    return order.model_copy(update={"holds": holds, "lifecycle": lifecycle})


def _said(order: Order, merged: Order, read: Read, body: OrderStated, known: Known) -> Said | None:
    """Return the ticket that is kept of a merge, where operations say what it changed."""
    named = restated_operations.operations_of(order, merged)
    if not named:
        return None
    ticket = restated_operations.ticket_of(body, named, known.at)
    asked = Read(
        replace(read.incoming, value=encode(ticket)), read.order_id, f"ticket:{ticket.ticket_id}", type(ticket).__name__, read.sha256, ticket,
        restated_operations.actor_of(body),
    )  # fmt: skip
    return Said(asked, tuple(path for each in named for path in each.paths), tuple(path for each in named for path in each.follows))


def accepted(body: OrderStated) -> Order:
    """Return the order as it enters the book: confirmed, or held where anything holds it."""
    order = recalculate(body.order)
    holds = order.holds
    if body.event == "draft":
        holds = (*holds, Hold(hold_id="draft", kind="draft", reason="the channel calls it a draft"))
    if order.lifecycle == "received":
        order = order.model_copy(update={"lifecycle": "held" if holds else "confirmed", "holds": holds})
    return order


def _intake_failed(body: IntakeFailed) -> Failed:
    first = body.findings[0] if body.findings else None
    return Failed(
        body.error_class,
        body.code,
        "intake",
        first.message if first else body.code,
        first.path if first else None,
        first.rule if first else None,
        blocks=body.order_id is not None,
        outcome=OUTCOME_OF_VERDICT.get(body.verdict, "dead"),
        # A defect of ours says where it is; what a channel's module refuses has that module as its place.
        where=(first.value if first and body.error_class == "BUG" else None) or f"normalizers.{body.channel}",
    )


def _change_stated(order: Order, body: ChangeStated, read: Read, known: Known) -> Outcome:
    """Turn the channel's change into a ticket and decide that; what cannot be turned into one takes a person."""
    if channel_changes.is_stale(order, body):
        return Noted("stale")
    wish = channel_changes.asked(order, body, known.previous, known.context.products, known.at)
    if isinstance(wish, channel_changes.Unclear):
        return Recorded(*_handed_over(order, body, wish.why, known.at))
    left = tuple(WorkItem("channel_change", _told(body, f"{rule}: see the document")) for rule in wish.left)
    if not wish.operations:
        return Noted("duplicate", left)
    ticket = channel_changes.ticket_of(body, wish.operations, known.at)
    incoming = replace(read.incoming, value=encode(ticket))
    asked = Read(
        incoming, read.order_id, f"ticket:{ticket.ticket_id}", type(ticket).__name__, read.sha256, ticket, channel_changes.actor_of(body),
        calls=calls_of(wish.operations),
    )  # fmt: skip
    context = replace(known.context, ticket_id=str(ticket.ticket_id))
    outcome = _ticket(order, ticket, asked, replace(known, context=context, verbs=None, by_channel=True))
    if isinstance(outcome, Applied):
        # The customer made this change over there, and was told there.
        return Asked(asked, replace(outcome, followup=replace(outcome.followup, notice=None)), work_items=left)
    if isinstance(outcome, AwaitsApproval | AwaitsRecalls):
        return Asked(asked, outcome, work_items=left)
    assert isinstance(outcome, Refused | Conflicted)
    why = f"{outcome.code}: {outcome.message}" if isinstance(outcome, Refused) else "changed since by somebody else"
    after, items = _handed_over(order, body, why, known.at)
    return Asked(asked, outcome, after, (*items, *left))


def _handed_over(order: Order, body: ChangeStated, why: str, at: datetime) -> tuple[Order, tuple[WorkItem, ...]]:
    """Hold the order until somebody has dealt with the channel's change, and say what it asks."""
    detail = _told(body, why)
    hold = Hold(hold_id=f"C{body.message_id}"[:80], kind="channel", reason=detail, placed_at=at)
    return held(order, hold), (WorkItem("channel_change", detail),)


def _told(body: ChangeStated, why: str) -> str:
    parts = [
        f"{c.action} {c.line_id or c.line or c.sku or ''} {c.quantity_delta or c.quantity_ordered or c.quantity_left or ''}".strip()
        for c in body.line_changes
    ]
    parts += ["ship to another address"] if body.ship_to is not None else []
    parts += ["deliver at another time"] if body.delivery_window is not None else []
    more = any(finding.rule == "action_not_read" for finding in body.findings)
    told = "; ".join([*parts, "and more, see the document"] if more and parts else parts) or "see the document"
    return f"{body.channel} sent {body.event} for order {body.channel_order_id} ({why}): {told}"[:500]


def _fact(order: Order, body: FulfillmentFact | ReleaseRequested | ActionReported, known: Known) -> Outcome:
    if isinstance(body, ReleaseRequested):
        return grant(order, body, recalling=bool(known.recalls))
    if isinstance(body, ActionReported):
        asked = next((recall for recall in known.recalls if recall.action_id == body.action_id), None)
        return report(order, body, known.pending) if asked is None else _recall_answered(order, body, asked)
    recorded = record(order, body)
    recorded = replace(recorded, order=recalculate(recorded.order))
    if body.payment is None:
        return recorded
    paid = requests_paid(recorded, body.payment, known.pending)
    return overpaid(paid, known.pending) if known.taken_back and body.payment.kind == "capture" else paid


def _recall_answered(order: Order, body: ActionReported, asked: OpenRecall) -> Recalled:
    if body.outcome == "done":
        return Recalled(asked, recalled(order, (asked.line_id,)))
    return Recalled(asked, order, body.code or body.outcome)


def _withdraw(read: Read, body: TicketCancelled) -> Outcome:
    if read.actor is None or "Order_Modify" not in read.actor.roles:
        return Refused("role_missing", "cancelling a ticket takes the role Order_Modify", rule_id="roles.order_modify")
    return Withdrawn(str(body.ticket_id))


def _ticket(order: Order, body: ModificationTicket, read: Read, known: Known) -> Outcome:
    calls, roles = read.calls, read.actor.roles if read.actor else frozenset()
    if isinstance(calls, Refused):
        return calls
    refusal = _unfit(body, calls, roles, known)
    if refusal is not None:
        return refusal
    edited = edit(
        order, calls, body.reason_code, roles, known.verbs, known.context,
        rules=known.rules, edit_rules=known.edit_rules, edits=known.edits, by_channel=known.by_channel,
    )  # fmt: skip
    if isinstance(edited, Refused) and edited.code == "role_missing":
        return edited
    conflicts = _conflicts(order, calls, body, known)
    if conflicts:
        return Conflicted(conflicts)
    if isinstance(edited, Refused):
        return edited
    if body.preview_hash is None and not edited.asks and not edited.recalls and known.approved is None:
        return _applied(order, edited, calls, known)
    effects = preview_hash(order, edited, calls)
    if body.preview_hash is not None and body.preview_hash != effects:
        return _stale(order, edited, calls, known)
    delta = edited.order.totals.grand_total_minor - order.totals.grand_total_minor
    approved_by = known.approved[0] if known.approved is not None and known.approved[1] == effects else None
    if edited.asks and approved_by is None:
        return AwaitsApproval(edited.asks, effects, delta)
    if edited.recalls:
        return AwaitsRecalls(edited.recalls, effects, delta, approved_by)
    return replace(_applied(order, edited, calls, known), approved_by=approved_by)


def _unfit(body: ModificationTicket, calls: Sequence[Call], roles: frozenset[str], known: Known) -> Refused | None:
    """Return why a ticket is refused whatever the order is like."""
    if body.base_version is not None and body.base_version > known.version:
        message = f"base version {body.base_version} is above the order's version {known.version}"
        return Refused("unknown_version", message, "/base_version", "base_version")
    return not_in_bulk(calls, roles) if known.in_bulk else None


def _applied(order: Order, edited: Edited, calls: Sequence[Call], known: Known) -> Applied:
    return Applied(edited.order, edited.requested, _followup(order, edited, calls, known), warnings=edited.warnings)


def _followup(order: Order, edited: Edited, calls: Sequence[Call], known: Known) -> Followup:
    follows = followup(order, edited.order, calls, known.pending, known.verbs, channel_collects=known.channel_collects)
    return replace(follows, notice=None) if known.in_bulk or known.unnoticed else follows


def _stale(order: Order, edited: Edited, calls: Sequence[Call], known: Known) -> Refused:
    """Answer with what the edit would do now, so that its author sees the difference and can ask for just that."""
    message = "the edit would no longer do what its preview showed; here is what it would do now"
    now = preview_of(order, known.version, edited, calls, _followup(order, edited, calls, known))
    return Refused("stale_preview", message, "/preview_hash", "preview_hash", now)


def _conflicts(order: Order, calls: Sequence[Call], body: ModificationTicket, known: Known) -> tuple[Conflict, ...]:
    """Return what others changed since the base version among the paths this ticket reads or writes."""
    if body.base_version is None or body.base_version >= known.version:
        return ()
    paths = reads_and_writes(order, calls)
    newest: dict[str, RecentChange] = {}
    for change in known.recent:
        if change.version > body.base_version and overlaps(change.path, paths):
            newest[change.path] = change
    if not newest:
        return ()
    mine, yours = leaves(order), _wanted(order, body, calls, known)
    return tuple(
        Conflict(
            path=path,
            theirs=_value(path, mine),
            yours=_value(path, yours),
            changed_by=change.user_id,
            changed_in_version=change.version,
        )
        for path, change in newest.items()
    )


def _value(path: str, state: Mapping[str, str]) -> str | None:
    """Return what a path holds; of a member of a set, the whole set. Nothing that may name a person."""
    of_set = path.rpartition("/")[0]
    return None if is_personal(path) else state.get(of_set if of_set in SETS else path)


def _wanted(order: Order, body: ModificationTicket, calls: Sequence[Call], known: Known) -> dict[str, str]:
    """Return the leaves the author wanted, as far as the edit can still be carried out."""
    edited = edit(order, calls, body.reason_code, frozenset({"Order_Modify"}), known.verbs, known.context)
    return leaves(edited.order) if isinstance(edited, Edited) else {}


def is_restated(outcome: Outcome) -> bool:
    """Whether the outcome takes over a whole statement, and so supersedes older ones that wait."""
    return isinstance(outcome, Stored | Restated)
