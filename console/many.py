"""What the pages of bulk edits need beside the API's own functions: a dry run of any length, a selection made in the list, troubles first.

Everything else is `bulk_work`; every act is the processor's own, with its own checks and words.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import psycopg

from console.access import HERE_ALONE, User
from console.services import Services
from modification_processor import BulkRequest, DryRun, submit_bulk, try_bulk
from schemas.failures import DependencyUnavailable
from store import bulk
from store.bulk import Outcome
from store.database import Connection

SHOWN: Final = 200
SLICE: Final = 500


class First(NamedTuple):
    """The orders of a job that a person looks at first, and their numbers by id."""

    outcomes: tuple[Outcome, ...]
    numbers: dict[UUID, str]


@dataclass(frozen=True)
class Many:
    """The bulk pages' part of the services."""

    services: Services

    def request(self, user: User, asked: BulkRequest) -> BulkRequest:
        """Return what is asked with the roles that travel with a message."""
        return BulkRequest(**{**vars(asked), "user_id": user.sub, "roles": user.roles - HERE_ALONE})

    def try_it(self, user: User, request: BulkRequest, ids: tuple[UUID, ...], told: Callable[[int], None]) -> DryRun:
        """Say what a job would do; writes nothing. `told`: how many orders were tried so far."""
        self.services.check(user, "bulk.work", "bulk dry run")
        found, request = DryRun(), self.request(user, request)
        with self._own() as connection:
            for start in range(0, max(1, len(ids)), SLICE):
                part = try_bulk(connection, request, ids[start : start + SLICE])
                found.outcomes.update(part.outcomes)
                found.money_delta_minor.update(part.money_delta_minor)
                found.approvals.update(part.approvals)
                told(min(start + SLICE, len(ids)))
        return found

    def start(self, user: User, request: BulkRequest, ids: tuple[UUID, ...], job_id: UUID) -> UUID:
        """Freeze the selection and start the job."""
        self.services.check(user, "bulk.work", f"bulk edit {job_id}")
        with self._own() as connection:
            return submit_bulk(connection, self.request(user, request), ids, job_id).job_id

    def first(self, user: User, job_id: UUID) -> First:
        """Return the orders of a job that need somebody first, with their numbers."""
        self.services.check(user, "bulk.read", f"bulk edit {job_id}")
        with self.services.book.read() as cursor:
            found = bulk.first_outcomes(cursor, job_id, SHOWN)
            return First(tuple(found), bulk.numbers(cursor, [row.order_id for row in found]))

    def _own(self) -> closing[Connection]:
        """Open a connection for work of some length, which must not take one of those that pages read with."""
        try:
            return closing(self.services.book.connect())
        except psycopg.OperationalError as error:
            raise DependencyUnavailable(f"the order book does not answer: {type(error).__name__}", field="book") from None
