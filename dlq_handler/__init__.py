"""What failed, and the way back: due lanes in order, letters shown and sent back once.

What is exported here is for the console: it asks the desk, and decides nothing itself.
"""

from dlq_handler.desk import Desk
from dlq_handler.impact import Impact, priority
from dlq_handler.impact import default_rules as impact_rules
from dlq_handler.repair import NEEDS_EDITED, View
from dlq_handler.triage import impact_of

__all__ = ["NEEDS_EDITED", "Desk", "Impact", "View", "impact_of", "impact_rules", "priority"]
