"""The whole book checked by several processes, all of which see it at one moment.

The leader exports its snapshot; each worker takes ranges of order ids under it. Rows that hang in the air are the
leader's. What is found is what one process would find.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from uuid import UUID

from modification_processor.verify import Verified, begin, count, orphans, verify, verify_range
from store.database import Connection, connect
from store.sealing import KeyVault

PARTS = 64


def verify_in_processes(url: str, schema: str, keys: Path, processes: int, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Check the book at `url`; `keys` is the folder of the master key. `progress` gets (orders checked, orders in all)."""
    with connect(url, schema, application="verify") as leader:
        if processes <= 1:
            return verify(leader, KeyVault.load(keys), progress)
        begin(leader)
        total = count(leader, "select count(*) from orders")
        row = leader.execute("select pg_export_snapshot()").fetchone()
        assert row is not None
        checked = Verified(0, 0, ())
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
            work = [pool.submit(_part, url, schema, keys, row[0], number) for number in range(PARTS)]
            checked += Verified(0, 0, orphans(leader))
            for done in as_completed(work):
                checked += done.result()
                if progress:
                    progress(checked.orders, total)
        leader.rollback()
    return checked


_open: dict[str, Connection] = {}


def _part(url: str, schema: str, keys: Path, snapshot: str, number: int) -> Verified:
    """Check one part of the id space, in a worker; its connection is kept for the next part."""
    connection = _open.get(snapshot)
    if connection is None:
        connection = _open[snapshot] = connect(url, schema, application="verify")
    begin(connection, snapshot)
    checked = Verified(0, 0, ())
    for part in verify_range(connection, KeyVault.load(keys), _bound(number), _bound(number + 1)):
        checked += part
    connection.rollback()
    return checked


def _bound(number: int) -> UUID:
    return UUID(int=min(2**128 // PARTS * number, 2**128 - 1))
