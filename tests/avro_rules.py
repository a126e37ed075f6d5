"""Whether a reader's schema can read what a writer's wrote: Avro's schema resolution, for the shapes we use.

Source: Apache Avro 1.12 specification, "Schema Resolution", read 2026-11-23.
"""

from typing import Any


def incompatibilities(writer: Any, reader: Any, path: str = "") -> list[str]:
    """Return what the reader could not read, as paths; empty means compatible."""
    if isinstance(writer, list) or isinstance(reader, list):
        return _unions(writer if isinstance(writer, list) else [writer], reader if isinstance(reader, list) else [reader], path)
    kind, other = _kind(writer), _kind(reader)
    if kind != other:
        return [f"{path}: {kind} cannot be read as {other}"]
    if kind == "record":
        return _records(writer, reader, path)
    if kind == "array":
        return incompatibilities(writer["items"], reader["items"], f"{path}[]")
    if kind == "map":
        return incompatibilities(writer["values"], reader["values"], f"{path}{{}}")
    return []


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _unions(writer: list[Any], reader: list[Any], path: str) -> list[str]:
    lost = [branch for branch in writer if all(incompatibilities(branch, target, path) for target in reader)]
    return [f"{path}: branch {_kind(branch)} has no reader" for branch in lost]


def _records(writer: dict[str, Any], reader: dict[str, Any], path: str) -> list[str]:
    if writer["name"] != reader["name"]:
        return [f"{path}: {writer['name']} was renamed {reader['name']}"]
    written = {field["name"]: field for field in writer["fields"]}
    problems = []
    for field in reader["fields"]:
        here = f"{path}/{field['name']}"
        if field["name"] in written:
            problems += incompatibilities(written[field["name"]]["type"], field["type"], here)
        elif "default" not in field:
            problems.append(f"{here}: was not written and has no default")
    return problems
