"""Whose tokens no longer count, although they are signed and not over: looked up in the book, kept for a few seconds.

A revocation counts for what was issued up to its moment: whoever is let in anew by the issuer comes in. It is in force within
`CHECK_SECONDS` in every process of the console. Where the book does not answer and what is known is older than `STALE_SECONDS`, nobody
comes in: a door that cannot tell does not stand open.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from console.access import User
from console.book import Book
from console.tokens import MAX_LIFETIME_SECONDS, SKEW_SECONDS
from schemas.failures import DependencyUnavailable
from store import sessions

CHECK_SECONDS: Final = 15.0
STALE_SECONDS: Final = 60.0


@dataclass
class Revocations:
    """The revocations in force. `clock` gives Unix time in seconds."""

    book: Book
    clock: Callable[[], float] = time.time
    _at: dict[str, float] = field(default_factory=dict)
    _read: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, user: User) -> bool:
        """Return whether the user's token still counts. Raises `DependencyUnavailable` where nobody can tell; asks the book."""
        with self._lock:
            if self.clock() - self._read >= CHECK_SECONDS:
                self._refresh()
            at = self._at.get(user.sub)
        return at is None or user.issued_at > at

    def _refresh(self) -> None:
        now = self.clock()
        try:
            with self.book.read() as cursor:
                found = sessions.revocations(cursor, now - MAX_LIFETIME_SECONDS - SKEW_SECONDS)
        except DependencyUnavailable:
            if now - self._read >= STALE_SECONDS:
                raise
            return
        self._at, self._read = {row.sub: row.at for row in found}, now
