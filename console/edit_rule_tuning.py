"""What pages and API show of the rules that narrow edits, what each does to orders now, what others would do, and how they are changed.

A change names the version its author looked at: two people never overwrite each other unseen. A text that cannot be read is
`edit_rules_invalid`, and is never in force.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from console.access import User
from console.api.problems import Problem
from console.services import Services
from modification_processor import (
    EDIT_RULES,
    EditRules,
    EditRulesInvalid,
    Narrowing,
    Shift,
    default_edit_text,
    narrowings,
    read_edit_rules,
    shifts,
)
from schemas.order import Order
from store import orders, rulesets
from store.database import Cursor
from store.rulesets import RuleSet

LOOKED_AT: Final = 200
"""Open orders that a rule is tried on, the newest ones."""
AMONG: Final = 2000


class InForce(NamedTuple):
    """The rules in force, each with what it does to `orders` open orders now. Version 0 is as shipped."""

    version: int
    text: str
    rules: tuple[Narrowing, ...]
    orders: int


class Tried(NamedTuple):
    """What other rules would do to the same orders: each of them, and every field whose mode would change."""

    rules: tuple[Narrowing, ...]
    shifts: tuple[Shift, ...]
    orders: int


@dataclass(frozen=True)
class EditRuleTuning:
    """The edit rules' part of the services."""

    services: Services

    def shown(self) -> InForce:
        """Return the rules in force."""
        with self.services.book.read() as cursor:
            now, version, text = _standing(cursor)
            looked_at = orders.newest_open(cursor, LOOKED_AT, AMONG)
        return InForce(version, text, tuple(narrowings(looked_at, read_edit_rules(text, version), now)), len(looked_at))

    def versions(self) -> list[RuleSet]:
        """Return every version that was put into force, newest first."""
        with self.services.book.read() as cursor:
            return rulesets.versions(cursor, EDIT_RULES)

    def try_out(self, user: User, text: str) -> Tried:
        """Return what a text would do, were it in force; nothing is changed."""
        self.services.check(user, "rules.tune", "edit rules, tried")
        rules = read_edit_rules(text)
        with self.services.book.read() as cursor:
            now, version, standing = _standing(cursor)
            looked_at: list[Order] = orders.newest_open(cursor, LOOKED_AT, AMONG)
        before: EditRules = read_edit_rules(standing, version)
        return Tried(tuple(narrowings(looked_at, rules, now)), tuple(shifts(looked_at, before, rules, now)), len(looked_at))

    def put(self, user: User, text: str, reason: str, expected: int | None) -> int:
        """Put a text into force as the next version, which is returned. `expected`: the version its author looked at."""
        self.services.check(user, "rules.tune", "edit rules")
        read_edit_rules(text)
        return self._put(user, text, reason, expected)

    def revert(self, user: User, version: int, reason: str, expected: int | None) -> int:
        """Put an older version into force again, as a new one, which is returned."""
        self.services.check(user, "rules.tune", f"edit rules version {version}")
        with self.services.book.read() as cursor:
            text = rulesets.text_at(cursor, EDIT_RULES, version, default_edit_text())
        if text is None:
            raise Problem(
                "edit_rules_invalid", f"there is no version {version} of the edit rules", field="/body/version", rule="version_exists"
            )
        read_edit_rules(text)
        return self._put(user, text, reason, expected)

    def _put(self, user: User, text: str, reason: str, expected: int | None) -> int:
        if not reason.strip():
            raise EditRulesInvalid("a change of the edit rules has a reason", field="/body/reason", rule="reason_given")
        with self.services.book.write() as cursor:
            rulesets.hold(cursor, EDIT_RULES, expected)
            return rulesets.add(cursor, EDIT_RULES, text, user.sub, reason)


def _standing(cursor: Cursor) -> tuple[datetime, int, str]:
    """Return the moment, the version in force, and its text."""
    now, version = rulesets.moment(cursor, EDIT_RULES)
    return now, version, rulesets.text_of(cursor, EDIT_RULES, version) if version else default_edit_text()
