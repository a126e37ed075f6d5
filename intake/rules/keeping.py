"""Whether a rule has lost its right to refuse: pure rules over `keeping.toml`, and the tuning that follows.

A refusal is overturned where its document went back as it was and passed, by somebody's or a later tuning's leave; a hold, where somebody
released it and had changed nothing of the order. What a person put right first, and what the channel stated anew, stood. A rule the law wants
(`Rule.by_law`) keeps its mode whatever people do; that it is overturned is said all the same.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from intake.rules.rule import Mode, Rule
from intake.rules.tuning import Scope, Tuning, with_scope
from schemas.failures import SettingsInvalid


class KeepingInvalid(SettingsInvalid):
    """The bounds of keeping are not usable."""

    code = "rule_keeping_invalid"


@dataclass(frozen=True)
class Bounds:
    """From when on a rule is demoted."""

    days: int
    overturned: int
    percent: int


class Evidence(NamedTuple):
    """What people decided about one refusal (or hold) of a rule in a channel."""

    rule: str
    channel: str
    at: datetime
    overturned: bool


class Demotion(NamedTuple):
    """A rule to demote in a channel, and the figures that say so."""

    rule: str
    channel: str
    decided: int
    overturned: int

    def reason(self, bounds: Bounds) -> str:
        """Return the sentence for the record."""
        return (
            f"{self.overturned} of {self.decided} decided refusals in {self.channel} within {bounds.days} days were overturned, "
            f"more than {bounds.percent} %: enforce -> warn"
        )


def load_bounds(text: str) -> Bounds:
    """Read bounds from TOML. Raises `KeepingInvalid`."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        bounds = Bounds(int(data["window"]["days"]), int(data["bound"]["overturned"]), int(data["bound"]["percent"]))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise KeepingInvalid(f"the bounds of keeping cannot be read: {error!r}") from error
    if bounds.days < 1 or bounds.overturned < 1 or not 0 <= bounds.percent < 100:
        raise KeepingInvalid("the bounds of keeping are a day or more, one overturned refusal or more, and a percentage")
    return bounds


@cache
def default_bounds() -> Bounds:
    """Return the bounds that ship with the package."""
    return load_bounds(resources.files("intake.rules").joinpath("keeping.toml").read_text(encoding="utf-8"))


def beyond(evidence: Iterable[Evidence], bounds: Bounds) -> list[Demotion]:
    """Return which rules are overturned beyond the bounds, and where."""
    counted: dict[tuple[str, str], list[int]] = {}
    for one in evidence:
        figures = counted.setdefault((one.rule, one.channel), [0, 0])
        figures[0] += 1
        figures[1] += one.overturned
    return [
        Demotion(rule, channel, decided, overturned)
        for (rule, channel), (decided, overturned) in sorted(counted.items())
        if overturned >= bounds.overturned and overturned * 100 > decided * bounds.percent
    ]


def enforced_since(versions: Sequence[tuple[datetime, Tuning]], rule: Rule, channel: str) -> datetime | None:
    """Return since when a rule has been enforced in a channel (oldest version first); None: from the beginning.

    Evidence from before says nothing of the rule as it was put into force again.
    """
    since, before = None, rule.mode
    for at, tuning in versions:
        mode = mode_in(tuning, rule, channel)
        if mode == "enforce" and before != "enforce":
            since = at
        before = mode
    return since


def mode_in(tuning: Tuning, rule: Rule, channel: str) -> Mode:
    """Return a rule's mode in a channel, leaving aside what only some of its accounts or countries have."""
    fitting = [scope for scope in tuning.scopes.get(rule.name, ()) if scope.fits(channel, "", None)]
    return max(enumerate(fitting), key=lambda item: (item[1].narrowness, item[0]))[1].mode if fitting else rule.mode


def demoted(tuning: Tuning, demotion: Demotion) -> Tuning:
    """Return the tuning with a rule that only warns in a channel, whatever narrower places of it had been told to enforce."""
    made = with_scope(tuning, demotion.rule, Scope("warn", demotion.channel))
    narrower = [scope for scope in made.scopes[demotion.rule] if scope.channel == demotion.channel and scope.mode == "enforce"]
    for scope in narrower:
        made = with_scope(made, demotion.rule, Scope("warn", *scope.place))
    return made
