"""One edit of many orders, as people start and watch it: tried first, then a job that `ordermend run bulk` carries on.

The job's rules are the processor's (`modification_processor/bulk.py`); the door asks whether the person may come in, freezes the
selection, and tells what became of every order. Every call is for pages and API alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import orjson

from console import cursors, submitting
from console.access import HERE_ALONE, Action, User
from console.api import bulk_models as b
from console.api.problems import Problem
from console.asked import amount, check_reason, now, operations
from console.cursors import CursorInvalid
from console.services import NO_ORDER, Services
from modification_processor import BulkRequest, DryRun, steer_bulk, submit_bulk, try_bulk, undo_bulk
from store import bulk
from store.bulk import JobRow
from store.database import Cursor

MOST_TRIED = 2000
"""Orders that a dry run looks at: of a larger selection the first ones, and the answer says so."""
MOST_SELECTED = 100_000
OPEN = ("received", "held", "confirmed")
CSV_PAGE = 1000


@dataclass(frozen=True)
class BulkWork:
    """The bulk edits' part of the services."""

    services: Services

    def dry_run(self, user: User, body: b.BulkBody) -> b.DryRunView:
        """Say what the job would do to orders as they are now; nothing is written."""
        self._check(user, "bulk.work", "bulk edit")
        request = _request(user, body)
        with self.services.book.read() as cursor:
            selected = _selected(cursor, body.selection)
            found = try_bulk(cursor.connection, request, selected[:MOST_TRIED])
        return _dry_run(found, len(selected))

    def submit(self, user: User, key: str, body: b.BulkBody, asked: bytes) -> b.BulkView:
        """Freeze the selection and start the job; the same key with the same request is the same job."""
        self._check(user, "bulk.work", "bulk edit")
        request = _request(user, body)
        job_id = submitting.id_of("bulk-edit", NO_ORDER, user, key)
        with self.services.book.write() as cursor:
            if not submitting.remember(cursor, user, NO_ORDER, f"bulk-edit:{job_id}", asked, now(cursor)):
                submit_bulk(cursor.connection, request, _selected(cursor, body.selection), job_id)
            return _view(cursor, job_id)

    def undo(self, user: User, undone: UUID, key: str, asked: bytes) -> b.BulkView:
        """Start a job that takes back what another applied, order by order."""
        self._check(user, "bulk.work", f"bulk edit {undone}")
        job_id = submitting.id_of("bulk-undo", NO_ORDER, user, key)
        with self.services.book.write() as cursor:
            _find(cursor, undone)
            if not submitting.remember(cursor, user, NO_ORDER, f"bulk-undo:{job_id}", asked, now(cursor)):
                undo_bulk(cursor.connection, undone, user.sub, user.roles - HERE_ALONE, job_id)
            return _view(cursor, job_id)

    def steer(self, user: User, job_id: UUID, act: str) -> b.BulkView:
        """Pause, resume or cancel a job; the same act again answers the same."""
        self._check(user, "bulk.work", f"bulk edit {job_id}")
        with self.services.book.write() as cursor:
            standing = _find(cursor, job_id).state
            if standing != b.AFTER[act]:
                steer_bulk(cursor.connection, job_id, act)
            return _view(cursor, job_id)

    def listing(self, user: User, after: str | None, limit: int) -> b.BulkPage:
        """Return jobs, newest first."""
        self._check(user, "bulk.read", "bulk edits")
        with self.services.book.read() as cursor:
            rows = bulk.listing(cursor, limit + 1, cursors.place(after))
            views = [_shown(cursor, row) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else None
        return b.BulkPage(items=views, next=cursors.encode(last.created_at.isoformat(), str(last.job_id)) if last else None)

    def shown(self, user: User, job_id: UUID) -> b.BulkView:
        """Return how far a job is."""
        self._check(user, "bulk.read", f"bulk edit {job_id}")
        with self.services.book.read() as cursor:
            return _view(cursor, job_id)

    def outcomes(self, user: User, job_id: UUID, after: str | None, limit: int) -> b.OutcomePage:
        """Return what became of each order of a job, page by page."""
        self._check(user, "bulk.read", f"bulk edit {job_id}")
        with self.services.book.read() as cursor:
            _find(cursor, job_id)
            rows = bulk.outcomes(cursor, job_id, _order_of(after), limit + 1)
            currencies = bulk.currencies(cursor, [row.order_id for row in rows])
        items = [
            b.OutcomeView(
                order_id=row.order_id,
                ticket_id=row.ticket_id,
                outcome=row.outcome,
                code=row.code,
                money_moved=None if row.money_delta_minor is None else amount(row.money_delta_minor, currencies[row.order_id]),
                new_version=row.new_version,
            )
            for row in rows[:limit]
        ]
        return b.OutcomePage(items=items, next=cursors.encode(str(rows[limit - 1].order_id)) if len(rows) > limit else None)

    def rows(self, user: User, job_id: UUID) -> Iterator[tuple[object, ...]]:
        """Yield every order's outcome as a row of `b.CSV_HEADER`, a page at a time."""
        after: str | None = None
        while True:
            page = self.outcomes(user, job_id, after, CSV_PAGE)
            for row in page.items:
                moved = row.money_moved
                yield (
                    row.order_id, row.ticket_id, row.outcome, row.code, b.number(moved), moved and moved.currency, row.new_version
                )  # fmt: skip
            after = page.next
            if after is None:
                return

    def _check(self, user: User, action: Action, subject: str) -> None:
        self.services.check(user, action, subject)


def _request(user: User, body: b.BulkBody) -> BulkRequest:
    check_reason(body.reason_code)
    return BulkRequest(
        operations(body.operations), body.reason_code, user.sub, user.roles - HERE_ALONE, body.mode, body.stop_after, body.comment
    )


def _selected(cursor: Cursor, selection: b.Selection) -> list[UUID]:
    if selection.order_ids is not None:
        return list(dict.fromkeys(selection.order_ids))
    found = bulk.select(cursor, selection.channel, selection.sku, selection.lifecycle or OPEN, selection.limit)
    return [order_id for order_id, _ in found]


def _dry_run(found: DryRun, selected: int) -> b.DryRunView:
    return b.DryRunView(
        selected=selected,
        tried=sum(found.outcomes.values()),
        outcomes=dict(found.outcomes),
        money_moves=[amount(minor, currency) for currency, minor in sorted(found.money_delta_minor.items())],
        approvals=dict(found.approvals),
    )


def _find(cursor: Cursor, job_id: UUID) -> JobRow:
    row = bulk.find(cursor, job_id)
    if row is None:
        raise Problem("no_such_bulk_edit", f"there is no bulk edit {job_id}")
    return row


def _view(cursor: Cursor, job_id: UUID) -> b.BulkView:
    return _shown(cursor, _find(cursor, job_id))


def _shown(cursor: Cursor, job: JobRow) -> b.BulkView:
    outcomes = bulk.counts(cursor, job.job_id)
    return b.BulkView(
        bulk_id=job.job_id,
        state=job.state,
        operations=[one["name"] for one in orjson.loads(job.operations)],
        reason_code=job.reason_code,
        comment=job.comment,
        mode=job.mode,
        stop_after=job.stop_after,
        user_id=job.user_id,
        undoes=job.undoes,
        orders=sum(outcomes.values()),
        outcomes=outcomes,
        created_at=job.created_at,
        ended_at=job.ended_at,
    )


def _order_of(after: str | None) -> UUID | None:
    if after is None:
        return None
    (order_id,) = cursors.decode(after, str)
    try:
        return UUID(order_id)
    except ValueError:
        raise CursorInvalid("the cursor is not one that this list gave", field="/query/cursor", rule="cursor") from None
