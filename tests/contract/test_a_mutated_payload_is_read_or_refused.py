"""Every channel's documents, mutated at random: each is read, with exact sums, or refused with a field and a class; nothing else happens,
in time and within memory.

A fixed seed in the fast ring; `make test-fuzz` takes 1,000,000 documents over all channels (ORDERMEND_FUZZ) from ORDERMEND_FUZZ_SEED on and
says how far it is. A document that is taken otherwise is shown as its seed, and as the least of it that is taken so.
"""

import json
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import get_args

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder, Unreadable
from normalizers.summary import summarize
from schemas.failures import ErrorClass, NormalizationFailed, OrdermendError
from tests.contract.test_channels import check_sums
from tests.mutants import mutants, shrunk

CASES = int(os.environ.get("ORDERMEND_FUZZ", "6600")) // len(discover())
SEED = os.environ.get("ORDERMEND_FUZZ_SEED", "20261124")
CPU_SECONDS = 2.0
"""More than this on one document is a defect, on any machine."""
MEMORY_BYTES = 64 * 1024 * 1024
"""More than this beyond what the process had before its first mutant is a defect too."""
TELLING = 5_000
"""From so many cases on, a test says how far it is."""


def peak_bytes() -> int:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Taken:
    """How a channel takes documents: what became of each, and what is wrong with that, if anything."""

    def __init__(self, normalize: Callable[[tuple[Document, ...]], tuple[Result, ...]]) -> None:
        self.normalize = normalize
        self.became: Counter[str] = Counter()
        self.before = peak_bytes()

    def fault(self, bodies: tuple[bytes, ...]) -> str | None:
        """Return what is wrong with how the documents are taken: None, if they are read or refused as they should be."""
        started = time.process_time()
        try:
            results = self.normalize(tuple([Document(body) for body in bodies]))
            json.dumps(summarize(results))
        except OrdermendError as error:
            self.became["refused"] += 1
            wrong = None if error.field is not None and error.error_class in CLASSES else "a refusal names no field, or no class"
        except Exception as error:  # noqa: BLE001  # what a fault is
            wrong = f"{type(error).__name__} is no refusal"
        else:
            wrong = next((found for result in results if (found := self.fault_of(result))), None)
        if time.process_time() - started > CPU_SECONDS:
            wrong = f"more than {CPU_SECONDS} s"
        return "more memory than is allowed" if peak_bytes() - self.before > MEMORY_BYTES else wrong

    def least(self, bodies: tuple[bytes, ...], wrong: str) -> tuple[bytes, ...]:
        """Return the least of the documents that has the same fault."""
        return shrunk(bodies, lambda smaller: self.fault(smaller) == wrong)

    def fault_of(self, result: Result) -> str | None:
        """Return what is wrong with one result."""
        if isinstance(result, StatedOrder):
            self.became["read"] += 1
            try:
                check_sums(result.order)
            except AssertionError:
                return "its sums are not exact"
        elif isinstance(result, Unreadable):
            self.became["refused"] += 1
            if not result.findings or result.error_class not in CLASSES:
                return "an order is refused without a finding, or without a class"
        else:
            self.became["told of"] += 1
        return None


CLASSES = frozenset(get_args(ErrorClass)) - {"BUG"}


@pytest.mark.timeout(120 + CASES // 50)
@pytest.mark.parametrize("name", sorted(discover()))
def test_a_mutated_payload_is_read_or_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    taken = Taken(discover()[name].normalize)
    started = time.monotonic()
    for again, bodies in mutants(name, SEED, CASES):
        if wrong := taken.fault(bodies):
            pytest.fail(f"{again}: {wrong}: {taken.least(bodies, wrong)}")
    if CASES >= TELLING:
        with capsys.disabled():
            print(f"\n{name}: {CASES:,} mutants, {told(taken.became)}, {time.monotonic() - started:.0f} s", end=" ")  # noqa: T201
    assert taken.became["read"] > CASES / 20, "the mutants are too wild to say anything"
    assert taken.became["refused"] > CASES / 20, "the mutants are too tame to say anything"


def told(became: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(became.items()))


def _breaks(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    body = json.loads(documents[0].body)
    if body["lines"][0]["sku"] == "A":
        raise NormalizationFailed("no", field="/lines/0/sku", rule="sku")
    raise KeyError


def test_a_fault_is_found_and_shown_as_little_as_it_takes() -> None:
    taken = Taken(_breaks)
    whole = json.dumps({"id": 1, "lines": [{"sku": "B", "price": "1.00"}, {"sku": "C"}], "note": "n" * 300}).encode()
    wrong = taken.fault((whole,))
    assert wrong == "KeyError is no refusal"
    assert (b"{}",) == taken.least((whole,), wrong)
    assert taken.fault((whole.replace(b"B", b"A"),)) is None
    assert {"refused": 1} == taken.became


def test_what_refuses_without_a_field_hangs_or_takes_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(documents: tuple[Document, ...]) -> tuple[Result, ...]:
        raise NormalizationFailed("no")

    assert "a refusal names no field, or no class" == Taken(refuses).fault((b"",))
    monkeypatch.setattr(f"{__name__}.CPU_SECONDS", -1.0)
    assert "more than -1.0 s" == Taken(refuses).fault((b"",))
    monkeypatch.setattr(f"{__name__}.MEMORY_BYTES", -1)
    assert "more memory than is allowed" == Taken(refuses).fault((b"",))
