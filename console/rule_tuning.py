"""What a page shows of intake's rules, and how they are tuned there. The rulebook is handed over by the composition root."""

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

    def tune(self, rule: str, mode: str | None, place: Place, user: str, reason: str) -> int:
        """Set a rule's mode in one place (None: take it away); return the version then in force."""

    def revert(self, version: int, user: str, reason: str) -> int:
        """Put an older version into force again, as a new one, which is returned."""


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

    def tune(self, user: User, rule: str, mode: str | None, place: Place, reason: str) -> int:
        """Set a rule's mode in one place."""
        self.services.check(user, "rules.tune", f"rule {rule}"[:200])
        return self._book.tune(rule, mode, place, user.sub, reason)

    def revert(self, user: User, version: int, reason: str) -> int:
        """Go back to an older version."""
        self.services.check(user, "rules.tune", f"rules version {version}")
        return self._book.revert(version, user.sub, reason)

    @property
    def _book(self) -> Rulebook:
        if self.rulebook is None:
            raise DependencyUnavailable("this console was started without a rulebook", field="rulebook")
        off_the_loop()
        return self.rulebook
