"""Who has to agree to an edit, who may, and until when: pure rules over data (`approval_rules.toml`, or what replaced it).

An approval is of *effects*: the ticket keeps the hash of what it would do (`edit.preview_hash`), and only a review of
exactly those lets it through. When the effects have changed meanwhile, the ticket asks again with the new ones.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from modification_processor.outcomes import Refused
from schemas.assertion import Actor
from schemas.failures import SettingsInvalid
from schemas.money import exponent_of
from schemas.order import Order
from schemas.ticket import TicketReviewed
from store.tickets import TicketRow

APPROVAL = "approval"
"""The kind under which rule sets of this sort are kept."""
_OTHERS = "*"


class ApprovalRulesInvalid(SettingsInvalid):
    """The approval rules are not usable."""

    code = "approval_rules_invalid"


Limits = Mapping[str, Decimal]
"""Amounts in major units by currency, "*" for all others."""


@dataclass(frozen=True)
class Tier:
    """A role and how far it goes; `money_delta` None: any amount."""

    role: str
    money_delta: Limits | None


@dataclass(frozen=True)
class Delegation:
    """Somebody who stands in for somebody else until a moment."""

    giver: str
    taker: str
    role: str
    until: datetime


@dataclass(frozen=True)
class ApprovalRules:
    """The rules, read."""

    version: int
    money_delta: Limits
    repeated_edits: int
    authors: tuple[Tier, ...]
    approvers: tuple[Tier, ...]
    delegations: tuple[Delegation, ...]
    awaiting_approval: timedelta
    waiting: timedelta

    def limit_minor(self, currency: str, roles: frozenset[str] = frozenset()) -> int:
        """Return the largest change of the grand total that needs nobody's approval from this author, in minor units."""
        tier = next((tier for tier in self.authors if tier.role in roles and tier.money_delta is not None), None)
        limits = tier.money_delta if tier is not None and tier.money_delta is not None else self.money_delta
        return _minor(limits, currency)

    def roles_of(self, reviewer: Actor, at: datetime, author: str) -> frozenset[str]:
        """Return the reviewer's roles, with those delegated by others than the author."""
        lent = {d.role for d in self.delegations if d.taker == reviewer.user_id and d.giver != author and at < d.until}
        return reviewer.roles | lent

    def may_approve(self, roles: frozenset[str], currency: str, moved_minor: int) -> bool:
        """Whether somebody with these roles may approve so large a change."""
        tiers = [tier for tier in self.approvers if tier.role in roles]
        return any(tier.money_delta is None or abs(moved_minor) <= _minor(tier.money_delta, currency) for tier in tiers)

    def reviews(self, roles: frozenset[str]) -> bool:
        """Whether somebody with these roles may review anything."""
        return any(tier.role in roles for tier in self.approvers)


def _minor(limits: Limits, currency: str) -> int:
    return int(limits.get(currency, limits[_OTHERS]).scaleb(exponent_of(currency)))


def load_rules(text: str, version: int | None = None) -> ApprovalRules:
    """Read rules from TOML; `ApprovalRulesInvalid` says what is missing or unreadable. `version` replaces the text's own."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        hours: dict[str, int] = data["deadlines"]
        rules = ApprovalRules(
            version=data["version"] if version is None else version,
            money_delta=_limits(data["money_delta"]),
            repeated_edits=int(data.get("repeated_edits", {}).get("after", 0)),
            authors=_tiers(data.get("authors", [])),
            approvers=_tiers(data["approvers"]),
            delegations=tuple(Delegation(d["from"], d["to"], d["role"], d["until"]) for d in data.get("delegations", [])),
            awaiting_approval=timedelta(hours=hours["awaiting_approval"]),
            waiting=timedelta(hours=hours["waiting"]),
        )
    except (tomllib.TOMLDecodeError, InvalidOperation, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ApprovalRulesInvalid(f"the approval rules cannot be read: {error!r}") from error
    _check(rules)
    return rules


def _limits(amounts: Mapping[str, str]) -> Limits:
    return {currency: Decimal(amount) for currency, amount in amounts.items()}


def _tiers(rows: Sequence[Mapping[str, Any]]) -> tuple[Tier, ...]:
    return tuple(Tier(row["role"], _limits(row["money_delta"]) if "money_delta" in row else None) for row in rows)


def _check(rules: ApprovalRules) -> None:
    limits = [rules.money_delta, *(tier.money_delta for tier in (*rules.authors, *rules.approvers) if tier.money_delta is not None)]
    if any(_OTHERS not in amounts for amounts in limits):
        raise ApprovalRulesInvalid('the approval rules name no limit for other currencies ("*")')
    if any(not amount.is_finite() or amount < 0 for amounts in limits for amount in amounts.values()):
        raise ApprovalRulesInvalid("the approval rules have a limit below 0 or that is no number")
    if min(rules.awaiting_approval, rules.waiting) <= timedelta(0) or rules.repeated_edits < 0:
        raise ApprovalRulesInvalid("the approval rules have a deadline that is not after now, or a count below 0")
    if not rules.approvers:
        raise ApprovalRulesInvalid("the approval rules name no role that approves: no ticket could ever pass")
    if any(delegation.until.tzinfo is None for delegation in rules.delegations):
        raise ApprovalRulesInvalid("a delegation's `until` has no time zone")


@cache
def default_rules() -> ApprovalRules:
    """Return the rules that ship with the package."""
    return load_rules(default_text())


def default_text() -> str:
    """Return the text of the rules that ship with the package."""
    return resources.files("modification_processor").joinpath("approval_rules.toml").read_text(encoding="utf-8")


def needed(before: Order, after: Order, locks: tuple[str, ...], rules: ApprovalRules, roles: frozenset[str], edits: int) -> tuple[str, ...]:
    """Return the rules that want an approval of this edit: those of the field locks, then ours. `edits`: applied before it."""
    moved = abs(after.totals.grand_total_minor - before.totals.grand_total_minor)
    found = list(locks)
    if moved > rules.limit_minor(before.currency, roles):
        found.append("approval.money_delta")
    if rules.repeated_edits and edits >= rules.repeated_edits:
        found.append("approval.repeated_edits")
    return tuple(found)


def may_review(
    reviewer: Actor | None, review: TicketReviewed, ticket: TicketRow | None, currency: str, rules: ApprovalRules, at: datetime
) -> Refused | None:
    """Return why this review changes nothing, or None."""
    roles = rules.roles_of(reviewer, at, ticket.user_id if ticket else "") if reviewer is not None else frozenset()
    if reviewer is None or not rules.reviews(roles):
        names = " or ".join(tier.role for tier in rules.approvers)
        return Refused("role_missing", f"reviewing a ticket takes the role {names}", rule_id="roles.order_approve")
    if ticket is None:
        return Refused("unknown_ticket", f"the order has no ticket {review.ticket_id}", "/ticket_id", "ticket_exists")
    if ticket.state != "awaiting_approval":
        message = f"ticket {review.ticket_id} is {ticket.state}; nothing awaits approval"
        return Refused("not_awaiting", message, "/ticket_id", "ticket_awaits_approval")
    if reviewer.user_id in (ticket.user_id, ticket.on_behalf_of):
        return Refused("own_ticket", "nobody approves or declines a ticket of their own", "/ticket_id", "approval.four_eyes")
    if review.decision == "approve" and not rules.may_approve(roles, currency, ticket.money_delta_minor or 0):
        return Refused("beyond_tier", "the ticket moves more money than this reviewer may approve", "/ticket_id", "approval.tier")
    if review.preview_hash is not None and review.preview_hash != ticket.effects_hash:
        return Refused("stale_preview", "the ticket would now do something else than was reviewed", "/preview_hash", "preview_hash")
    return None
