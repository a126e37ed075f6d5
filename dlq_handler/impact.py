"""How urgent a dead letter is, 0 to 100, with the parts that make it so. Pure; the weights are data (`impact.toml`).

Parts: money at risk (what of the order is still open), time to the channel's ship deadline, followers that wait behind
it, size of its group, how fast the group grows, the customer's tier where a tag of the order tells it. Deadline and
followers count by the share of money they threaten: an order of two euros that is due now is no emergency, and added
up plainly it would stand before one of a thousand that is due tomorrow. All in decimals: the same facts give the same
score on every machine.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from schemas.failures import SettingsInvalid
from schemas.money import exponent_of

PARTS = ("money", "deadline", "followers", "group", "growth", "tier")
PRIORITIES = ((60, "P1"), (45, "P2"), (30, "P3"), (0, "P4"))
_OTHERS = "*"
_TENTH = Decimal("0.1")


class ImpactRulesInvalid(SettingsInvalid):
    """The rules of the impact score are not usable."""

    code = "impact_rules_invalid"


@dataclass(frozen=True)
class Rules:
    """The weights, read. Money in EUR, times in minutes and hours."""

    points: Mapping[str, Decimal]
    full: Mapping[str, Decimal]
    fade_minutes: Decimal
    ship_hours: Mapping[str, int]
    unknown_eur: Decimal
    eur: Mapping[str, Decimal]
    tags: Mapping[str, Decimal]


@dataclass(frozen=True)
class Stakes:
    """What is known of a letter. `value_minor` None: nobody could read the order; `due_at` None: no deadline is known."""

    value_minor: int | None
    currency: str | None
    due_at: datetime | None
    followers: int
    group: int
    group_last_hour: int
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Impact:
    """The score and the points each part gives, to a tenth."""

    score: int
    parts: Mapping[str, Decimal]


def load_rules(text: str) -> Rules:
    """Read rules from TOML; `ImpactRulesInvalid` says what is missing or unreadable."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        rules = Rules(
            {part: Decimal(data["points"][part]) for part in PARTS},
            {name: Decimal(data["full"][name]) for name in ("money_eur", "followers", "group")},
            Decimal(data["deadline"]["fade_minutes"]),
            dict(data["deadline"]["ship_hours"]),
            Decimal(data["money"]["unknown_eur"]),
            {currency: Decimal(rate) for currency, rate in data["money"]["eur"].items()},
            {tag: Decimal(share) for tag, share in data["tier"]["tags"].items()},
        )
    except (tomllib.TOMLDecodeError, InvalidOperation, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ImpactRulesInvalid(f"the impact rules cannot be read: {error!r}") from error
    if sum(rules.points.values()) != 100 or min(rules.points.values()) < 0:
        raise ImpactRulesInvalid("the impact rules' points do not add up to 100, or one is below 0")
    if min(*rules.full.values(), rules.fade_minutes, *rules.eur.values()) <= 0:
        raise ImpactRulesInvalid("the impact rules have a scale or a rate that is not above 0")
    if _OTHERS not in rules.eur or _OTHERS not in rules.ship_hours:
        raise ImpactRulesInvalid('the impact rules name no rate or no ship hours for others ("*")')
    return rules


@cache
def default_rules() -> Rules:
    """Return the rules that ship with the package."""
    return load_rules(resources.files("dlq_handler").joinpath("impact.toml").read_text(encoding="utf-8"))


def impact(stakes: Stakes, at: datetime, rules: Rules) -> Impact:
    """Return the score at the moment `at`."""
    money = _log_share(eur(stakes.value_minor, stakes.currency, rules), rules.full["money_eur"])
    shares = {
        "money": money,
        "deadline": money * _deadline_share(stakes.due_at, at, rules),
        "followers": money * min(Decimal(1), stakes.followers / rules.full["followers"]),
        "group": _log_share(Decimal(stakes.group - 1), rules.full["group"]),
        "growth": min(Decimal(1), Decimal(stakes.group_last_hour - 1) / stakes.group) if stakes.group > 1 else Decimal(0),
        "tier": max((rules.tags.get(tag.lower(), Decimal(0)) for tag in stakes.tags), default=Decimal(0)),
    }
    parts = {part: (rules.points[part] * max(Decimal(0), share)).quantize(_TENTH) for part, share in shares.items()}
    return Impact(int(sum(parts.values(), Decimal(0)).quantize(Decimal(1))), parts)


def priority(score: int) -> str:
    """Return P1 to P4."""
    return next(name for least, name in PRIORITIES if score >= least)


def eur(value_minor: int | None, currency: str | None, rules: Rules) -> Decimal:
    """Return about how many EUR are at risk."""
    if value_minor is None or currency is None:
        return rules.unknown_eur
    rate = rules.eur.get(currency, rules.eur[_OTHERS])
    return max(Decimal(0), Decimal(value_minor).scaleb(-exponent_of(currency)) * rate)


def deadline(channel: str | None, placed_at: datetime | None, latest: datetime | None, rules: Rules) -> datetime | None:
    """Return when the order has to leave: the end it names, or its channel's promise, whichever is earlier."""
    hours = rules.ship_hours.get(channel or "", rules.ship_hours[_OTHERS])
    promised = placed_at + timedelta(hours=hours) if placed_at is not None else None
    known = [moment for moment in (latest, promised) if moment is not None]
    return min(known, default=None)


def _log_share(amount: Decimal, full: Decimal) -> Decimal:
    return min(Decimal(1), (1 + max(Decimal(0), amount)).log10() / (1 + full).log10())


def _deadline_share(due_at: datetime | None, at: datetime, rules: Rules) -> Decimal:
    if due_at is None:
        return Decimal(0)
    minutes = max(0, int((due_at - at).total_seconds())) / Decimal(60)
    return (-minutes / rules.fade_minutes).exp()
