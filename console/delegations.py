"""Who stands in for whom at this door: the delegations of the approval rules in force, kept for a few seconds.

Whoever was only lent a role that approves comes in to review, as the commit would take their review. Where the book does not answer,
what is known counts for `STALE_SECONDS`; after that nobody stands in for anybody here.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from console.book import Book
from modification_processor import lent_roles
from schemas.failures import DependencyUnavailable

CHECK_SECONDS: Final = 15.0
STALE_SECONDS: Final = 60.0


@dataclass
class Delegations:
    """The delegations in force. `clock` gives seconds."""

    book: Book
    clock: Callable[[], float] = time.monotonic
    _lent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _read: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lent(self, sub: str) -> frozenset[str]:
        """Return the roles by which somebody stands in for others now; asks the book."""
        with self._lock:
            if self.clock() - self._read >= CHECK_SECONDS:
                self._refresh()
            return self._lent.get(sub, frozenset())

    def _refresh(self) -> None:
        now = self.clock()
        try:
            with self.book.read() as cursor:
                self._lent, self._read = lent_roles(cursor), now
        except DependencyUnavailable:
            if now - self._read >= STALE_SECONDS:
                self._lent = {}
