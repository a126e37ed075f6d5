"""What an onlooker sees at each commit, for the judge: whose effects waited for an approval, and answers that changed nothing.

The rows of a transaction as it leaves them, and nothing of how it came to them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulation.posts import LARGE


class Commit(Protocol):
    """A transaction at its commit, in either book."""

    @property
    def process(self) -> str: ...

    def written(self, table: str) -> Iterable[Any]:
        """Return the rows that it leaves behind; None for each that it removes."""
        ...

    def rows(self, table: str, first: Any) -> list[Any]:
        """Return the rows whose key begins so, as it leaves them."""
        ...

    def get(self, table: str, *key: Any) -> Any:
        """Return a row as it leaves it."""
        ...

    def before(self, table: str, *key: Any) -> Any:
        """Return a row as it was before."""
        ...


@dataclass
class Looks:
    """Everything seen so far."""

    awaited: dict[tuple[str, str], str] = field(default_factory=dict)
    """(ticket, hash of its effects) -> the quantity ordered before, as JSON, when it began to wait with them."""
    reviews: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    """Review -> ticket, decision and the effects it names."""
    reports: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Report -> whom it is of, its ticket and its outcome."""
    paid: dict[str, int] = field(default_factory=dict)
    """Movements of money that were reported, and their amounts."""
    in_vain: list[str] = field(default_factory=list)
    """Reviews and answers that count as heard, and whose ticket waits on as before."""

    def commit(self, tx: Commit) -> None:
        """Look at what a transaction leaves behind."""
        for row in tx.written("ticket"):
            if row is not None and row.state == "awaiting_approval" and (str(row.ticket_id), row.effects_hash) not in self.awaited:
                self.awaited[str(row.ticket_id), row.effects_hash] = self._ordered(tx, row)
        for row in tx.written("inbox"):
            if row is not None and row.outcome == "reviewed" and row.message_id in self.reviews:
                self._heard(tx, row)
            if row is not None and row.outcome == "recorded" and self.reports.get(row.message_id, ("",))[0] == "warehouse":
                self._given_back(tx, row)

    @staticmethod
    def _ordered(tx: Commit, ticket: Any) -> str:
        order = tx.get("orders", ticket.order_id).order
        return json.dumps(order.lines[LARGE].ordered)

    def _heard(self, tx: Commit, row: Any) -> None:
        ticket_id, decision, effects = self.reviews[row.message_id]
        (ticket,) = [each for each in tx.rows("ticket", row.order_id) if str(each.ticket_id) == ticket_id]
        before = tx.before("ticket", row.order_id, ticket.ticket_id)
        of_old_effects = before is not None and before.effects_hash == ticket.effects_hash
        if ticket.state == "awaiting_approval" and (effects == ticket.effects_hash or (effects is None and of_old_effects)):
            self.in_vain.append(f"{row.message_id} ({decision}) was heard, and ticket {ticket_id} waits on with the same effects")

    def _given_back(self, tx: Commit, row: Any) -> None:
        _, ticket_id, outcome = self.reports[row.message_id]
        (ticket,) = [each for each in tx.rows("ticket", row.order_id) if str(each.ticket_id) == ticket_id]
        if ticket.state == "compensating":
            self.in_vain.append(f"{row.message_id} ({outcome}) was heard, and ticket {ticket_id} goes on waiting for it")
