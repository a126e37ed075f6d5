"""What a rule's file declares, and how rules turn a result into a verdict.

A rule looks at one normalised order and says what is wrong, or nothing. Its mode says what that means: `shadow`
only counts, `warn` accepts with a warning, `enforce` gives the rule's verdict. Only what makes an order
unfulfillable or unlawful may reject.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from normalizers.channel import StatedOrder
from schemas.statement import Finding, Verdict

Mode = Literal["shadow", "warn", "enforce"]
SEVERITY: dict[Verdict, int] = {
    "accept": 0,
    "accept_with_warning": 1,
    "accept_with_hold": 2,
    "incomplete": 3,
    "quarantine": 4,
    "reject": 5,
    "dead_letter": 6,
}


@dataclass(frozen=True)
class Rule:
    """A rule. `channels` empty: every channel."""

    name: str
    mode: Mode
    verdict: Verdict
    owner: str
    check: Callable[[StatedOrder], Finding | None]
    channels: frozenset[str] = frozenset()


def judge(stated: StatedOrder, rules: Iterable[Rule]) -> tuple[Verdict, tuple[Finding, ...], tuple[str, ...]]:
    """Return the worst verdict, all findings, and the names of shadow rules that would have spoken."""
    verdict, findings, shadows = stated.verdict, list(stated.findings), []
    for rule in rules:
        if rule.channels and stated.order.source.channel not in rule.channels:
            continue
        finding = rule.check(stated)
        if finding is None:
            continue
        if rule.mode == "shadow":
            shadows.append(rule.name)
            continue
        findings.append(finding)
        verdict = worst((verdict, rule.verdict if rule.mode == "enforce" else "accept_with_warning"))
    return verdict, tuple(findings), tuple(shadows)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe of verdicts."""
    return max(verdicts, key=SEVERITY.__getitem__)
