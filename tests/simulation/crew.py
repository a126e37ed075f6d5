"""Several processes that share a range of seeds, each with a schema of its own where the book is in PostgreSQL."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.pool import Pool
from multiprocessing.queues import SimpleQueue

from tests.simulation.postgres.own import Urls, running
from tests.simulation.postgres.server import Server, a_schema, serving

STORES = ("memory", "postgresql")
_mine: list[Server] = []
"""The server of this process; empty: the book is in memory."""


def server() -> Server | None:
    """Return what this process's seeds run on."""
    return _mine[0] if _mine else None


@contextmanager
def crew(store: str, jobs: int) -> Iterator[Pool]:
    """Yield a pool whose processes know their store; what was made for it is gone afterwards."""
    spawning = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        join: Callable[..., None] | None = None
        arguments: tuple[Urls, SimpleQueue[str]] | tuple[()] = ()
        if store == "postgresql":
            urls, names = stack.enter_context(running()), spawning.SimpleQueue()
            for _ in range(jobs):
                names.put(stack.enter_context(a_schema(*urls)))
            join, arguments = _join, (urls, names)
        yield stack.enter_context(spawning.Pool(jobs, join, arguments))


@contextmanager
def alone(store: str) -> Iterator[None]:
    """Let this process's seeds run on that store, for as long as the block lasts."""
    with ExitStack() as stack:
        if store == "postgresql":
            urls = stack.enter_context(running())
            _mine.append(stack.enter_context(serving(*urls, stack.enter_context(a_schema(*urls)))))
            stack.callback(_mine.clear)
        yield


def _join(urls: Urls, names: "SimpleQueue[str]") -> None:
    _mine.append(stack_of_the_process.enter_context(serving(*urls, names.get())))


stack_of_the_process = ExitStack()
"""What ends with the process."""
