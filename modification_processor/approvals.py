"""Who has to agree to an edit, who may, and until when: pure rules over data (`approval_rules.toml`).

An approval is of *effects*: the ticket keeps the hash of what it would do (`edit.preview_hash`), and only a review of
exactly those lets it through. When the effects have changed meanwhile, the ticket asks again with the new ones.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
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

ROLE = "Order_Approve"
_OTHERS = "*"


class ApprovalRulesInvalid(SettingsInvalid):
    """The approval rules are not usable."""

    code = "approval_rules_invalid"


@dataclass(frozen=True)
class ApprovalRules:
    """The rules, read. `money_delta` is in major units by currency, "*" for all others."""

    version: int
    money_delta: Mapping[str, Decimal]
    awaiting_approval: timedelta
    waiting: timedelta

    def limit_minor(self, currency: str) -> int:
        """Return the largest change of the grand total that needs nobody's approval, in minor units."""
        major = self.money_delta.get(currency, self.money_delta[_OTHERS])
        return int(major.scaleb(exponent_of(currency)))


def load_rules(text: str) -> ApprovalRules:
    """Read rules from TOML; `ApprovalRulesInvalid` says what is missing or unreadable."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
        limits = {currency: Decimal(amount) for currency, amount in data["money_delta"].items()}
        hours: dict[str, int] = data["deadlines"]
        rules = ApprovalRules(data["version"], limits, timedelta(hours=hours["awaiting_approval"]), timedelta(hours=hours["waiting"]))
    except (tomllib.TOMLDecodeError, InvalidOperation, KeyError, TypeError, AttributeError) as error:
        raise ApprovalRulesInvalid(f"the approval rules cannot be read: {error!r}") from error
    if _OTHERS not in limits:
        raise ApprovalRulesInvalid('the approval rules name no limit for other currencies ("*")')
    if min(limits.values()) < 0 or min(rules.awaiting_approval, rules.waiting) <= timedelta(0):
        raise ApprovalRulesInvalid("the approval rules have a limit below 0 or a deadline that is not after now")
    return rules


@cache
def default_rules() -> ApprovalRules:
    """Return the rules that ship with the package."""
    return load_rules(resources.files("modification_processor").joinpath("approval_rules.toml").read_text(encoding="utf-8"))


def needed(before: Order, after: Order, locks: tuple[str, ...], rules: ApprovalRules) -> tuple[str, ...]:
    """Return the rules that want an approval of this edit: those of the field locks, then ours."""
    moved = abs(after.totals.grand_total_minor - before.totals.grand_total_minor)
    return (*locks, "approval.money_delta") if moved > rules.limit_minor(before.currency) else locks


def may_review(reviewer: Actor | None, review: TicketReviewed, ticket: TicketRow | None) -> Refused | None:
    """Return why this review changes nothing, or None."""
    if reviewer is None or ROLE not in reviewer.roles:
        return Refused("role_missing", f"reviewing a ticket takes the role {ROLE}", rule_id="roles.order_approve")
    if ticket is None:
        return Refused("unknown_ticket", f"the order has no ticket {review.ticket_id}", "/ticket_id", "ticket_exists")
    if ticket.state != "awaiting_approval":
        message = f"ticket {review.ticket_id} is {ticket.state}; nothing awaits approval"
        return Refused("not_awaiting", message, "/ticket_id", "ticket_awaits_approval")
    if reviewer.user_id in (ticket.user_id, ticket.on_behalf_of):
        return Refused("own_ticket", "nobody approves or declines a ticket of their own", "/ticket_id", "approval.four_eyes")
    if review.preview_hash is not None and review.preview_hash != ticket.effects_hash:
        return Refused("stale_preview", "the ticket would now do something else than was reviewed", "/preview_hash", "preview_hash")
    return None
