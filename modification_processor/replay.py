"""Sends a dead letter back, once, in its place.

A letter of a lane becomes due at once: the retry worker handles it with the same code as the live path, and its
followers drain behind it. A document that intake could not read goes back through the same door: its raw bytes are
put on its raw topic again, and its place in the lane is given up. A letter whose sender was never verified cannot be
sent back by us at all; its sender has to send it again.
"""

from uuid import UUID, uuid5

from modification_processor.settle import Topics
from schemas.codec import decode
from schemas.failures import OrdermendError
from schemas.order import NAMESPACE
from schemas.statement import IntakeFailed
from store import heads, letters, outbox
from store.database import Connection, Cursor
from store.heads import Lane
from store.letters import Audit, Letter
from store.outbox import Outgoing
from store.sealing import KeyVault, OrderKey


class NotReplayable(OrdermendError):
    """The letter cannot be sent back."""

    code = "not_replayable"
    error_class = "BUSINESS_REJECT"


def replay(connection: Connection, vault: KeyVault, topics: Topics, letter_id: UUID, actor: str) -> str:
    """Send a letter back in one transaction; return what was done. Raises `NotReplayable` with the reason.

    Two operators at once: the order's head lets one in, the other finds the letter taken.
    """
    with connection.transaction(), connection.cursor() as cursor:
        found = letters.find(cursor, letter_id)
        if found is None:
            raise NotReplayable(f"there is no letter {letter_id}")
        head = heads.lock(cursor, [found.order_id])[found.order_id]
        letter = letters.find(cursor, letter_id)
        assert letter is not None
        if letter.status != "unresolved":
            raise NotReplayable(f"letter {letter_id} is {letter.status} already")
        if letter.error_class == "AUTHZ":
            raise NotReplayable("nobody answers for it: its sender has to send it again")
        if letter.message == "IntakeFailed":
            did = _resend(cursor, letter, vault.unwrap(letter.order_id, bytes(head.wrapped_key or b"")), topics)
            _give_up_place(cursor, letter)
        else:
            did = _try_now(cursor, letter)
        audit_id = uuid5(NAMESPACE, f"replay:{letter_id}:{letter.attempts}")
        now = cursor.execute("select now()").fetchone()
        assert now is not None
        letters.record(cursor, [Audit(letter.order_id, audit_id, now[0], actor, "letter_replayed", str(letter_id), did)])
    return did


def _lane(cursor: Cursor, letter: Letter) -> Lane | None:
    return heads.lanes(cursor, [letter.order_id]).get((letter.order_id, letter.topic))


def _try_now(cursor: Cursor, letter: Letter) -> str:
    lane = _lane(cursor, letter)
    if letter.seq is None or lane is None:
        raise NotReplayable("its sender was never verified or its id belongs to other content; it has to be sent again by its sender")
    cursor.execute(
        "update lane set state = 'retrying', attempt = 0, next_attempt_at = now() where order_id = %s and topic = %s",
        (letter.order_id, letter.topic),
    )
    letters.set_letter(cursor, letter.order_id, letter.letter_id, "replaying")
    return f"tried again in its place, {lane.depth - 1} messages follow"


def _resend(cursor: Cursor, letter: Letter, key: OrderKey, topics: Topics) -> str:
    failed = decode(key.open(bytes(letter.value_sealed), f"letter:{letter.letter_id}"))
    assert isinstance(failed, IntakeFailed)
    # Under an event id of its own: with the old one it would count as received already.
    headers = failed.raw.headers | {"message_id": f"resent:{letter.letter_id}:{letter.attempts}", "dlq.replay.of": str(letter.letter_id)}
    target = f"{topics.prefix}orders.raw.{letter.channel}.v1"
    event_id = uuid5(NAMESPACE, f"resend:{letter.letter_id}:{letter.attempts}")
    outbox.add(cursor, [Outgoing(letter.order_id, None, event_id, target, failed.raw.key, failed.raw.body, headers)])
    letters.set_letter(cursor, letter.order_id, letter.letter_id, "resent")
    return f"its document was put on {target} again"


def _give_up_place(cursor: Cursor, letter: Letter) -> None:
    """Take the old failure out of its lane; what waits behind it is due now."""
    lane = _lane(cursor, letter)
    if letter.seq is None or lane is None:
        return
    letters.set_status(cursor, [(letter.order_id, letter.topic, letter.seq)], "resent")
    cursor.execute("update order_head set depth = depth - 1 where order_id = %s", (letter.order_id,))
    if lane.depth <= 1:
        heads.save_lanes(cursor, [], [(letter.order_id, letter.topic)])
        return
    cursor.execute(
        "update lane set state = 'retrying', depth = depth - 1, attempt = 0, next_attempt_at = now() where order_id = %s and topic = %s",
        (letter.order_id, letter.topic),
    )
