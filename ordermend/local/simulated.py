"""A payment gateway, a channel, a notifier, a warehouse and an inventory of our own, for the demo and the tests: slow, refusing, and losing answers.

What they did is kept in a file of their own, as the world outside would: asked again with the same key, they do nothing
more and answer as the first time, also after the asker or they themselves were killed. Which requests are declined or
lose their first answer follows from the key, so a run can be told again.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from modification_processor.payment_plan import ALREADY_PAID, TAKEN_BACK
from modification_processor.settlement import Declined, NoAnswer, PaymentRequest, Ports, StockRequest
from schemas.order import Order

_TABLES = """
create table if not exists movement (key text primary key, order_id text not null, kind text not null, provider text not null,
    tender text not null, amount_minor integer not null, currency text not null, answer text not null, asked integer not null default 1);
create table if not exists paid (key text primary key, transaction_id text not null, amount_minor integer not null);
create table if not exists told (key text primary key, order_id text not null, port text not null, what text not null,
    amount_minor integer not null, asked integer not null default 1);
create table if not exists held (reservation_id text primary key, revision integer not null, sku text not null, location text not null,
    units integer not null);
"""


_REFUSALS = {"declined": "card_declined", ALREADY_PAID: ALREADY_PAID, TAKEN_BACK: TAKEN_BACK}


@dataclass(frozen=True)
class Behaviour:
    """How the outside world treats us: seconds an answer takes, shares (0 to 1) that are declined or not answered at first."""

    latency_seconds: float = 0.0
    declined: float = 0.0
    lost: float = 0.0


class SimulatedWorld:
    """All five ports over one file. Threads may share it."""

    def __init__(self, path: Path, behaviour: Behaviour = Behaviour()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._behaviour = behaviour
        self._lock = threading.Lock()
        with self._open() as book:
            book.executescript(_TABLES)

    def ports(self) -> Ports:
        """Return what the settlement worker asks."""
        return Ports(self, self, self, self, self)

    def execute(self, request: PaymentRequest) -> str | None:
        """Move money in the file; see `PaymentGateway`."""
        time.sleep(self._behaviour.latency_seconds)
        first, answer = self._move(request)
        if first and _share(request.key, "lost") < self._behaviour.lost:
            raise NoAnswer
        if answer in _REFUSALS:
            raise Declined(_REFUSALS[answer])
        return None if answer == "delivered" else answer

    def tell(self, key: UUID, verb: str, order: Order, amount_minor: int) -> None:
        """Remember what the channel was told; see `ChannelPort`."""
        self._tell(key, order, "channel", verb, amount_minor)

    def notify(self, key: UUID, template: str, order: Order) -> None:
        """Remember which notice was sent; see `Notifier`. Whom it went to is nobody's business here."""
        self._tell(key, order, "notice", template, 0)

    def recall(self, key: UUID, kind: str, order: Order, line_id: str) -> None:
        """Give a line back; see `WarehousePort`. What is declined stays in the warehouse's hands."""
        declined = _share(key, "declined") < self._behaviour.declined
        self._tell(key, order, "warehouse", f"{kind} {'declined' if declined else 'done'} {line_id}", 0)
        if declined:
            raise Declined("already_on_its_way")

    def hold(self, request: StockRequest) -> None:
        """Keep the newest revision of a reservation; see `InventoryPort`."""
        time.sleep(self._behaviour.latency_seconds)
        if _share(request.key, "declined") < self._behaviour.declined:
            raise Declined("not_that_many")
        with self._lock, self._open() as book:
            known = book.execute("select revision from held where reservation_id = ?", (str(request.reservation_id),)).fetchone()
            book.execute(
                """insert into held values (?, ?, ?, ?, ?) on conflict (reservation_id) do update set revision = excluded.revision,
                   sku = excluded.sku, location = excluded.location, units = excluded.units where excluded.revision > held.revision""",
                (str(request.reservation_id), request.revision, request.sku, request.location, request.units),
            )
        if (known is None or known[0] < request.revision) and _share(request.key, "lost") < self._behaviour.lost:
            raise NoAnswer

    def held(self) -> dict[str, tuple[str, str, int]]:
        """Return what is reserved out here, by reservation id: SKU, location, units."""
        with self._open() as book:
            rows = book.execute("select reservation_id, sku, location, units from held where units > 0").fetchall()
        return {name: (sku, location, units) for name, sku, location, units in rows}

    def pay(self, key: UUID) -> tuple[str, int]:
        """Let the customer meet a payment request; return transaction and amount. Raises `Declined` where it asks for nothing any more."""
        with self._lock, self._open() as book:
            amount = _asked_for(book, str(key))
            if amount <= 0 or book.execute("select 1 from paid where key = ?", (str(key),)).fetchone():
                raise Declined(TAKEN_BACK)
            transaction = f"paid-{key.hex[:16]}"
            book.execute("insert into paid values (?, ?, ?)", (str(key), transaction, amount))
            return transaction, amount

    def movements(self) -> list[tuple[str, str, str, int, str]]:
        """Return every movement made: order id, kind, tender, amount in minor units, answer."""
        with self._open() as book:
            return book.execute("select order_id, kind, tender, amount_minor, answer from movement order by rowid").fetchall()

    def told(self, port: str) -> list[tuple[str, str, int]]:
        """Return what was told on a port: order id, what, amount."""
        with self._open() as book:
            return book.execute("select order_id, what, amount_minor from told where port = ? order by rowid", (port,)).fetchall()

    def _move(self, request: PaymentRequest) -> tuple[bool, str]:
        key = str(request.key)
        with self._lock, self._open() as book:
            known = book.execute("select answer from movement where key = ?", (key,)).fetchone()
            if known:
                book.execute("update movement set asked = asked + 1 where key = ?", (key,))
                return False, str(known[0])
            answer = self._answer(book, request)
            book.execute(
                "insert into movement (key, order_id, kind, provider, tender, amount_minor, currency, answer) values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, str(request.order_id), request.kind, request.provider, request.transaction, request.amount_minor,
                    request.currency, answer,
                ),
            )  # fmt: skip
            return True, answer

    def _answer(self, book: sqlite3.Connection, request: PaymentRequest) -> str:
        if request.kind == "take_back":
            paid = book.execute("select 1 from paid where key = ?", (request.transaction,)).fetchone()
            return ALREADY_PAID if paid else f"sim-{request.key.hex[:16]}"
        if request.kind == "request_payment" and _lowered(book, str(request.key)) >= request.amount_minor:
            return TAKEN_BACK
        if _share(request.key, "declined") < self._behaviour.declined:
            return "declined"
        return "delivered" if request.kind == "request_payment" else f"sim-{request.key.hex[:16]}"

    def _tell(self, key: UUID, order: Order, port: str, what: str, amount_minor: int) -> None:
        time.sleep(self._behaviour.latency_seconds)
        with self._lock, self._open() as book:
            seen = book.execute("update told set asked = asked + 1 where key = ?", (str(key),)).rowcount
            if not seen:
                book.execute(
                    "insert into told (key, order_id, port, what, amount_minor) values (?, ?, ?, ?, ?)",
                    (str(key), str(order.order_id), port, what, amount_minor),
                )
        if not seen and _share(key, "lost") < self._behaviour.lost:
            raise NoAnswer

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        book = sqlite3.connect(self._path, timeout=30.0)
        try:
            with book:
                yield book
        finally:
            book.close()


def _asked_for(book: sqlite3.Connection, key: str) -> int:
    """Return what a delivered payment request asks for now."""
    found = book.execute("select amount_minor from movement where key = ? and answer = 'delivered'", (key,)).fetchone()
    return int(found[0]) - _lowered(book, key) if found else 0


def _lowered(book: sqlite3.Connection, key: str) -> int:
    found = book.execute(
        "select coalesce(sum(amount_minor), 0) from movement where kind = 'take_back' and tender = ? and answer like 'sim-%'", (key,)
    )
    return int(found.fetchone()[0])


def _share(key: UUID, what: str) -> float:
    """Return a number from 0 to 1 that follows from the key."""
    return int.from_bytes(sha256(f"{what}:{key}".encode()).digest()[:4]) / 2**32
