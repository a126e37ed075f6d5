"""A large order book, made without Kafka: how fast it is checked whole, and how fast one order's past is read.

Orders are first versions of one invented order under ids of their own, each with one later change (a quantity and what
follows from it), written by the processor's own functions; one order has as many versions as asked for.

Output:  orders a second and seconds of the whole check; milliseconds of reading an order's past, median and 95th percentile.
Fails:   BenchInvalid where the check finds anything.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median, quantiles
from uuid import UUID

from modification_processor import past
from modification_processor.incoming import Incoming, Read
from modification_processor.rows import change, first_version
from modification_processor.totals import recalculate
from modification_processor.verify_parallel import verify_in_processes
from modification_processor.work import OrderWork, Writes
from ordermend import bootstrap
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Place
from ordermend.bench.processor import order_of
from ordermend.bench.report import Figures
from ordermend.progress import Report as Phases
from schemas.order import Order, id_of
from store import heads
from store.sealing import KeyVault

PAGE = 1000
VERSIONS = 200
READS = 200


def measure_book(place: Place, orders: int, processes: int, progress: Phases) -> Figures:
    """Make a book of `orders` orders and measure it."""
    vault = KeyVault.load(place.settings.keys_dir)
    template = order_of(0)
    began = time.perf_counter()
    for done in _fill(place, vault, template, orders):
        progress("Book", f"{done} of {orders} orders made")
    made = time.perf_counter()
    many = _one_with_versions(place, vault, template)
    progress("Book", f"checking {orders} orders")
    checking = time.perf_counter()
    url, schema, keys = bootstrap.database_of(place.settings), place.settings.db_schema, place.settings.keys_dir
    checked = verify_in_processes(url, schema, keys, processes)
    ended = time.perf_counter()
    if checked.findings or checked.orders != orders + 1:
        raise BenchInvalid(f"{checked.orders} orders checked, {len(checked.findings)} findings: {checked.findings[:1]}")
    progress("Book", "reading one order's past")
    return {
        "book": {
            "orders": orders,
            "history_rows": checked.history_rows,
            "made_per_second": round(orders / (made - began)),
            "check_seconds": round(ended - checking, 1),
            "check_processes": processes,
            "checked_per_second": round(orders / (ended - checking)),
            "versions_of_one": VERSIONS,
            **_reads(place, vault, many),
        }
    }


def _fill(place: Place, vault: KeyVault, template: Order, orders: int) -> Iterator[int]:
    """Write the orders a page at a time; yield how many there are."""
    with bootstrap.connector(place.settings, "bench-book")() as connection:
        for start in range(0, orders, PAGE):
            ids = [id_of(f"book:{number}") for number in range(start, min(start + PAGE, orders))]
            with connection.transaction(), connection.cursor() as cursor:
                works = {order_id: OrderWork(head, None, "", {}) for order_id, head in heads.lock(cursor, ids).items()}
                writes = Writes(vault, datetime.now(UTC))
                for order_id, work in works.items():
                    order = template.model_copy(update={"order_id": order_id})
                    first_version(work, order, _read(order_id, 0), writes)
                    change(work, _edited(order, 1), _read(order_id, 1), writes)
                writes.flush(cursor, works)
            yield start + len(ids)


def _one_with_versions(place: Place, vault: KeyVault, template: Order) -> UUID:
    """Write one order with `VERSIONS` versions; return its id."""
    order_id = id_of("book:many")
    with bootstrap.connector(place.settings, "bench-book")() as connection, connection.transaction(), connection.cursor() as cursor:
        work = OrderWork(heads.lock(cursor, [order_id])[order_id], None, "", {})
        writes = Writes(vault, datetime.now(UTC))
        order = template.model_copy(update={"order_id": order_id})
        first_version(work, order, _read(order_id, 0), writes)
        for number in range(1, VERSIONS):
            assert work.order is not None
            change(work, _edited(work.order, number), _read(order_id, number), writes)
        writes.flush(cursor, {order_id: work})
    return order_id


def _edited(order: Order, number: int) -> Order:
    """Return the order with another quantity on one line and all that follows from it."""
    index = number % len(order.lines)
    line = order.lines[index]
    lines = tuple(each.model_copy(update={"ordered": 1 + (each.ordered + number) % 7}) if each is line else each for each in order.lines)
    return recalculate(order.model_copy(update={"lines": lines, "note": f"edit {number}"}))


def _read(order_id: UUID, number: int) -> Read:
    incoming = Incoming("bench", 0, number, None, b"", None, datetime.now(UTC))
    return Read(incoming, order_id, f"bench:{number}", "Bench", b"")


def _reads(place: Place, vault: KeyVault, order_id: UUID) -> Figures:
    """Return what reading the past of the order with many versions takes, each read from the database afresh."""
    with bootstrap.connector(place.settings, "bench-book")() as connection:

        def load() -> past.Past:
            with connection.transaction(), connection.cursor() as cursor:
                return past.load(cursor, vault, order_id)

        acts: dict[str, Callable[[int], object]] = {
            "as_placed": lambda _: past.as_of(load(), 1),
            "as_of": lambda number: past.as_of(load(), 1 + number % VERSIONS),
            "between": lambda number: past.between(load(), 1 + number % (VERSIONS - 1), VERSIONS),
            "why": lambda number: past.why(load(), 1 + number % (VERSIONS - 1), VERSIONS),
        }
        found = {name: [_milliseconds(act, number) for number in range(READS)] for name, act in acts.items()}
    return {f"{name}_ms": {"median": round(median(taken), 1), "p95": round(quantiles(taken, n=20)[18], 1)} for name, taken in found.items()}


def _milliseconds(act: Callable[[int], object], number: int) -> float:
    began = time.perf_counter()
    act(number)
    return (time.perf_counter() - began) * 1000
