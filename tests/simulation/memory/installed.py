"""Puts the book in memory behind the repositories: each function of `store` looks at the cursor it is given.

A cursor of PostgreSQL's goes on to PostgreSQL; one of ours to the function of the same name in this folder. A function that
has none here fails loudly when it is given a cursor of ours, by what psycopg's cursor has and ours has not.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any

from tests.simulation.memory.database import Cursor

MODULES = (
    "partitions", "heads", "inbox", "outbox", "orders", "history", "tickets", "letters", "breakers", "claims", "triage", "rulesets", "actions", "fetches", "bulk",
)  # fmt: skip


def pairs() -> Iterator[tuple[ModuleType, str, Callable[..., Any], Callable[..., Any]]]:
    """Yield (module of `store`, name, its function, the one in memory)."""
    for module in MODULES:
        theirs, ours = importlib.import_module(f"store.{module}"), importlib.import_module(f"tests.simulation.memory.{module}")
        for name, function in vars(ours).items():
            if isinstance(function, FunctionType) and function.__module__ == ours.__name__ and not name.startswith("_"):
                original = getattr(theirs, name)
                yield theirs, name, getattr(original, "__wrapped__", original), function


@contextmanager
def installed() -> Iterator[None]:
    """Let both kinds of cursors be used; as it was before afterwards."""
    before = [(module, name, getattr(module, name)) for module, name, _, _ in pairs()]
    for module, name, original, ours in pairs():
        setattr(module, name, _either(f"{module.__name__.removeprefix('store.')}.{name}", original, ours))
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _either(point: str, original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def call(cursor: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(cursor, Cursor):
            return cursor.session.run(ours, point, *args, **kwargs)
        return original(cursor, *args, **kwargs)

    return call
