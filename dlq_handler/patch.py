"""JSON Patch and JSON without loss: how a person's repair is written down and carried out. Pure.

Strict where libraries are lenient: an operation that is misspelt, a path that is not there, a number with leading zeros
as an index are errors, never skipped or guessed. Numbers keep the digits they were written with: a price of 10.10 that
nobody touched is still 10.10 afterwards.

Source: RFC 6902 (JSON Patch) sections 3 to 5, RFC 6901 (JSON Pointer) sections 3 to 6, read 2026-11-24.
"""

import copy
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dlq_handler.vocabulary import names_a_field
from schemas.failures import OrdermendError

Json = Any
"""dict, list, str, bool, None, int or `Number`."""
MAX_OPERATIONS = 100
MAX_BYTES = 1_000_000
MASK = "•••"


class PatchRefused(OrdermendError):
    """The patch cannot be carried out."""

    code = "patch_refused"
    error_class = "SEMANTIC"


class Number(str):
    """A number with a fraction or an exponent, as it was written."""

    __slots__ = ()


def loads(text: str | bytes) -> Json:
    """Read JSON; numbers with a fraction stay texts of type `Number`. Raises ValueError, also for a key that stands twice."""
    return json.loads(text, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=_once)


def _no_constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON number")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def dumps(value: Json) -> str:
    """Write JSON, numbers as they were read."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def pretty(value: Json, margin: str = "") -> str:
    """Write JSON over several lines, numbers as they were read."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        rows = (f"{inner}{json.dumps(key, ensure_ascii=False)}: {pretty(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + pretty(item, inner) for item in value) + f"\n{margin}]"
    return dumps(value)


def masked(value: Json) -> Json:
    """Return the same shape with every text and number hidden; what is true, false or null says nothing of anybody.

    A name of a field stays; a key that our schemas do not know the words of may be a value (an address, a phone, a person) and is hidden too.
    """
    if isinstance(value, dict):
        return {_key(key, number): masked(item) for number, (key, item) in enumerate(value.items(), start=1)}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value if value is None or isinstance(value, bool) else MASK


def masked_text(value: Json) -> str:
    """Return the same shape as text over several lines."""
    return pretty(masked(value))


def _key(key: str, number: int) -> str:
    return key if names_a_field(key) else f"{MASK}{number}"


def difference(before: Json, after: Json, path: str = "") -> list[Json]:
    """Return the operations that make `after` of `before`; none where they are equal as RFC 6902 compares."""
    if equal(before, after):
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        gone = [{"op": "remove", "path": _below(path, key)} for key in before if key not in after]
        new = [{"op": "add", "path": _below(path, key), "value": after[key]} for key in after if key not in before]
        kept = (difference(before[key], after[key], _below(path, key)) for key in before if key in after)
        return [*gone, *(operation for found in kept for operation in found), *new]
    if isinstance(before, list) and isinstance(after, list):
        return _list_difference(before, after, path)
    return [{"op": "replace", "path": path, "value": after}]


def _list_difference(before: list[Json], after: list[Json], path: str) -> list[Json]:
    """Compare what lies between the equal beginnings and the equal ends, item by item; the rest came or went."""
    short = min(len(before), len(after))
    first = next((i for i in range(short) if not equal(before[i], after[i])), short)
    last = next((i for i in range(short - first) if not equal(before[-1 - i], after[-1 - i])), short - first)
    old, new = before[first : len(before) - last], after[first : len(after) - last]
    both = min(len(old), len(new))
    changed = [operation for i in range(both) for operation in difference(old[i], new[i], _below(path, first + i))]
    removed: list[Json] = [{"op": "remove", "path": _below(path, first + i)} for i in reversed(range(both, len(old)))]
    added = [{"op": "add", "path": _below(path, first + i), "value": new[i]} for i in range(both, len(new))]
    return [*changed, *removed, *added]


def _below(path: str, part: str | int) -> str:
    return f"{path}/{str(part).replace('~', '~0').replace('/', '~1')}"


def read_patch(text: str) -> list[Json]:
    """Read a patch from its text; `PatchRefused` says what is wrong with it."""
    if len(text) > MAX_BYTES:
        raise PatchRefused(f"the patch has more than {MAX_BYTES} characters", rule="max_bytes")
    try:
        operations = loads(text)
    except (ValueError, RecursionError) as error:
        raise PatchRefused(f"the patch is no JSON: {error}", rule="json") from None
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise PatchRefused("a JSON Patch is an array of operations", rule="array")
    if not 0 < len(operations) <= MAX_OPERATIONS:
        raise PatchRefused(f"a patch has 1 to {MAX_OPERATIONS} operations, this one has {len(operations)}", rule="operation_count")
    return operations


def apply(document: Json, operations: Sequence[Json]) -> Json:
    """Return the document after all operations; all or nothing, the given document is never changed."""
    result = copy.deepcopy(document)
    for index, operation in enumerate(operations):
        try:
            result = _one(result, operation)
        except PatchRefused as error:
            raise PatchRefused(f"operation {index}: {error.message}", field=error.field, rule=error.rule) from None
    return result


def _one(document: Json, operation: dict[str, Json]) -> Json:
    name, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str):
        raise PatchRefused("it has no path", rule="path")
    where = pointer(path)
    if name == "remove":
        return _removed(document, where, path)
    if name in ("add", "replace", "test") and "value" not in operation:
        raise PatchRefused(f"{name} has no value", field=path, rule="value")
    if name == "add":
        return _added(document, where, copy.deepcopy(operation["value"]), path)
    if name == "replace":
        return _replaced(document, where, copy.deepcopy(operation["value"]), path)
    if name == "test":
        if not equal(get(document, where, path), operation["value"]):
            raise PatchRefused(f"{path or 'the document'} is not the value the patch expects", field=path, rule="test")
        return document
    if name in ("move", "copy"):
        return _carried(document, name, operation.get("from"), path)
    raise PatchRefused(f"{str(name)[:40]!r} is no operation of a JSON Patch", field=path, rule="op")


def _carried(document: Json, name: str, source: Json, path: str) -> Json:
    if not isinstance(source, str):
        raise PatchRefused(f"{name} has no from", field=path, rule="from")
    value = copy.deepcopy(get(document, pointer(source), source))
    if name == "move":
        if path.startswith(source + "/"):
            raise PatchRefused("nothing moves into itself", field=path, rule="from")
        if path == source:
            return document
        document = _removed(document, pointer(source), source)
    return _added(document, pointer(path), value, path)


def pointer(path: str) -> list[str]:
    """Return the parts of a JSON pointer."""
    if path and not path.startswith("/"):
        raise PatchRefused(f"{path[:80]!r} is no JSON pointer: it does not begin with /", rule="pointer")
    if "~" in path.replace("~0", "").replace("~1", ""):
        raise PatchRefused(f"{path[:80]!r} is no JSON pointer: ~ stands before 0 or 1 only", rule="pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def get(document: Json, where: Sequence[str], path: str) -> Json:
    """Return what lies at a pointer; `PatchRefused` where nothing does."""
    for part in where:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(part, len(document) - 1, path)]
        else:
            raise PatchRefused(f"there is nothing at {path}", field=path, rule="target_exists")
    return document


def _index(part: str, highest: int, path: str) -> int:
    if not (part.isascii() and part.isdigit()) or (len(part) > 1 and part[0] == "0"):
        raise PatchRefused(f"{part[:40]!r} in {path} is no index", field=path, rule="index")
    if len(part) > 9 or int(part) > highest:
        raise PatchRefused(f"there is nothing at {path}", field=path, rule="target_exists")
    return int(part)


def _added(document: Json, where: Sequence[str], value: Json, path: str) -> Json:
    if not where:
        return value
    parent, last = get(document, where[:-1], path), where[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent), path), value)
    else:
        raise PatchRefused(f"nothing can be added at {path}", field=path, rule="target_exists")
    return document


def _replaced(document: Json, where: Sequence[str], value: Json, path: str) -> Json:
    if not where:
        return value
    get(document, where, path)
    parent, last = get(document, where[:-1], path), where[-1]
    parent[last if isinstance(parent, dict) else _index(last, len(parent) - 1, path)] = value
    return document


def _removed(document: Json, where: Sequence[str], path: str) -> Json:
    if not where:
        raise PatchRefused("the whole document cannot be removed", rule="target_exists")
    get(document, where, path)
    parent, last = get(document, where[:-1], path), where[-1]
    del parent[last if isinstance(parent, dict) else _index(last, len(parent) - 1, path)]
    return document


def equal(left: Json, right: Json) -> bool:
    """Compare as RFC 6902 section 4.6 says: numbers by their value, objects whatever the order of their keys."""
    if _is_number(left) and _is_number(right):
        return Decimal(left) == Decimal(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Json) -> bool:
    return isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool))
