"""What a rule's file declares, and how rules turn a result into a verdict.

A rule looks at one normalised order and says what is wrong, or nothing. Its mode says what that means: `shadow`
only counts, `warn` accepts with a warning, `enforce` gives the rule's verdict. Only what makes an order
unfulfillable or unlawful may reject.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from normalizers.channel import StatedOrder
from schemas.order import Order
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


SHADOW = "in shadow, would have been"
"""How the message of a finding begins that changed nothing."""


def judge(
    stated: StatedOrder, rules: Iterable[Rule], mode_of: Callable[[Rule, Order], Mode] | None = None
) -> tuple[Verdict, tuple[Finding, ...], tuple[tuple[str, Mode], ...]]:
    """Return the worst verdict, all findings, and which rules spoke in which mode.

    `mode_of` says a rule's mode for this order; without it each has the one it ships with. A rule in shadow says what it would have done.
    """
    verdict, findings, spoke = stated.verdict, list(stated.findings), []
    for rule in rules:
        if rule.channels and stated.order.source.channel not in rule.channels:
            continue
        finding = rule.check(stated)
        if finding is None:
            continue
        mode = rule.mode if mode_of is None else mode_of(rule, stated.order)
        spoke.append((rule.name, mode))
        if mode == "shadow":
            findings.append(finding.with_(message=f"{SHADOW} {rule.verdict}: {finding.message}"))
            continue
        findings.append(finding)
        verdict = worst((verdict, rule.verdict if mode == "enforce" else "accept_with_warning"))
    return verdict, tuple(findings), tuple(spoke)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe of verdicts."""
    return max(verdicts, key=SEVERITY.__getitem__)
