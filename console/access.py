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
    "tickets.preview",
    "tickets.submit",
    "tickets.cancel",
    "tickets.review",
    "approvals.read",
    "letters.read",
    "letters.work",
    "letters.payload",
    "rules.read",
    "rules.tune",
    "kpis.read",
]

ROLES: Final = ("Order_Modify", "Order_Approve", "Order_Bulk", "DLQ_Operate", "Rules_Tune", "Audit_Read")
"""Every role a token may carry; others in it are ignored."""

_ALLOWED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "orders.read": frozenset({"Order_Modify", "Order_Approve", "Order_Bulk", "DLQ_Operate", "Audit_Read"}),
        "tickets.preview": frozenset({"Order_Modify"}),
        "tickets.submit": frozenset({"Order_Modify"}),
        "tickets.cancel": frozenset({"Order_Modify"}),
        "tickets.review": frozenset({"Order_Approve"}),
        "approvals.read": frozenset({"Order_Approve", "Audit_Read"}),
        "letters.read": frozenset({"DLQ_Operate", "Audit_Read"}),
        "letters.work": frozenset({"DLQ_Operate"}),
        "letters.payload": frozenset({"DLQ_Operate"}),
        "rules.read": frozenset(ROLES),
        "rules.tune": frozenset({"Rules_Tune"}),
        "kpis.read": frozenset(ROLES),
    }
)


@dataclass(frozen=True)
class User:
    """A verified person or tool: who they are, and the roles that count here. `expires_at`, `issued_at`: their token's, Unix time in seconds."""

    sub: str
    roles: frozenset[str]
    name: str = ""
    expires_at: int = 0
    issued_at: int = 0


def can(action: Action, roles: frozenset[str]) -> bool:
    """Return whether somebody with these roles may do it; what the table does not have, nobody may."""
    return bool(_ALLOWED.get(action, frozenset()) & roles)


def roles_for(action: Action) -> tuple[str, ...]:
    """Return the roles of which one is needed."""
    return tuple(role for role in ROLES if role in _ALLOWED[action])
