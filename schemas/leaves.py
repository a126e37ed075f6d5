"""An order as leaves: JSON-pointer path -> JSON text; the language of history.

Rows are addressed by their id, not by their place (`/lines/L7/ordered`), so a path means the same in every
version. A leaf at its default is absent. `changed_leaves` walks two orders side by side and skips what they
share, so an edit costs what it changes. Folding changes over the leaves of version 1 gives the leaves of the
stored order: that is the integrity check, and it needs no code but this file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import orjson
from pydantic_core import PydanticUndefined

from schemas.model import Model
from schemas.order import PERSONAL_PARTS, Order

PERSONAL = frozenset(PERSONAL_PARTS)
"""Top-level fields whose leaves are stored as ciphertext under the order's key; so is the reason of a hold, which people write."""


class Leaf(NamedTuple):
    """One changed leaf; None where it was or became absent."""

    path: str
    old: str | None
    new: str | None

    @property
    def personal(self) -> bool:
        """Whether its values may name a person."""
        return is_personal(self.path)


def is_personal(path: str) -> bool:
    """Whether the leaf at `path` is stored as ciphertext."""
    first, _, rest = path[1:].partition("/")
    return first in PERSONAL or (first == "holds" and rest.partition("/")[2] == "reason")


@dataclass(frozen=True)
class _Field:
    name: str
    kind: Literal["leaf", "model", "rows", "map"]
    default: Any
    inner: type[Model] | None = None


@cache
def _plan(model: type[Model]) -> tuple[_Field, ...]:
    return tuple(_field(name, info) for name, info in model.model_fields.items())


def _field(name: str, info: Any) -> _Field:
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    default = None if default is PydanticUndefined else default
    annotation = info.annotation
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is dict:
        return _Field(name, "map", default)
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if isinstance(item, type) and issubclass(item, Model):
            return _Field(name, "rows", default, item)
    elif isinstance(annotation, type) and issubclass(annotation, Model):
        return _Field(name, "model", default, annotation)
    return _Field(name, "leaf", default)


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def leaves(order: Order) -> dict[str, str]:
    """Return every leaf of `order` that is not at its default."""
    return dict(_leaves(Order, order, ""))


def _leaves(model: type[Model], value: Model, path: str) -> Iterator[tuple[str, str]]:
    for field in _plan(model):
        item = getattr(value, field.name)
        here = f"{path}/{field.name}"
        if field.kind == "leaf":
            if item != field.default:
                yield here, _text(item)
        elif field.kind == "model":
            if item is not None:
                assert field.inner
                yield from _leaves(field.inner, item, here)
        elif field.kind == "rows":
            assert field.inner
            assert field.inner.KEY
            for row in item:
                yield from _leaves(field.inner, row, f"{here}/{_token(getattr(row, field.inner.KEY))}")
        else:
            for key, text in item.items():
                yield f"{here}/{_token(key)}", _text(text)


SETS = frozenset({"/tags"})
"""Leaves that are sets: who changes one member leaves the others to everybody else."""


def members(path: str, old: str | None, new: str | None) -> tuple[str, ...]:
    """Return what a changed leaf is for a merge: its path, or, of a set, the path of each member that came or went.

    >>> members("/tags", '["gift","vip"]', '["vip"]')
    ('/tags/gift',)
    """
    if path not in SETS:
        return (path,)
    moved = set(orjson.loads(old or "[]")) ^ set(orjson.loads(new or "[]"))
    return tuple(member_of(path, name) for name in sorted(moved))


def member_of(path: str, name: str) -> str:
    """Return the path of a member of a set."""
    return f"{path}/{_token(name)}"


def _token(key: str) -> str:
    """Escape a JSON pointer token (RFC 6901 section 3)."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key


def order_of(state: Mapping[str, str]) -> Order:
    """Return the order that has exactly these leaves; rows stand in the order in which they first appear.

    Raises `pydantic.ValidationError` where the leaves are not those of an order.
    """
    tree: dict[str, Any] = {}
    for path, text in state.items():
        *parents, last = (token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/"))
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = orjson.loads(text)
    return Order.model_validate_json(orjson.dumps(_shaped(Order, tree)))


def _shaped(model: type[Model], tree: dict[str, Any]) -> dict[str, Any]:
    """Turn rows that are addressed by their key into lists."""
    shaped = dict(tree)
    for field in _plan(model):
        if field.name not in tree or field.inner is None:
            continue
        value = tree[field.name]
        shaped[field.name] = [_shaped(field.inner, row) for row in value.values()] if field.kind == "rows" else _shaped(field.inner, value)
    return shaped


def changed_leaves(old: Order, new: Order) -> list[Leaf]:
    """Return every leaf that differs, in path order of the model."""
    out: list[Leaf] = []
    _diff(Order, old, new, "", out)
    return out


def _diff(model: type[Model], old: Model, new: Model, path: str, out: list[Leaf]) -> None:
    before, after = old.__dict__, new.__dict__
    for field in _plan(model):
        a, b = before[field.name], after[field.name]
        if a is b:
            continue
        here = f"{path}/{field.name}"
        if field.kind == "leaf":
            if a != b:
                out.append(Leaf(here, None if a == field.default else _text(a), None if b == field.default else _text(b)))
        elif field.kind == "model":
            _diff_model(field, a, b, here, out)
        elif field.kind == "rows":
            _diff_rows(field, a, b, here, out)
        else:
            out += _diff_map({_token(k): _text(v) for k, v in a.items()}, {_token(k): _text(v) for k, v in b.items()}, here)


def _diff_model(field: _Field, old: Model | None, new: Model | None, path: str, out: list[Leaf]) -> None:
    assert field.inner
    if old is not None and new is not None:
        _diff(field.inner, old, new, path, out)
        return
    before = dict(_leaves(field.inner, old, path)) if old is not None else {}
    after = dict(_leaves(field.inner, new, path)) if new is not None else {}
    out += _diff_map(before, after, "")


def _diff_rows(field: _Field, old: tuple[Model, ...], new: tuple[Model, ...], path: str, out: list[Leaf]) -> None:
    assert field.inner
    assert field.inner.KEY
    key = field.inner.KEY
    if len(old) == len(new) and all(a is b or getattr(a, key) == getattr(b, key) for a, b in zip(old, new, strict=True)):
        # As mostly: the same rows in their places.
        for a, b in zip(old, new, strict=True):
            if a is not b:
                _diff(field.inner, a, b, f"{path}/{_token(getattr(a, key))}", out)
        return
    before = {getattr(row, key): row for row in old}
    after = {getattr(row, key): row for row in new}
    for name, row in before.items():
        _diff_model(field, row, after.get(name), f"{path}/{_token(name)}", out) if after.get(name) is not row else None
    for name, row in after.items():
        if name not in before:
            _diff_model(field, None, row, f"{path}/{_token(name)}", out)


def _diff_map(before: dict[str, str], after: dict[str, str], path: str) -> list[Leaf]:
    prefix = f"{path}/" if path else ""
    paths = [*before, *(name for name in after if name not in before)]
    return [Leaf(prefix + name, before.get(name), after.get(name)) for name in paths if before.get(name) != after.get(name)]


def fold(first: dict[str, str], changes: Iterator[Leaf] | list[Leaf]) -> tuple[dict[str, str], list[str]]:
    """Replay changes over the leaves of version 1.

    Returns the leaves after the last change and the paths whose recorded old value did not match.
    """
    state = dict(first)
    broken = []
    for path, old, new in changes:
        if state.get(path) != old:
            broken.append(path)
        if new is None:
            state.pop(path, None)
        else:
            state[path] = new
    return state, broken
