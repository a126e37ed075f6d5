"""After the commit: asks gateways, channels and notifiers for what applied edits need, and reports what came of it.

    claim what is due (heads locked, one short transaction) -> ask, outside of any transaction -> put reports in the outbox

The id of a request is its idempotency key: a worker that dies between asking and reporting is replaced by one that
asks again, and whoever is asked answers as the first time. An answer that does not come is asked for again until the
deadline; then the request is reported as `expired`, and a person looks. The processor alone writes orders and tickets.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol
from uuid import UUID

from modification_processor.actions import CHANNEL, INVENTORY, NOTICE, PAYMENT, WAREHOUSE
from modification_processor.dependencies import Gates
from schemas.assertion import HEADER, Signer
from schemas.codec import encode
from schemas.facts import ActionReported, FactPayment
from schemas.order import Order, id_of
from schemas.stock import reservation_id_of
from store import actions, heads, orders, outbox
from store.actions import ActionRow, Ended
from store.database import Connection
from store.outbox import Outgoing
from store.rounds import keep_at_it
from telemetry import failpoints
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import ACTIONS, DEPENDENCY_CALLS

BATCH = 100
ASKING = 8
"""How many requests are under way at once."""
IDLE_SECONDS = 0.2
ASK_AGAIN = timedelta(seconds=5)
USER = "settlement"
QUIET = (CHANNEL, NOTICE, INVENTORY)
"""Ports whose yes concerns no order: the request is over, and nobody is told."""


class NoAnswer(Exception):
    """Nobody knows whether the request had an effect: it is made again, under the same key, until the deadline.

    `retry_after_seconds`: the dependency asks to be left alone for so long (HTTP 429 or 503 with Retry-After).
    """

    def __init__(self, retry_after_seconds: float | None = None) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class Declined(Exception):
    """A final no; the text is the reason code."""


@dataclass(frozen=True)
class PaymentRequest:
    """One movement of money. `key` is the idempotency key; `transaction` the tender it captures, gives back or changes."""

    key: UUID
    order_id: UUID
    kind: str
    provider: str
    transaction: str
    method: str | None
    amount_minor: int
    currency: str


class PaymentGateway(Protocol):
    """Moves money. Asked twice with one key, it moves it once and answers the same."""

    def execute(self, request: PaymentRequest) -> str | None:
        """Return the new transaction's id; None where the customer has to act first (a payment request was delivered).

        `take_back`: the payment request whose key is `transaction` shall ask for so much less, or, where nothing is left, be
        void; who cannot change a request withdraws it and delivers another. It moves no money. One that was paid is `Declined`
        as `already_paid`; a request that is void before it arrives is `Declined` as `taken_back`.

        Raises `Declined` or `NoAnswer`.
        """


class ChannelPort(Protocol):
    """Tells a sales channel what changed. Told twice with one key, it changes once."""

    def tell(self, key: UUID, verb: str, order: Order, amount_minor: int) -> None:
        """Tell the channel; raises `Declined` or `NoAnswer`."""


class Notifier(Protocol):
    """Writes to the customer. Asked twice with one key, it writes once."""

    def notify(self, key: UUID, template: str, order: Order) -> None:
        """Send the notice; raises `Declined` or `NoAnswer`."""


class WarehousePort(Protocol):
    """Gives back what it has in hand and has not shipped. Asked twice with one key, it answers the same."""

    def recall(self, key: UUID, kind: str, order: Order, line_id: str) -> None:
        """Take the line out of picking (`recall_pick`) or out of its parcel (`void_label`); raises `Declined` or `NoAnswer`."""


@dataclass(frozen=True)
class StockRequest:
    """A line's reservation as it shall be: so many units of a SKU from a location, 0: none any more. `key` is the idempotency key."""

    key: UUID
    order_id: UUID
    line_id: str
    reservation_id: UUID
    revision: int
    kind: str
    sku: str
    location: str
    units: int


class InventoryPort(Protocol):
    """Keeps an inventory outside in step with the book's reservations, which decide."""

    def hold(self, request: StockRequest) -> None:
        """Let the reservation be what the request says, unless a later revision of it is known; raises `Declined` or `NoAnswer`.

        The commit has promised the units already: a `Declined` is for a person, and takes nothing back.
        """


class BookInventory:
    """The book is the only inventory there is: nobody has to be told of what it reserves."""

    def hold(self, request: StockRequest) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Ports:
    """Whom the worker asks. A port makes one attempt a call: who asks again, and when, is decided here alone."""

    gateway: PaymentGateway
    channel: ChannelPort
    notifier: Notifier
    warehouse: WarehousePort
    inventory: InventoryPort = field(default_factory=BookInventory)


@dataclass(frozen=True)
class Answer:
    """What came of a request. `waits`: delivered, and somebody else's act answers it."""

    row: ActionRow
    outcome: str
    code: str | None = None
    transaction: str | None = None
    waits: bool = False


PAYMENT_KIND = {"charge": "capture", "raise_authorization": "authorization", "lower_authorization": "void", "refund": "refund"}
"""The ledger row that a step leaves; a payment request, and what takes one back, leave none."""


class Settlement:
    """Carries out what follows edits, until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        ports: Ports,
        signer: Signer,
        topic: str,
        health: Health | None = None,
        gates: Gates | None = None,
    ) -> None:
        """`topic` is where reports go; `signer` vouches for them; `gates` say whom to leave alone."""
        self._gates = gates or Gates()
        self._connect = connect
        self._ports = ports
        self._signer = signer
        self._topic = topic
        self._health = health
        self._log = logger("settlement")

    def run(self, stop: Event) -> None:
        """Ask for what is due; wait a little where nothing is; wait out an outage."""
        with ThreadPoolExecutor(ASKING, thread_name_prefix="asking") as pool:
            keep_at_it(
                self._connect, lambda connection: 0.0 if self.round(connection, pool) else IDLE_SECONDS, stop, "settlement", self._health
            )  # fmt: skip

    def round(self, connection: Connection, pool: ThreadPoolExecutor) -> int:
        """Claim what is due, ask for it, report; return how many requests were made."""
        claimed, found, named = self._claim(connection)
        if claimed:
            failpoints.hit("settlement.claimed")
        answers = list(pool.map(lambda row: self._gated(row, found.get(row.order_id), named[row.order_id, row.action_id]), claimed))
        if answers:
            failpoints.hit("settlement.asked")
            self._report(connection, answers)
            failpoints.hit("settlement.reported")
        return len(claimed)

    def _claim(self, connection: Connection) -> tuple[list[ActionRow], dict[UUID, Order], dict[tuple[UUID, UUID], str]]:
        """Take due requests; what they are about is read afresh, so that nothing personal is kept with them."""
        with connection.transaction(), connection.cursor() as cursor:
            quotas = self._gates.quotas(cursor)
            ready = actions.due(cursor, BATCH, quotas)
            named = {(each.order_id, each.action_id): each.dependency for each in ready}
            self._gates.claimed(quotas, Counter(named.values()))
            if not ready:
                return [], {}, {}
            heads.lock(cursor, list({each.order_id for each in ready}))
            claimed = actions.claim(cursor, list(named), ASK_AGAIN)
            books = orders.load(cursor, [row.order_id for row in claimed if row.port != PAYMENT])
        return claimed, {order_id: stored.order for order_id, stored in books.items()}, named

    def _gated(self, row: ActionRow, order: Order | None, dependency: str) -> Answer:
        """Ask, unless there is nothing to ask or the dependency was found to be down meanwhile; count how it fared."""
        without = _without_asking(row, order)
        if without is not None:
            return without
        if self._gates.holds(dependency):
            DEPENDENCY_CALLS.labels(dependency, "held").inc()
            return Answer(row, "no_answer", "held")
        answer, retry_after = self._ask(row, order)
        answered = answer.outcome != "no_answer"
        self._gates.note(dependency, answered=answered, retry_after_seconds=retry_after)
        DEPENDENCY_CALLS.labels(dependency, "answered" if answered else "no_answer").inc()
        return answer

    def _ask(self, row: ActionRow, order: Order | None) -> tuple[Answer, float | None]:
        """Return the answer, and how long the dependency asks to be left alone."""
        try:
            return self._answer(row, order), None
        except Declined as declined:
            return Answer(row, "declined", str(declined)), None
        except NoAnswer as error:
            return Answer(row, "no_answer"), error.retry_after_seconds
        except Exception as error:  # noqa: BLE001 -- a port of somebody else's: what it did is unknown, so it is asked again
            self._log.warning("port_failed", port=row.port, kind=row.kind, error=type(error).__name__)
            return Answer(row, "no_answer"), None

    def _answer(self, row: ActionRow, order: Order | None) -> Answer:
        if row.port == PAYMENT:
            transaction = self._ports.gateway.execute(_request(row))
            return Answer(row, "done", None, transaction, waits=transaction is None)
        assert order is not None
        if row.port == WAREHOUSE:
            self._ports.warehouse.recall(row.action_id, row.kind, order, row.transaction)
        elif row.port == INVENTORY:
            self._ports.inventory.hold(_stock_request(row))
        elif row.port == CHANNEL:
            self._ports.channel.tell(row.action_id, row.kind, order, row.amount_minor)
        else:
            self._ports.notifier.notify(row.action_id, row.kind, order)
        return Answer(row, "done")

    def _report(self, connection: Connection, answers: Sequence[Answer]) -> None:
        """Tell the processor; a yes that concerns no order ends here."""
        for answer in answers:
            ACTIONS.labels(answer.row.port, answer.row.kind, answer.outcome).inc()
        final = [answer for answer in answers if answer.outcome != "no_answer" and not answer.waits]
        quiet = [answer for answer in final if answer.outcome == "done" and answer.row.port in QUIET]
        loud = [answer for answer in final if answer not in quiet]
        waiting = [(answer.row.order_id, answer.row.action_id) for answer in answers if answer.waits]
        with connection.transaction(), connection.cursor() as cursor:
            heads.lock(cursor, list({answer.row.order_id for answer in answers}))
            self._gates.report(cursor)
            if quiet:
                actions.end(cursor, [Ended(a.row.order_id, a.row.action_id, "done", a.code) for a in quiet])
            if waiting:
                actions.wait_until_due(cursor, waiting)
            if loud:
                outbox.add(cursor, [self._outgoing(answer) for answer in loud])
                actions.answered(cursor, [(answer.row.order_id, answer.row.action_id) for answer in loud])
            failed = [a for a in loud if a.row.port in QUIET]
            if failed:
                actions.end(cursor, [Ended(a.row.order_id, a.row.action_id, "failed", a.code or a.outcome) for a in failed])

    def _outgoing(self, answer: Answer) -> Outgoing:
        row = answer.row
        body = ActionReported(
            report_id=str(row.action_id),
            order_id=row.order_id,
            action_id=row.action_id,
            outcome=answer.outcome,  # type: ignore[arg-type]  # `no_answer` is never reported
            code=answer.code,
            detail=f"{row.port} {row.kind}",
            payment=_payment(answer) if answer.outcome == "done" and answer.transaction and row.kind in PAYMENT_KIND else None,
            at=datetime.now(UTC),
        )
        value, order_id = encode(body), str(row.order_id)
        token = self._signer.sign(value, message_id=f"report:{body.report_id}", order_id=order_id, sub=USER, roles=())
        return Outgoing(
            row.order_id, None, id_of(f"report:{row.action_id}"), self._topic, order_id.encode(), value, {HEADER: token.decode()}
        )


def _without_asking(row: ActionRow, order: Order | None) -> Answer | None:
    """Return the answer to what nobody is asked for any more; None where somebody is."""
    if row.due_at <= datetime.now(UTC):
        return Answer(row, "expired", "no_answer_in_time")
    if row.port != PAYMENT and order is None:
        return Answer(row, "failed", "order_unknown")
    if row.port == NOTICE and order is not None and not (order.contact.email or order.contact.phone):
        return Answer(row, "done", "nobody_to_write_to")
    return None


def _request(row: ActionRow) -> PaymentRequest:
    about = str(row.after_id) if row.kind == "take_back" else row.transaction
    return PaymentRequest(row.action_id, row.order_id, row.kind, row.provider, about, row.method, row.amount_minor, row.currency)


def _stock_request(row: ActionRow) -> StockRequest:
    reservation_id = reservation_id_of(row.order_id, row.transaction)
    return StockRequest(
        row.action_id, row.order_id, row.transaction, reservation_id, row.step, row.kind, row.method or "", row.provider, row.amount_minor
    )


def _payment(answer: Answer) -> FactPayment:
    row = answer.row
    assert answer.transaction is not None
    return FactPayment(
        provider=row.provider,
        transaction=answer.transaction,
        kind=PAYMENT_KIND[row.kind],  # type: ignore[arg-type]  # a payment request is answered by the customer's payment
        amount_minor=row.amount_minor,
        currency=row.currency,
        method=row.method,
        parent=answer.transaction if row.kind == "charge" else row.transaction,
    )
