"""Signing in and out of the pages: OpenID Connect, authorisation code with PKCE, against the configured issuer.

Guarantee: tokens never reach the browser; it gets an id in a cookie that scripts cannot read. State, nonce, challenge and the
browser that began are all checked before a session is opened; where a login goes is a path of ours or nothing.
Fails:   every login that does not hold goes back to the start with one sentence, and is audited.
Source:  OpenID Connect Core 1.0 section 3.1; RFC 9700 sections 2.1 and 4; RFC 6265bis section 5.4; read 2026-11-24.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.guard import Audit
from console.issuer import Issuer
from console.sessions import LOGIN_SECONDS, LoginUnderWay, Session, Sessions
from console.tokens import ACCESS, IDENTITY, TokenRefused, Verifier
from schemas.failures import DependencyUnavailable

CLIENT: Final = "ordermend-console"
CALLBACK: Final = "/auth/callback"
_AGAIN: Final = '<!doctype html><html lang="en"><title>Sign in</title><p>{}</p><p><a href="/login">Sign in again</a></p></html>'


@dataclass(frozen=True)
class Login:
    """The login of a console that is reached at `base_url`."""

    issuer: Issuer
    verifier: Verifier
    sessions: Sessions
    base_url: str
    audit: Audit

    @property
    def secure(self) -> bool:
        """Whether cookies go over TLS alone."""
        return self.base_url.startswith("https://")

    @property
    def cookie(self) -> str:
        """The session cookie's name; the prefix binds it to this host, where TLS lets it."""
        return "__Host-ordermend" if self.secure else "ordermend_session"

    def session(self, request: Request) -> Session | None:
        """Return who is signed in."""
        return self.sessions.find(request.cookies.get(self.cookie))

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(include_in_schema=False)
        routes: tuple[tuple[str, Callable[..., Response], str], ...] = (
            ("/login", self.begin, "GET"),
            (CALLBACK, self.come_back, "GET"),
            ("/logout", self.leave, "POST"),
        )
        for path, endpoint, method in routes:
            router.add_api_route(path, endpoint, methods=[method], response_class=Response)
        return router

    def begin(self, request: Request) -> Response:
        """Send the browser to the issuer."""
        try:
            there = self.issuer.endpoint("authorization_endpoint")
            state, login = self.sessions.begin(local_path(request.query_params.get("next", "/")))
        except (DependencyUnavailable, KeyError):
            return _again("The sign-in service does not answer.", 503)
        query = {
            "client_id": CLIENT, "redirect_uri": self.base_url + CALLBACK, "response_type": "code", "scope": "openid", "state": state,
            "nonce": login.nonce, "code_challenge": login.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        answer = RedirectResponse(f"{there}?{urlencode(query)}", 303, {"Cache-Control": "no-store"})
        self._set(answer, "ordermend_login", login.browser, LOGIN_SECONDS)
        return answer

    def come_back(self, request: Request) -> Response:
        """Open a session for whoever comes back from the issuer with everything that was asked."""
        try:
            return self._come_back(request)
        except DependencyUnavailable:
            return _again("Signing in is not possible at this moment.", 503)

    def _come_back(self, request: Request) -> Response:
        asked = request.query_params
        login = self.sessions.come_back(asked.get("state", ""), request.cookies.get("ordermend_login"))
        if login is None:
            return self._denied("login_state", "This sign-in was not begun here, or is over.")
        if asked.get("iss", self.verifier.issuer) != self.verifier.issuer or "code" not in asked:
            return self._denied("login_answer", "The sign-in service did not let you in.")
        try:
            name = self._open(asked["code"], login)
        except TokenRefused as refused:
            return self._denied(f"login_token {refused.rule}", "The sign-in service's answer does not hold.")
        except (DependencyUnavailable, KeyError):
            return self._denied("login_code", "The sign-in service gave nothing for its code.")
        self.sessions.close(request.cookies.get(self.cookie))
        answer = RedirectResponse(login.goes_to, 303, {"Cache-Control": "no-store"})
        answer.delete_cookie("ordermend_login", path="/")
        self._set(answer, self.cookie, name, None)
        return answer

    def _open(self, code: str, login: LoginUnderWay) -> str:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.base_url + CALLBACK, "client_id": CLIENT,
            "code_verifier": login.verifier,
        }  # fmt: skip
        tokens = self.issuer.redeem(form)
        identity = self.verifier.claims(str(tokens["id_token"]), IDENTITY, CLIENT)
        if not secrets.compare_digest(str(identity.get("nonce", "")), login.nonce):
            raise TokenRefused("the identity token is of another login", rule="token.nonce")
        user = self.verifier.user(str(tokens["access_token"]), ACCESS)
        if user.sub != identity["sub"]:
            raise TokenRefused("the two tokens name two people", rule="token.sub")
        return self.sessions.open(user)

    def leave(self, request: Request) -> Response:
        """Sign out."""
        self.sessions.close(request.cookies.get(self.cookie))
        answer = _again("You are signed out.", 200)
        answer.headers["Clear-Site-Data"] = '"cookies", "storage"'
        answer.delete_cookie(self.cookie, path="/")
        return answer

    def _denied(self, code: str, sentence: str) -> Response:
        self.audit("anonymous", f"GET {CALLBACK}", code)
        return _again(sentence, 403)

    def _set(self, answer: Response, name: str, value: str, seconds: int | None) -> None:
        answer.set_cookie(name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax")


def local_path(text: str) -> str:
    """Return a path of ours to go to; anything that could lead elsewhere is the start page."""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isascii() and text.isprintable()
    return text if plain and len(text) <= 200 else "/"


def _again(sentence: str, status: int) -> Response:
    return HTMLResponse(_AGAIN.format(sentence), status, {"Cache-Control": "no-store"})
