"""A channel's change document -> the ticket it asks for, or why it takes a person.

`asked` is pure: (order, change, the channel's previous statement) -> operations, or the reason why not. What the book
already has asks for nothing, so an echo of our own change makes nothing, and neither does a change sent twice.

A line is found by the channel's id, else by its SKU where one line alone has it. What is left to come (X12's POC04) says more
than what was ordered, which some senders state as it was and others as it shall be. A stated quantity is what the line shall
come to; a difference counts from the book, and not at all where the channel stated the order at or after the moment of the
change, for that statement has it in it, nor where the book stands, by a change of our own that the channel was told of, at
what the channel's previous statement and the difference come to.
Everything a document states and no operation carries is named in `left`: it becomes a work item beside the ticket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from modification_processor.operations.operation import Context, Product
from modification_processor.operations.rows import MAX_UNITS, minted_id
from modification_processor.operations.rows import inverse_of as operation
from normalizers import discover as channels
from normalizers.channel import Restates, Verb
from schemas.assertion import Actor
from schemas.model import Instant
from schemas.order import DeliveryWindow, Order, OrderLine, id_of
from schemas.statement import ChangeStated, LineChange
from schemas.ticket import ModificationTicket, Operation

DOOR = "channel"
"""The door through which a channel's own tickets come."""
REASON = "channel_change"
ROLES = frozenset({"Order_Modify"})
"""What a channel may do with an order of its own: what an agent may, under the same locks and approvals."""
HEADER_RULES = frozenset({"ship_to_stated", "delivery_stated", "action_not_read"})
"""Findings of a change document that say: there is more in it than its lines."""
NOT_APPLIED = "edit_not_applied"
"""The finding of a change document that plans a change: it is not the channel's state, and may never be."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""No operation's id depends on the time."""
_TOLD = frozenset({Verb.CHANGE_QUANTITY, Verb.CANCEL_LINE, Verb.CHANGE_LINES})


@dataclass(frozen=True)
class Asked:
    """What a change asks for: operations (none where the book has it all), and what no operation carries."""

    operations: tuple[Operation, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unclear:
    """The document cannot be turned into operations: why."""

    why: str


class _Unclear(Exception):
    """One line's change cannot be understood."""


def ticket_id_of(body: ChangeStated) -> UUID:
    """Return the id of the ticket a change becomes: the same each time the message comes."""
    return id_of(f"{body.order_id}:{body.message_id}:change")


def actor_of(body: ChangeStated) -> Actor:
    """Return who a channel's ticket is from."""
    return Actor(f"channel:{body.channel}", ROLES, DOOR)


def ticket_of(body: ChangeStated, operations: tuple[Operation, ...], at: Instant) -> ModificationTicket:
    """Return the ticket; it names no version, for a channel knows none of ours."""
    return ModificationTicket(
        ticket_id=ticket_id_of(body),
        order_id=body.order_id,
        operations=operations,
        reason_code=REASON,
        comment=f"{body.event} sent by {body.channel}"[:200],
        opened_at=body.changed_at or at,
    )


def is_stale(order: Order, body: ChangeStated) -> bool:
    """Whether the channel has stated the order since, with the change in it."""
    stated, changed = order.source.channel_updated_at, body.changed_at
    return stated is not None and changed is not None and changed <= stated and any(_is_difference(row) for row in body.line_changes)


def asked(
    order: Order, body: ChangeStated, previous: Order | None, products: Mapping[tuple[str, str], Product], at: datetime = _NEVER
) -> Asked | Unclear:
    """Return what the change asks of this order; `products` are the catalogue's, by (SKU, currency). `at` is now."""
    if (why := _only_wished(body)) is not None:
        return Unclear(why)
    if body.event == "cancel" and not any(row.action == "keep" for row in body.line_changes):
        return Asked(() if order.lifecycle == "cancelled" else (operation("cancel_order", {}),))
    if any(finding.rule == "line_repeated" for finding in body.findings):
        return Unclear("several changes name the same line")
    operations: list[Operation] = []
    try:
        for row in body.line_changes:
            line = None if row.action == "keep" else _find(order, row)
            if line is not None:
                operations += _changed(line, body, row, previous)
            elif row.action != "keep":
                operations += _added(order, body, row, products, len(operations))
    except _Unclear as error:
        return Unclear(str(error))
    head, left = _address(order, body)
    if not (operations or head or left or body.line_changes or body.ship_to or body.delivery_window):
        return Unclear("the document states no change we know")
    window = _window(order, body)
    if window is not None and window.latest is not None and window.latest <= at:
        # It would be refused, and the rest of the change with it.
        return Asked((*operations, *head), (*left, "delivery_stated"))
    when = () if window is None else (operation("set_delivery_window", window.model_dump(mode="json", exclude_none=True)),)
    return Asked((*operations, *head, *when), left)


def _only_wished(body: ChangeStated) -> str | None:
    """Return why a document that is no change of the channel's yet waits for somebody."""
    if body.event == "cancel_request":
        return "the customer asks to cancel; somebody has to decide"
    if any(finding.rule == NOT_APPLIED for finding in body.findings):
        return "the channel has not applied it yet; it would"
    return None


def _window(order: Order, body: ChangeStated) -> DeliveryWindow | None:
    """Return the window as it shall be; an end the document does not state stays, unless the window would be none."""
    stated, mine = body.delivery_window, order.delivery_window or DeliveryWindow()
    if stated is None:
        return None
    earliest, latest = stated.earliest or mine.earliest, stated.latest or mine.latest
    if earliest is not None and latest is not None and latest < earliest:
        earliest, latest = stated.earliest, stated.latest
    wanted = DeliveryWindow(earliest=earliest, latest=latest)
    return None if wanted == mine else wanted


def _address(order: Order, body: ChangeStated) -> tuple[tuple[Operation, ...], tuple[str, ...]]:
    """Return the new delivery address as an operation, where there is one that can be sent to; and what is left to a person."""
    rules = {finding.rule for finding in body.findings} & HEADER_RULES
    rules -= {"delivery_stated"} if body.delivery_window is not None else set()
    place, left = body.ship_to, tuple(sorted(rules - {"ship_to_stated"}))
    if place is not None and order.ship_to is not None and (order.ship_to.normalized, order.ship_to.name) == (place.normalized, place.name):
        return (), left
    if place is None or not place.lines or place.city is None or place.country is None:
        return (), tuple(sorted(rules))
    names = ("name", "company", "lines", "city", "region", "postal_code", "country", "phone")
    return (operation("set_ship_address", {name: getattr(place, name) for name in names if getattr(place, name) is not None}),), left


def _changed(line: OrderLine, body: ChangeStated, row: LineChange, previous: Order | None) -> tuple[Operation, ...]:
    """Return what the change asks of a line the order has."""
    if row.action in {"delete", "cancel"} and row.quantity_delta is None:
        return (operation("cancel_line", {"line_id": line.line_id}),) if line.open else ()
    if row.action == "add" and not _is_difference(row):
        raise _Unclear(f"line {line.line_id} is to be added and is there already")
    operations = []
    wanted = _wanted(line, body, row, previous)
    if wanted != line.open:
        operations.append(
            operation("cancel_line", {"line_id": line.line_id})
            if wanted == 0
            else operation("change_quantity", {"line_id": line.line_id, "quantity": wanted + line.cancelled})
        )
    if wanted and row.unit_price is not None and (line.unit_price is None or line.unit_price.decimal != _number(row.unit_price)):
        operations.append(_priced(line.line_id, row.unit_price, body))
    return tuple(operations)


def _priced(line_id: str, unit_price: str, body: ChangeStated) -> Operation:
    return operation("override_price", {"line_id": line_id, "unit_price": unit_price, "note": f"{body.channel} states this price"})


def _added(
    order: Order, body: ChangeStated, row: LineChange, products: Mapping[tuple[str, str], Product], index: int
) -> tuple[Operation, ...]:
    """Return a line the order does not have as one to add, at the channel's price where the catalogue says another."""
    named = row.line_id or row.line or row.sku or "?"
    if row.action != "add":
        raise _Unclear(f"the order has no line {named}")
    units = row.quantity_ordered or row.quantity_left or row.quantity_delta
    if row.sku is None or units is None:
        raise _Unclear(f"line {named} is to be added, without a SKU and a quantity")
    new = operation("add_line", {"sku": row.sku, "quantity": _units(units, 0)})
    product = products.get((row.sku, order.currency))
    if row.unit_price is None or (product is not None and product.price.decimal == _number(row.unit_price)):
        return (new,)
    return new, _priced(minted_id(Context(_NEVER, str(ticket_id_of(body)), index)), row.unit_price, body)


def _find(order: Order, row: LineChange) -> OrderLine | None:
    """Return the line meant: by the channel's id, else by a SKU that one line alone has."""
    for named in (row.line_id, row.line):
        if named is not None:
            found = next((line for line in order.lines if named in (line.channel_line_id, line.line_id)), None)
            if found is not None:
                return found
    if row.sku is None or row.action == "add":
        return None
    same = [line for line in order.lines if line.sku == row.sku]
    return same[0] if len(same) == 1 else None


def _is_difference(row: LineChange) -> bool:
    return row.quantity_delta is not None and row.quantity_ordered is None and row.quantity_left is None


def _wanted(line: OrderLine, body: ChangeStated, row: LineChange, previous: Order | None) -> int:
    """Return how many units shall be open, in the line's own unit."""
    if row.quantity_left is not None:
        left = _units(row.quantity_left, line.quantity_exponent)
        if left == 0 and row.action == "change":
            raise _Unclear(f"line {line.line_id} is to be changed, with nothing left to come")
        return left + line.shipped
    if row.quantity_ordered is not None:
        return _units(row.quantity_ordered, line.quantity_exponent)
    if row.quantity_delta is None:
        if row.unit_price is None:
            raise _Unclear(f"line {line.line_id} is to be changed, and the document does not say into what")
        return line.open
    wanted = line.open + _units(row.quantity_delta, line.quantity_exponent)
    if _is_echo(line, body, wanted - line.open, previous):
        return line.open
    if wanted < 0:
        raise _Unclear(f"{row.quantity_delta} units on line {line.line_id}, which has {line.open} open")
    return wanted


def _is_echo(line: OrderLine, body: ChangeStated, difference: int, previous: Order | None) -> bool:
    """Whether the book has the difference already, by a change of our own that the channel was told of."""
    channel = channels().get(body.channel)
    was = previous.line(line.line_id) if previous is not None else None
    if channel is None or was is None or channel.restates is not Restates.WHOLE_ORDER or not channel.verbs & _TOLD:
        return False
    return difference != 0 and line.open == was.open + difference


def _number(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise _Unclear(f"{text[:40]!r} is no number") from None
    if not found.is_finite():
        raise _Unclear(f"{text[:40]!r} is no number")
    return found


def _units(text: str, exponent: int) -> int:
    """Return a quantity as whole units of 10^-exponent."""
    scaled = _number(text).scaleb(exponent)
    if abs(scaled) > MAX_UNITS * 10**exponent or scaled != scaled.to_integral_value():
        raise _Unclear(f"quantity {text[:40]} is not one the line can have")
    return int(scaled)
