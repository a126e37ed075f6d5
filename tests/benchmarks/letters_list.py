"""`python -m tests.benchmarks.letters_list [LETTERS]`: how long the triage list takes with that many open letters.

Starts a database of its own, fills it with invented letters (900 bytes each, 400 causes, their orders beside them), and
prints the time of each read at p50 and p95. Nothing is asserted: a figure is of the machine it was measured on.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from dlq_handler.triage import rescore
from ordermend.local import stack as local_stack
from ordermend.settings import Settings
from store import replays, triage
from store.database import Connection, connect, role_of
from store.migrating import migrate
from store.replays import Bulk
from store.triage import Filter

FILL = """
with made as (select gen_random_uuid() as order_id, n from generate_series(1, %s) n),
 o as (insert into orders (order_id, version, channel, account, channel_order_id, order_number, lifecycle, currency, grand_total_minor,
         placed_at, statement_id, doc)
       select order_id, 1, 'shopify', 'default', n::text, '#' || n, 'confirmed', 'GBP', (exp(random() * 8) * 100)::bigint,
         now() - random() * interval '3 days', 's' || n, '{"tags": [], "delivery_window": null}' from made)
insert into dead_letter (order_id, letter_id, topic, part, off, message_id, message, channel, error_class, code, stage, field, detail,
  fingerprint, score, attempts, status, value_sealed, first_failed_at, last_failed_at)
select order_id, gen_random_uuid(), 'orders.canonical.v1', n %% 24, n, 'm' || n, 'IntakeFailed',
  (array['shopify', 'ebay', 'amazon', 'x12'])[1 + n %% 4], (array['SEMANTIC', 'BUG', 'SCHEMA'])[1 + n %% 3], 'normalization_failed', 'intake',
  '/line_items/1/price', repeat('x', 80), 'v2-' || md5((400 * power(random(), 3))::int::text), 10, 1, 'unresolved',
  decode(repeat(md5(n::text), 56), 'hex'), now() - random() * interval '2 days', now() from made
"""


def percentiles(act: Callable[[], object], times: int = 60) -> tuple[float, float]:
    """Return p50 and p95 in milliseconds."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return took[times // 2], took[int(times * 0.95)]


def measure(connection: Connection) -> None:
    """Print one line for each read."""
    with connection.cursor() as cursor:
        deep = cursor.execute(
            "select letter_id from dead_letter order by score desc, first_failed_at, letter_id offset %s", (50_000,)
        ).fetchone()
        rare = cursor.execute("select fingerprint from dead_letter group by 1 order by count(*) limit 1").fetchone()
        busy = cursor.execute("select fingerprint from dead_letter group by 1 order by count(*) desc limit 1").fetchone()
        reads: dict[str, Callable[[], object]] = {
            "first page of 50": lambda: triage.page(cursor, Filter(), 50),
            "page at 50,000": lambda: triage.page(cursor, Filter(), 50, deep[0] if deep else None),
            "by class": lambda: triage.page(cursor, Filter(error_class="BUG"), 50),
            "by channel": lambda: triage.page(cursor, Filter(channel="x12"), 50),
            "by a channel that has none": lambda: triage.page(cursor, Filter(channel="etsy"), 50),
            "by the rarest cause": lambda: triage.page(cursor, Filter(fingerprint=rare[0] if rare else ""), 50),
            "by the commonest cause": lambda: triage.page(cursor, Filter(fingerprint=busy[0] if busy else ""), 50),
            "groups": lambda: triage.groups(cursor, 50),
        }
        for name, act in reads.items():
            half, most = percentiles(act)
            print(f"{name:<28} p50 {half:8.1f} ms   p95 {most:8.1f} ms")  # noqa: T201 -- a program
        started = time.perf_counter()
        made = Bulk(uuid4(), "bench", busy[0] if busy else "", None, "running", None, None)
        frozen, _ = replays.create(cursor, made, 10_000)
        print(f"{frozen} letters frozen for a bulk replay in {(time.perf_counter() - started) * 1000:.1f} ms")  # noqa: T201 -- a program


def main(letters: int) -> None:
    """Start, fill, score, measure, erase."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", cache=Settings().cache_dir)
        with local_stack.ephemeral(settings) as stack:
            migrate(stack.owner_database_url, "bench", role_of(stack.database_url))
            with connect(stack.database_url, "bench", autocommit=True) as connection:
                connection.execute("set statement_timeout = 0")
                connection.execute(FILL, (letters,))
                started, scored = time.perf_counter(), 0
                while piece := rescore(connection):
                    scored += piece
                print(f"{scored} letters scored in {time.perf_counter() - started:.1f} s")  # noqa: T201 -- a program
                connection.execute("set statement_timeout = 30000")
                measure(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
