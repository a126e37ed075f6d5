"""The report of a demo run: what was sent, what became of each message, and whether the sums close.

Pure. `sent` counts orders stated: a document that names three orders counts three. It closes when

    sent       = accepted + duplicates + stale + incomplete + quarantined + rejected + dead_letters
    edits_sent = applied + refused + conflicted + awaiting + waiting + dead + duplicates
    facts_sent = recorded + waiting + duplicates + dead

where each right side is counted from the database and each left side by who sent. `held` is part of `accepted`;
`waiting_statements` is part of `incomplete`, `superseded` of `stale`. Latency is from the broker's append time to the
decision, of applied edits; those that waited for their order, on purpose, are in `edit_latency_waited_ms`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import Any, Final

STATEMENT_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accepted": "accepted",
        "restated": "accepted",
        "held": "accepted",
        "duplicate": "duplicates",
        "stale": "stale",
        "superseded": "stale",
        "incomplete": "incomplete",
        "waiting": "incomplete",
        "quarantined": "quarantined",
        "rejected": "rejected",
        "dead": "dead_letters",
    }
)
"""Outcome of a statement -> the report's key."""
EDIT_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "applied": "applied",
        "refused": "refused",
        "conflicted": "conflicted",
        "awaiting_approval": "awaiting",
        "waiting": "waiting",
        "dead": "dead",
    }
)
FACT_KEYS: Final[Mapping[str, str]] = MappingProxyType({"recorded": "recorded", "waiting": "waiting", "dead": "dead"})


@dataclass(frozen=True)
class Outcomes:
    """Of one topic: messages by their outcome's word, and how many came again."""

    first: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 0

    def by(self, keys: Mapping[str, str]) -> dict[str, int]:
        """Return counts by the report's keys, every key there, repeats as `duplicates`."""
        found = dict.fromkeys((*keys.values(), "duplicates"), 0)
        for word, count in self.first.items():
            if word in keys:
                found[keys[word]] += count
        found["duplicates"] += self.repeats
        return found

    def unknown(self, keys: Mapping[str, str]) -> dict[str, int]:
        """Return words that the report has no place for: the sums cannot close."""
        return {word: count for word, count in self.first.items() if word not in keys}


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of applied edits."""

    at_once: Sequence[float] = ()
    waited: Sequence[float] = ()


@dataclass(frozen=True)
class Tally:
    """Everything counted in the database."""

    statements: Outcomes = Outcomes()
    edits: Outcomes = Outcomes()
    facts: Outcomes = Outcomes()
    extra_statements: int = 0
    held_on_arrival: int = 0
    letters: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)
    operations: Mapping[str, int] = field(default_factory=dict)
    latencies: Latencies = Latencies()
    last_statement_at: datetime | None = None
    first_edit_at: datetime | None = None
    last_edit_at: datetime | None = None


@dataclass(frozen=True)
class Times:
    """When the run began (the database's clock) and how long it took, in seconds."""

    began_at: datetime
    seconds: float
    first_edit_seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """The keys of the JSON report. Rates are per second of the time the traffic took."""

    sent: int
    accepted: int
    duplicates: int
    stale: int
    incomplete: int
    quarantined: int
    rejected: int
    dead_letters: int
    held: int
    waiting_statements: int
    superseded: int
    edits_sent: int
    edits_applied: int
    edits_refused: int
    edits_conflicted: int
    edits_awaiting: int
    edits_waiting: int
    edits_dead: int
    edits_duplicates: int
    facts_sent: int
    facts: int
    facts_waiting: int
    facts_duplicates: int
    facts_dead: int
    integrity_errors: int
    seconds: float
    first_edit_seconds: float | None
    orders_per_second: float
    edits_per_second: float
    edit_latency_ms: Mapping[str, float | None]
    edit_latency_waited_ms: Mapping[str, float | None]
    restarts: int
    letters: Mapping[str, int]
    answers: Mapping[str, int]
    operations: Mapping[str, int]
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the sums close and the book has no integrity error."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return asdict(self) | {"closes": not any("does not close" in problem for problem in self.problems)}


def build(
    documents: int, edits_sent: int, facts_sent: int, tally: Tally, times: Times, integrity_errors: int, restarts: int = 0, late: str = ""
) -> Report:
    """Put the report together. `late` says what was unfinished when the run was cut short, or nothing."""
    statements, edits, facts = tally.statements.by(STATEMENT_KEYS), tally.edits.by(EDIT_KEYS), tally.facts.by(FACT_KEYS)
    sent = documents + tally.extra_statements
    problems = [
        *_closing("sent", sent, statements, tally.statements.unknown(STATEMENT_KEYS)),
        *_closing("edits_sent", edits_sent, edits, tally.edits.unknown(EDIT_KEYS)),
        *_closing("facts_sent", facts_sent, facts, tally.facts.unknown(FACT_KEYS)),
    ]
    if integrity_errors:
        problems.append(f"{integrity_errors} integrity errors: see `ordermend verify`")
    if late:
        problems.append(late)
    first = tally.statements.first
    return Report(
        sent=sent,
        **statements,
        held=first.get("held", 0) + tally.held_on_arrival,
        waiting_statements=first.get("waiting", 0),
        superseded=first.get("superseded", 0),
        edits_sent=edits_sent,
        **{f"edits_{name}": count for name, count in edits.items()},
        facts_sent=facts_sent,
        facts=facts.pop("recorded"),
        **{f"facts_{name}": count for name, count in facts.items()},
        integrity_errors=integrity_errors,
        seconds=round(times.seconds, 2),
        first_edit_seconds=None if times.first_edit_seconds is None else round(times.first_edit_seconds, 2),
        orders_per_second=_rate(statements["accepted"], times.began_at, tally.last_statement_at),
        edits_per_second=_rate(sum(tally.edits.first.values()), tally.first_edit_at, tally.last_edit_at),
        edit_latency_ms=percentiles(tally.latencies.at_once),
        edit_latency_waited_ms=percentiles(tally.latencies.waited),
        restarts=restarts,
        letters=tally.letters,
        answers=tally.answers,
        operations=tally.operations,
        problems=tuple(problems),
    )


def _closing(name: str, sent: int, outcomes: Mapping[str, int], unknown: Mapping[str, int]) -> list[str]:
    total = sum(outcomes.values())
    if sent == total and not unknown:
        return []
    other = f"; no place for {dict(unknown)}" if unknown else ""
    return [f"{name} does not close: {sent} sent, {total} with an outcome{other}"]


def _rate(count: int, since: datetime | None, until: datetime | None) -> float:
    seconds = (until - since).total_seconds() if since and until else 0.0
    return round(count / seconds, 1) if seconds > 0 else 0.0


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the nearest-rank percentiles; null where there is no value.

    >>> percentiles([4.0, 1.0, 3.0, 2.0])
    {'p50': 2.0, 'p95': 4.0, 'p99': 4.0}
    """
    ordered = sorted(values)
    return {f"p{p}": round(ordered[max(0, ceil(len(ordered) * p / 100) - 1)], 1) if ordered else None for p in (50, 95, 99)}
