"""Which words are known to name fields: those our own models and the normalisers of channels are written with.

Input:   the code of `schemas` and `normalizers`: every text in it that has the form of a name, cut into words.
Output:  whether a key of a document is made of such words alone.
Guarantee: a key that is shown is made of words that stand in our code, so it tells nothing of anybody; any other, a person's name that
         reads like a field among them, is taken for a value. A field that no normaliser reads may be hidden for it.
"""

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib.abc import InspectLoader
from types import CodeType, ModuleType
from typing import Final

import normalizers
import schemas

LONGEST_NAME: Final = 60
_NAME: Final = re.compile(r"[@A-Za-z0-9_:./-]+")
_FIELD: Final = re.compile(r"@?[A-Za-z]+(?:[_:-][A-Za-z]+)*_?[0-9]{0,2}")
"""What a field is called: words of ASCII letters, two digits at the end at the most."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def names_a_field(key: str) -> bool:
    """Return whether a key of a document is the name of a field, and no value."""
    return len(key) <= LONGEST_NAME and _FIELD.fullmatch(key) is not None and all(word in words() for word in _words(key))


@cache
def words() -> frozenset[str]:
    """Return the words that our code names fields with, in lower case."""
    return frozenset(
        word for package in (schemas, normalizers) for code in _code(package) for text in _texts(code) for word in _words(text)
    )


def _words(name: str) -> Iterator[str]:
    """Yield the words of a name, however it joins them: `unit_price`, `UnitPrice`, `cbc:ID`."""
    return (word.lower() for word in _WORD.findall(name))


def _code(package: ModuleType) -> Iterator[CodeType]:
    """Yield the code of each module of a package."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        spec = importlib.util.find_spec(module.name)
        loader = spec.loader if spec is not None else None
        code = loader.get_code(module.name) if isinstance(loader, InspectLoader) else None
        if code is not None:
            yield code


def _texts(code: CodeType) -> Iterator[str]:
    """Yield the constants of code that have the form of a name; sentences have spaces."""
    pending: list[object] = [code]
    while pending:
        found = pending.pop()
        if isinstance(found, CodeType):
            pending.extend(found.co_consts)
        elif isinstance(found, tuple | frozenset):
            pending.extend(found)
        elif isinstance(found, str) and len(found) <= LONGEST_NAME and _NAME.fullmatch(found):
            yield found
