"""People who act on what they find in the book: approve or decline what awaits it, take back what was applied; now and then wrongly.

They look at what is committed, and send messages like anybody else. Whoever is wrong has to be refused: an author who approves their own, a
review of effects that are others by now, an undo of what was taken back already.
"""

import random
from collections.abc import Iterator
from typing import Any

from tests.simulation.workload import LARGE_STEP, UNDONE, reviewed, undo
from tests.simulation.world import World

ANSWERS = 3
"""So often one person answers to one ticket, at most."""


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
