"""The guard before every route: size, origin, rate, bearer token, and the headers of every answer. Pure ASGI.

It runs before any body is read: whoever has no token learns nothing of what a body should be. What it refuses, it audits.
Same-origin is asked of everything that changes something and of the pages' web socket; the API takes a bearer token and
no cookie, so another site has nothing to ride on.

Source: OWASP ASVS 4.0.3 sections 3.4, 4.2, 13.2, 14.4; Fetch metadata request headers (W3C), read 2026-11-24.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.access import User
from console.api.problems import Problem, response
from console.tokens import TokenRefused, Verifier
from schemas.failures import DependencyUnavailable

API: Final = "/api/v1/"
OPEN_PATHS: Final = frozenset({"/api/v1/openapi.json"})
MAX_BODY_BYTES: Final = 256 * 1024
MAX_CLIENTS: Final = 10_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

PAGES_CSP: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
"""What the pages may load: our own origin. The page library compiles its templates in the browser, hence the two exceptions."""
API_CSP: Final = "default-src 'none'; frame-ancestors 'none'"

Audit = Callable[[str, str, str], None]
"""(who, method and path, code): remember a denial."""
Holds = Callable[[User], bool]
"""Whether what the user holds still counts; raises `DependencyUnavailable` where nobody can tell."""
Lent = Callable[[str], frozenset[str]]
"""The roles by which somebody stands in for others now."""
LOGIN_PATHS: Final = frozenset({"/login", "/auth/callback"})


@dataclass
class Buckets:
    """Token buckets by name: `burst` at once, `per_second` after that. Bounded; the longest unused go first."""

    burst: float
    per_second: float
    clock: Callable[[], float] = time.monotonic
    _level: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, name: str) -> bool:
        """Return whether one more is allowed."""
        now = self.clock()
        level, before = self._level.pop(name, (self.burst, now))
        level = min(self.burst, level + (now - before) * self.per_second)
        self._level[name] = (level - 1 if level >= 1 else level, now)
        if len(self._level) > MAX_CLIENTS:
            self._level.pop(next(iter(self._level)))
        return level >= 1

    @property
    def wait_seconds(self) -> int:
        """After how many seconds somebody who was told to wait may ask again."""
        return math.ceil(1 / self.per_second) if self.per_second else 60


class Guard:
    """Wraps the application. `host`: where the pages are reached; under another name they do not answer. Empty: any."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: Verifier,
        audit: Audit,
        revocations: Holds,
        lent: Lent = lambda _: frozenset(),
        host: str = "",
        rate: Buckets | None = None,
        strangers: Buckets | None = None,
        logins: Buckets | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._audit = audit
        self._holds = revocations
        self._lent = lent
        self._host = host
        self._rate = rate or Buckets(200, 50)
        self._strangers = strangers or Buckets(60, 1)
        self._logins = logins or Buckets(20, 0.5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            if _same_origin(headers, required=True):
                await self._app(scope, receive, send)
            else:
                await self._close(scope, receive, send)
            return
        answering = _with_headers(scope, send)
        try:
            scope.setdefault("state", {})["user"] = await self._admit(scope, headers)
            await self._app(scope, _capped(headers, receive), answering)
        except Problem as problem:
            await response(problem)(scope, receive, answering)

    async def _close(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._deny("anonymous", scope, "origin_refused")
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async def _admit(self, scope: Scope, headers: Headers) -> User | None:
        """Return who asks the API, None for a page; raise what stands against it."""
        path = scope["path"]
        if path.startswith(API) and path not in OPEN_PATHS:
            return await self._caller(scope, headers)
        if self._host and headers.get("host") != self._host:
            raise Problem("not_found", f"the pages are at {self._host}")
        if scope["method"] not in _SAFE and not _same_origin(headers, required=True):
            await self._deny("anonymous", scope, "origin_refused")
            raise Problem("origin_refused")
        if path in LOGIN_PATHS and not self._logins.take(_address(scope)):
            raise _wait(self._logins)
        return None

    async def _caller(self, scope: Scope, headers: Headers) -> User:
        address = _address(scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise await self._stranger(scope, address, "token_missing")
        try:
            user = await run_in_threadpool(self._verified, token.strip())
        except TokenRefused as refused:
            raise await self._stranger(scope, address, refused.code, refused.rule) from None
        except DependencyUnavailable:
            raise Problem("unavailable", "whether the token holds cannot be told now") from None
        if not self._rate.take(user.sub):
            raise _wait(self._rate)
        return user

    def _verified(self, token: str) -> User:
        user = self._verifier.user(token)
        if not self._holds(user):
            raise TokenRefused("what this user held was revoked", field="authorization", rule="token.revoked")
        return replace(user, lent=self._lent(user.sub))

    async def _stranger(self, scope: Scope, address: str, code: str, rule: str | None = None) -> Problem:
        """Return what to answer somebody without a good token: slowed down, and remembered."""
        if not self._strangers.take(address):
            return _wait(self._strangers)
        await self._deny("anonymous", scope, code, rule or "")
        return Problem(code, rule=rule)

    async def _deny(self, who: str, scope: Scope, code: str, rule: str = "") -> None:
        await run_in_threadpool(self._audit, who, f"{scope.get('method', 'GET')} {scope['path']}"[:200], f"{code} {rule}".strip())


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("unknown", 0))[0])


def _wait(buckets: Buckets) -> Problem:
    return Problem("too_many_requests", retry_seconds=buckets.wait_seconds)


def _same_origin(headers: Headers, *, required: bool) -> bool:
    """Return whether a browser says the request comes from a page of ours; a missing Origin is refused where required."""
    origin = headers.get("origin")
    if origin is None:
        return not required and headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    return urlsplit(origin).netloc == headers.get("host") and bool(headers.get("host"))


def _capped(headers: Headers, receive: Receive) -> Receive:
    """Return a `receive` that refuses a body above the cap, stated or not. Nothing here unpacks: what is compressed is refused."""
    if headers.get("content-encoding", "identity").casefold() != "identity":
        raise Problem("body_encoded", "a body is sent as it is, not compressed")
    stated = headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > MAX_BODY_BYTES:
        raise Problem("body_too_large", f"a body has at most {MAX_BODY_BYTES} bytes")
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise Problem("body_too_large", f"a body has at most {MAX_BODY_BYTES} bytes")
        return message

    return counted


def _with_headers(scope: Scope, send: Send) -> Callable[[Message], Awaitable[None]]:
    api = scope["path"].startswith(API)

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
            headers["Content-Security-Policy"] = API_CSP if api else PAGES_CSP
            if api:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return answer


def cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie's value."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return found.value if found else None
