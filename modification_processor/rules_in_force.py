"""The newest version of a kind of rules, as the code reads it: approvals, and what narrows edits.

A version's text is read and parsed once, and again only when a newer one was put into force; version 0 is what ships.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from modification_processor import approvals, edit_rules, field_locks
from modification_processor.approvals import ApprovalRules
from modification_processor.edit_rules import EditRules
from store import rulesets
from store.database import Cursor

Rules = TypeVar("Rules")


class InForce(Generic[Rules]):
    """One kind of rules. An instance belongs to one book."""

    def __init__(self, kind: str, load: Callable[[str, int], Rules], shipped: Callable[[], str]) -> None:
        """`load` reads a text as that version, `shipped` returns the text of version 0."""
        self.kind = kind
        self._load = load
        self._shipped = shipped
        self._version: int | None = None
        self._rules: Rules | None = None

    def at(self, cursor: Cursor, version: int) -> Rules:
        """Return the rules of a version, which the caller knows to be in force."""
        if self._rules is None or version != self._version:
            text = rulesets.text_of(cursor, self.kind, version) if version else self._shipped()
            self._rules, self._version = self._load(text, version), version
        return self._rules


def approval_rules() -> InForce[ApprovalRules]:
    """Return what keeps the approval rules at hand."""
    return InForce(approvals.APPROVAL, approvals.load_rules, approvals.default_text)


def narrowing_rules() -> InForce[EditRules]:
    """Return what keeps the rules of windows and risk at hand."""
    return InForce(edit_rules.EDIT_RULES, field_locks.read_edit_rules, edit_rules.default_edit_text)
