"""Every record the processor reads, mutated at random, with its assertion mutated or made anew over the mutated bytes: each is read as
what its bytes say, or is a failure with a class, a code and a rule; nothing else happens, in time and within memory.

A fixed seed in the fast ring; `make test-fuzz` takes 1,000,000 messages over all records (ORDERMEND_FUZZ) from ORDERMEND_FUZZ_SEED on.
A failing message is printed as the code that makes it again.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid5

import pytest
from pydantic import BaseModel

from intake import rules
from intake.accept import RawRecord, statements
from modification_processor.incoming import ALLOWED, Incoming, message_id_of, order_id_in, read, read_again
from normalizers import discover
from ordermend import bootstrap
from ordermend.settings import Settings
from schemas.assertion import KeyRing, Signer
from schemas.codec import decode, encode
from schemas.facts import ActionReported, FactLine, FulfillmentFact, ReleaseRequested
from schemas.failures import ErrorClass, OrdermendError
from schemas.order import NAMESPACE
from schemas.statement import ChangeStated, FetchNeeded, IntakeFailed, OrderStated, RawDocument
from schemas.ticket import ModificationTicket, Operation, TicketCancelled, TicketReviewed
from tests.contract.test_a_mutated_payload_is_read_or_refused import CPU_SECONDS, MEMORY_BYTES, SEED, TELLING, peak_bytes, told
from tests.mutants import STRANGE, TEXTS, mutated_bytes

CASES = int(os.environ.get("ORDERMEND_FUZZ", "3000"))
AT = datetime.now(UTC)
"""Assertions are judged by the time a message was appended: by when this test signs them."""
ORDER = UUID("b5b2b5a0-6c0e-5b0e-8a0e-0a0b0c0d0e0f")
FIXTURE = Path(__file__).parents[1] / "fixtures" / "channels" / "shopify"
RAW = RawDocument(
    body=b"{}", sha256="0" * 64, topic="orders.raw.shopify.v1", partition=0, offset=7, headers={"x-shopify-topic": "orders/create"}
)
SHARED: Any = {"message_id": "m", "channel": "shopify", "findings": (), "raw": RAW}


def _stated() -> BaseModel:
    body = (FIXTURE / "discounted_taxed.raw.json").read_bytes()
    record = RawRecord("orders.raw.shopify.v1", 0, 0, None, body, {})
    ((_, statement),) = statements(record, discover()["shopify"], rules.discover())
    assert isinstance(statement, OrderStated)
    return statement


MESSAGES: tuple[BaseModel, ...] = (
    ModificationTicket(
        ticket_id=uuid5(NAMESPACE, "t"), order_id=ORDER, base_version=3, reason_code="customer_request", comment="ring twice", opened_at=AT,
        operations=(
            Operation(name="change_quantity", arguments=json.dumps({"line_id": "L1", "quantity": 3})),
            Operation(name="set_contact", arguments=json.dumps({"email": "a@example.com"})),
        ),
    ),
    TicketCancelled(cancel_id=uuid5(NAMESPACE, "c"), ticket_id=uuid5(NAMESPACE, "t"), order_id=ORDER, at=AT),
    TicketReviewed(review_id=uuid5(NAMESPACE, "r"), ticket_id=uuid5(NAMESPACE, "t"), order_id=ORDER, decision="approve", preview_hash="0" * 64, at=AT),
    FulfillmentFact(fact_id="f1", order_id=ORDER, kind="shipped", lines=(FactLine(line_id="L1", quantity=2),), at=AT),
    ReleaseRequested(request_id="r1", order_id=ORDER, at=AT),
    ActionReported(report_id="a1", order_id=ORDER, action_id=uuid5(NAMESPACE, "a"), outcome="done", detail="payment refund", at=AT),
    _stated(),
    ChangeStated(order_id=ORDER, account="default", channel_order_id="1", event="edit", changed_at=AT, **SHARED),
    FetchNeeded(order_id=ORDER, account="default", channel_order_id="1", event="lines", missing=("lines",), **SHARED),
    IntakeFailed(order_id=ORDER, verdict="dead_letter", error_class="DECODE", code="undecodable", **SHARED),
)  # fmt: skip
TOPIC_OF = {type(message): topic for message in MESSAGES for topic, allowed in ALLOWED.items() if isinstance(message, allowed)}
SENDERS = {"orders.modifications.v1": "door-console", "orders.fulfillment.v1": "warehouse", "orders.canonical.v1": "intake"}
OF_TYPE: dict[type, tuple[Any, ...]] = {
    str: TEXTS,
    int: (-1, 0, 1, 2**31, 2**62, -(2**62)),
    bool: (True, False),
    UUID: (UUID(int=0), UUID(int=2**128 - 1)),
    datetime: (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
}
CURATED = (
    b"", b"\xc3", b"\xc3\x01", b"\xc3\x01" + b"\0" * 8, b"\xc3\x01" + b"\xff" * 8 + b"\xff" * 40,
    # After a known fingerprint: lengths and counts no buffer holds, negative ones, block counts with and without a size.
    *(encode(message)[:10] + tail for message in MESSAGES for tail in (
        b"", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x01", b"\xff" * 10, b"\x80" * 30, b"\0" * 300, b"\x02" * 300, b"\xfe\xff\xff\xff\x0f" * 60,
    )),
)  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyRing, dict[str, Signer]]:
    folder = tmp_path_factory.mktemp("keys")
    bootstrap.ensure_keys(folder)
    settings = Settings(home=folder, keys=folder)
    senders = SENDERS | {"settlement": "settlement"}
    return bootstrap.keyring(settings), {topic: bootstrap.signer(settings, kid, kid) for topic, kid in senders.items()}


def token_of(value: bytes, topic: str, signers: dict[str, Signer]) -> bytes:
    """Sign any bytes, under the ids they have if they can be read."""
    try:
        body = decode(value)
        topic = "settlement" if isinstance(body, ActionReported) else topic
        message_id, order_id = message_id_of(body), str(order_id_in(body))  # type: ignore[arg-type]  # any of ours may come
    except (OrdermendError, AttributeError):
        message_id, order_id = "m", str(ORDER)
    roles = ("Order_Modify", "Order_Approve") if topic == "orders.modifications.v1" else ()
    return signers[topic].sign(value, message_id=message_id, order_id=order_id, sub="ana", roles=roles)


def mutated_arguments(chance: random.Random, ticket: ModificationTicket) -> bytes:
    """A ticket whose Avro is whole and whose operations say something strange."""
    operations = list(ticket.operations)
    index = chance.randrange(len(operations))
    arguments = json.loads(operations[index].arguments)
    arguments[chance.choice([*arguments, "extra", ""])] = chance.choice(STRANGE)
    text = (
        json.dumps(arguments) if chance.random() < 0.8 else mutated_bytes(chance, json.dumps(arguments).encode()).decode("utf-8", "replace")
    )
    operations[index] = Operation(name=chance.choice([operations[index].name, "cancel_order", "no_such", ""]), arguments=text)
    return encode(ticket.with_(operations=tuple(operations)))


def case(number: int, signers: dict[str, Signer], make: Callable[[random.Random, BaseModel], bytes]) -> tuple[Incoming, str]:
    """Return a mutated message by number, and the topic it comes on."""
    chance = random.Random(f"{SEED}:{number}")
    message = MESSAGES[number % len(MESSAGES)]
    topic = TOPIC_OF[type(message)] if chance.random() < 0.95 else chance.choice(list(SENDERS))
    value = make(chance, message)
    named = order_id_in(message)  # type: ignore[arg-type]  # see above
    key = chance.choice(
        (str(named).encode(), str(named).encode(), str(named).encode(), b"raw:x:0", mutated_bytes(chance, str(named).encode()))
    )
    token: bytes | None = token_of(value, topic, signers)
    if chance.random() < 0.3:
        token = chance.choice((None, b"", mutated_bytes(chance, token or b""), b"." * 9, b"a.b.c", (token or b"") * 20))
    return Incoming(topic, 0, number, key, value, token, datetime.now(UTC)), topic


def mutated_field(chance: random.Random, value: Any) -> Any:
    """The value with one of its leaves strange, and of the type it had."""
    if isinstance(value, BaseModel):
        name = chance.choice(list(value.__dict__))
        return value.model_copy(update={name: mutated_field(chance, getattr(value, name))})
    if isinstance(value, tuple) and value:
        index = chance.randrange(len(value))
        changed = chance.choice(((), (value[index],) * 2, (mutated_field(chance, value[index]),)))
        return (*value[:index], *changed, *value[index + 1 :])
    if isinstance(value, dict) and value:
        return {**value, chance.choice([*value, ""]): chance.choice(TEXTS)}
    if isinstance(value, bytes):
        return mutated_bytes(chance, value)
    return chance.choice(OF_TYPE.get(type(value), (value,)))


def mutate(chance: random.Random, message: BaseModel) -> bytes:
    if isinstance(message, ModificationTicket) and chance.random() < 0.3:
        return mutated_arguments(chance, message)
    if chance.random() < 0.4:
        return encode(mutated_field(chance, message))
    value = encode(message)
    # The fingerprint is left alone most of the time: without it nothing behind it is read.
    return value[:10] + mutated_bytes(chance, value[10:]) if chance.random() < 0.85 else mutated_bytes(chance, value)


def check(incoming: Incoming, topic: str, ring: KeyRing, again: str) -> str:
    """Read it, and say what it became."""
    started = time.process_time()
    found = read(incoming, topic, ring)
    if found.failure is None:
        assert found.actor is not None, f"{again}: nobody answers for it"
        assert found.body is not None
        assert encode(found.body) == incoming.value or decode(encode(found.body)) == found.body, f"{again}: it does not say what was read"
    else:
        assert found.failure.error_class in get_args(ErrorClass), again
        assert found.failure.error_class != "BUG", f"{again}: {found.failure.detail}"
        assert found.failure.code, again
        assert found.failure.rule, again
    # What was parked is read again without its assertion: the same rules hold.
    parked = read_again(incoming, ORDER, None, 1)
    assert parked.failure is None or parked.failure.error_class != "BUG", again
    assert time.process_time() - started < CPU_SECONDS, f"{again}: too slow"
    return "read" if found.failure is None else found.failure.error_class


@pytest.mark.timeout(120 + CASES // len(MESSAGES) // 10)
@pytest.mark.parametrize("index", range(len(MESSAGES)), ids=[type(message).__name__ for message in MESSAGES])
def test_a_mutated_message_is_read_or_refused(
    index: int, keys: tuple[KeyRing, dict[str, Signer]], capsys: pytest.CaptureFixture[str]
) -> None:
    ring, signers = keys
    before, started = peak_bytes(), time.monotonic()
    became: Counter[str] = Counter()
    for number in range(index, CASES, len(MESSAGES)):
        incoming, topic = case(number, signers, mutate)
        became[check(incoming, topic, ring, f"{SEED}:{number}")] += 1
    assert peak_bytes() - before < MEMORY_BYTES, "it grew"
    if CASES >= TELLING:
        with capsys.disabled():
            print(f"\n{type(MESSAGES[index]).__name__}: {told(became)}, {time.monotonic() - started:.0f} s", end=" ")  # noqa: T201
    assert {"read", "DECODE", "AUTHZ"} <= set(became), "the mutants are too wild or too tame to say anything"


def test_what_was_sent_is_read(keys: tuple[KeyRing, dict[str, Signer]]) -> None:
    ring, signers = keys
    for message in MESSAGES:
        topic, value = TOPIC_OF[type(message)], encode(message)
        named = str(order_id_in(message)).encode()  # type: ignore[arg-type]  # see above
        assert "read" == check(
            Incoming(topic, 0, 1, named, value, token_of(value, topic, signers), datetime.now(UTC)), topic, ring, type(message).__name__
        )


@pytest.mark.parametrize("number", range(len(CURATED)))
def test_a_killer_is_refused_in_no_time(number: int, keys: tuple[KeyRing, dict[str, Signer]]) -> None:
    ring, signers = keys
    for topic in SENDERS:
        incoming = Incoming(
            topic, 0, number, str(ORDER).encode(), CURATED[number], token_of(CURATED[number], topic, signers), datetime.now(UTC)
        )
        started = time.process_time()
        before = peak_bytes()
        assert "read" != check(incoming, topic, ring, f"curated {number}")
        assert time.process_time() - started < 0.05 * 4
        assert peak_bytes() - before < MEMORY_BYTES
