"""Who may do what at this door: one table, asked by every route and every button.

`can` guards the button and the action. It is about coming in; what an order allows is the processor's answer, and a ticket
is checked there again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Action = Literal[
    "orders.read",
    "orders.raw",
    "tickets.preview",
    "tickets.submit",
    "tickets.cancel",
    "tickets.review",
    "approvals.read",
    "bulk.read",
    "bulk.work",
    "letters.read",
    "letters.work",
    "letters.payload",
    "letters.repair",
    "letters.approve",
    "rules.read",
    "rules.tune",
    "kpis.read",
    "stock.read",
]

ROLES: Final = (
    "Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "DLQ_Payload", "Rules_Tune", "Audit_Read",
)  # fmt: skip
"""Every role a token may carry; others in it are ignored."""
HERE_ALONE: Final = frozenset({"DLQ_Payload"})
"""Roles that say what somebody may see at this door, and travel with no message."""


def _any(*roles: str) -> tuple[tuple[str, ...], ...]:
    """Each of these is enough."""
    return tuple((role,) for role in roles)


def _all(*roles: str) -> tuple[tuple[str, ...], ...]:
    """Only all of these together are enough."""
    return (roles,)


_ALLOWED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "orders.read": _any("Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "Audit_Read"),
        "orders.raw": _any("DLQ_Payload", "Audit_Read"),
        "tickets.preview": _any("Order_Modify"),
        "tickets.submit": _any("Order_Modify"),
        "tickets.cancel": _any("Order_Modify"),
        "tickets.review": _any("Order_Approve", "Order_Approve_Senior"),
        "approvals.read": _any("Order_Approve", "Order_Approve_Senior", "Audit_Read"),
        "bulk.read": _any("Order_Bulk", "Audit_Read"),
        "bulk.work": _any("Order_Bulk"),
        "letters.read": _any("DLQ_Operate", "Audit_Read"),
        "letters.work": _any("DLQ_Operate"),
        "letters.payload": _all("DLQ_Operate", "DLQ_Payload"),
        "letters.repair": _all("DLQ_Operate", "Order_Modify"),
        "letters.approve": _all("DLQ_Operate", "Order_Approve"),
        "rules.read": _any(*ROLES),
        "rules.tune": _any("Rules_Tune"),
        "kpis.read": _any(*ROLES),
        "stock.read": _any("Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "Audit_Read"),
    }
)
"""Action -> rows of roles, of which one has to be held whole."""
_LENT_FOR: Final[frozenset[Action]] = frozenset({"orders.read", "approvals.read", "tickets.review"})
"""What a role counts for that somebody was only lent: to review in another's place, and to see what is reviewed."""


@dataclass(frozen=True)
class User:
    """A verified person or tool: who they are, and the roles that count here. `expires_at`, `issued_at`: their token's, Unix time in seconds.

    `lent`: roles by which they stand in for others now. They count for coming in and travel with no message: the processor knows them itself.
    """

    sub: str
    roles: frozenset[str]
    name: str = ""
    expires_at: int = 0
    issued_at: int = 0
    lent: frozenset[str] = frozenset()


def can(action: Action, roles: frozenset[str]) -> bool:
    """Return whether somebody with these roles may do it; what the table does not have, nobody may."""
    return any(roles.issuperset(needed) for needed in _ALLOWED.get(action, ()))


def may(action: Action, user: User) -> bool:
    """Return whether this person may do it, by roles of their own or by those they were lent."""
    return can(action, user.roles | user.lent if action in _LENT_FOR else user.roles)


def roles_for(action: Action) -> tuple[str, ...]:
    """Return what is enough for it, each in words: a role, or several that have to be held together."""
    return tuple(" with ".join(needed) for needed in _ALLOWED[action])
