"""What a rule's file declares, and how rules turn a result into a verdict.

A rule looks at one normalised order and says what is wrong, or nothing. Its mode says what that means: `shadow`
only counts, `warn` accepts with a warning, `enforce` gives the rule's verdict. Only what makes an order
unfulfillable or unlawful may reject.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from normalizers import discover
from normalizers.channel import Channel, StatedOrder
from schemas.order import Hold, Order
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


_DONE = frozenset({"cancelled", "closed"})
_FULFILLED = frozenset({"fulfilled", "cancelled"})
_ASKS_NOTHING = frozenset({"cancel", "draft"})


@dataclass(frozen=True)
class Rule:
    """A rule. `channels` empty: every channel."""

    name: str
    mode: Mode
    verdict: Verdict
    owner: str
    check: Callable[[StatedOrder], Finding | None]
    channels: frozenset[str] = frozenset()
    by_law: bool = False
    """The law wants it: it is never demoted by itself."""


def to_fulfil(stated: StatedOrder) -> bool:
    """Whether somebody is still to pick and send something: neither a draft nor done nor called off."""
    return stated.order.lifecycle not in _DONE and stated.fulfillment not in _FULFILLED and stated.event not in _ASKS_NOTHING


def declared(stated: StatedOrder) -> Channel:
    """Return what the order's channel declares about its documents."""
    return discover()[stated.order.source.channel]


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


def with_holds(order: Order, rules: Iterable[Rule], findings: Sequence[Finding], spoke: Sequence[tuple[str, Mode]]) -> Order:
    """Return the order held by each enforced rule that says so; the reason is the rule's sentence, which names no value."""
    if not spoke:
        return order
    holding = {rule.name for rule in rules if rule.verdict == "accept_with_hold"} & {name for name, mode in spoke if mode == "enforce"}
    if not holding:
        return order
    holds = tuple(
        Hold(hold_id=f"intake:{finding.rule}", kind="intake", reason=finding.message) for finding in findings if finding.rule in holding
    )
    source = order.source.with_(held_by=tuple(hold.hold_id for hold in holds))
    return order.with_(holds=(*order.holds, *holds), source=source)  # type: ignore[no-any-return]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the most severe of verdicts."""
    return max(verdicts, key=SEVERITY.__getitem__)
