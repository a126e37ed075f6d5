"""What failed, and the way back: due lanes in order, letters shown and sent back once.

What is exported here is for the console: it asks the desk, and decides nothing itself.
"""

from dlq_handler.bulk import Progress
from dlq_handler.bulk import approve as approve_bulk
from dlq_handler.bulk import pause as pause_bulk
from dlq_handler.bulk import prepare as prepare_bulk
from dlq_handler.bulk import progress as bulk_progress
from dlq_handler.bulk import run as run_bulk
from dlq_handler.desk import Desk
from dlq_handler.impact import Impact, priority
from dlq_handler.impact import default_rules as impact_rules
from dlq_handler.patch import masked_text as masked_json
from dlq_handler.repair import NEEDS_EDITED, View
from dlq_handler.triage import impact_of

__all__ = [
    "NEEDS_EDITED",
    "Desk",
    "Impact",
    "Progress",
    "View",
    "approve_bulk",
    "bulk_progress",
    "impact_of",
    "impact_rules",
    "masked_json",
    "pause_bulk",
    "prepare_bulk",
    "priority",
    "run_bulk",
]
