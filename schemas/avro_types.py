"""Derives the Avro record of a model, so that model and wire cannot drift apart.

`str` string · `int` long · `bool` boolean · `bytes` bytes · `UUID` string(uuid) · aware datetime
long(timestamp-micros) · `X | None` a union with null, default null where the model has it · tuple array ·
`dict[str, str]` map · a model a named record. `Literal`s are strings: a new word is no schema change.
No recursive type and no zero-size array item can arise, which is what the readers rely on.
"""

import json
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

_SCALARS: dict[type, Any] = {
    str: "string",
    int: "long",
    bool: "boolean",
    bytes: "bytes",
    UUID: {"type": "string", "logicalType": "uuid"},
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
}
NAMESPACE = "ordermend.v1"


def avro_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return `model`'s Avro record as a JSON-ready value."""
    record: dict[str, Any] = _record(model, set(), ())
    return record


def _record(model: type[BaseModel], named: set[str], stack: tuple[str, ...]) -> Any:
    if model.__name__ in stack:
        message = f"{model.__name__} contains itself; recursive records are refused"
        raise TypeError(message)
    if model.__name__ in named:
        return f"{NAMESPACE}.{model.__name__}"
    named.add(model.__name__)
    inside = (*stack, model.__name__)
    fields = []
    for name, info in model.model_fields.items():
        field: dict[str, Any] = {"name": name, "type": _type(info.annotation, named, inside)}
        default = info.get_default(call_default_factory=True) if not info.is_required() else PydanticUndefined
        if default is not PydanticUndefined and not isinstance(default, BaseModel):
            field["default"] = to_jsonable_python(default)
        fields.append(field)
    return {"type": "record", "name": model.__name__, "namespace": NAMESPACE, "fields": fields}


def _type(annotation: Any, named: set[str], stack: tuple[str, ...]) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], named, stack)
    if origin is Literal:
        return "string"
    if origin in (Union, UnionType):
        (inner,) = (part for part in arguments if part is not NoneType)
        return ["null", _type(inner, named, stack)]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0], named, stack), "default": []}
    if origin is dict and arguments[0] is str:
        return {"type": "map", "values": _type(arguments[1], named, stack)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _record(annotation, named, stack)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    message = f"no Avro type for {annotation!r}"
    raise TypeError(message)


def canonical_text(schema: dict[str, Any]) -> str:
    """Return the text that is committed as `.avsc`."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
