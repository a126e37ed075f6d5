"""Bytes <-> model: Avro single-object encoding (marker C3 01, CRC-64-AVRO fingerprint, body).

Writes with the newest committed schema of a record; a test holds it equal to the model, so that no field
can become a silent default. Reads with any committed schema of it, and only those: the fingerprint picks the
writer schema from `schemas/avro/<Record>/NNNN.avsc`, the newest is the reader schema. The whole buffer must
be consumed.

Source: Apache Avro 1.12 specification, "Single-object encoding" and "Parsing Canonical Form", read 2026-11-23.
"""

import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException
from pydantic import BaseModel, ValidationError

from schemas import events, facts, statement, ticket
from schemas.avro_writer import Write, compile_writer
from schemas.failures import InvalidRecord, UndecodableMessage, UnknownSchema

MARKER = b"\xc3\x01"
HEADER_BYTES = 10

RECORDS: tuple[type[BaseModel], ...] = (
    statement.OrderStated,
    statement.ChangeStated,
    statement.FetchNeeded,
    statement.IntakeFailed,
    ticket.ModificationTicket,
    ticket.TicketCancelled,
    ticket.TicketReviewed,
    facts.FulfillmentFact,
    facts.ReleaseRequested,
    facts.ActionReported,
    events.OrderAccepted,
    events.OrderRestated,
    events.OrderModified,
    events.ModificationRefused,
    events.ModificationConflicted,
    events.ModificationAwaitsApproval,
    events.ModificationCompensating,
    events.TicketClosed,
    events.TicketSettled,
    events.FactRecorded,
    events.ReleaseGranted,
    events.ReleaseRefused,
    events.PersonErased,
    events.WorkItemOpened,
)
"""Every record that crosses a topic; each has a folder in `schemas/avro/`."""


@dataclass(frozen=True)
class Writer:
    """A committed schema, parsed."""

    model: type[BaseModel]
    schema: Any
    prefix: bytes
    write: Write


def committed(record: str) -> list[tuple[str, str]]:
    """Return (file name, text) of every committed schema of `record`, oldest first."""
    folder = files("schemas").joinpath("avro", record)
    if not folder.is_dir():
        return []
    return sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".avsc"))


def fingerprint(schema: Any) -> bytes:
    """Return the CRC-64-AVRO fingerprint of a schema, 8 bytes little-endian."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    # fastavro shows the fingerprint's bytes in wire (little-endian) order, as hex.
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


@cache
def _writers() -> tuple[dict[type[BaseModel], Writer], dict[bytes, tuple[Writer, Writer]]]:
    """Return newest writer by model, and (writer, reader) by wire prefix."""
    newest: dict[type[BaseModel], Writer] = {}
    by_prefix: dict[bytes, tuple[Writer, Writer]] = {}
    for model in RECORDS:
        writers = []
        for _, text in committed(model.__name__):
            schema = json.loads(text)
            prefix = MARKER + fingerprint(schema)
            writers.append(Writer(model, fastavro.parse_schema(schema), prefix, compile_writer(schema)))
        if not writers:
            message = f"schemas/avro/{model.__name__} has no committed schema; run `make schemas`"
            raise SchemaParseException(message)
        newest[model] = writers[-1]
        by_prefix |= {writer.prefix: (writer, writers[-1]) for writer in writers}
    return newest, by_prefix


def encode(value: BaseModel) -> bytes:
    """Return `value` in single-object encoding. Raises where a value does not fit the schema."""
    writer = _writers()[0][type(value)]
    return writer.prefix + writer.write(value).encode("latin-1")


def encode_with_fastavro(value: BaseModel) -> bytes:
    """Return the same bytes by the library's own writer: what `encode` is held against."""
    writer = _writers()[0][type(value)]
    buffer = io.BytesIO()
    buffer.write(writer.prefix)
    fastavro.schemaless_writer(buffer, writer.schema, value.model_dump(), strict=True)
    return buffer.getvalue()


def decode(data: bytes) -> BaseModel:
    """Read a record of ours.

    Raises `UndecodableMessage` (not our framing, cut short, bytes left over), `UnknownSchema` or
    `InvalidRecord` (with the field's path).
    """
    if len(data) < HEADER_BYTES or data[:2] != MARKER:
        raise UndecodableMessage("the value does not start with C3 01 and a schema fingerprint", field="", rule="single_object")
    pair = _writers()[1].get(bytes(data[:HEADER_BYTES]))
    if pair is None:
        raise UnknownSchema(
            f"schema fingerprint {data[2:HEADER_BYTES].hex()} is not on the committed list", field="", rule="schema_allow_list"
        )
    writer, reader = pair
    buffer = io.BytesIO(data)
    buffer.seek(HEADER_BYTES)
    try:
        record = fastavro.schemaless_reader(buffer, writer.schema, None if reader is writer else reader.schema)
    except Exception as error:
        # fastavro raises whatever its C code met (EOFError, IndexError, UnicodeDecodeError, OverflowError, ...).
        raise UndecodableMessage(f"{writer.model.__name__} cannot be read: {type(error).__name__}", field="", rule="avro_body") from error
    if buffer.tell() != len(data):
        raise UndecodableMessage(
            f"{len(data) - buffer.tell()} bytes are left over after {writer.model.__name__}", field="", rule="whole_buffer"
        )
    return _validated(writer.model, record)


def _validated(model: type[BaseModel], record: Any) -> BaseModel:
    try:
        # The Avro schema has fixed the types already; lax mode only turns arrays into tuples.
        return model.model_validate(record, strict=False)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        path = "/" + "/".join(str(part) for part in first["loc"])
        raise InvalidRecord(f"{model.__name__}{path}: {first['msg']}", field=path, rule=first["type"]) from None
