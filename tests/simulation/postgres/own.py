"""The server that the simulation uses: DATABASE_URL's and ORDERMEND_OWNER_DATABASE_URL's, else one of its own, erased at the end."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ordermend import settings as environment
from ordermend.local.postgres import PostgresServer, home_for
from ordermend.local.processes import Starting, stop

CHECKOUT = Path(__file__).parents[3]


class Urls(NamedTuple):
    """How the application and the owner of its tables connect."""

    app: str
    owner: str


@contextmanager
def running() -> Iterator[Urls]:
    """Yield a server that runs."""
    named = environment.load()
    if named.database_url is not None:
        yield Urls(named.database_url, named.migration_url or named.database_url)
        return
    folder = home_for(CHECKOUT / f".ordermend/simulation-{os.getpid()}")
    server = PostgresServer(folder, named.cache or CHECKOUT / ".ordermend/cache")
    server.directory.mkdir(parents=True, exist_ok=True)
    server.log.touch(mode=0o600)
    starting = Starting(server.title, server.log, threading.Event(), lambda _phase: None)
    try:
        there = server.start(starting, {}).environment
        yield Urls(there["DATABASE_URL"], there["ORDERMEND_OWNER_DATABASE_URL"])
    finally:
        for process in reversed(starting.spawned):
            stop(process, server.stop_signal, 10)
        shutil.rmtree(folder, ignore_errors=True)
