"""Sends a dead letter back, once, in its place.

A letter of a lane becomes due at once: the retry worker handles it with the same code as the live path, and its
followers drain behind it. A document that intake could not read goes back through the same door: its raw bytes are
put on its raw topic again, and its place in the lane is given up. A letter whose sender was never verified cannot be
sent back by us at all; its sender has to send it again. A repaired message takes the place of the failed one, under
the same number; the letter keeps the original bytes.
"""

from uuid import UUID

from modification_processor.settle import Topics
from schemas.codec import decode
from schemas.failures import OrdermendError
from schemas.order import id_of
from schemas.repair import DOCUMENTS, Repaired, SentBack
from schemas.statement import ChangeStated, FetchNeeded, IntakeFailed, OrderStated, RawDocument
from schemas.ticket import ModificationTicket
from store import heads, letters, outbox, tickets
from store.database import Connection, Cursor, now
from store.heads import Lane
from store.letters import Audit, Letter
from store.outbox import Outgoing
from store.sealing import KeyVault, OrderKey


class NotReplayable(OrdermendError):
    """The letter cannot be sent back."""

    code = "not_replayable"
    error_class = "BUSINESS_REJECT"


def replay(connection: Connection, vault: KeyVault, topics: Topics, letter_id: UUID, actor: str) -> str:
    """Send a letter back as it is, in one transaction; return what was done. Raises `NotReplayable` with the reason.

    Two operators at once: the order's head lets one in, the other finds the letter taken. Who may is the desk's
    question (`dlq_handler/desk.py`), not asked here.
    """
    with connection.transaction(), connection.cursor() as cursor:
        found = letters.find(cursor, letter_id)
        if found is None:
            raise NotReplayable(f"there is no letter {letter_id}")
        heads.lock(cursor, [found.order_id])
        letter = letters.find(cursor, letter_id)
        assert letter is not None
        did = send_back(cursor, vault, topics, letter, None).text
        audit_id = id_of(f"replay:{letter_id}:{letter.attempts}")
        letters.record(cursor, [Audit(letter.order_id, audit_id, now(cursor), actor, "letter_replayed", str(letter_id), did)])
    return did


def send_back(cursor: Cursor, vault: KeyVault, topics: Topics, letter: Letter, repaired: Repaired | None) -> SentBack:
    """Send a letter back, repaired or as it is. The caller has locked the order's head and commits."""
    if letter.status != "unresolved":
        raise NotReplayable(f"letter {letter.letter_id} is {letter.status} already")
    if letter.error_class == "AUTHZ":
        raise NotReplayable("nobody answers for it: its sender has to send it again")
    key = vault.unwrap(letter.order_id, heads.wrapped_key(cursor, letter.order_id))
    if letter.message == "IntakeFailed" or (repaired is not None and letter.message in DOCUMENTS):
        done = _resend(cursor, letter, key, topics, repaired)
        give_up_place(cursor, letter, "resent")
        return done
    return SentBack(_try_now(cursor, letter, key, repaired), letter.order_id, letter.message_id)


def _lane(cursor: Cursor, letter: Letter) -> Lane | None:
    return heads.lanes(cursor, [letter.order_id]).get((letter.order_id, letter.topic))


def _try_now(cursor: Cursor, letter: Letter, key: OrderKey, repaired: Repaired | None) -> str:
    lane = _lane(cursor, letter)
    if letter.seq is None or lane is None:
        raise NotReplayable("its sender was never verified or its id belongs to other content; it has to be sent again by its sender")
    # A whole statement never waits for what stands before it: that may wait for the statement.
    if letter.message != OrderStated.__name__ and letters.head_seq(cursor, letter.order_id, letter.topic) != letter.seq:
        raise NotReplayable("an earlier message of its lane is a dead letter too: that one goes first")
    if repaired is not None:
        _put_in_place(cursor, letter, key, repaired)
    heads.try_now(cursor, letter.order_id, letter.topic)
    letters.set_letter(cursor, letter.order_id, letter.letter_id, "replaying")
    return f"tried again in its place, {lane.depth - 1} messages follow"


def _put_in_place(cursor: Cursor, letter: Letter, key: OrderKey, repaired: Repaired) -> None:
    """Store the repaired message where the failed one waits, and say on its ticket who sends it now."""
    assert letter.seq is not None
    actor, body = repaired.actor, decode(repaired.value)
    who = {"user_id": actor.user_id, "roles": sorted(actor.roles), "door": actor.door, "on_behalf_of": actor.on_behalf_of}
    sealed = key.seal(repaired.value, f"parked:{letter.topic}:{letter.seq}")
    letters.replace_parked(cursor, letter.order_id, letter.topic, letter.seq, sealed, who)
    if isinstance(body, ModificationTicket):
        found = tickets.find(cursor, letter.order_id, body.ticket_id)
        if found is None:
            return  # its row was what the tables refused: it is added when the ticket is decided
        tickets.reauthor(
            cursor,
            found._replace(
                user_id=actor.user_id,
                roles=" ".join(sorted(actor.roles)),
                door=actor.door,
                on_behalf_of=body.on_behalf_of,
                reason_code=body.reason_code[:80],
                base_version=body.base_version,
                operations=" ".join(operation.name for operation in body.operations)[:500],
                request_sealed=key.seal(repaired.value, f"ticket:{body.ticket_id}"),
            ),
        )


def _resend(cursor: Cursor, letter: Letter, key: OrderKey, topics: Topics, repaired: Repaired | None) -> SentBack:
    raw = _raw(key.open(bytes(letter.value_sealed), f"letter:{letter.letter_id}"))
    # Under an event id of its own: with the old one it would count as received already.
    message_id = f"resent:{letter.letter_id}:{letter.attempts}"
    headers = raw.headers | {"message_id": message_id, "dlq.replay.of": str(letter.letter_id)}
    body, order_id = raw.body, letter.order_id
    if repaired is not None:
        body, headers = repaired.value, headers | {"repaired_by": repaired.actor.user_id}
        named = [key for key, _ in repaired.statements if not key.startswith("raw:")]
        order_id = UUID(named[0]) if named else order_id
    target = f"{topics.prefix}orders.raw.{letter.channel}.v1"
    event_id = id_of(f"resend:{letter.letter_id}:{letter.attempts}")
    outbox.add(cursor, [Outgoing(letter.order_id, None, event_id, target, raw.key, body, headers)])
    letters.set_letter(cursor, letter.order_id, letter.letter_id, "resent")
    return SentBack(f"its document was put on {target} again", order_id, message_id)


def _raw(value: bytes) -> RawDocument:
    body = decode(value)
    assert isinstance(body, IntakeFailed | OrderStated | ChangeStated | FetchNeeded)
    return body.raw


def give_up_place(cursor: Cursor, letter: Letter, status: str) -> None:
    """Take a letter's message out of its lane, if it has a place; what waits behind it is due now."""
    lane = _lane(cursor, letter)
    if letter.seq is None or lane is None:
        return
    letters.set_status(cursor, [(letter.order_id, letter.topic, letter.seq)], status)
    heads.leave(cursor, lane)
