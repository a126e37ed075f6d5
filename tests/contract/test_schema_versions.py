"""Every record that crosses a topic: its model, its committed schemas, and their compatibility, all ways round."""

import io
import json
from typing import Any

import fastavro
import pytest
from pydantic import BaseModel

from schemas.avro_types import avro_of
from schemas.codec import RECORDS, committed
from tests.avro_rules import incompatibilities

NAMES = [record.__name__ for record in RECORDS]


def schemas_of(record: type[BaseModel]) -> list[dict[str, Any]]:
    return [json.loads(text) for _, text in committed(record.__name__)]


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_the_newest_committed_schema_is_the_models(record: type[BaseModel]) -> None:
    """A model that changed without `make schemas` is caught here."""
    assert avro_of(record) == schemas_of(record)[-1]


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_versions_are_numbered_without_gaps(record: type[BaseModel]) -> None:
    assert [f"{number:04d}.avsc" for number, _ in enumerate(committed(record.__name__), start=1)] == [
        name for name, _ in committed(record.__name__)
    ]


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_every_version_reads_every_other(record: type[BaseModel]) -> None:
    """Producer and consumer may be a version apart either way, and what lies on a topic stays readable."""
    versions = schemas_of(record)
    for writer in versions:
        for reader in versions:
            assert [] == incompatibilities(writer, reader)


BASE: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "a", "type": "string"},
        {"name": "b", "type": ["null", "long"], "default": None},
        {"name": "c", "type": {"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "x", "type": "long"}]}}},
    ],
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return BASE with fields replaced (None: dropped) or added."""
    kept = [{**field, **fields.get(field["name"], {})} for field in BASE["fields"] if fields.get(field["name"], {}) is not None]
    added = [{"name": name, **field} for name, field in fields.items() if field is not None and name not in "abc"]
    return {**BASE, "fields": kept + added}


@pytest.mark.parametrize(
    "newer",
    [
        changed(a={"type": "long"}),
        changed(b={"type": ["null", "string"]}),
        changed(d={"type": "string"}),
        changed(a=None),
        changed(c={"type": {"type": "array", "items": "long"}}),
        {**BASE, "name": "S"},
        changed(c={"type": {"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "y", "type": "long"}]}}}),
    ],
    ids=["type", "branch", "new field without default", "field dropped that has no default", "items", "name", "nested"],
)
def test_an_incompatible_change_is_refused(newer: dict[str, Any]) -> None:
    """The check itself: each planted change breaks one direction at least."""
    assert incompatibilities(BASE, newer) + incompatibilities(newer, BASE)


def test_a_compatible_change_is_allowed_and_really_reads() -> None:
    newer = changed(d={"type": ["null", "string"], "default": None})
    assert [] == incompatibilities(BASE, newer) + incompatibilities(newer, BASE)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(BASE), {"a": "x", "b": 1, "c": []})
    buffer.seek(0)
    read = fastavro.schemaless_reader(buffer, fastavro.parse_schema(BASE), fastavro.parse_schema(newer))
    assert {"a": "x", "b": 1, "c": [], "d": None} == read
