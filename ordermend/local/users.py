"""The demo users of the local issuer and their roles. They have no passwords; they exist on one machine."""

from collections.abc import Mapping
from typing import Final

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent": ("Order_Modify",),
    "approver": ("Order_Modify", "Order_Approve"),
    "director": ("Order_Approve_Senior",),
    "operator": ("DLQ_Operate", "DLQ_Payload", "Order_Modify", "Order_Bulk", "Rules_Tune"),
    "supervisor": ("DLQ_Operate", "Order_Approve", "Order_Bulk"),
    "auditor": ("Audit_Read",),
}
