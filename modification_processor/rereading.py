"""What was received before, read again: messages that wait, tickets that are decided anew, the channel's previous statement.

Who sent them was verified when they first came, and is stored beside them; bytes are opened with the order's key. Fails: `Unsealable`
where that key was erased.
"""

from collections.abc import Sequence
from dataclasses import replace

from modification_processor.incoming import Incoming, Read, read_again
from modification_processor.work import OrderWork
from normalizers import discover as channels
from normalizers.channel import StatedOrder
from normalizers.parts import documents_of
from schemas.assertion import Actor
from schemas.failures import OrdermendError
from schemas.order import Order
from schemas.statement import unpacked
from store.letters import Parked
from store.sealing import OrderKey
from store.tickets import TicketRow


def opened(row: Parked, key: OrderKey) -> Incoming:
    """Return the record of a message that waits, as Kafka gave it."""
    value = key.open(bytes(row.value_sealed), f"parked:{row.topic}:{row.seq}")
    return Incoming(row.topic, row.part, row.off, None if row.key is None else bytes(row.key), value, None, row.appended_at)


def waiting_reads(waiting: Sequence[Parked], key: OrderKey) -> list[Read]:
    """Read messages that wait again, in the order given."""
    return [read_again(opened(row, key), row.order_id, _actor_of(row), row.seq, row.message_id) for row in waiting]


def _actor_of(row: Parked) -> Actor | None:
    if row.actor is None:
        return None
    return Actor(row.actor["user_id"], frozenset(row.actor["roles"]), row.actor["door"], row.actor.get("on_behalf_of"))


def ticket_again(ticket: TicketRow, key: OrderKey, cause: Read) -> Read:
    """Read a ticket again; `cause` is the message that acts on it."""
    value = key.open(bytes(ticket.request_sealed), f"ticket:{ticket.ticket_id}")
    incoming = replace(cause.incoming, value=value, actor=None, appended_at=ticket.submitted_at)
    return read_again(incoming, ticket.order_id, Actor(ticket.user_id, frozenset(ticket.roles.split()), ticket.door), seq=0)


def previous_statement(work: OrderWork) -> tuple[Order | None, str | None]:
    """Return what the channel stated before, normalised by today's mapping, and its hash."""
    if work.previous_raw is None or work.order is None:
        return None, None
    packed, digest = work.previous_raw
    channel = channels().get(work.order.source.channel)
    if channel is None or not packed:
        return None, digest
    try:
        results = channel.normalize(documents_of(*unpacked(packed)))
    except OrdermendError:
        return None, digest
    mine = (
        r.order for r in results if isinstance(r, StatedOrder) and r.order.source.channel_order_id == work.order.source.channel_order_id
    )
    return next(mine, None), digest
