"""Tickets that demo agents open: operations on an order as it was stated, and the ways to get one wrong.

Input:   a seeded generator and the sketch of an order the traffic generator made.
Output:  `Edit`, a ticket to be signed and sent. The same generator state gives the same edit.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

import orjson

from normalizers import discover
from normalizers.channel import Document, StatedOrder
from ordermend.local.demo.counted import COUNTED
from ordermend.local.traffic.catalogue import PRODUCTS
from ordermend.local.traffic.schedule import Send
from ordermend.local.traffic.sketch import OrderSketch
from schemas.failures import OrdermendError
from schemas.order import Address
from schemas.ticket import Operation

PERCENT_CODE: Final = "GOODWILL10"
AMOUNT_CODE: Final = "GOODWILL5"
EXPIRED_CODE: Final = "EXPIRED1"
MARKETPLACES: Final = frozenset({"amazon", "ebay"})
"""Channels that own their orders: no address, no more units, no other goods."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Who opens a ticket, with the roles the door would have verified."""

    user: str
    roles: tuple[str, ...] = ("Order_Modify",)


AGENTS: Final = (Agent("agent"), Agent("agent-mira"), Agent("agent-tomas"), Agent("approver", ("Order_Modify", "Order_Approve")))
VISITOR: Final = Agent("visitor", ())
"""May look, may not change."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a ticket asks for: an operation and the reason given."""

    operation: Operation
    reason: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A ticket to send. `forged`: signed with a key that may not speak for agents. `twice`: sent again, byte for byte."""

    order_id: UUID
    ticket_id: UUID
    requests: tuple[Request, ...]
    agent: Agent
    base_version: int | None = None
    forged: bool = False
    twice: bool = False

    @property
    def message_id(self) -> str:
        """The id under which the processor receives it."""
        return f"ticket:{self.ticket_id}"


def request(operation: str, reason: str, /, **arguments: object) -> Request:
    """Return a request for one operation."""
    return Request(Operation(name=operation, arguments=orjson.dumps(arguments).decode()), reason)


def edit(rng: random.Random, order: OrderSketch, requested: Request, agent: Agent | None = None, base_version: int | None = None) -> Edit:
    """Return a ticket of `agent`, or of any agent."""
    ticket_id = UUID(int=rng.getrandbits(128), version=4)
    return Edit(order.order_id, ticket_id, (requested,), agent or rng.choice(AGENTS), base_version)


def plain(rng: random.Random, send: Send) -> Request:
    """Return something that an agent may well do to the order."""
    order = send.sketch
    assert order is not None
    names = _MARKETPLACE if order.channel in MARKETPLACES else _ALL
    made = _MAKERS[rng.choice(names)](rng, send, order)
    return made or set_contact(rng)


def set_contact(rng: random.Random) -> Request:
    """Correct the mail address; the new one belongs to nobody (RFC 2606)."""
    return request("set_contact", "customer_request", email=f"customer{rng.randrange(10**9)}@example.com")


def set_delivery_window(rng: random.Random) -> Request:
    """Move the delivery to some day of the coming weeks."""
    day = datetime.now(UTC).date() + timedelta(days=3 + rng.randrange(21))
    hour = rng.choice((8, 10, 14, 17))
    earliest = datetime.combine(day, time(hour), UTC)
    return request("set_delivery_window", "reschedule", earliest=earliest.isoformat(), latest=(earliest + timedelta(hours=3)).isoformat())


def more_units(rng: random.Random, order: OrderSketch) -> Request:
    """Raise a line by one or two units."""
    line = rng.choice(order.lines)
    return request("change_quantity", "customer_request", line_id=line.line_id, quantity=line.quantity + rng.randrange(1, 3))


def _contact(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return set_contact(rng)


def _window(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return set_delivery_window(rng)


def _quantity(rng: random.Random, _send: Send, order: OrderSketch) -> Request:
    line = max(order.lines, key=lambda each: each.quantity)
    if line.quantity > 1 and rng.random() < 0.5:
        return request("change_quantity", "entry_error", line_id=line.line_id, quantity=line.quantity - 1)
    return more_units(rng, order)


def _split(rng: random.Random, _send: Send, order: OrderSketch) -> Request:
    line = rng.choice(order.lines)
    return request("split_shipment", "reschedule", parts=[{"line_id": line.line_id, "quantity": 1}], ship_method="express")


def _add_line(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    """One in three asks for goods of which stock is counted: units are promised by it, and refused where there are none left."""
    sku = rng.choice(PRODUCTS).sku if rng.random() < 0.67 else rng.choice(COUNTED).sku
    return request("add_line", "customer_request", sku=sku, quantity=rng.randrange(1, 4))


def _remove_line(rng: random.Random, _send: Send, order: OrderSketch) -> Request | None:
    return request("remove_line", "out_of_stock", line_id=rng.choice(order.lines).line_id) if len(order.lines) > 1 else None


def _cancel_line(rng: random.Random, _send: Send, order: OrderSketch) -> Request:
    line = rng.choice(order.lines)
    return request("cancel_line", "out_of_stock", line_id=line.line_id, quantity=1 if line.quantity > 1 else None)


def _replace_sku(rng: random.Random, _send: Send, order: OrderSketch) -> Request:
    line = rng.choice(order.lines)
    others = [product.sku for product in PRODUCTS if product.sku not in {each.sku for each in order.lines}]
    return request("replace_sku", "wrong_sku", line_id=line.line_id, sku=rng.choice(others))


def _promotion(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request("apply_promotion", "goodwill", code=rng.choice((PERCENT_CODE, AMOUNT_CODE)))


def _cancel_order(_rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request("cancel_order", "customer_request")


def _hold(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    kind = rng.choice(("fraud", "address", "manual"))
    return request("place_hold", "fraud_review", kind=kind, reason="An agent wants to look at it first.")


def _note(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request(
        "set_note", "customer_request", note=rng.choice(("Ring twice.", "Leave it with the neighbour.", "Call before you come."))
    )


def _tags(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request("set_tags", "customer_request", add=[rng.choice(("vip", "gift", "fragile"))])


def _ship_method(rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request("set_ship_method", "customer_request", method=rng.choice(("express", "pickup", "standard-tracked")))


def _payment_method(_rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    return request("set_payment_method", "customer_request", method="invoice")


def _price(rng: random.Random, _send: Send, order: OrderSketch) -> Request:
    """A price by hand: it waits for an approval."""
    line = rng.choice(order.lines)
    return request("override_price", "goodwill", line_id=line.line_id, unit_price=f"{rng.randrange(1, 20)}.5", note="Agreed on the phone.")


def _fee(_rng: random.Random, _send: Send, _order: OrderSketch) -> Request:
    """A fee by hand: it waits for an approval."""
    return request("add_fee", "customer_request", label="Gift wrap", amount="3")


def _bill_address(rng: random.Random, send: Send, order: OrderSketch) -> Request | None:
    made = _address(rng, send, order)
    return request("set_bill_address", "address_correction", **orjson.loads(made.operation.arguments)) if made else None


def _address(rng: random.Random, send: Send, _order: OrderSketch) -> Request | None:
    """Another street in the same tax area: the agent sees the address the order has."""
    seen = ship_to(send)
    if seen is None or seen.country is None or seen.city is None:
        return None
    kept = {name: getattr(seen, name) for name in ("name", "company", "city", "region", "postal_code", "country", "phone")}
    return request("set_ship_address", "address_correction", lines=[f"{rng.randrange(1, 200)} Example Street"], **kept)


def ship_to(send: Send) -> Address | None:
    """Return the address of the order in a document, as our normaliser reads it."""
    try:
        results = discover()[send.channel].normalize((Document(send.body, send.headers),))
    except OrdermendError:
        return None
    return next((found.order.ship_to for found in results if isinstance(found, StatedOrder)), None)


Maker = Callable[[random.Random, Send, OrderSketch], Request | None]
_MAKERS: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "set_contact": _contact,
        "set_delivery_window": _window,
        "change_quantity": _quantity,
        "add_line": _add_line,
        "remove_line": _remove_line,
        "cancel_line": _cancel_line,
        "replace_sku": _replace_sku,
        "apply_promotion": _promotion,
        "cancel_order": _cancel_order,
        "place_hold": _hold,
        "set_ship_address": _address,
        "set_bill_address": _bill_address,
        "set_ship_method": _ship_method,
        "split_shipment": _split,
        "set_payment_method": _payment_method,
        "set_note": _note,
        "set_tags": _tags,
        "override_price": _price,
        "add_fee": _fee,
    }
)
_ALL: Final = (*_MAKERS, "change_quantity", "set_ship_address", "set_ship_address")
_MARKETPLACE: Final = tuple(name for name in _MAKERS if name not in {"change_quantity", "add_line", "replace_sku", "set_ship_address"})
