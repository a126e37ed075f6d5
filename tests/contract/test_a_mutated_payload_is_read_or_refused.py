"""Every channel's documents, mutated at random: each is read, with exact sums, or refused with a field and a class; nothing else happens.

A fixed seed in the fast ring; `make test-fuzz` takes 1,000,000 documents over all channels (ORDERMEND_FUZZ) from ORDERMEND_FUZZ_SEED on.
A failing document is printed as the code that makes it again.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder
from normalizers.summary import summarize
from schemas.failures import OrdermendError
from schemas.order import Order
from tests.contract.test_channels import check_sums

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
CASES = int(os.environ.get("ORDERMEND_FUZZ", "6600")) // len(discover())
SEED = int(os.environ.get("ORDERMEND_FUZZ_SEED", "20261124"))
CPU_SECONDS = 2.0
"""More than this on one document is a defect, on any machine."""
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**15, 2**53 + 1, 10**25, 0.1, 1e308, "", " ", "0", "-0.00", "1e9", "1,5", "NaN", "9" * 30, "\u202e", "\ud83d\ude00", "ß" * 300,
    "2026-02-30", "2026-01-01T00:00:00", "0000-00-00 00:00:00", [], {}, [[]], [{}], {"amount": 1}, ["x"] * 3,
)  # fmt: skip
NOISE = (b"", b"\0", b"\xff", b"~", b"*", b"'", b"+", b"<", b"&", b"]]>", b'"', b"{", b"}", b",", b"\n", b"\xc3", b"-", b"9" * 25)


def mutated_bytes(chance: random.Random, body: bytes) -> bytes:
    """Cut, doubled, overwritten, with noise in it."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice((0, 1, 1, 3, 20)))
        piece = chance.choice((chance.choice(NOISE), body[start:end] * 2, body[chance.randrange(len(body) + 1) :][:20]))
        body = body[:start] + piece + body[end:]
    return body[: chance.randrange(len(body))] if body and chance.random() < 0.1 else body


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        item = stack.pop()
        keys: Any = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        found += [(item, key) for key in keys]
        stack += [item[key] for key in keys]
    return found


def mutated_json(chance: random.Random, body: bytes) -> bytes:
    """Values gone, strange, swapped, doubled, renamed."""
    value = json.loads(body)
    for _ in range(chance.randint(1, 5)):
        known = places(value)
        if not known:
            break
        (container, key), (other, there) = chance.choice(known), chance.choice(known)
        act = chance.randrange(5)
        if act == 0:
            del container[key]
        elif act == 1:
            container[key] = deepcopy(chance.choice(STRANGE))  # its own: a later mutation may change it
        elif act == 2:
            container[key] = json.loads(json.dumps(other[there]))
        elif act == 3 and isinstance(container, list):
            container.insert(key, json.loads(json.dumps(container[key])))
        elif isinstance(container, dict):
            container[chance.choice(("id", "amount", "lines", str(key).upper(), str(key)))] = container.pop(key)
    return json.dumps(value).encode()


def documents(name: str) -> list[tuple[bytes, ...]]:
    """The channel's fixtures, each as the documents that make it."""
    cases: dict[str, list[bytes]] = {}
    for path in sorted((ROOT / name).glob("*.raw.*")):
        cases.setdefault(path.name.partition(".")[0], []).append(path.read_bytes())
    return [tuple(bodies) for bodies in cases.values()]


def mutants(name: str) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Return (how to make it again, the documents)."""
    known = documents(name)
    for number in range(CASES):
        chance = random.Random(f"{SEED}:{name}:{number}")
        bodies = list(chance.choice(known))
        index = chance.randrange(len(bodies))
        is_json = bodies[index].lstrip()[:1] in b"{["
        mutate: Callable[[random.Random, bytes], bytes] = mutated_json if is_json and chance.random() < 0.7 else mutated_bytes
        bodies[index] = mutate(chance, bodies[index])
        yield f"{SEED}:{name}:{number}", tuple(bodies)


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_mutated_payload_is_read_or_refused(name: str) -> None:
    channel = discover()[name]
    read = 0
    for again, bodies in mutants(name):
        started = time.process_time()
        try:
            results = channel.normalize(tuple(Document(body) for body in bodies))
        except OrdermendError as error:
            refusal: OrdermendError | None = error
        except Exception as error:
            raise AssertionError(f"{again}: {type(error).__name__}") from error
        else:
            refusal = None
            json.dumps(summarize(results))
            for order in [result.order for result in results if isinstance(result, StatedOrder)]:
                read += 1
                _check(order, again)
        assert refusal is None or refusal.field is not None, f"{again}: a refusal names no field"
        assert time.process_time() - started < CPU_SECONDS, f"{again}: too slow"
    assert read, "the mutants are too wild to say anything"


def _check(order: Order, again: str) -> None:
    try:
        check_sums(order)
    except AssertionError as error:
        raise AssertionError(f"{again}: its sums are not exact") from error
