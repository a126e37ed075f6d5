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
from modification_processor.edit_rule_trial import Narrowing, Shift, narrowings, shifts
from modification_processor.edit_rule_trial import label as field_label
from modification_processor.edit_rules import EDIT_RULES, EditRules, EditRulesInvalid, default_edit_text
from modification_processor.field_locks import FieldMode, Moment, read_edit_rules
from modification_processor.loaded import load_what_edits_need
from modification_processor.outcomes import Refused
from modification_processor.past import Difference, Entry, Move, NoSuchVersion, Past, VersionNote, as_of, between, versions, why
from modification_processor.past import load as load_past
from modification_processor.preview import Preview, PreviewedChange

__all__ = [
    "BULK_FINE",
    "BULK_MODES",
    "BULK_UNDECIDED",
    "EDIT_RULES",
    "BulkRefused",
    "BulkRequest",
    "Difference",
    "DryRun",
    "EditRules",
    "EditRulesInvalid",
    "Entry",
    "FieldMode",
    "Looked",
    "LookedOver",
    "Moment",
    "Move",
    "Narrowing",
    "NoSuchVersion",
    "Past",
    "Preview",
    "PreviewedChange",
    "Refused",
    "RequestLost",
    "ReviewRight",
    "Said",
    "Shift",
    "VersionNote",
    "as_of",
    "between",
    "check_some",
    "default_edit_text",
    "effects_of",
    "field_label",
    "lent_roles",
    "load_past",
    "load_what_edits_need",
    "look",
    "modes_for",
    "moment_of",
    "narrowings",
    "operations_known",
    "preview_for",
    "raw_of",
    "read_edit_rules",
    "read_operations",
    "request_of",
    "review_right",
    "shifts",
    "steer_bulk",
    "submit_bulk",
    "try_bulk",
    "undo_bulk",
    "versions",
    "what_undoes",
    "why",
]
