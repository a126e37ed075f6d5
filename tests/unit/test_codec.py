"""Bytes <-> model: the identity, fastavro's own bytes, and no input that hurts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.codec import HEADER_BYTES, RECORDS, decode, encode, encode_with_fastavro
from schemas.failures import OrdermendError
from tests.unit.models import instances

ANY_RECORD = st.sampled_from(RECORDS).flatmap(instances)


@given(ANY_RECORD)
def test_a_model_survives_the_wire(value: BaseModel) -> None:
    assert value == decode(encode(value))


@given(ANY_RECORD)
def test_the_compiled_writer_writes_fastavros_bytes(value: BaseModel) -> None:
    assert encode_with_fastavro(value) == encode(value)


@given(ANY_RECORD, st.data())
def test_cut_or_lengthened_bytes_are_refused(value: BaseModel, data: st.DataObject) -> None:
    whole = encode(value)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for damaged in (whole[:cut], whole + b"\x00"):
        with pytest.raises(OrdermendError):
            decode(damaged)


@given(ANY_RECORD, st.data())
def test_a_damaged_body_never_raises_anything_else(value: BaseModel, data: st.DataObject) -> None:
    whole = bytearray(encode(value))
    place = data.draw(st.integers(HEADER_BYTES, len(whole) - 1)) if len(whole) > HEADER_BYTES else 0
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(whole))
    except OrdermendError as refusal:
        assert refusal.code  # noqa: PT017  # either outcome is right
    else:
        assert type(found) is type(value), "its head, which says what it is, is whole"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(OrdermendError) as refused:
        decode(b"\xc3\x01" + data)
    assert refused.value.message


def test_a_number_beyond_64_bits_is_refused_not_wrapped() -> None:
    from schemas.avro_writer import long_text  # noqa: PLC0415

    for value in (2**63, -(2**63) - 1):
        with pytest.raises(OverflowError):
            long_text(value)
