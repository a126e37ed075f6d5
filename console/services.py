"""What routes and pages call: each a short transaction over the book, answered with the API's own models.

One place for both, so an order's page can show nothing that the API would not say, and do nothing that it would not take. What people
do with dead letters and rules at the pages alone is in `letter_work` and `rule_tuning`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from console import submitting
from console.access import Action, User, may, roles_for
from console.api import models as m
from console.api.problems import Problem
from console.asked import amount as _amount
from console.asked import check_reason as _check_reason
from console.asked import now as _now
from console.asked import operations as _operations
from console.book import Book
from console.queries import kpis, letters
from console.queries import orders as order_lists
from console.queries import tickets as ticket_lists
from console.queries.orders import Filters
from console.submitting import Door
from modification_processor import (
    Looked,
    Moment,
    Preview,
    Refused,
    as_of,
    between,
    effects_of,
    load_past,
    look,
    modes_for,
    moment_of,
    operations_known,
    preview_for,
    read_operations,
    versions,
    what_undoes,
    why,
)
from schemas.ticket import ModificationTicket, TicketCancelled, TicketMessage, TicketReviewed
from store import submissions, tickets
from store.database import Cursor
from store.letters import Audit, record
from store.sealing import KeyVault
from store.tickets import TicketRow

NO_ORDER = UUID(int=0)
"""Stands in the audit log where what was tried concerns no order."""
LONGEST_EDIT = timedelta(days=30)
"""Who says they opened the form before that is not believed."""
MUTABLE = frozenset({"editable", "approval"})


Pulse = tuple[int, int, dict[str, str]]
"""Version, event number, and state by ticket of an order: whether anything happened to it."""


class OrderNow(NamedTuple):
    """An order, the mode of each of its fields for somebody, and its pulse, at one moment."""

    view: m.OrderView
    modes: m.ModesView
    pulse: Pulse


@dataclass(frozen=True)
class Services:
    """Everything the door can do. `vault` opens what is sealed, `door` signs what is sent."""

    book: Book
    vault: KeyVault
    door: Door

    # --- who -----------------------------------------------------------------------------------------------------

    def check(self, user: User, action: Action, subject: str, order_id: UUID | None = None) -> None:
        """Raise where the user may not; the denial is audited."""
        if not may(action, user):
            self.audit(user.sub, subject, f"role_missing {action}", order_id)
            needed = " or ".join(roles_for(action))
            raise Problem("role_missing", f"{action} takes the role {needed}", rule=f"access.{action}")

    def audit(self, who: str, subject: str, detail: str, order_id: UUID | None = None) -> None:
        """Remember a denial."""
        with self.book.write() as cursor:
            record(cursor, [Audit(order_id or NO_ORDER, uuid.uuid4(), _now(cursor), who, "access_denied", subject, detail)])

    # --- reading -------------------------------------------------------------------------------------------------

    def find(self, filters: Filters, after: str | None, limit: int) -> m.OrderPage:
        """Return a page of orders."""
        with self.book.read() as cursor:
            rows, more = order_lists.listing(cursor, filters, after, limit)
        return m.OrderPage(items=[_row(row) for row in rows], next=more)

    def order(self, order_id: UUID, version: int | None = None) -> m.OrderView:
        """Return an order, now or as of a version."""
        with self.book.read() as cursor:
            if version is None:
                looked = _look(cursor, order_id)
                return m.OrderView(version=looked.version, newest=looked.version, order=looked.order)
            past = load_past(cursor, self.vault, order_id)
        return m.OrderView(version=version, newest=past.version, order=as_of(past, version))

    def modes(self, user: User, order_id: UUID) -> m.ModesView:
        """Return the mode of each field for this user."""
        with self.book.read() as cursor:
            looked = _look(cursor, order_id)
            when = moment_of(cursor)
        return _modes(looked, user, when)

    def now(self, user: User, order_id: UUID) -> OrderNow:
        """Return what an order's page and form are drawn from, in one transaction."""
        with self.book.read() as cursor:
            looked = _look(cursor, order_id)
            when, pulse = moment_of(cursor), _pulse(cursor, order_id)
        view = m.OrderView(version=looked.version, newest=looked.version, order=looked.order)
        return OrderNow(view, _modes(looked, user, when), pulse)

    def history(self, order_id: UUID, before: int | None, limit: int) -> tuple[list[m.HistoryRowView], int | None]:
        """Return history rows below `before`, newest first, and below which the next page begins."""
        with self.book.read() as cursor:
            entries = load_past(cursor, self.vault, order_id).entries
        wanted = [entry for entry in reversed(entries) if before is None or entry.row.seq < before]
        found = [
            m.HistoryRowView(
                seq=e.row.seq,
                version=e.row.version,
                path=e.row.path,
                old=e.leaf.old if e.leaf else None,
                new=e.leaf.new if e.leaf else None,
                erased=e.leaf is None,
                derived=e.row.derived,
                cause=e.row.cause_id,
                user_id=e.row.user_id,
                role=e.row.role,
                on_behalf_of=e.row.on_behalf_of,
                reason_code=e.row.reason_code,
                at=e.row.at,
            )
            for e in wanted[:limit]
        ]
        return found, found[-1].seq if len(wanted) > limit else None

    def versions(self, order_id: UUID) -> m.VersionsView:
        """Return what made each version."""
        with self.book.read() as cursor:
            past = load_past(cursor, self.vault, order_id)
        notes = [
            m.VersionView(
                version=n.version, cause=n.cause_id, user_id=n.user_id, role=n.role, reason_code=n.reason_code, at=n.at, leaves=n.leaves
            )
            for n in versions(past)
        ]
        return m.VersionsView(placed_at=past.placed_at, versions=notes)

    def diff(self, order_id: UUID, older: int, newer: int) -> m.DiffView:
        """Return what differs between two versions."""
        with self.book.read() as cursor:
            past = load_past(cursor, self.vault, order_id)
        before, after = as_of(past, older), as_of(past, newer)
        if older > newer:
            raise Problem("invalid_request", "older is above newer", field="/query/older", rule="older_first")
        changes = [
            m.ChangeView(
                path=d.path, old=d.old, new=d.new, derived=d.last.derived, changed_by=d.last.user_id, changed_in_version=d.last.version
            )
            for d in between(past, older, newer)
        ]
        currency = before.currency
        moved = after.totals.grand_total_minor - before.totals.grand_total_minor
        moves = [m.MoveView(path=x.path, what=x.what, amount=_amount(x.minor, currency)) for x in why(past, older, newer)]
        return m.DiffView(older=older, newer=newer, changes=changes, total_moved=_amount(moved, currency), moves=moves)

    def operations(self) -> m.OperationsView:
        """Return every operation that may be asked for, with its reasons and the schema of its arguments; not what only an undo does."""
        return _offered()

    def preview(self, user: User, order_id: UUID, asked: Sequence[m.OperationBody], reason_code: str) -> m.PreviewView:
        """Return what the operations would do now."""
        _check_reason(reason_code)
        with self.book.read() as cursor:
            looked = _look(cursor, order_id)
            found = preview_for(cursor, looked, _operations(asked), reason_code, user.roles)
        return preview_view(looked, found)

    def tickets(self, order_id: UUID) -> m.TicketsView:
        """Return an order's tickets."""
        with self.book.read() as cursor:
            currency = _look(cursor, order_id).order.currency
            return m.TicketsView(items=[ticket_view(row, currency) for row in ticket_lists.of_order(cursor, order_id)])

    def ticket(self, order_id: UUID, ticket_id: UUID) -> m.TicketView:
        """Return a ticket; one that the processor has not seen yet is `submitted`."""
        with self.book.read() as cursor:
            looked = _look(cursor, order_id)
            row = tickets.find(cursor, order_id, ticket_id)
            if row is not None:
                return ticket_view(row, looked.order.currency)
            sent = submissions.find(cursor, order_id, f"ticket:{ticket_id}")
        if sent is None:
            raise Problem("no_such_ticket")
        return _submitted(order_id, ticket_id, sent.user_id, sent.at)

    def effects(self, order_id: UUID, ticket_id: UUID) -> m.PreviewView:
        """Return what a stored ticket would do now: what a reviewer has to see."""
        with self.book.read() as cursor:
            looked = _look(cursor, order_id)
            row = tickets.find(cursor, order_id, ticket_id)
            if row is None:
                raise Problem("no_such_ticket")
            return preview_view(looked, effects_of(cursor, self.vault, looked, row))

    def approvals(self, after: str | None, limit: int) -> m.ApprovalPage:
        """Return tickets that await approval."""
        with self.book.read() as cursor:
            rows, more = ticket_lists.awaiting(cursor, after, limit)
        return m.ApprovalPage(
            items=[m.ApprovalRow(order_number=number, ticket=ticket_view(row, currency)) for number, currency, row in rows], next=more
        )

    def letters(self, status: str, after: str | None, limit: int) -> m.LetterPage:
        """Return dead letters."""
        with self.book.read() as cursor:
            rows, more = letters.listing(cursor, status, after, limit)
        return m.LetterPage(items=[m.LetterView.model_validate(row) for row in rows], next=more)

    def letter(self, letter_id: UUID) -> m.LetterView:
        """Return a dead letter."""
        with self.book.read() as cursor:
            row = letters.one(cursor, letter_id)
        if row is None:
            raise Problem("no_such_letter")
        return m.LetterView.model_validate(row)

    def kpis(self, days: int) -> m.KpisView:
        """Return the figures."""
        with self.book.read() as cursor:
            return m.KpisView.model_validate(kpis.figures(cursor, days))

    def pulse(self, order_id: UUID) -> Pulse:
        """Return whether anything happened to an order."""
        with self.book.read() as cursor:
            return _pulse(cursor, order_id)

    # --- sending -------------------------------------------------------------------------------------------------

    def submit(self, user: User, order_id: UUID, key: str, body: m.TicketBody, base_version: int | None, request: bytes) -> m.Accepted:
        """Put a ticket into the outbox."""
        _check_reason(body.reason_code)
        if base_version is None:
            raise Problem("base_version_missing", field="/body/base_version", rule="base_version_given")
        operations = _operations(body.operations)
        unreadable = read_operations(operations)
        if isinstance(unreadable, Refused):
            raise Problem.of(unreadable)
        with self.book.write() as cursor:
            looked = _look(cursor, order_id)
            if base_version > looked.version:
                message = f"order {order_id} is at version {looked.version}, not {base_version}"
                raise Problem("version_ahead", message, field="/body/base_version", rule="version_exists")
            at = _now(cursor)
            ticket = ModificationTicket(
                ticket_id=submitting.id_of("ticket", order_id, user, key),
                order_id=order_id,
                base_version=base_version,
                operations=operations,
                reason_code=body.reason_code,
                comment=body.comment,
                on_behalf_of=body.on_behalf_of,
                preview_hash=body.preview_hash,
                opened_at=max(at - LONGEST_EDIT, min(body.opened_at or at, at)),
            )
            return self._put(cursor, user, ticket, ticket.ticket_id, request, at)

    def undo(self, user: User, order_id: UUID, undone: UUID, key: str, body: m.UndoBody, request: bytes) -> m.Accepted:
        """Put a ticket into the outbox that takes an applied one back."""
        _check_reason(body.reason_code)
        with self.book.write() as cursor:
            looked = _look(cursor, order_id)
            at = _now(cursor)
            ticket_id = submitting.id_of("ticket", order_id, user, key)
            if submissions.find(cursor, order_id, f"ticket:{ticket_id}") is None:
                operations = what_undoes(cursor, self.vault, order_id, undone)
                if isinstance(operations, Refused):
                    raise Problem.of(operations)
            else:
                operations = ()  # taken before: only the requests are compared
            ticket = ModificationTicket(
                ticket_id=ticket_id,
                order_id=order_id,
                base_version=looked.version,
                operations=operations,
                reason_code=body.reason_code,
                comment=body.comment,
                undoes=undone,
                opened_at=at,
            )
            return self._put(cursor, user, ticket, ticket_id, request, at)

    def cancel(self, user: User, order_id: UUID, ticket_id: UUID, key: str, body: m.CancelBody, request: bytes) -> m.Accepted:
        """Put the withdrawal of a ticket into the outbox."""
        with self.book.write() as cursor:
            _must_know(cursor, order_id, ticket_id)
            at = _now(cursor)
            cancel_id = submitting.id_of("cancel", order_id, user, key)
            message = TicketCancelled(cancel_id=cancel_id, ticket_id=ticket_id, order_id=order_id, reason=body.reason, at=at)
            return self._put(cursor, user, message, ticket_id, request, at)

    def review(self, user: User, order_id: UUID, ticket_id: UUID, key: str, body: m.ReviewBody, request: bytes) -> m.Accepted:
        """Put an approval or a decline into the outbox."""
        with self.book.write() as cursor:
            _must_know(cursor, order_id, ticket_id)
            at = _now(cursor)
            message = TicketReviewed(
                review_id=submitting.id_of("review", order_id, user, key),
                ticket_id=ticket_id,
                order_id=order_id,
                decision=body.decision,
                preview_hash=body.preview_hash,
                comment=body.comment,
                at=at,
            )
            return self._put(cursor, user, message, ticket_id, request, at)

    def _put(self, cursor: Cursor, user: User, message: TicketMessage, ticket_id: UUID, request: bytes, at: datetime) -> m.Accepted:
        try:
            taken = submitting.put(cursor, self.door, user, message, request, at)
        except submitting.KeyReused as reused:
            raise Problem(reused.code, field=reused.field, rule=reused.rule) from None
        url = f"/api/v1/orders/{message.order_id}/tickets/{ticket_id}"
        return m.Accepted(message_id=taken.message_id, ticket_id=ticket_id, status_url=url, replayed=taken.replayed)


def _look(cursor: Cursor, order_id: UUID) -> Looked:
    looked = look(cursor, order_id)
    if looked is None:
        raise Problem("no_such_order", f"the book has no order {order_id}")
    return looked


def _modes(looked: Looked, user: User, when: Moment) -> m.ModesView:
    modes = modes_for(looked.order, user.roles, when)
    views = [m.ModeView(**vars(mode)) for mode in modes]
    return m.ModesView(version=looked.version, editable=any(mode.mode in MUTABLE for mode in modes), modes=views)


def _pulse(cursor: Cursor, order_id: UUID) -> Pulse:
    found = ticket_lists.pulse(cursor, order_id)
    if found is None:
        raise Problem("no_such_order")
    return (*found, ticket_lists.states(cursor, order_id))


@cache
def _offered() -> m.OperationsView:
    """Return the operations as the API gives them; worked out once, for a process never has others."""
    return m.OperationsView(
        items=[
            m.OperationView(
                name=spec.name,
                version=spec.version,
                reasons=sorted(spec.reasons),
                bulk_safe=spec.bulk_safe,
                arguments=spec.arguments.model_json_schema(),
            )
            for spec in operations_known().values()
            if not spec.undo_only
        ]
    )


def _must_know(cursor: Cursor, order_id: UUID, ticket_id: UUID) -> None:
    _look(cursor, order_id)
    if tickets.find(cursor, order_id, ticket_id) is None and submissions.find(cursor, order_id, f"ticket:{ticket_id}") is None:
        raise Problem("no_such_ticket")


def _row(row: order_lists.Row) -> m.OrderRow:
    return m.OrderRow(
        order_id=row.order_id,
        order_number=row.order_number,
        channel=row.channel,
        account=row.account,
        channel_order_id=row.channel_order_id,
        lifecycle=row.lifecycle,
        grand_total=_amount(row.grand_total_minor, row.currency),
        placed_at=row.placed_at,
        arrived_at=row.created_at,
        version=row.version,
        edits=row.edits,
    )


def preview_view(looked: Looked, found: Preview | Refused) -> m.PreviewView:
    """Return an edit's effects, or its refusal, as the API gives them."""
    currency, total = looked.order.currency, looked.order.totals.grand_total_minor
    if isinstance(found, Refused):
        instead = [m.WarningView(code=one.code, message=one.message, path=one.path) for one in found.alternatives]
        refusal = m.RefusalView(code=found.code, message=found.message, path=found.path, rule_id=found.rule_id, alternatives=instead)
        same: dict[str, Any] = {"total_moves": _amount(0, currency), "total_after": _amount(total, currency)}
        return m.PreviewView(version=looked.version, preview_hash=None, changes=[], moves=[], approvals=[], refusal=refusal, **same)
    return m.PreviewView(
        version=looked.version,
        preview_hash=found.preview_hash,
        changes=[m.ChangeView(path=c.path, old=c.old, new=c.new, derived=c.derived) for c in found.changes],
        total_moves=_amount(found.money_delta_minor, currency),
        total_after=_amount(total + found.money_delta_minor, currency),
        moves=[m.MoveView(path=x.path, what=x.what, amount=_amount(x.minor, currency)) for x in found.moves],
        approvals=list(found.approvals),
        recalls=[f"{recall.kind} of line {recall.line_id}" for recall in found.recalls],
        refusal=None,
        payments=_steps(found, currency),
        stays_open=_amount(found.followup.plan.open_minor, currency) if found.followup.plan.open_minor else None,
        channel_settles=_amount(found.followup.plan.channel_minor, currency) if found.followup.plan.channel_minor else None,
        warnings=[m.WarningView(code=w.code, message=w.message, path=w.path) for w in found.warnings],
        notice=found.followup.notice,
        channel_verbs=[verb.value for verb in found.followup.verbs],
    )


def _steps(found: Preview, currency: str) -> list[m.StepView]:
    plan = found.followup.plan
    return [
        m.StepView(kind=x.kind, method=x.method, provider=x.provider, amount=_amount(x.amount_minor, currency), cancels=cancels)
        for rows, cancels in ((plan.cancels, True), (plan.steps, False))
        for x in rows
    ]


def ticket_view(row: TicketRow, currency: str) -> m.TicketView:
    """Return a ticket as the API gives it."""
    delta = row.money_delta_minor
    return m.TicketView(
        ticket_id=row.ticket_id,
        order_id=row.order_id,
        state=row.state,
        user_id=row.user_id,
        on_behalf_of=row.on_behalf_of,
        reason_code=row.reason_code,
        operations=row.operations.split(),
        base_version=row.base_version,
        new_version=row.new_version,
        money_moved=None if delta is None else _amount(delta, currency),
        code=row.code,
        message=row.message,
        path=row.path,
        rule_id=row.rule_id,
        effects_hash=row.effects_hash,
        approved_by=row.approved_by,
        undoes=row.undoes,
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        due_at=row.due_at,
    )


def _submitted(order_id: UUID, ticket_id: UUID, user_id: str, at: datetime) -> m.TicketView:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "on_behalf_of", "reason_code", "base_version", "new_version", "money_moved", "code", "message", "path", "rule_id",
            "effects_hash", "approved_by", "undoes", "decided_at", "due_at",
        )
    )  # fmt: skip
    return m.TicketView(
        ticket_id=ticket_id, order_id=order_id, state="submitted", user_id=user_id, operations=[], submitted_at=at, **nothing
    )
