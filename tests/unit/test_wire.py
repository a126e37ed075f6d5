"""What never gets past the wire, and what gets through without losing a digit."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizers.channel import Document
from normalizers.wire import MAX_BYTES, MAX_ROWS, Report, epoch, json_text, messages, quantity, read_instant, read_json, rows, walk
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError, UndecodableMessage, UnsafeDocument

KILLERS = [
    (b"[" * 100_000, LimitExceeded, "max_depth"),
    (b'{"a":' * 100_000, LimitExceeded, "max_depth"),
    (b"[" * 65 + b"]" * 65, LimitExceeded, "max_depth"),
    (b'{"a":1e400}', LimitExceeded, "number_exponent"),
    (b'{"a":1e3000000}', LimitExceeded, "number_exponent"),
    (b'{"a":1e99999999999999999999}', LimitExceeded, "number_exponent"),
    (b'{"a":1e-3000000}', LimitExceeded, "number_exponent"),
    (b'{"a":' + b"9" * 5000 + b"}", LimitExceeded, "number_digits"),
    (b'{"a":0.' + b"9" * 5000 + b"}", LimitExceeded, "number_digits"),
    (b" " * (MAX_BYTES + 1_000_000), LimitExceeded, "max_bytes"),
    (b'{"a":NaN}', UnsafeDocument, "not_a_number"),
    (b'{"a":-Infinity}', UnsafeDocument, "not_a_number"),
    (b'{"a":1,"b":2,"a":1}', UnsafeDocument, "duplicate_key"),
    (b'{"a":"\\ud800"}', UnsafeDocument, "lone_surrogate"),
    (b'{"\\udc00":1}', UnsafeDocument, "lone_surrogate"),
    (b'{"a":"\\u0000"}', UnsafeDocument, "nul"),
    (b'{"a":"\0"}', UnsafeDocument, "nul"),
    (b'{"a":"\xed\xa0\x80"}', UndecodableMessage, "utf8"),
    (b"\xff\xfe{\x00}\x00", UndecodableMessage, "utf8"),
    (b'{"a":1,}', UndecodableMessage, "json"),
    (b"", UndecodableMessage, "json"),
    (b'{"a":1}{"a":1}', UndecodableMessage, "json"),
    (b'{"a":"line\nbreak"}', UndecodableMessage, "json"),
]


@pytest.mark.parametrize(("body", "failure", "rule"), KILLERS, ids=[f"{rule}-{index}" for index, (_, _, rule) in enumerate(KILLERS)])
def test_a_killer_is_refused_by_its_rule(body: bytes, failure: type[OrdermendError], rule: str) -> None:
    with pytest.raises(failure) as caught:
        read_json(body)
    assert caught.value.rule == rule


def test_a_duplicate_key_is_named_by_its_pointer() -> None:
    with pytest.raises(UnsafeDocument) as caught:
        read_json(b'{"lines":[{"x":1},{"a/b":{"q":1,"q":2}}]}')
    assert (caught.value.field, caught.value.value) == ("/lines/1/a~1b/q", "q")


def test_numbers_keep_every_digit() -> None:
    assert read_json(b'{"id":820982911946154508,"p":0.10,"big":12345678901234567890.123456789}') == {
        "id": 820982911946154508,
        "p": Decimal("0.10"),
        "big": Decimal("12345678901234567890.123456789"),
    }


def test_a_mark_brackets_in_texts_and_depth_64_are_fine() -> None:
    deep = b"[" * 63 + b"]" * 63
    assert read_json(b'\xef\xbb\xbf{"a":"' + b"[" * 500 + b'\\"{","b":' + deep + b',"c":"\\ud83e\\udeb6"}')["c"] == "\U0001fab6"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


keys = st.text(st.sampled_from('ab:"\\ é'), max_size=3)
"""Keys, and texts, that a careless count of colons or quotes would trip over."""
loose = st.recursive(
    keys | st.integers() | st.just(Decimal("0.10")),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(keys, inner), max_size=4).map(tuple),
    max_leaves=12,
)
"""Documents whose objects are tuples of pairs, so that a key may stand twice."""


def written(value: Any, blank: str, *, escaped: bool) -> str:
    if isinstance(value, tuple):
        pairs = (f"{written(key, blank, escaped=escaped)}{blank}:{blank}{written(one, blank, escaped=escaped)}" for key, one in value)
        return "{" + f",{blank}".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + f",{blank}".join(written(one, blank, escaped=escaped) for one in value) + "]"
    if isinstance(value, str) and escaped:
        return '"' + "".join(f"\\u{ord(mark):04X}" for mark in value) + '"'
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, Decimal) else str(value)


def stands_twice(value: Any) -> bool:
    if isinstance(value, tuple):
        return len({key for key, _ in value}) < len(value) or any(stands_twice(one) for _, one in value)
    return isinstance(value, list) and any(stands_twice(one) for one in value)


@given(loose, st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_a_key_that_stands_twice_is_found_and_nothing_else_is_taken_for_one(value: Any, blank: str, escaped: bool) -> None:
    body = written(value, blank, escaped=escaped).encode()
    try:
        read_json(body)
        refused = None
    except UnsafeDocument as error:
        refused = error.rule
    assert ("duplicate_key" if stands_twice(value) else None) == refused


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    for ascii_only in (True, False):
        assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value
    assert read_json(json_text(value).encode()) == value
    assert next(iter(walk(value))) == ("", value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body)
    except OrdermendError as refused:
        failure: OrdermendError | None = refused
    else:
        failure = None
    assert failure is None or failure.rule


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6))
def test_a_decimal_goes_round_without_a_float(value: Decimal) -> None:
    assert read_json(json_text({"a": value}).encode())["a"] == value


@pytest.mark.parametrize(
    ("body", "at", "wrapped"),
    [
        (b'{"id":1}', "", ""),
        (b'{"data":{"id":1}}', "/data", "data"),
        (b'{"orders":[{"id":1}]}', "/orders/0", "orders"),
        (b'{"headers":{"X-Topic":"t"},"body":{"id":1},"topic":"t"}', "/body", ""),
        (b'{"topic":"t","body":"{\\"data\\":{\\"id\\":1}}"}', "/body/data", "data"),
        (b'[{"id":1}]', "/0", "list"),
    ],
)
def test_a_wrapping_is_taken_off(body: bytes, at: str, wrapped: str) -> None:
    (message,) = messages(Document(body))
    assert (message.value, message.at, message.wrapped_in) == ({"id": 1}, at, wrapped)


def test_a_records_headers_outrank_a_capture_tools() -> None:
    body = b'{"headers":{"X-Topic":"captured","Only":"here"},"body":{}}'
    (message,) = messages(Document(body, {"x-topic": "record"}))
    assert message.headers == {"x-topic": "record", "only": "here"}


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        rows({"lines": [{}] * (MAX_ROWS + 1)}, "lines", "")


def test_a_row_that_is_no_object_is_named() -> None:
    with pytest.raises(NormalizationFailed) as caught:
        rows({"lines": [{}, 7]}, "lines", "/body")
    assert caught.value.field == "/body/lines/1"


@pytest.mark.parametrize(
    ("stated", "expected"), [(3, (3, 0)), ("3", (3, 0)), (Decimal("2.5"), (25, 1)), ("20000.000", (20000, 0)), (0, (0, 0)), ("0.0", (0, 0))]
)
def test_a_quantity_is_exact(stated: object, expected: tuple[int, int]) -> None:
    assert quantity({"q": stated}, "q", "") == expected


@pytest.mark.parametrize("stated", [None, True, -1, "-0.5", "x", "1e-30", 10**20, "", [], "1_0"])
def test_what_is_no_quantity_is_refused(stated: object) -> None:
    with pytest.raises(NormalizationFailed) as caught:
        quantity({"q": stated}, "q", "/lines/0")
    assert caught.value.field == "/lines/0/q"


def test_moments_are_read_in_utc_and_the_unreadable_is_a_warning() -> None:
    report = Report()
    moment = read_instant("2026-01-01T00:30:00+01:00", "/at", report)
    assert moment is not None
    assert moment.isoformat() == "2025-12-31T23:30:00+00:00"
    assert (report.findings, report.warned) == ([], False)
    assert read_instant("yesterday", "/at", report) is None
    assert read_instant("0001-01-01T00:00:00+23:00", "/at", report) is None
    assert report.warned


@pytest.mark.parametrize(
    ("value", "per_second", "moment"),
    [
        (0, 1, "1970-01-01T00:00:00+00:00"),
        ("1634567890", 1, "2021-10-18T14:38:10+00:00"),
        (1476387173000, 1000, "2016-10-13T19:32:53+00:00"),
        (1476387173250, 1000, "2016-10-13T19:32:53.250000+00:00"),
        (10**17, 1, None),
        ("soon", 1, None),
        (True, 1, None),
        (None, 1, None),
    ],
)
def test_a_count_of_seconds_is_a_moment_or_a_warning(value: Any, per_second: int, moment: str | None) -> None:
    report = Report()
    found = epoch({"t": value}, "t", "", report, per_second=per_second)
    assert moment == (found.isoformat() if found else None)
    assert (found is None and value is not None) == report.warned
