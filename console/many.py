"""One edit of many orders at the pages: tried, started, watched, steered, taken back, exported.

Every act is the processor's own (`modification_processor.bulk`), with its own checks and words; the service `bulk` carries jobs on.
"""

import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import psycopg

from console import spreadsheets
from console.access import User
from console.api.problems import Problem
from console.services import Services
from modification_processor import UNDECIDED, BulkRequest, DryRun, facts_for, steer_bulk, submit_bulk, try_bulk, undo_bulk
from schemas.failures import DependencyUnavailable
from schemas.money import to_text
from store import bulk
from store.bulk import JobRow, Outcome
from store.database import Connection

LISTED = 50
SHOWN = 200


class JobShown(NamedTuple):
    """A job, how many orders have which outcome, and the orders a person looks at first. `numbers`: order numbers by id."""

    job: JobRow
    counts: dict[str, int]
    first: tuple[Outcome, ...]
    numbers: dict[UUID, str]

    @property
    def total(self) -> int:
        """How many orders it is about."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many have an outcome."""
        return self.total - sum(self.counts.get(word, 0) for word in UNDECIDED)


@dataclass(frozen=True)
class Many:
    """The jobs' part of the services."""

    services: Services

    def try_it(self, user: User, request: BulkRequest, ids: tuple[UUID, ...], told: Callable[[int], None]) -> DryRun:
        """Say what a job would do; writes nothing. `told`: how many orders were tried so far."""
        self.services.check(user, "bulk.run", "bulk dry run")
        with self._own() as connection:
            return try_bulk(connection, request, ids, facts_for, told)

    def start(self, user: User, request: BulkRequest, ids: tuple[UUID, ...], job_id: UUID) -> UUID:
        """Freeze the selection and start the job."""
        self.services.check(user, "bulk.run", f"bulk {job_id}")
        with self._own() as connection:
            return submit_bulk(connection, request, ids, job_id).job_id

    def undo(self, user: User, job_id: UUID) -> UUID:
        """Start a job that takes back what another applied; return its id."""
        self.services.check(user, "bulk.run", f"bulk {job_id} undo")
        with self._own() as connection:
            return undo_bulk(connection, job_id, user.sub, user.roles, uuid.uuid4()).job_id

    def steer(self, user: User, job_id: UUID, act: str) -> str:
        """Pause, resume or cancel; return the state."""
        self.services.check(user, "bulk.run", f"bulk {job_id} {act}")
        with self._own() as connection:
            return steer_bulk(connection, job_id, act)

    def jobs(self) -> list[JobShown]:
        """Return jobs, newest first."""
        with self.services.book.read() as cursor:
            return [JobShown(job, bulk.counts(cursor, job.job_id), (), {}) for job in bulk.listing(cursor, LISTED)]

    def shown(self, job_id: UUID) -> JobShown:
        """Return a job with the orders that need somebody first."""
        with self.services.book.read() as cursor:
            job = bulk.find(cursor, job_id)
            if job is None:
                raise Problem("invalid_request", f"there is no bulk job {job_id}", field="job", rule="bulk_job_exists")
            first = bulk.first_outcomes(cursor, job_id, SHOWN)
            counts = bulk.counts(cursor, job_id)
            cursor.execute("select order_id, order_number from orders where order_id = any(%s)", ([row.order_id for row in first],))
            return JobShown(job, counts, tuple(first), dict(cursor.fetchall()))

    def exported(self, user: User, job_id: UUID) -> str:
        """Return every order's outcome as CSV that no spreadsheet executes."""
        self.services.check(user, "bulk.read", f"bulk {job_id} export")
        with self.services.book.read() as cursor:
            cursor.execute(
                "select o.order_id, o.order_number, o.currency from bulk_item i join orders o using (order_id) where i.job_id = %s",
                (job_id,),
            )
            known = {order_id: (number, currency) for order_id, number, currency in cursor.fetchall()}
            rows = []
            for row in bulk.outcomes(cursor, job_id):
                number, currency = known.get(row.order_id, ("", ""))
                money = "" if row.money_delta_minor is None or not currency else to_text(row.money_delta_minor, currency)
                rows.append((number, row.order_id, row.outcome, row.code, money, currency, row.new_version, row.ticket_id))
        return spreadsheets.table(("order_number", "order_id", "outcome", "code", "money", "currency", "version", "ticket_id"), rows)

    def _own(self) -> closing[Connection]:
        """Open a connection for work of some length, which must not take one of those that pages read with."""
        try:
            return closing(self.services.book.connect())
        except psycopg.OperationalError as error:
            raise DependencyUnavailable(f"the order book does not answer: {type(error).__name__}", field="book") from None
