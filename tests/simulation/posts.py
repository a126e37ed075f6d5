"""The messages of a run, made and signed once and used by every seed that draws them.

Each line of an order belongs to one kind of author (agents, restatements, channel changes, warehouse), so that what has to be in the
book in the end follows from what was sent, without any rule of merging.
"""

import json
from functools import cache
from hashlib import sha256
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric import ed25519

from modification_processor.settle import Topics
from schemas import topics
from schemas.assertion import KeyRing, RegisteredKey, Signer
from schemas.codec import decode, encode
from schemas.facts import ActionReported, FactLine, FactPayment, FulfillmentFact
from schemas.model import Model
from schemas.order import NAMESPACE, Order, raw_lane_id
from schemas.statement import ChangeStated, FetchNeeded, IntakeFailed, LineChange, OrderStated, RawDocument
from schemas.ticket import ModificationTicket, Operation, TicketCancelled, TicketReviewed
from tests.line import order_in, shopify_order
from tests.simulation.scheduler import BEGINNING

TOPICS = Topics(topics.CANONICAL.name, topics.MODIFICATIONS.name, topics.FULFILLMENT.name, topics.EVENTS.name)
SOURCES = (TOPICS.canonical, TOPICS.modifications, TOPICS.fulfillment)
AGENTS, RESTATED, CHANGED, WAREHOUSE, LARGE, UNDONE, RECALLED = range(7)
"""Whose line is which, by its place in the order."""
REFUSED_QUANTITY, REPAIRED_BY = 100, 40
"""A constraint of the simulated table keeps out orders with so many units on the agents' line: it is full of them.

Whoever repairs a ticket that asks for so many takes so many off.
"""
PLACED = (2, 1, 1, 100, 1, 5, 9)
MOST_EDITS, MOST_JOBS = 22, 2
"""One order is not edited more often, undoing aside: after thirty edits every further one waits for an approval."""
LARGE_STEP, MOST_LARGE = 1000, 6
"""Between any two of so many quantities of the line there is more money than one person may move."""
MOST_UNDONE = 3
MOST_RECALLS = MOST_RELEASES = 4
"""The warehouse takes a unit in hand at a time, and never more than any edit leaves of the line: that would be a conflict, which holds the order."""
MOST_VERSIONS = 12
LATE_STATEMENTS = 0.3
"""How often a statement comes behind a newer one, or such a one comes at last."""
EDITS = ("ticket", "changed", "large", "undoable", "recalling")
STATEMENTS = ("OrderStated", "ChangeStated", "FetchNeeded", "IntakeFailed")
TICKETS = ("ModificationTicket", "TicketCancelled", "TicketReviewed")


def _signer(kid: str) -> Signer:
    return Signer(kid, ed25519.Ed25519PrivateKey.from_private_bytes(sha256(kid.encode()).digest()), kid, 30 * 86_400)


DOORS = {
    "console": TICKETS,
    "bulk": TICKETS[:1],
    "intake": STATEMENTS,
    "warehouse": ("FulfillmentFact",),
    "settlement": ("ActionReported",),
}
SIGNERS = {kid: _signer(kid) for kid in DOORS}
KEYS = KeyRing(
    RegisteredKey(
        kid, "EdDSA", signer.private_key.public_key(), frozenset({"Order_Modify", "Order_Approve", "Order_Bulk"}), frozenset(DOORS[kid])
    )
    for kid, signer in SIGNERS.items()
)


class Post(NamedTuple):
    """A record as it is sent."""

    topic: str
    key: bytes
    value: bytes
    assertion: bytes
    order_id: str
    message_id: str
    kind: str
    about: str = ""
    """The quantity it sets, or the ticket it withdraws, reviews or takes back."""
    author: str = ""


def _post(
    topic: str, order_id: UUID, body: Model, message_id: str, kid: str,
    about: object = "", roles: tuple[str, ...] = (), *, kind: str = "", author: str = "",
) -> Post:  # fmt: skip
    value, sub = encode(body), author or kid
    token = SIGNERS[kid].sign(value, message_id=message_id, order_id=str(order_id), sub=sub, roles=roles, now=BEGINNING.timestamp())
    return Post(topic, str(order_id).encode(), value, token, str(order_id), message_id, kind or type(body).__name__, str(about), sub)


def document_of(number: int, version: int) -> bytes:
    """Return the order as the channel states it in that version."""
    quantities = (PLACED[0], PLACED[1] + version, *PLACED[2:])
    lines = [(f"SKU-{name}", quantity, "1.00") for name, quantity in zip("ABCDEFG", quantities, strict=True)]
    return shopify_order(number, lines=lines, updated=f"2026-11-01T{10 + version}:00:00Z")


@cache
def order_of(number: int) -> Order:
    """The order as it was placed."""
    return order_in(document_of(number, 0))


@cache
def stated(number: int, version: int) -> Post:
    """The channel states the order; a later version has one unit more on the line of restatements."""
    body, order = document_of(number, version), order_in(document_of(number, version))
    message_id = f"stated:{number}:{version}"
    raw = RawDocument(body=body, sha256=sha256(body).hexdigest(), topic="orders.raw.shopify.v1", partition=0, offset=number * 100 + version)
    statement = OrderStated(message_id=message_id, order=order, event="update" if version else "create", verdict="accept", raw=raw)
    return _post(TOPICS.canonical, order.order_id, statement, message_id, "intake", order.lines[RESTATED].ordered)


@cache
def named(number: int, version: int) -> Post:
    """The channel has a new version, and does not say what is in it: it has to be fetched."""
    order, message_id = order_of(number), f"named:{number}:{version}"
    body = message_id.encode()
    raw = RawDocument(body=body, sha256=sha256(body).hexdigest(), topic="orders.raw.shopify.v1", partition=0, offset=number * 100 + version)
    source = order.source
    notification = FetchNeeded(
        message_id=message_id, order_id=order.order_id, channel=source.channel, account=source.account,
        channel_order_id=source.channel_order_id, event="update", missing=("the order",), raw=raw,
    )  # fmt: skip
    return _post(TOPICS.canonical, order.order_id, notification, message_id, "intake", PLACED[RESTATED] + version)


@cache
def unmappable(count: int) -> Post:
    """A document that intake could not read, and that names no order."""
    message_id, lane = f"unmappable:{count}", raw_lane_id(TOPICS.canonical, 0)
    body = message_id.encode()
    raw = RawDocument(body=body, sha256=sha256(body).hexdigest(), topic="orders.raw.shopify.v1", partition=2, offset=count)
    value = encode(
        IntakeFailed(
            message_id=message_id, order_id=None, channel="shopify", verdict="dead_letter", error_class="DECODE", code="undecodable", raw=raw
        )
    )  # fmt: skip
    key = f"raw:{raw.topic}:{raw.partition}"
    token = SIGNERS["intake"].sign(value, message_id=message_id, order_id=key, sub="intake", roles=(), now=BEGINNING.timestamp())
    return Post(TOPICS.canonical, key.encode(), value, token, str(lane), message_id, "IntakeFailed", "", "intake")


def fetched(number: int, body: bytes, message_id: str) -> Post:
    """What was fetched, as intake states it."""
    order = order_in(body)
    raw = RawDocument(body=body, sha256=sha256(body).hexdigest(), topic="orders.raw.shopify.v1", partition=1, offset=number)
    statement = OrderStated(message_id=message_id, order=order, event="update", verdict="accept", raw=raw)
    return _post(TOPICS.canonical, order.order_id, statement, message_id, "intake", order.lines[RESTATED].ordered)


def told_version(post: Post) -> int | None:
    """Return which version of its order a message tells of; None where it tells of none."""
    return int(post.about) - PLACED[RESTATED] if post.kind in ("OrderStated", "FetchNeeded") else None


@cache
def changed(number: int, quantity: int) -> Post:
    """The channel changes the quantity of its line."""
    order, message_id = order_of(number), f"changed:{number}:{quantity}"
    body = message_id.encode()
    raw = RawDocument(
        body=body, sha256=sha256(body).hexdigest(), topic="orders.raw.shopify.v1", partition=0, offset=number * 100 + quantity
    )
    row = LineChange(action="change", line_id=order.lines[CHANGED].channel_line_id, quantity_ordered=str(quantity))
    source = order.source
    change = ChangeStated(
        message_id=message_id, order_id=order.order_id, channel=source.channel, account=source.account,
        channel_order_id=source.channel_order_id, event="edit", line_changes=(row,), raw=raw,
    )  # fmt: skip
    return _post(TOPICS.canonical, order.order_id, change, message_id, "intake", quantity)


def ticket_id(number: int, quantity: int) -> UUID:
    """The id of the ticket that sets this quantity."""
    return uuid5(NAMESPACE, f"simulated:{number}:{quantity}")


@cache
def ticket(number: int, quantity: int, *, allowed: bool = True, says: int | None = None, reason: str = "customer_request") -> Post:
    """An agent sets the quantity of the agents' line; `says`: other content under the same id."""
    order, name = order_of(number), ticket_id(number, quantity)
    arguments = json.dumps({"line_id": order.lines[AGENTS].line_id, "quantity": says or quantity})
    body = ModificationTicket(
        ticket_id=name, order_id=order.order_id, operations=(Operation(name="change_quantity", arguments=arguments),),
        reason_code=reason, opened_at=BEGINNING,
    )  # fmt: skip
    return _post(TOPICS.modifications, order.order_id, body, f"ticket:{name}", "console", quantity, ("Order_Modify",) if allowed else ())


def repaired_quantity(post: Post) -> int:
    """Return what a ticket that asks for too much sets once a person has repaired it."""
    return int(post.about) - REPAIRED_BY


def repair_of(post: Post) -> str:
    """Return the JSON Patch that such a person writes."""
    return json.dumps([{"op": "replace", "path": "/operations/0/arguments/quantity", "value": repaired_quantity(post)}])


@cache
def large(number: int, count: int) -> Post:
    """An agent sets a quantity that somebody else has to approve."""
    return _setting(number, LARGE, LARGE_STEP * (count + 1), f"large:{number}:{count}", "LargeTicket")


@cache
def undoable(number: int, count: int) -> Post:
    """An agent sets a quantity that may be taken back."""
    return _setting(number, UNDONE, 10 + count, f"undoable:{number}:{count}", "UndoableTicket")


@cache
def recalling(number: int, count: int) -> Post:
    """An agent lowers a quantity, of which the warehouse may have units in hand that it has to give back first."""
    return _setting(number, RECALLED, PLACED[RECALLED] - 1 - count, f"recalling:{number}:{count}", "RecallTicket")


@cache
def released(number: int, count: int) -> Post:
    """The warehouse takes units in hand."""
    lines = (FactLine(line_id=order_of(number).lines[RECALLED].line_id, quantity=1),)
    return _fact(
        number, FulfillmentFact(fact_id=f"released-{number}-{count}", order_id=_id(number), kind="released", at=BEGINNING, lines=lines)
    )


@cache
def paid(number: int) -> Post:
    """The customer pays what was placed."""
    total = order_of(number).totals.grand_total_minor
    payment = FactPayment(provider="pay", transaction=f"T{number}", kind="capture", amount_minor=total, currency="GBP", method="card")
    return _fact(number, FulfillmentFact(fact_id=f"paid-{number}", order_id=_id(number), kind="payment", at=BEGINNING, payment=payment))


def _fact(number: int, body: FulfillmentFact) -> Post:
    return _post(TOPICS.fulfillment, _id(number), body, f"fact:{body.fact_id}", "warehouse", body.fact_id)


def _id(number: int) -> UUID:
    return order_of(number).order_id


def reported(
    order_id: UUID, name: str, action_id: UUID, outcome: Literal["done", "declined", "expired"], payment: FactPayment | None = None
) -> Post:
    """Somebody who was asked for something says what became of it."""
    code = None if outcome == "done" else "no"
    body = ActionReported(report_id=name, order_id=order_id, action_id=action_id, outcome=outcome, code=code, payment=payment, at=BEGINNING)
    return _post(TOPICS.fulfillment, order_id, body, f"report:{name}", "settlement", outcome)


def of_a_job(value: bytes) -> Post:
    """Return a ticket of a bulk job, as the relay sent it."""
    body = decode(value)
    assert isinstance(body, ModificationTicket)
    order_id = str(body.order_id)
    return Post(TOPICS.modifications, order_id.encode(), value, b"", order_id, f"ticket:{body.ticket_id}", "BulkTicket", "", "planner")


def undo(number: int, count: int, taken_back: UUID, quantity: int, version: int) -> Post:
    """An agent takes that ticket back: `quantity` is what was ordered before it, `version` what the agent looks at."""
    name = f"undo:{number}:{taken_back}:{count}"
    return _setting(number, UNDONE, quantity, name, "UndoTicket", taken_back=taken_back, version=version)


def _setting(
    number: int, line: int, quantity: int, name: str, kind: str, *, taken_back: UUID | None = None, version: int | None = None
) -> Post:
    order, ticket_id = order_of(number), uuid5(NAMESPACE, name)
    arguments = json.dumps({"line_id": order.lines[line].line_id, "quantity": quantity})
    body = ModificationTicket(
        ticket_id=ticket_id, order_id=order.order_id, operations=(Operation(name="change_quantity", arguments=arguments),),
        reason_code="customer_request", opened_at=BEGINNING, undoes=taken_back, base_version=version,
    )  # fmt: skip
    about = taken_back or quantity
    return _post(TOPICS.modifications, order.order_id, body, f"ticket:{ticket_id}", "console", about, ("Order_Modify",), kind=kind)


def reviewed(order_id: UUID, ticket_id: UUID, count: int, decision: Literal["approve", "decline"], effects: str | None, by: str) -> Post:
    """Somebody approves or declines a ticket of which they saw these effects."""
    name = uuid5(NAMESPACE, f"reviewed:{ticket_id}:{count}")
    body = TicketReviewed(review_id=name, ticket_id=ticket_id, order_id=order_id, decision=decision, preview_hash=effects, at=BEGINNING)
    return _post(TOPICS.modifications, order_id, body, f"review:{name}", "console", ticket_id, ("Order_Approve",), author=by)


@cache
def withdrawn(number: int, quantity: int) -> Post:
    """An agent withdraws that ticket."""
    order, name = order_of(number), uuid5(NAMESPACE, f"withdrawn:{number}:{quantity}")
    body = TicketCancelled(cancel_id=name, ticket_id=ticket_id(number, quantity), order_id=order.order_id, at=BEGINNING)
    return _post(TOPICS.modifications, order.order_id, body, f"cancel:{name}", "console", f"ticket:{body.ticket_id}", ("Order_Modify",))


@cache
def fact(number: int, count: int) -> Post:
    """The warehouse allocates a unit."""
    order, name = order_of(number), f"{number}-{count}"
    body = FulfillmentFact(
        fact_id=name, order_id=order.order_id, kind="allocated", at=BEGINNING,
        lines=(FactLine(line_id=order.lines[WAREHOUSE].line_id, quantity=1),),
    )  # fmt: skip
    return _post(TOPICS.fulfillment, order.order_id, body, f"fact:{name}", "warehouse", count)


@cache
def garbage(number: int, count: int) -> Post:
    """Bytes that nobody can read, and nobody signed, under an order's key."""
    order_id = str(order_of(number).order_id)
    return Post(TOPICS.modifications, order_id.encode(), b"\x00garbage %d" % count, b"", order_id, f"garbage:{number}:{count}", "garbage")
