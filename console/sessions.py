"""Who is signed in at the pages: sessions in this process's memory, found by a random id that only the browser has.

A session ends with its access token, after `IDLE_SECONDS` without use, at sign-out, and with the process. A login under way
is bound to the browser that began it, lives ten minutes and is used once.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from console.access import User

IDLE_SECONDS: Final = 30 * 60
LOGIN_SECONDS: Final = 600
MOST: Final = 10_000


@dataclass
class Session:
    """Somebody signed in. `dark`: the colours they chose, None as their machine has them."""

    user: User
    used: float
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


@dataclass
class Sessions:
    """Sessions and logins under way. `clock` gives Unix time in seconds."""

    clock: Callable[[], float] = time.time
    _sessions: dict[str, Session] = field(default_factory=dict)
    _logins: dict[str, LoginUnderWay] = field(default_factory=dict)

    def begin(self, goes_to: str) -> tuple[str, LoginUnderWay]:
        """Begin a login; return its state and what it has to come back with."""
        state = secrets.token_urlsafe(32)
        login = LoginUnderWay(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(64), goes_to, self.clock() + LOGIN_SECONDS
        )
        self._logins[state] = login
        while len(self._logins) > MOST:
            self._logins.pop(next(iter(self._logins)))
        return state, login

    def come_back(self, state: str, browser: str | None) -> LoginUnderWay | None:
        """Return the login of this state if this browser began it; it cannot come back twice."""
        login = self._logins.pop(state, None)
        if login is None or self.clock() > login.ends or not secrets.compare_digest(login.browser, browser or ""):
            return None
        return login

    def open(self, user: User) -> str:
        """Sign somebody in; return the id of the session, which is never the one they had before."""
        name = secrets.token_urlsafe(32)
        self._sessions[_hash(name)] = Session(user, self.clock())
        while len(self._sessions) > MOST:
            self._sessions.pop(next(iter(self._sessions))).ended = True
        return name

    def find(self, name: str | None) -> Session | None:
        """Return the session of this id if it is still good, and note its use."""
        session = self._sessions.get(_hash(name)) if name else None
        if session is None or not self.alive(session):
            return None
        session.used = self.clock()
        return session

    def alive(self, session: Session) -> bool:
        """Return whether a session is still good."""
        now = self.clock()
        return not session.ended and now < session.user.expires_at and now - session.used < IDLE_SECONDS

    def close(self, name: str | None) -> None:
        """Sign somebody out."""
        session = self._sessions.pop(_hash(name), None) if name else None
        if session is not None:
            session.ended = True


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
