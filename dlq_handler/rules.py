"""Which acts at the desk need a second person, how long a claim lasts, how a bulk replay goes: pure rules over `desk.toml`."""

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from schemas.failures import SettingsInvalid


class DeskRulesInvalid(SettingsInvalid):
    """The rules of the desk are not usable."""

    code = "desk_rules_invalid"


@dataclass(frozen=True)
class Rules:
    """The rules, read."""

    claim_minutes: int
    score: int
    money_eur: Decimal
    bulk: int
    steps: tuple[int, ...]
    stop_above_percent: int


def load_rules(text: str) -> Rules:
    """Read rules from TOML; `DeskRulesInvalid` says what is missing or unreadable."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        eyes, bulk = data["four_eyes"], data["bulk"]
        rules = Rules(
            int(data["claim"]["minutes"]), int(eyes["score"]), Decimal(eyes["money_eur"]), int(eyes["bulk"]),
            tuple(int(step) for step in bulk["steps"]), int(bulk["stop_above_percent"]),
        )  # fmt: skip
    except (tomllib.TOMLDecodeError, InvalidOperation, KeyError, TypeError, ValueError) as error:
        raise DeskRulesInvalid(f"the desk's rules cannot be read: {error!r}") from error
    if rules.claim_minutes < 1 or not rules.steps or min(rules.steps) < 1 or not 0 <= rules.stop_above_percent < 100:
        raise DeskRulesInvalid("the desk's rules have a claim or a step below 1, or a stop that is no percentage")
    return rules


@cache
def default_rules() -> Rules:
    """Return the rules that ship with the package."""
    return load_rules(resources.files("dlq_handler").joinpath("desk.toml").read_text(encoding="utf-8"))


def four_eyes(act: str, score: int, rules: Rules, *, moved_eur: Decimal = Decimal(0), paid: bool = False) -> tuple[str, ...]:
    """Return the rules that want a second person for one letter's act ("replay" or "discard")."""
    wanted = []
    if score >= rules.score:
        wanted.append("four_eyes.score")
    if moved_eur > rules.money_eur:
        wanted.append("four_eyes.money")
    if act == "discard" and paid:
        wanted.append("four_eyes.paid_order")
    return tuple(wanted)


def bulk_four_eyes(letters: int, highest_score: int, *, edited: bool, rules: Rules) -> tuple[str, ...]:
    """Return the rules that want a second person for a bulk replay."""
    wanted = ["four_eyes.bulk"] if letters > rules.bulk else []
    if highest_score >= rules.score:
        wanted.append("four_eyes.score")
    if edited:
        wanted.append("four_eyes.bulk_edit")
    return tuple(wanted)


def next_step(sent: int, rules: Rules) -> int:
    """Return how many letters the next step sends back: the canaries first, then never more than a tenth of what has proved itself."""
    done = 0
    for step in rules.steps:
        if sent <= done:
            return step
        done += step
    return max(rules.steps[-1], sent // 10)


def must_stop(sent: int, failed: int, rules: Rules) -> bool:
    """Whether too many of what was sent back have failed."""
    return failed * 100 > sent * rules.stop_above_percent
