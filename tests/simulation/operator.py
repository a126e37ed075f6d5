"""A person at the desk: sends dead letters back, repairs or discards what cannot be sent back; sometimes too early, sometimes with a colleague."""

from functools import partial

import psycopg

from schemas.assertion import Actor
from schemas.failures import OrdermendError
from store import letters
from store.letters import Letter
from tests.simulation.desk import desk_of
from tests.simulation.posts import repair_of
from tests.simulation.scheduler import Process
from tests.simulation.world import World

ROLES = frozenset({"DLQ_Operate", "Order_Approve", "Order_Modify"})
COLLEAGUE = Actor("colleague", ROLES, "cli")
STATEMENT = "OrderStated"


class Operator:
    """One person; several may look at the same letter."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._actor = Actor(process.name, ROLES, "cli")
        self._desk = desk_of(world, process)
        self._connect = world.connector(process, "list")

    def run(self) -> None:
        """Work as long as there is anything to work on."""
        scheduler, database = self._world.scheduler, self._world.database
        while True:
            seen = database.commits
            try:
                found = self._listed()
                if found:
                    self._act(self._world.dice.choice(found))
            except psycopg.Error:
                scheduler.wait(None, 1.0, "database is away")
                continue
            patience = 1.0 if self._world.mended else self._world.dice.choice((1.0, 20.0))
            scheduler.wait(None, patience, "thinks")
            if not found:
                scheduler.wait(partial(self._moved_since, seen), None, "has nothing to do")

    def _moved_since(self, commits: int) -> bool:
        return self._world.database.commits != commits

    def _listed(self) -> list[Letter]:
        with self._connect() as connection, connection.cursor() as cursor:
            return letters.listing(cursor, "unresolved", 50)

    def _act(self, letter: Letter) -> None:
        world, dice, act = self._world, self._world.dice, "replay"
        try:
            if dice.random() < 0.3:
                self._desk.claim(letter.letter_id, self._actor)
            if self._repairs(letter):
                world.trace.add(f"repair {letter.message_id}")
                self._desk.edit(letter.letter_id, self._actor, repair_of(world.plan.unstorable[letter.message_id]))
                world.repaired.add(letter.message_id)
                self._desk.replay(letter.letter_id, self._actor)
            elif self._discards(letter):
                world.discarded.add(letter.message_id)
                world.trace.add(f"discard {letter.message_id}")
                act = "discard"
                self._desk.discard(letter.letter_id, self._actor, "it cannot be helped")
            elif world.mended or dice.random() < 0.3:
                world.trace.add(f"replay {letter.message_id}")
                self._desk.replay(letter.letter_id, self._actor)
        except OrdermendError as refusal:
            world.trace.add(f"{self._process.name} is told {refusal.code}")
            if refusal.code == "letter_approval_needed":
                self._ask_a_colleague(letter, act)

    def _ask_a_colleague(self, letter: Letter, act: str) -> None:
        """Have a second person look at what one alone may not do; it is tried again the next time round."""
        try:
            self._desk.claim(letter.letter_id, self._actor)
            self._desk.approve(letter.letter_id, COLLEAGUE, act)
        except OrdermendError as refusal:
            self._world.trace.add(f"a colleague is told {refusal.code}")

    def _repairs(self, letter: Letter) -> bool:
        may = letter.message_id in self._world.plan.unstorable and letter.code == "refused_by_tables"
        return may and self._world.dice.random() < (0.7 if self._world.mended else 0.3)

    def _discards(self, letter: Letter) -> bool:
        if letter.seq is None:
            return True
        if letter.code == "refused_by_tables" or letter.error_class == "POISON_CRASH":
            return self._world.dice.random() < 0.7
        return letter.message != STATEMENT and self._world.mended and self._world.dice.random() < 0.15
