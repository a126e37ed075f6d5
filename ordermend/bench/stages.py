"""What each stage of intake costs, alone: one thread, no Kafka, the documents of the bench.

Output:  µs per message, the median over passes; the stages follow one another, so they add up to `accept`.
"""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from statistics import median
from typing import Any, TypeVar

from intake.accept import RawRecord, statements
from intake.rules import discover as rules
from intake.rules.rule import judge
from normalizers import discover
from normalizers.channel import Document, StatedOrder
from normalizers.wire import _check_depth, _text_of, read_json
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.function import Function
from schemas.assertion import Signer, Unsigned
from schemas.codec import encode

DOCUMENTS = 2000
PASSES = 5
Item = TypeVar("Item")


def costs(signer: Signer, function: Function) -> dict[str, float]:
    """Return stage -> µs per message. `function` is the given one of the loops, for comparison."""
    records = [_record(number) for number in range(DOCUMENTS)]
    bodies = [record.value for record in records]
    channel, active = discover()[CHANNEL], rules()
    stated = [_stated(channel.normalize((Document(body),))) for body in bodies]
    said = [statements(record, channel, active)[0][1] for record in records]
    values = [encode(statement) for statement in said]
    unsigned = [Unsigned(value, sha256(value).hexdigest(), "bench") for value in values]
    caps = _each(bodies, _caps)
    parsed = _each(bodies, read_json)
    normalised = _each(bodies, lambda body: channel.normalize((Document(body),)))
    judged = _each(stated, lambda result: judge(result, active))
    whole = _each(records, lambda record: statements(record, channel, active))
    return {
        "function": _each(bodies, function),
        "caps": caps,
        "parse": parsed - caps,
        "validate": normalised - parsed,
        "rules": judged,
        "statement": whole - normalised - judged,
        "avro": _each(said, encode),
        "sign": _whole(values, lambda: signer.sign_batch(unsigned, sub="intake")),
    }


def _record(number: int) -> RawRecord:
    key, body = document(number)
    return RawRecord("bench", 0, number, key, body, {})


def _stated(results: tuple[Any, ...]) -> StatedOrder:
    assert isinstance(results[0], StatedOrder)
    return results[0]


def _caps(body: bytes) -> None:
    _check_depth(body)
    _text_of(body)


def _whole(items: Sequence[Item], work: Callable[[], object]) -> float:
    """Return the µs an item that one work over all of them takes, the median over passes."""
    return _each((items,), lambda _: work()) / len(items)


def _each(items: Sequence[Item], work: Callable[[Item], object]) -> float:
    """Return the µs that `work` takes for an item, the median over passes."""
    found = []
    for _ in range(PASSES):
        began = time.perf_counter()
        for item in items:
            work(item)
        found.append(time.perf_counter() - began)
    return median(found) / len(items) * 1e6
