"""What a planted bug is, and all there are, by the order in which their modules are imported."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from tests.simulation.postgres.database import PostgresDatabase
from tests.simulation.world import World

Plant = Callable[[World, ExitStack], None]


@dataclass(frozen=True)
class Bug:
    """A mistake, and how it is made: in the code, or in the statements where the book is in PostgreSQL."""

    name: str
    what: str
    in_code: Plant | None
    in_sql: Mapping[str, str] | None = None
    """Parts of statements, and what stands in their place."""
    only_in_memory: bool = False

    def is_of(self, store: str) -> bool:
        """Whether it can be made there."""
        return self.in_code is not None if store == "memory" else not self.only_in_memory

    def plant(self, world: World, stack: ExitStack) -> None:
        """Make it, until the stack is unwound."""
        if self.in_sql is not None and isinstance(world.database, PostgresDatabase):
            world.database.rewrites |= self.in_sql
        else:
            assert self.in_code is not None, f"{self.name} is a mistake in a statement: the book in memory has none"
            self.in_code(world, stack)


BUGS: list[Bug] = []


def bug(what: str, *, in_sql: Mapping[str, str] | None = None, only_in_memory: bool = False) -> Callable[[Plant], Plant]:
    """Register a bug that is made in code; `in_sql`: parts of statements and what stands in their place, where there are statements."""

    def register(plant: Plant) -> Plant:
        BUGS.append(Bug(plant.__name__, what, plant, in_sql, only_in_memory))
        return plant

    return register


def bug_in_sql(name: str, what: str, changed: Mapping[str, str]) -> None:
    """Register a bug that only statements have."""
    BUGS.append(Bug(name, what, None, changed))
