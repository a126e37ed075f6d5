"""Who is signed in at the pages: sessions in the book, found by a random id that only the browser has.

Every process of the console knows the same sessions, and a restart ends none. A session ends with its access token, after
`IDLE_SECONDS` without a person's act, `LONGEST_SECONDS` after it was opened, at sign-out, and where somebody revokes what its user holds.
A page that is open asks the book again every `CHECK_SECONDS`: that is how long a session ended elsewhere goes on at the most.
A login under way is bound to the browser that began it, lives ten minutes and is used once.

Guarantee: the book has ids as SHA-256 and contents sealed (AES-256-GCM, the id bound in): who reads it can be nobody.
Every call here but the constructor asks the book, and belongs in a thread of its own.
Source: OWASP ASVS 5.0.0 sections 7.1 to 7.4, read 2026-11-28.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from console.access import User
from console.book import Book
from store import sessions
from store.sealing import KeyVault, Unsealable
from store.sessions import SessionRow

IDLE_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 12 * 3600
LOGIN_SECONDS: Final = 600
CHECK_SECONDS: Final = 15.0
NOTE_SECONDS: Final = 60.0
"""How seldom a use is written down: idleness is known to the minute."""


@dataclass
class Session:
    """Somebody signed in. `dark`: the colours they chose, None as their machine has them. Times are Unix seconds."""

    key: bytes
    user: User
    used: float
    ends: float
    noted: float
    checked: float
    dark: bool | None = None
    ended: bool = False


@dataclass(frozen=True)
class LoginUnderWay:
    """What has to come back from the issuer."""

    browser: str
    nonce: str
    verifier: str
    goes_to: str
    ends: float

    @property
    def challenge(self) -> str:
        """The verifier as the issuer is told it (RFC 7636 section 4.2)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Sessions:
    """Sessions and logins under way. `clock` gives Unix time in seconds, `lent` the roles by which somebody stands in for others now."""

    book: Book
    vault: KeyVault
    clock: Callable[[], float] = time.time
    lent: Callable[[str], frozenset[str]] = lambda _: frozenset()

    def begin(self, goes_to: str) -> tuple[str, LoginUnderWay]:
        """Begin a login; return its state and what it has to come back with."""
        state, now = secrets.token_urlsafe(32), self.clock()
        login = LoginUnderWay(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(64), goes_to, now + LOGIN_SECONDS)
        with self.book.write() as cursor:
            sessions.begin(cursor, _hash(state), self._seal(vars(login), "login", _hash(state)), login.ends, now)
        return state, login

    def come_back(self, state: str, browser: str | None) -> LoginUnderWay | None:
        """Return the login of this state if this browser began it; it cannot come back twice, wherever it comes back to."""
        with self.book.write() as cursor:
            sealed = sessions.take(cursor, _hash(state))
        kept = self._unseal(sealed, "login", _hash(state))
        login = LoginUnderWay(**kept) if kept else None
        if login is None or self.clock() > login.ends or not secrets.compare_digest(login.browser.encode(), (browser or "").encode()):
            return None
        return login

    def open(self, user: User) -> str:
        """Sign somebody in; return the id of the session, which is never the one they had before."""
        name, now = secrets.token_urlsafe(32), self.clock()
        who = {"roles": sorted(user.roles), "name": user.name, "expires_at": user.expires_at, "issued_at": user.issued_at}
        row = SessionRow(
            _hash(name), user.sub, self._seal(who, "session", _hash(name)), now, now, min(user.expires_at, now + LONGEST_SECONDS)
        )
        with self.book.write() as cursor:
            sessions.add(cursor, row, IDLE_SECONDS)
        return name

    def find(self, name: str | None) -> Session | None:
        """Return the session of this id if it is still good, and note its use."""
        session = self._read(_hash(name)) if name else None
        if session is None or self._over(session):
            return None
        self._use(session)
        return session

    def alive(self, session: Session, *, used: bool = True) -> bool:
        """Return whether a session is still good. `used`: a person did something, so it is not idle."""
        now = self.clock()
        if not session.ended and now - session.checked >= CHECK_SECONDS:
            standing = self._read(session.key)
            session.ended = standing is None
            session.used = max(session.used, standing.used if standing else 0)
            session.checked = now
            session.user = replace(session.user, lent=self.lent(session.user.sub))
        if session.ended or self._over(session):
            return False
        if used:
            self._use(session)
        return True

    def colour(self, session: Session, *, dark: bool) -> None:
        """Keep the colours that somebody chose."""
        session.dark = dark
        with self.book.write() as cursor:
            sessions.colour(cursor, session.key, dark=dark)

    def close(self, name: str | None) -> None:
        """Sign somebody out, in every process."""
        if name:
            with self.book.write() as cursor:
                sessions.end(cursor, _hash(name))

    def _read(self, key: bytes) -> Session | None:
        with self.book.read() as cursor:
            row = sessions.find(cursor, key)
        who = self._unseal(row.user_sealed, "session", key) if row else None
        if row is None or who is None:
            return None
        user = User(row.sub, frozenset(who["roles"]), who["name"], who["expires_at"], who["issued_at"], self.lent(row.sub))
        return Session(key, user, row.used_at, row.ends_at, row.used_at, self.clock(), row.dark)

    def _over(self, session: Session) -> bool:
        now = self.clock()
        return now >= session.ends or now - session.used >= IDLE_SECONDS

    def _use(self, session: Session) -> None:
        session.used = self.clock()
        if session.used - session.noted >= NOTE_SECONDS:
            with self.book.write() as cursor:
                sessions.use(cursor, session.key, session.used)
            session.noted = session.used

    def _seal(self, found: dict[str, Any], kind: str, key: bytes) -> bytes:
        return self.vault.seal(orjson.dumps(found), f"{kind}:{key.hex()}")

    def _unseal(self, sealed: bytes | None, kind: str, key: bytes) -> dict[str, Any] | None:
        if sealed is None:
            return None
        try:
            found: dict[str, Any] = orjson.loads(self.vault.open(sealed, f"{kind}:{key.hex()}"))
        except Unsealable:
            return None
        return found


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
