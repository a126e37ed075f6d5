"""What pages and API show of intake's rules, and how they are tuned there. The rulebook is handed over by the composition root."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from console.access import User
from console.book import off_the_loop
from console.services import Services
from intake import Tuned
from schemas.failures import DependencyUnavailable
from store.rulesets import RuleSet

Place = tuple[str | None, str | None, str | None]
"""Channel, account, delivery country; None is everywhere."""
DAYS = 30


class Rulebook(Protocol):
    """The tuning of intake's rules, version by version."""

    def tuned(self, days: int) -> Sequence[Tuned]:
        """Return every rule as it is tuned, and what it did in the last days."""

    def versions(self) -> Sequence[RuleSet]:
        """Return every version that was put into force, newest first."""

    def tune(self, rule: str, mode: str | None, place: Place, user: str, reason: str, expected: int | None = None) -> int:
        """Set a rule's mode in one place (None: take it away); return the version then in force. Another in force than `expected` is refused."""

    def revert(self, version: int, user: str, reason: str, expected: int | None = None) -> int:
        """Put an older version into force again, as a new one, which is returned. Another in force than `expected` is refused."""


@dataclass(frozen=True)
class RuleTuning:
    """The rules' part of the services."""

    services: Services
    rulebook: Rulebook | None

    def rules(self) -> Sequence[Tuned]:
        """Return every rule with its modes and what it did in the last `DAYS` days."""
        return self._book.tuned(DAYS)

    def versions(self) -> Sequence[RuleSet]:
        """Return the history, newest first."""
        return self._book.versions()

    def version(self) -> int:
        """Return the version in force; 0 is as shipped."""
        found = self.versions()
        return found[0].version if found else 0

    def tune(self, user: User, rule: str, mode: str | None, place: Place, reason: str, expected: int | None = None) -> int:
        """Set a rule's mode in one place. `expected`: the version its author looked at."""
        self.services.check(user, "rules.tune", f"rule {rule}"[:200])
        return self._book.tune(rule, mode, place, user.sub, reason, expected)

    def revert(self, user: User, version: int, reason: str, expected: int | None = None) -> int:
        """Go back to an older version. `expected`: the version its author looked at."""
        self.services.check(user, "rules.tune", f"rules version {version}")
        return self._book.revert(version, user.sub, reason, expected)

    @property
    def _book(self) -> Rulebook:
        if self.rulebook is None:
            raise DependencyUnavailable("this console was started without a rulebook", field="rulebook")
        off_the_loop()
        return self.rulebook
