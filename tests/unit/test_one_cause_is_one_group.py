"""500 faults of 40 planted causes, each with ids, amounts, places and line numbers of its own: grouped by cause."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from math import comb
from types import FunctionType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.decide import _intake_failed
from modification_processor.outcomes import Failed, unexpected
from modification_processor.unwritable import failure_of
from schemas.failures import (
    DependencyUnavailable,
    InvalidRecord,
    LimitExceeded,
    NormalizationFailed,
    OrdermendError,
    SameIdOtherContent,
)
from schemas.fingerprint import fingerprint, frame_of, shape_of
from schemas.statement import Finding, IntakeFailed, RawDocument

Fault = Callable[[random.Random], Failed]
MODULES = ("modification_processor.operations.change_quantity", "modification_processor.totals", "normalizers.shopify", "store.orders")
EXCEPTIONS = ("ZeroDivisionError", "KeyError", "IndexError")


def adjusted_rand_index(truth: Sequence[object], found: Sequence[object]) -> float:
    """1 for the same partition, about 0 for a random one."""
    pairs = sum(comb(n, 2) for n in Counter(zip(truth, found, strict=True)).values())
    rows, columns = (sum(comb(n, 2) for n in Counter(side).values()) for side in (truth, found))
    expected = rows * columns / comb(len(truth), 2)
    return (pairs - expected) / ((rows + columns) / 2 - expected)


def planted(module: str, function: str, exception: str, noise: random.Random) -> BaseException:
    """Raise from a function of a module of ours that lies elsewhere, on other lines, in every build."""
    blank = "\n" * noise.randrange(400)
    deep = f"{blank}def {function}(n):\n    [inner(n) for _ in (1,)]\ndef inner(n):\n    raise {exception}(f'order {{n}} of {noise.random()}')\n"
    names: dict[str, object] = {"__name__": module}
    exec(compile(deep.replace("inner", f"inner_{function}"), f"/srv/{noise.randrange(99)}/x.py", "exec"), names)
    entry = names[function]
    assert isinstance(entry, FunctionType)
    try:
        entry(noise.randrange(10**9))
    except Exception as error:  # noqa: BLE001 -- the planted one
        return error
    raise AssertionError


def a_defect(module: str, function: str, exception: str) -> Fault:
    return lambda noise: unexpected(planted(module, function, exception, noise), "decide")  # type: ignore[arg-type]  # an Exception


def an_error(kind: type[OrdermendError], path: str, rule: str) -> Fault:
    def fault(noise: random.Random) -> Failed:
        named = path.format(row=noise.choice([str(noise.randrange(500)), f"L{noise.randrange(99)}", str(UUID(int=noise.getrandbits(128)))]))
        shown = f"{noise.randrange(10**6) / 100:.2f} of order #{noise.randrange(9999)} is no {rule}"
        return Failed.of(kind(shown, field=named, rule=rule, value=str(noise.random())), "read")

    return fault


def a_document(channel: str, path: str, rule: str) -> Fault:
    def fault(noise: random.Random) -> Failed:
        finding = Finding(path=path.format(row=noise.randrange(900)), rule=rule, message=f"{noise.random()} is no {rule}")
        raw = RawDocument(body=noise.randbytes(9), sha256="", topic="t", partition=noise.randrange(24), offset=noise.randrange(10**6))
        return _intake_failed(
            IntakeFailed(
                message_id=str(noise.random()), order_id=None, channel=channel, verdict="dead_letter", error_class="SEMANTIC",
                code="normalization_failed", findings=(finding,), raw=raw,
            )
        )  # fmt: skip

    return fault


def refused_by_tables(state: str) -> Fault:
    import psycopg  # noqa: PLC0415 -- the one test here that speaks of the driver

    kind = psycopg.errors.lookup(state)
    return lambda noise: failure_of(kind(f"value {noise.random()} out of range"))


CAUSES: list[Fault] = [
    *(a_defect(module, function, exception) for module in MODULES for function, exception in zip(("apply", "_share", "load"), EXCEPTIONS, strict=True)),
    a_defect(MODULES[0], "apply", "KeyError"),
    a_defect(MODULES[1], "_share", "ZeroDivisionError"),
    a_defect("normalizers.ebay", "load", "IndexError"),
    *(an_error(InvalidRecord, f"/{name}", "int_type") for name in ("order_id", "lines/{row}/ordered", "lines/{row}/sku", "ship_to/address1")),
    an_error(InvalidRecord, "/ship_to/address2", "int_type"),
    an_error(InvalidRecord, "/lines/{row}/ordered", "missing"),
    an_error(NormalizationFailed, "/lines/{row}/ordered", "int_type"),
    an_error(LimitExceeded, "@{row}", "max_depth"),
    an_error(LimitExceeded, "/line_items", "max_rows"),
    an_error(SameIdOtherContent, "message_id", "same_id_same_content"),
    an_error(DependencyUnavailable, "", "timeout"),
    an_error(DependencyUnavailable, "", "http_503"),
    *(a_document(channel, "/line_items/{row}/price", "amount") for channel in ("shopify", "woocommerce", "ebay")),
    a_document("shopify", "/line_items/{row}/quantity", "amount"),
    a_document("shopify", "/line_items/{row}/price", "currency"),
    a_document("x12", "/PO1[{row}]/04", "amount"),
    a_document("x12", "/BEG03", "required"),
    a_document("x12", "/BEG05", "required"),
    a_document("x12", "/CUR02", "one_currency"),
    *(refused_by_tables(state) for state in ("22003", "22P05", "23514", "54000")),
]  # fmt: skip


def test_five_hundred_faults_of_forty_causes_fall_into_their_groups() -> None:
    assert 40 == len(CAUSES)
    noise = random.Random(20261124)
    truth = [*range(40), *(noise.randrange(40) for _ in range(460))]
    faults = [CAUSES[cause](noise) for cause in truth]
    assert 0.95 <= adjusted_rand_index(truth, [fault.fingerprint for fault in faults])
    classes: dict[str, set[str]] = {}
    for fault in faults:
        classes.setdefault(fault.fingerprint, set()).add(fault.error_class)
    assert {1} == {len(found) for found in classes.values()}, "a group holds two classes"


@pytest.mark.parametrize("cause", range(40))
@given(first=st.integers(0), second=st.integers(0))
def test_lines_ids_values_and_amounts_do_not_change_the_group(cause: int, first: int, second: int) -> None:
    assert CAUSES[cause](random.Random(first)).fingerprint == CAUSES[cause](random.Random(second)).fingerprint


def test_the_index_tells_a_good_grouping_from_a_bad_one() -> None:
    truth = [n % 7 for n in range(210)]
    assert 1.0 == adjusted_rand_index(truth, [f"g{n}" for n in truth])
    assert 0.05 > abs(adjusted_rand_index(truth, [n % 5 for n in range(210)]))


def test_a_key_names_its_version_and_the_frame_has_no_line() -> None:
    key = fingerprint(error_class="BUG", stage="decide", exception="KeyError")
    assert key.startswith("v2-")
    assert 23 == len(key)
    error = planted("modification_processor.totals", "_share", "KeyError", random.Random(1))
    assert "modification_processor.totals:inner__share" == frame_of(error)
    assert "" == frame_of(KeyError())


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/lines/L1/ordered", "/lines/[]/ordered"),
        ("/line_items/12/price", "/line_items/[]/price"),
        ("/lines/SKU-A/sku", "/lines/[]/sku"),
        ("/billing_address/address1", "/billing_address/address1"),
        ("/ids/6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11", "/ids/[]"),
        ("@1203", "[]"),
        ("", ""),
    ],
)
def test_the_shape_of_a_path_keeps_names_only(path: str, shape: str) -> None:
    assert shape == shape_of(path)
