"""The demo users of the local issuer and their roles. They have no passwords; they exist on one machine."""

from collections.abc import Mapping
from typing import Final

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent": ("Order_Modify",),
    "approver": ("Order_Modify", "Order_Approve"),
    "operator": ("DLQ_Operate", "Order_Bulk", "Order_Modify", "Rules_Tune"),
    "auditor": ("Audit_Read",),
}
