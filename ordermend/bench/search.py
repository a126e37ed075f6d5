"""A large order book that is searched: how long the console's list takes by what people say, and by its filters.

Orders are one invented order under ids, numbers, names, phones, postcodes and SKUs of their own; the terms are the processor's
(`store.search.terms_of`), the question is the console's (`console.queries.orders.listing`). Names and SKUs are skewed as real ones
are: a few are everywhere, most are rare. One order in twenty was edited, one in a hundred is held.

Output:  milliseconds of a page of 25 by kind of question, median and 95th percentile, and over all.
Fails:   BenchInvalid where a question about an order does not find it.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Final
from uuid import UUID

from console.queries import orders
from console.queries.orders import Filters
from normalizers import discover
from ordermend import bootstrap
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Place
from ordermend.bench.processor import order_of
from ordermend.bench.report import Figures
from ordermend.progress import Report as Phases
from schemas.order import Hold, Order, id_of
from store import search
from store.database import Connection, Cursor

PAGE: Final = 5000
ASKED: Final = 100
"""How often each kind of question is asked, each time about another order."""
ROWS: Final = 25
_SYLLABLES: Final = (
    "an",
    "be",
    "cor",
    "da",
    "el",
    "fin",
    "gra",
    "ho",
    "is",
    "ju",
    "ka",
    "lo",
    "mar",
    "no",
    "ol",
    "pe",
    "ro",
    "sa",
    "ti",
    "vo",
)
_COLUMNS: Final = ("order_id", "version", "channel", "account", "channel_order_id", "order_number", "lifecycle", "currency",
                   "grand_total_minor", "placed_at", "statement_id", "edits", "doc", "created_at")  # fmt: skip


def measure_search(place: Place, count: int, progress: Phases) -> Figures:
    """Make a book of `count` orders and search it."""
    with bootstrap.connector(place.settings, "bench-search")() as connection:
        began = time.perf_counter()
        template = order_of(0)
        for done in _fill(connection, template, count):
            progress("Search", f"{done} of {count} orders made")
        connection.execute("analyze orders")
        connection.execute("analyze order_search")
        connection.commit()
        made = time.perf_counter() - began
        progress("Search", "asking")
        found = {name: _ask(connection, template, question, count) for name, question in QUESTIONS.items()}
    together = [taken for each in found.values() for taken in each]
    return {
        "search": {
            "orders": count,
            "made_seconds": round(made),
            "asked": len(together),
            **{f"{name}_ms": _spread(taken) for name, taken in found.items()},
            "all_ms": _spread(together),
        }
    }


def _spread(taken: list[float]) -> dict[str, float]:
    return {"median": round(median(taken), 1), "p95": round(quantiles(taken, n=20)[18], 1), "most": round(max(taken), 1)}


def _ask(connection: Connection, template: Order, question: Callable[[Order], tuple[Filters, bool]], count: int) -> list[float]:
    taken = []
    chosen = random.Random(7)  # noqa: S311 -- which orders are asked for, not a secret
    for _ in range(ASKED):
        number = chosen.randrange(count)
        filters, finds = question(invented(template, number))
        began = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            rows, _more = orders.listing(cursor, filters, None, ROWS)
        taken.append((time.perf_counter() - began) * 1000)
        if finds and _id(number) not in {row.order_id for row in rows}:
            raise BenchInvalid(f"order {number} is not found by {filters}")
    return taken


def _id(number: int) -> UUID:
    return id_of(f"search:{number}")


def invented(template: Order, number: int) -> Order:
    """Return an order with what people are found by, from its number alone."""
    rng = random.Random(number)  # noqa: S311 -- invented data, the same each time
    first, last = _word(rng, 2, 400), _word(rng, 3, 8000)
    email = f"{first}.{last}{rng.randrange(1000)}@example.com"
    address = {"name": f"{first} {last}".title(), "postal_code": f"{rng.randrange(100_000):05d}", "phone": None}
    ship_to = template.ship_to.model_copy(update=address) if template.ship_to else None
    lines = tuple(line.model_copy(update={"sku": f"SKU-{_skewed(rng, 50_000)}"}) for line in template.lines)
    held = number % 100 == 0
    channels = _CHANNELS
    return template.model_copy(
        update={
            "order_id": _id(number),
            "order_number": f"#{1_000_000 + number}",
            "source": template.source.model_copy(
                update={"channel": channels[_skewed(rng, len(channels))], "channel_order_id": str(5_000_000_000 + number)}
            ),
            "contact": template.contact.model_copy(
                update={"name": address["name"], "email": email, "phone": f"+44{7_000_000_000 + rng.randrange(10**9)}"}
            ),
            "ship_to": ship_to,
            "bill_to": ship_to,
            "lines": lines,
            "lifecycle": "held" if held else "confirmed",
            "holds": (Hold(hold_id="H1", kind="address" if number % 200 else "fraud"),) if held else (),
        }
    )


_CHANNELS: Final = tuple(sorted(discover()))


def _skewed(rng: random.Random, most: int) -> int:
    """Return a number below `most`; small ones are far more frequent."""
    return int(most * rng.random() ** 4)


def _word(rng: random.Random, syllables: int, most: int) -> str:
    picked = random.Random(_skewed(rng, most))  # noqa: S311 -- invented data
    return "".join(picked.choice(_SYLLABLES) for _ in range(syllables)) + picked.choice("aeiouny")


def _fill(connection: Connection, template: Order, count: int) -> Iterator[int]:
    """Write orders and their terms a page at a time; yield how many there are."""
    now = datetime.now(UTC)
    for start in range(0, count, PAGE):
        page = [invented(template, number) for number in range(start, min(start + PAGE, count))]
        with connection.transaction(), connection.cursor() as cursor:
            _write(cursor, page, start, now - timedelta(seconds=20 * (count - start)))
        yield start + len(page)


def _write(cursor: Cursor, page: list[Order], start: int, at: datetime) -> None:
    arrivals = [at + timedelta(seconds=20 * place) for place in range(len(page))]
    with cursor.copy("copy order_search (order_id, terms, arrived_at, channel) from stdin (format binary)") as copy:
        copy.set_types(("uuid", "text[]", "timestamptz", "text"))
        for order, arrived in zip(page, arrivals, strict=True):
            copy.write_row((order.order_id, search.terms_of(order), arrived, order.source.channel))
    with cursor.copy(f"copy orders ({', '.join(_COLUMNS)}) from stdin") as copy:
        for number, (order, arrived) in enumerate(zip(page, arrivals, strict=True), start):
            copy.write_row(
                (
                    order.order_id, 1, order.source.channel, order.source.account, order.source.channel_order_id, order.order_number,
                    order.lifecycle, order.currency, order.totals.grand_total_minor, order.placed_at, f"bench:{number}",
                    int(number % 20 == 0), order.model_dump_json(), arrived,
                )
            )  # fmt: skip


QUESTIONS: Final[dict[str, Callable[[Order], tuple[Filters, bool]]]] = {
    "order_number": lambda order: (Filters(order.order_number), True),
    "channel_order_id": lambda order: (Filters(order.source.channel_order_id), True),
    "email": lambda order: (Filters(order.contact.email), True),
    "phone": lambda order: (Filters(f"0{(order.contact.phone or '')[3:]}"), True),
    "name": lambda order: (Filters(order.contact.name), False),
    "last_name": lambda order: (Filters((order.contact.name or "").split()[-1]), False),
    "sku": lambda order: (Filters(order.lines[0].sku), False),
    "everywhere_sku": lambda _: (Filters("SKU-0"), False),
    "postcode": lambda order: (Filters(order.ship_to.postal_code if order.ship_to else None), False),
    "nothing": lambda order: (Filters(f"{order.order_number}xyz"), False),
    "newest": lambda _: (Filters(), False),
    "channel": lambda order: (Filters(channel=order.source.channel), False),
    "held": lambda _: (Filters(lifecycle="held"), False),
    "hold_kind": lambda _: (Filters(hold="fraud"), False),
    "edited": lambda _: (Filters(edited=True), False),
    "older_than_a_week_of_a_channel": lambda order: (Filters(channel=order.source.channel, age="over_week"), False),
    "sku_of_a_channel_edited": lambda order: (Filters(order.lines[0].sku, channel=order.source.channel, edited=True), False),
}
