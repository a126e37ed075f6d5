"""People who act on what they find in the book: approve or decline what awaits it, take back what was applied; now and then wrongly.

They look at what is committed, and send messages like anybody else. Whoever is wrong has to be refused: an author who approves their own, a
review of effects that are others by now, an undo of what was taken back already.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal

import psycopg

from schemas.facts import FactPayment
from schemas.order import PaymentKind
from store import actions, heads
from tests.simulation.posts import LARGE_STEP, UNDONE, reported, reviewed, undo
from tests.simulation.world import World

ANSWERS = 3
"""So often one person answers to one ticket, at most."""
ASK_AGAIN = timedelta(seconds=1)
PAYMENT_KIND: Mapping[str, PaymentKind] = {"charge": "capture", "refund": "refund"}
"""What a step leaves in the ledger."""


class Counterpart:
    """Somebody outside who looks into the book when something was committed."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.dice = random.Random(f"{world.seed}:{name}")
        self.count: dict[Any, int] = {}
        """How often they answered to what."""

    def run(self) -> None:
        """Look, answer, and wait for news; until all is at rest."""
        database, scheduler = self.world.database, self.world.scheduler
        while not self.world.over:
            seen = database.commits
            self.look()
            scheduler.wait(None, self.dice.choice((0.01, 0.5, 5.0)), "thinks")
            scheduler.wait(lambda seen=seen: database.commits != seen, None, "has nothing to do")  # type: ignore[misc]  # a lambda's default

    def look(self) -> None:
        """Answer to what there is."""
        raise NotImplementedError

    def number(self, of: Any) -> int | None:
        """Count an answer; None where there were enough."""
        count = self.count.get(of, 0)
        self.count[of] = count + 1
        return count if count < ANSWERS else None


class Reviewer(Counterpart):
    """Somebody who may approve; sometimes the author takes their place."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "reviewer")

    def look(self) -> None:
        """Review what awaits it; some tickets are left to expire."""
        for ticket in list(self._awaiting()):
            what = (ticket.ticket_id, ticket.effects_hash)
            number = self.number(what)
            if number is None or (self.dice.random() < 0.3 and not self.world.mended):
                continue
            self._review(ticket, sum(self.count.values()))

    def _awaiting(self) -> Iterator[Any]:
        return (row for row in self.world.database.committed("ticket") if row.state == "awaiting_approval")

    def _review(self, ticket: Any, number: int) -> None:
        how = self.dice.choices(("approve", "decline", "own", "blind", "stale", "twice"), (60, 8, 10, 8, 6, 8))[0]
        if ticket.ticket_id.int % 11 == 0:
            return  # nobody ever looks at it
        decision = "decline" if how == "decline" else "approve"
        effects = {"blind": None, "stale": "0" * 64}.get(how, ticket.effects_hash)
        by = "console" if how == "own" else "ruth"
        post = reviewed(ticket.order_id, ticket.ticket_id, number, decision, effects, by)  # type: ignore[arg-type]  # one of the two words
        self.world.looks.reviews[post.message_id] = (str(ticket.ticket_id), decision, effects)
        for _ in range(2 if how == "twice" else 1):
            self.world.answer(post)


class Asked(Counterpart):
    """The warehouse and the gateway: they do what they are asked for, or decline, and may say so twice, also under another report's id."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "asked")
        self._connect = world.connector(world.processes["outside"], "asked")

    def look(self) -> None:
        """Answer what was asked; some recalls only when it is too late."""
        for row in list(self._open()):
            late = row.port == "warehouse" and row.action_id.int % 9 == 0
            if self.count.get(row.action_id) or (late and self.world.scheduler.clock.now() < row.due_at):
                continue
            if (self.dice.random() < 0.7 or self.world.mended) and self._is_asked(row):
                self.count[row.action_id] = 1
                self._answer(row, "expired" if late else None)

    def _open(self) -> Iterator[Any]:
        rows = (row for row in self.world.database.committed("action") if row.state in ("planned", "sent"))
        return (row for row in rows if row.port == "warehouse" or (row.port == "payment" and (row.transaction or row.after_id is None)))

    def _is_asked(self, row: Any) -> bool:
        """Claim a request as the settlement worker does, under its order's head."""
        try:
            with self._connect() as connection, connection.cursor() as cursor:
                heads.lock(cursor, [row.order_id])
                return bool(actions.claim(cursor, [(row.order_id, row.action_id)], ASK_AGAIN))
        except psycopg.Error:
            return False

    def _answer(self, row: Any, late: Literal["expired"] | None) -> None:
        # A payment that is declined holds the order, and that every later edit up.
        outcome = late or ("done" if row.port == "payment" or self.dice.random() < 0.7 else "declined")
        payment = self._payment(row) if row.port == "payment" and outcome == "done" else None
        for name in self.dice.choice((("",), ("",), ("", ""), ("", ":again"))):
            post = reported(row.order_id, f"{row.action_id}{name}", row.action_id, outcome, payment)
            self.world.looks.reports[post.message_id] = (row.port, str(row.ticket_id), outcome)
            if payment is not None:
                self.world.looks.paid[f"{payment.provider}:{payment.transaction}:{payment.kind}"] = payment.amount_minor
            self.world.answer(post)

    @staticmethod
    def _payment(row: Any) -> FactPayment | None:
        kind = PAYMENT_KIND.get(row.kind)
        if kind is None:
            return None
        return FactPayment(
            provider=row.provider, transaction=f"of {row.action_id}", kind=kind, amount_minor=row.amount_minor, currency=row.currency,
            method=row.method, parent=row.transaction,
        )  # fmt: skip


class Undoer(Counterpart):
    """An agent who takes back what was applied to one line, and sometimes what was taken back already."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "undoer")

    def look(self) -> None:
        """Take back some of what was applied."""
        for number, order_id in self.world.numbers.items():
            for ticket in list(self._taken_back(order_id)):
                count = self.number(ticket.ticket_id)
                if count is None or self.dice.random() < 0.5:
                    continue
                stored = self.world.database.tables["orders"][order_id][(order_id,)]
                line = stored.order.lines[UNDONE]
                before = self._before(order_id, ticket, line.line_id)
                if before is not None:
                    self.world.answer(undo(number, count, ticket.ticket_id, before, stored.version))

    def _taken_back(self, order_id: Any) -> Iterator[Any]:
        names = {post.message_id for _, post in self.world.plan.posts if post.kind == "UndoableTicket"}
        for row in self.world.database.tables["ticket"].get(order_id, {}).values():
            if f"ticket:{row.ticket_id}" in names and row.state in ("applied", "undone", "settling", "settled"):
                yield row

    def _before(self, order_id: Any, ticket: Any, line_id: str) -> int | None:
        for row in self.world.database.tables["history"].get(order_id, {}).values():
            if row.cause_id == f"ticket:{ticket.ticket_id}" and row.path == f"/lines/{line_id}/ordered":
                return int(row.old)
        return None


assert LARGE_STEP > 500
