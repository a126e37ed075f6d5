"""The one writer of orders: what channels state, tickets and facts, each batch in one transaction.

What is exported here is for doors and forms: they ask, and decide nothing themselves.
"""

from modification_processor.bulk import FINE as BULK_FINE
from modification_processor.bulk import MODES as BULK_MODES
from modification_processor.bulk import UNDECIDED as BULK_UNDECIDED
from modification_processor.bulk import BulkRefused, DryRun
from modification_processor.bulk import Request as BulkRequest
from modification_processor.bulk import steer as steer_bulk
from modification_processor.bulk import submit as submit_bulk
from modification_processor.bulk import submit_undo as undo_bulk
from modification_processor.door import (
    Looked,
    LookedOver,
    RequestLost,
    ReviewRight,
    Said,
    check_some,
    effects_of,
    lent_roles,
    look,
    modes_for,
    moment_of,
    operations_known,
    preview_for,
    raw_of,
    read_operations,
    request_of,
    review_right,
    try_bulk,
    what_undoes,
)
from modification_processor.field_locks import FieldMode, Moment
from modification_processor.outcomes import Refused
from modification_processor.past import Difference, Entry, Move, NoSuchVersion, Past, VersionNote, as_of, between, versions, why
from modification_processor.past import load as load_past
from modification_processor.preview import Preview, PreviewedChange

__all__ = [
    "BULK_FINE",
    "BULK_MODES",
    "BULK_UNDECIDED",
    "BulkRefused",
    "BulkRequest",
    "Difference",
    "DryRun",
    "Entry",
    "FieldMode",
    "Looked",
    "LookedOver",
    "Moment",
    "Move",
    "NoSuchVersion",
    "Past",
    "Preview",
    "PreviewedChange",
    "Refused",
    "RequestLost",
    "ReviewRight",
    "Said",
    "VersionNote",
    "as_of",
    "between",
    "check_some",
    "effects_of",
    "lent_roles",
    "load_past",
    "look",
    "modes_for",
    "moment_of",
    "operations_known",
    "preview_for",
    "raw_of",
    "read_operations",
    "request_of",
    "review_right",
    "steer_bulk",
    "submit_bulk",
    "try_bulk",
    "undo_bulk",
    "versions",
    "what_undoes",
    "why",
]
