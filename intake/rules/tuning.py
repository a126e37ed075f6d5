"""How the rules are tuned: a versioned text that says each rule's mode, everywhere or in a scope. Pure.

    [quantities_positive]
    mode = "warn"

    [[quantities_positive.scope]]
    channel = "shopify"
    account = "north"
    country = "DE"
    mode = "shadow"

A scope names one or more of channel, account and delivery country; of those that fit an order the one that names most counts, the later of
two that name as much. A rule that the text leaves out has the mode it ships with. The text is kept in the book (`rule_set`, kind `intake`),
travels as the newest record of the compacted topic `rules.intake.v1`, and is in force where it arrives.
Fails:   TuningInvalid, naming rule, key and value; a text that cannot be used is never put into force.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import orjson

from intake.rules.rule import Mode, Rule
from schemas.failures import SettingsInvalid
from schemas.order import Order

KIND = "intake"
MODES: tuple[Mode, ...] = get_args(Mode)
_SCOPE = ("channel", "account", "country")


class TuningInvalid(SettingsInvalid):
    """The tuning is not usable."""

    code = "rule_tuning_invalid"


@dataclass(frozen=True)
class Scope:
    """Where a mode holds; None is everywhere."""

    mode: Mode
    channel: str | None = None
    account: str | None = None
    country: str | None = None

    def fits(self, channel: str, account: str, country: str | None) -> bool:
        """Whether an order of these is inside."""
        return self.channel in {None, channel} and self.account in {None, account} and self.country in {None, country}

    @property
    def place(self) -> tuple[str | None, str | None, str | None]:
        """Return where it holds: channel, account, country."""
        return self.channel, self.account, self.country

    @property
    def narrowness(self) -> int:
        """Return how much it names."""
        return sum(value is not None for value in self.place)


@dataclass(frozen=True)
class Tuning:
    """A version of the tuning; 0 is as shipped."""

    version: int = 0
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict)

    def mode_of(self, rule: Rule, order: Order) -> Mode:
        """Return the mode of a rule for an order."""
        scopes = self.scopes.get(rule.name)
        if not scopes:
            return rule.mode
        source, place = order.source, order.ship_to
        fitting = [scope for scope in scopes if scope.fits(source.channel, source.account, place.country if place else None)]
        return max(enumerate(fitting), key=lambda item: (item[1].narrowness, item[0]))[1].mode if fitting else rule.mode


SHIPPED = Tuning()


class Told(NamedTuple):
    """What a rule did: orders it refused, and how many of those somebody sent back as they were."""

    refused: int = 0
    overturned: int = 0

    @property
    def precision(self) -> float | None:
        """Return the share of refusals that stood; None where nothing was refused."""
        return None if not self.refused else 1 - self.overturned / self.refused


class Tuned(NamedTuple):
    """A rule, what it is for, the scopes it is tuned by (none: as shipped), and what it did lately."""

    rule: Rule
    about: str
    scopes: tuple[Scope, ...]
    told: Told


def with_scope(tuning: Tuning, rule: str, scope: Scope) -> Tuning:
    """Return the tuning with a rule's mode in one place; where that place is tuned already, it keeps its rank."""
    own = tuning.scopes.get(rule, ())
    known = any(one.place == scope.place for one in own)
    scopes = tuple(scope if one.place == scope.place else one for one in own) if known else (*own, scope)
    return Tuning(tuning.version, {**tuning.scopes, rule: scopes})


def without_scope(tuning: Tuning, rule: str, place: tuple[str | None, str | None, str | None]) -> Tuning:
    """Return the tuning without a rule's mode in one place: what is wider counts there again. Raises `TuningInvalid` where there is none."""
    own = tuning.scopes.get(rule, ())
    left = tuple(one for one in own if one.place != place)
    if left == own:
        raise TuningInvalid(f"{rule[:40]} is not tuned for {' '.join(filter(None, place)) or 'everywhere'}")
    return Tuning(tuning.version, {**tuning.scopes, rule: left})


def write(tuning: Tuning) -> str:
    """Return the text that `parse` reads as this tuning. What people wrote beside it, as comments, older versions keep."""
    return "\n".join(_written(name, scopes) for name, scopes in sorted(tuning.scopes.items()) if scopes)


def _written(name: str, scopes: Iterable[Scope]) -> str:
    # An everywhere that stands twice counts as its last.
    everywhere = [f'[{name}]\nmode = "{scope.mode}"\n' for scope in scopes if not scope.narrowness][-1:]
    listed = [
        "".join((f"[[{name}.scope]]\n", *(f"{key} = {_quoted(value)}\n" for key, value in zip(_SCOPE, scope.place, strict=True) if value), f'mode = "{scope.mode}"\n'))
        for scope in scopes
        if scope.narrowness
    ]  # fmt: skip
    return "\n".join((*everywhere, *listed))


def _quoted(value: str) -> str:
    """Return a text as a basic string of TOML: JSON's escapes, and the one control character that JSON lets pass."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(text: str, rules: Iterable[Rule], version: int = 0) -> Tuning:
    """Read a text; every rule it names has to be one of `rules`."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TuningInvalid(f"the tuning cannot be read: {error}") from None
    known = {rule.name for rule in rules}
    scopes: dict[str, tuple[Scope, ...]] = {}
    for name, row in found.items():
        if name not in known:
            raise TuningInvalid(f"there is no rule {name[:40]!r}; there are {', '.join(sorted(known))}")
        if not isinstance(row, dict) or not set(row) <= {"mode", "scope"}:
            raise TuningInvalid(f"[{name}] has a mode and scopes, and nothing else")
        everywhere = (Scope(_mode(row["mode"], name)),) if "mode" in row else ()
        listed = row.get("scope", [])
        if not isinstance(listed, list):
            raise TuningInvalid(f"the scopes of {name} are written [[{name}.scope]]")
        scopes[name] = (*everywhere, *(_scope(one, name) for one in listed))
    return Tuning(version, scopes)


def _mode(value: Any, name: str) -> Mode:
    if not isinstance(value, str) or value not in MODES:
        raise TuningInvalid(f"{name}: {str(value)[:40]!r} is no mode; it is one of {', '.join(MODES)}")
    return value


def _scope(row: Any, name: str) -> Scope:
    named = {key: row[key] for key in _SCOPE if key in row} if isinstance(row, dict) else {}
    if not named or set(row) - {*_SCOPE, "mode"} or not all(isinstance(value, str) and value for value in named.values()):
        raise TuningInvalid(f"a scope of {name} names channel, account or country, and a mode")
    return Scope(_mode(row.get("mode"), name), **named)


def record_of(version: int, text: str) -> bytes:
    """Return the topic's record of a version."""
    return orjson.dumps({"version": version, "text": text})


def read_record(value: bytes, rules: Iterable[Rule]) -> Tuning:
    """Read a record of the topic. Raises `TuningInvalid` for one that this version cannot use."""
    try:
        found = orjson.loads(value)
        version, text = found["version"], found["text"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise TuningInvalid("the record is no tuning") from None
    if type(version) is not int or not isinstance(text, str):
        raise TuningInvalid("the record is no tuning")
    return parse(text, rules, version)
