"""The local issuer's login: authorisation code with PKCE, a page of demo users instead of passwords. NEVER FOR PRODUCTION.

Guarantee: a code is for one redirect address of this machine, one challenge and one minute, and is used once.
Fails:   400 in plain words for a request that is not ours; OAuth's `invalid_grant` for a code that does not hold.
Source:  RFC 6749 section 4.1; RFC 7636 section 4; RFC 9207; OpenID Connect Core 1.0 sections 2 and 3.1; read 2026-11-24.
"""

import base64
import hashlib
import hmac
import html
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT: Final = "ordermend-console"
CODE_SECONDS: Final = 60
MAX_CODES: Final = 1000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_FIELDS: Final = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in - Ordermend demo</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 26rem; margin: 12vh auto; padding: 0 1rem }} h1 {{ font-size: 1.25rem }} p {{ opacity: .75 }}
button {{ display: block; width: 100%; margin: .5rem 0; padding: .75rem 1rem; font: inherit; text-align: left; cursor: pointer;
 border: 1px solid #8886; border-radius: .5rem; background: transparent }}
button:hover, button:focus-visible {{ border-color: #2f6f6a; outline: 2px solid #2f6f6a }} small {{ display: block; opacity: .7 }}
</style></head><body><main><h1>Sign in to Ordermend</h1>
<p>Demo users of this machine; there is no password. Choose who you are.</p><form method="post" action="/authorize">{fields}{users}</form>
</main></body></html>"""


@dataclass(frozen=True)
class _Grant:
    user: str
    redirect_uri: str
    challenge: str
    nonce: str
    ends: float


@dataclass
class Login:
    """The codes that were given and not yet used."""

    key: RSAKey
    issuer: str
    users: Mapping[str, Sequence[str]]
    _grants: dict[str, _Grant] = field(default_factory=dict)

    def install(self, app: FastAPI) -> None:
        """Add the login page to the issuer."""

        @app.get("/authorize")
        def ask(request: Request) -> Response:
            asked = {name: request.query_params.get(name, "") for name in _FIELDS}
            problem = _problem(asked)
            return _refused(problem) if problem else HTMLResponse(self._page(asked), headers=_HEADERS)

        @app.post("/authorize")
        async def answer(request: Request) -> Response:
            form = {name: values[0] for name, values in parse_qs((await request.body())[:8192].decode("utf-8", "replace")).items()}
            problem = _problem(form)
            if problem is None and form.get("user") not in self.users:
                problem = f"user must be one of {', '.join(self.users)}"
            return _refused(problem) if problem else self._give(form)

    def _page(self, asked: Mapping[str, str]) -> str:
        fields = "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in asked.items())
        users = "".join(
            f'<button name="user" value="{name}">{name.capitalize()}<small>{", ".join(roles)}</small></button>'
            for name, roles in self.users.items()
        )
        return _PAGE.format(fields=fields, users=users)

    def _give(self, form: Mapping[str, str]) -> Response:
        code = secrets.token_urlsafe(32)
        self._grants[code] = _Grant(
            form["user"], form["redirect_uri"], form["code_challenge"], form.get("nonce", ""), time.time() + CODE_SECONDS
        )
        while len(self._grants) > MAX_CODES:
            self._grants.pop(next(iter(self._grants)))
        query = urlencode({"code": code, "state": form["state"], "iss": self.issuer})
        return RedirectResponse(f"{form['redirect_uri']}?{query}", 303, _HEADERS)

    def redeem(self, form: Mapping[str, str]) -> tuple[str, str] | None:
        """Return (user, identity token) for a code and its verifier, once; None where they do not hold."""
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or time.time() > grant.ends:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = hmac.compare_digest(challenge, grant.challenge) and form.get("redirect_uri") == grant.redirect_uri
        return (grant.user, self._identity(grant)) if same and form.get("client_id") == CLIENT else None

    def _identity(self, grant: _Grant) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": grant.user, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": grant.nonce,
            "name": grant.user.capitalize(),
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self.key.kid}, claims, self.key)


def _problem(asked: Mapping[str, str]) -> str | None:
    """Return why this is no request of our console, or None."""
    target = urlsplit(asked.get("redirect_uri", ""))
    if target.scheme != "http" or target.hostname not in _HOSTS or target.path != "/auth/callback" or target.query or target.fragment:
        return "redirect_uri must be http://127.0.0.1:PORT/auth/callback"
    if asked.get("client_id") != CLIENT or asked.get("response_type") != "code":
        return f"client_id must be {CLIENT}, response_type code"
    if asked.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(asked.get("code_challenge", "")):
        return "a code_challenge by S256 is required"
    return None if asked.get("state") else "state is required"


def _refused(problem: str) -> Response:
    return HTMLResponse(html.escape(problem), 400, _HEADERS)
