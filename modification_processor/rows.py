"""From outcomes to rows: what each outcome writes, and the event that says so.

Every function takes the order at work, the message and the collecting `Writes`; none touches the database.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from modification_processor.edit import derived
from modification_processor.incoming import Read
from modification_processor.outcomes import Applied, AwaitsApproval, AwaitsRecalls, Conflicted, Refused, Said, WorkItem
from modification_processor.promotions import uses_moved
from modification_processor.recalls import COMPENSATING, named
from modification_processor.work import OrderWork, Writes
from schemas import events
from schemas.codec import encode
from schemas.leaves import Leaf, changed_leaves
from schemas.order import Order, id_of
from schemas.statement import ChangeStated, FetchNeeded, OrderStated
from schemas.ticket import ModificationTicket
from store.fetches import Fetch
from store.history import HistoryRow, chain, recent
from store.letters import Audit, Item
from store.orders import Statement, document, origin_of
from store.outbox import Outgoing
from store.search import may_move
from store.tickets import TicketRow

ERASURE = "Erasure"
"""Stands for the message where a person is erased."""
Decided = Applied | Refused | Conflicted | AwaitsApproval | AwaitsRecalls | str
"""What a ticket came to; a plain state where nothing was decided yet."""


class Author:
    """Whom history names: a user with a role, a channel, or a fact source."""

    __slots__ = ("behalf", "cause_id", "cause_kind", "reason", "role", "user_id")

    def __init__(self, read: Read) -> None:
        body = read.body
        self.cause_id = read.message_id
        self.user_id = read.actor.user_id if read.actor else "unknown"
        self.behalf = read.actor.on_behalf_of if read.actor else None
        self.reason: str | None = None
        if isinstance(body, ModificationTicket):
            self.cause_kind, self.role = "ticket", "Order_Modify"
            self.behalf, self.reason = body.on_behalf_of, body.reason_code
        elif isinstance(body, OrderStated):
            self.cause_kind, self.role, self.user_id = "statement", "channel", f"channel:{body.order.source.channel}"
        elif isinstance(body, ChangeStated):
            self.cause_kind, self.role, self.user_id = "statement", "channel", f"channel:{body.channel}"
        elif read.message == ERASURE:
            self.cause_kind, self.role = "erasure", "privacy"
        else:
            self.cause_kind, self.role = "fact", "fulfilment"


def change(
    work: OrderWork, after: Order, read: Read, writes: Writes, requested: Sequence[str] | None = None, said: Said | None = None
) -> tuple[events.Change, ...]:
    """Take over a changed order: a new version, and one history row per changed leaf. No change: no version.

    `requested` None means that everything was said, nothing derived (facts, statements), totals apart. What `said` tells as an
    edit has that edit's ticket as its cause.
    """
    before = work.order
    assert before is not None
    found = changed_leaves(before, after)
    if not found:
        return ()
    head, author = work.head, Author(read)
    head.version += 1
    as_edit = Author(said.read) if said is not None else author
    public = []
    for leaf in found:
        follows = said is not None and not derived(leaf, said.follows)
        is_said = follows or (said is not None and not derived(leaf, said.paths))
        is_derived = (follows or leaf.path.startswith("/totals/")) if requested is None else derived(leaf, requested)
        sealed = leaf.personal
        _history_row(work, leaf, as_edit if is_said else author, writes, sealed=sealed, is_derived=is_derived)
        public.append(_public(leaf, sealed=sealed))
    work.order, work.document, work.dirty, work.refind = after, None, True, work.refind or may_move(before, after)
    writes.heads[head.order_id] = head
    for code, moved in uses_moved(before, after).items():
        writes.uses[code] = writes.uses.get(code, 0) + moved
    return tuple(public)


def _public(leaf: Leaf, *, sealed: bool) -> events.Change:
    if sealed:
        return events.Change.of(path=leaf.path, old=None, new=None, sealed=True)
    return events.Change.of(path=leaf.path, old=leaf.old, new=leaf.new, sealed=False)


def _history_row(work: OrderWork, leaf: Leaf, author: Author, writes: Writes, *, sealed: bool, is_derived: bool) -> None:
    head = work.head
    head.history_seq += 1
    old, new = _value(work, leaf.path, leaf.old, writes, sealed=sealed), _value(work, leaf.path, leaf.new, writes, sealed=sealed)
    row = (
        head.order_id, head.history_seq, head.version, author.cause_kind, author.cause_id, leaf.path, old, new, sealed, is_derived,
        author.user_id, author.role, author.behalf, author.reason, writes.at,
    )  # fmt: skip
    head.chain = chain(head.chain, row)
    writes.history.append(HistoryRow(*row, head.chain))
    if not is_derived:
        work.recent += recent(leaf.path, leaf.old, leaf.new, head.version, author.user_id)


def _value(work: OrderWork, path: str, text: str | None, writes: Writes, *, sealed: bool) -> bytes | None:
    if text is None:
        return None
    return writes.key_of(work).seal(text.encode(), path) if sealed else text.encode()


def first_version(work: OrderWork, order: Order, read: Read, writes: Writes) -> None:
    """Store version 1: the order, how it was placed, and the start of its chain."""
    head = work.head
    origin, work.document = origin_of(order, writes.key_of(work), writes.at)
    head.version, head.chain = 1, origin.sha256
    work.order, work.stored, work.dirty = order, False, True
    taken_over(work, read)
    writes.origins.append(origin)
    writes.heads[head.order_id] = head


def taken_over(work: OrderWork, read: Read) -> None:
    """Remember the statement that the order now follows: later messages of the same transaction are compared with it."""
    body = read.body
    assert isinstance(body, OrderStated)
    work.statement_id, work.previous_raw = read.message_id, (body.raw.packed(), body.raw.sha256)


def keep_statement(work: OrderWork, read: Read, outcome: str, writes: Writes, says: Order | None = None) -> None:
    """Keep what the channel sent, as it came, under the order's key; `says` is what the mapping made of a restatement."""
    body = read.body
    assert isinstance(body, OrderStated | ChangeStated | FetchNeeded)
    raw = body.raw
    if isinstance(body, OrderStated):
        source = body.order.source
        channel, stated_at, mapping = source.channel, source.channel_updated_at, source.mapping_version
    else:
        channel, stated_at, mapping = body.channel, body.changed_at if isinstance(body, ChangeStated) else None, 0
    writes.statements.append(
        Statement(
            order_id=read.order_id,
            message_id=read.message_id,
            kind=read.message,
            event=body.event,
            outcome=outcome,
            channel=channel,
            stated_at=stated_at,
            raw_sealed=writes.key_of(work).seal(raw.packed(), f"statement:{read.message_id}"),
            raw_sha256=raw.sha256,
            raw_topic=raw.topic,
            raw_part=raw.partition,
            raw_offset=raw.offset,
            mapping_version=mapping,
            said_sealed=None if says is None else writes.key_of(work).seal(document(says).encode(), f"said:{read.message_id}"),
        )
    )


def emit(work: OrderWork, read: Read, writes: Writes, topic: str, kind: type[events.OrderEvent], /, **values: Any) -> None:
    """Queue an event with the order's next number. Its id follows from cause and number: re-made events dedupe."""
    head = work.head
    head.event_seq += 1
    writes.heads[head.order_id] = head
    event = kind(
        event_id=id_of(f"{head.order_id}:{read.message_id}:{head.event_seq}"),
        order_id=head.order_id,
        event_seq=head.event_seq,
        version=head.version,
        caused_by=read.message_id,
        at=writes.at,
        **values,
    )
    key = str(head.order_id).encode()
    writes.outgoing.append(
        Outgoing(
            head.order_id,
            head.event_seq,
            event.event_id,
            topic,
            key,
            encode(event),
            {"type": kind.__name__, "event_seq": str(head.event_seq)},
        )
    )


def stale_preview(outcome: Refused) -> events.StalePreview | None:
    """Return what the ticket would do now, with personal values left out."""
    now = outcome.preview
    if now is None:
        return None
    leaves = (Leaf(change.path, change.old, change.new) for change in now.changes)
    changes = tuple(_public(leaf, sealed=leaf.personal) for leaf in leaves)
    return events.StalePreview(
        version=now.version,
        preview_hash=now.preview_hash,
        changes=changes,
        money_delta_minor=now.money_delta_minor,
        approvals=now.approvals,
    )


def plan_fetch(work: OrderWork, read: Read, item: WorkItem, depth: int, writes: Writes) -> None:
    """Have an order fetched that a document only named; `item` is what says so to people until it is stored."""
    body = read.body
    assert isinstance(body, FetchNeeded)
    order_id = work.head.order_id
    writes.fetches.append(
        Fetch(
            order_id, id_of(f"{order_id}:{read.message_id}:fetch"), item_id_of(work, read, item), body.channel, body.account,
            body.channel_order_id, ", ".join(body.missing)[:200], depth, "planned", 0, writes.at, writes.at,
        )
    )  # fmt: skip
    work.fetch_planned = True


def item_id_of(work: OrderWork, read: Read, item: WorkItem) -> UUID:
    """Return the id of a work item: it follows from the message and what the item says."""
    return id_of(f"{work.head.order_id}:{read.message_id}:{item.kind}:{item.detail}")


def open_items(work: OrderWork, read: Read, items: Sequence[WorkItem], writes: Writes, topic: str) -> None:
    """Open work items, each with its event."""
    for item in items:
        writes.items.append(Item(work.head.order_id, item_id_of(work, read, item), item.kind, item.detail, "open", writes.at))
        emit(work, read, writes, topic, events.WorkItemOpened, kind=item.kind, detail=item.detail)


def audit(work: OrderWork, read: Read, action: str, detail: str, writes: Writes) -> None:
    """Append to the audit log who tried what."""
    actor = read.actor.user_id if read.actor else "unknown"
    audit_id = id_of(f"{work.head.order_id}:{read.message_id}:{action}:{read.incoming.topic}:{read.incoming.off}")
    writes.audit.append(Audit(work.head.order_id, audit_id, writes.at, actor, action, read.message_id, detail[:500]))


def ticket_row(work: OrderWork, read: Read, outcome: Decided, writes: Writes) -> TicketRow:
    """Return the ticket's row after `outcome` (a plain state where nothing was decided yet)."""
    body, actor = read.body, read.actor
    assert isinstance(body, ModificationTicket)
    state, delta, code, rule, path, message = _result(work, outcome)
    waits = isinstance(outcome, str) and outcome in ("waiting", "dead")
    return TicketRow(
        order_id=read.order_id,
        ticket_id=body.ticket_id,
        state=state,
        user_id=actor.user_id if actor else "unknown",
        roles=" ".join(sorted(actor.roles)) if actor else "",
        door=actor.door if actor else "",
        on_behalf_of=body.on_behalf_of,
        reason_code=body.reason_code[:80],
        base_version=body.base_version,
        new_version=work.head.version if isinstance(outcome, Applied) else None,
        operations=" ".join(operation.name for operation in body.operations)[:500],
        request_sealed=b"" if read.seq is not None else writes.key_of(work).seal(read.incoming.value, f"ticket:{body.ticket_id}"),
        money_delta_minor=delta,
        code=code,
        rule_id=rule,
        path=path,
        message=message,
        opened_at=body.opened_at,
        submitted_at=read.incoming.appended_at,
        decided_at=None if waits else writes.at,
        effects_hash=outcome.effects_hash if isinstance(outcome, AwaitsApproval | AwaitsRecalls) else None,
        due_at=_due_at(outcome, writes),
        approved_by=outcome.approved_by if isinstance(outcome, Applied | AwaitsRecalls) else None,
        undoes=body.undoes,
    )


def _due_at(outcome: Decided, writes: Writes) -> datetime | None:
    """Return when a ticket that waits ends by itself; a dead one is a person's work, and its letter says so."""
    rules = writes.rules
    if isinstance(outcome, AwaitsApproval):
        return writes.at + rules.awaiting_approval
    if isinstance(outcome, AwaitsRecalls):
        return writes.at + COMPENSATING
    return writes.at + rules.waiting if outcome == "waiting" else None


def _result(work: OrderWork, outcome: Decided) -> tuple[str, int | None, str | None, str | None, str | None, str | None]:
    if isinstance(outcome, str):
        return outcome, None, None, None, None, None
    if isinstance(outcome, Applied):
        before = work.order.totals.grand_total_minor if work.order else 0
        state = "settling" if outcome.followup.plan.steps else "applied"
        return state, outcome.order.totals.grand_total_minor - before, None, None, None, None
    if isinstance(outcome, Refused):
        return "refused", None, outcome.code, outcome.rule_id, outcome.path, outcome.told
    if isinstance(outcome, Conflicted):
        paths = ", ".join(conflict.path for conflict in outcome.conflicts)[:500]
        return "conflicted", None, "conflict", None, outcome.conflicts[0].path, f"changed since by somebody else: {paths}"
    if isinstance(outcome, AwaitsRecalls):
        return "compensating", outcome.money_delta_minor, "compensation_needed", None, None, named(outcome.recalls)[:500]
    return "awaiting_approval", outcome.money_delta_minor, "approval_needed", outcome.rule_ids[0], None, ", ".join(outcome.rule_ids)
