"""Signing in by code and PKCE against the local issuer itself; whatever is missing, moved or repeated opens nothing."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from console.access import User
from console.issuer import Issuer
from console.login import CALLBACK, Login, local_path
from console.sessions import IDLE_SECONDS, Sessions
from console.tokens import Verifier
from ordermend.local.issuer import create_app
from schemas.failures import DependencyUnavailable

BASE = "http://127.0.0.1:8080"
ISSUER = "http://127.0.0.1:8089"
KEY = RSAKey.generate_key(2048, private=True)
KEY.ensure_kid()


@dataclass
class Near(Issuer):
    """The local issuer in this process instead of over the network."""

    there: TestClient | None = None
    lie: Any = None

    def find(self, kid: str) -> dict[str, Any] | None:
        return next((key for key in self._asked("/jwks.json")["keys"] if key["kid"] == kid), None)

    def endpoint(self, name: str) -> str:
        return str(self._asked("/.well-known/openid-configuration")[name])

    def redeem(self, form: Any) -> dict[str, Any]:
        assert self.there is not None
        answer = self.there.post("/token", data=form)
        if answer.status_code != 200:
            raise DependencyUnavailable
        return self.lie(answer.json()) if self.lie else answer.json()  # type: ignore[no-any-return]  # JSON

    def _asked(self, path: str) -> dict[str, Any]:
        assert self.there is not None
        return self.there.get(path).json()  # type: ignore[no-any-return]  # JSON


@dataclass
class Door:
    """A console's login with a browser before it."""

    browser: TestClient
    issuer: TestClient
    near: Near
    login: Login
    denied: list[str]

    def begin(self, goes_to: str = "/") -> dict[str, str]:
        answer = self.browser.get("/login", params={"next": goes_to}, follow_redirects=False)
        assert 303 == answer.status_code
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    def choose(self, asked: dict[str, str], user: str = "agent") -> str:
        """Choose a user at the issuer; return the address it sends the browser to."""
        answer = self.issuer.post("/authorize", data=asked | {"user": user}, follow_redirects=False)
        assert 303 == answer.status_code, answer.text
        return str(answer.headers["location"]).removeprefix(BASE)

    def come_back(self, address: str) -> Any:
        return self.browser.get(address, follow_redirects=False)

    @property
    def signed_in(self) -> User | None:
        session = self.login.sessions.find(self.browser.cookies.get(self.login.cookie))
        return session.user if session else None


@pytest.fixture
def door() -> Door:
    issuer = TestClient(create_app(KEY, ISSUER), ISSUER)
    near = Near(ISSUER, there=issuer)
    denied: list[str] = []
    login = Login(near, Verifier(ISSUER, "ordermend", near), Sessions(), BASE, lambda _who, _subject, code: denied.append(code))
    app = FastAPI()
    app.include_router(login.router())
    return Door(TestClient(app, BASE), issuer, near, login, denied)


def test_whoever_comes_back_with_everything_is_signed_in(door: Door) -> None:
    answer = door.come_back(door.choose(door.begin("/orders/1")))
    assert (303, "/orders/1") == (answer.status_code, answer.headers["location"])
    assert door.signed_in is not None
    assert ("agent", frozenset({"Order_Modify"})) == (door.signed_in.sub, door.signed_in.roles)
    cookie = next(text for text in answer.headers.get_list("set-cookie") if text.startswith(door.login.cookie))
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "eyJ" not in str(answer.headers)  # no token reaches the browser


def test_over_tls_the_cookie_is_bound_to_it(door: Door) -> None:
    login = Login(door.near, door.login.verifier, Sessions(), "https://orders.example", door.login.audit)
    assert login.secure
    assert login.cookie.startswith("__Host-")


def test_a_login_comes_back_once(door: Door) -> None:
    address = door.choose(door.begin())
    assert 303 == door.come_back(address).status_code
    door.browser.cookies.clear()
    assert 403 == door.come_back(address).status_code
    assert door.signed_in is None


def test_another_browsers_login_is_not_taken_over(door: Door) -> None:
    address = door.choose(door.begin())
    door.browser.cookies.clear()
    assert 403 == door.come_back(address).status_code
    assert ["login_state"] == door.denied


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": None},
        {"code": "guessed"},
        {"code": None},
        {"iss": "http://evil.example"},
        {"error": "access_denied", "code": None},
    ],
)
def test_a_changed_answer_opens_nothing(door: Door, change: dict[str, str | None]) -> None:
    address = urlsplit(door.choose(door.begin()))
    query = {name: values[0] for name, values in parse_qs(address.query).items()} | change
    answer = door.come_back(f"{CALLBACK}?{urlencode({k: v for k, v in query.items() if v is not None})}")
    assert 403 == answer.status_code
    assert door.signed_in is None
    assert 1 == len(door.denied)


def test_a_code_is_for_its_verifier_its_address_and_one_use(door: Door) -> None:
    asked = door.begin()
    code = parse_qs(urlsplit(door.choose(asked)).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BASE + CALLBACK, "client_id": "ordermend-console"}
    answer = door.issuer.post("/token", data=form | {"code_verifier": "guessed" * 10})
    assert (400, "invalid_grant") == (answer.status_code, answer.json()["error"])
    assert 400 == door.issuer.post("/token", data=form | {"code_verifier": "guessed" * 10}).status_code


def _with_identity(**changes: Any) -> Any:
    def lie(tokens: dict[str, Any]) -> dict[str, Any]:
        claims = jwt.decode(tokens["id_token"], KEY).claims | changes
        return tokens | {"id_token": jwt.encode({"alg": "RS256", "typ": "JWT", "kid": KEY.kid}, claims, KEY)}

    return lie


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (_with_identity(nonce="another"), "token.nonce"),
        (_with_identity(sub="approver"), "token.sub"),
        (_with_identity(aud="another-client"), "token.aud"),
        (_with_identity(iss="http://evil.example"), "token.iss"),
        (_with_identity(exp=1), "token.exp"),
        (lambda tokens: tokens | {"id_token": tokens["access_token"]}, "token.typ"),
        (lambda tokens: tokens | {"access_token": tokens["id_token"]}, "token.typ"),
    ],
    ids=["nonce", "subject", "audience", "issuer", "over", "access token as identity", "identity as access token"],
)
def test_tokens_of_another_login_open_nothing(door: Door, lie: Any, rule: str) -> None:
    door.near.lie = lie
    assert 403 == door.come_back(door.choose(door.begin())).status_code
    assert [f"login_token {rule}"] == door.denied
    assert door.signed_in is None


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "http://evil.example/auth/callback"},
        {"redirect_uri": "http://127.0.0.1:8080/other"},
        {"redirect_uri": "http://127.0.0.1:8080/auth/callback?next=//evil"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "another"},
        {"response_type": "token"},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"state": ""},
        {"user": "root"},
    ],
)
def test_the_issuer_gives_codes_to_our_console_alone(door: Door, change: dict[str, str]) -> None:
    asked = door.begin() | {"user": "agent"} | change
    answer = door.issuer.post("/authorize", data=asked, follow_redirects=False)
    assert 400 == answer.status_code
    assert "location" not in answer.headers


def test_the_login_page_writes_nothing_of_the_request_as_html(door: Door) -> None:
    asked = door.begin() | {"state": '"><script>alert(1)</script>'}
    page = door.issuer.get("/authorize", params=asked)
    assert 200 == page.status_code
    assert "<script" not in page.text
    assert {"agent", "approver", "operator", "auditor"} == set(re.findall(r'name="user" value="(\w+)"', page.text))


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/\n/evil", "/" + "a" * 300, "/é"]
)
def test_a_login_leads_nowhere_else(path: str) -> None:
    assert "/" == local_path(path)


def test_a_session_ends_with_its_token_with_idleness_and_at_sign_out(door: Door) -> None:
    now = [1000.0]
    sessions = Sessions(clock=lambda: now[0])
    first, second, third = (sessions.open(User("ana", frozenset(), expires_at=10_000)) for _ in range(3))
    held = sessions.find(third)
    assert held is not None
    sessions.close(third)
    assert sessions.find(third) is None
    assert not sessions.alive(held)  # a page that is still open cannot go on with it
    now[0] += IDLE_SECONDS - 1
    assert sessions.find(first)
    now[0] += 2
    assert (True, None) == (sessions.find(first) is not None, sessions.find(second))
    now[0] = 10_000
    assert sessions.find(first) is None


def test_signing_in_again_ends_the_session_before(door: Door) -> None:
    door.come_back(door.choose(door.begin()))
    before = door.browser.cookies.get(door.login.cookie)
    door.come_back(door.choose(door.begin(), "approver"))
    assert door.signed_in is not None
    assert "approver" == door.signed_in.sub
    assert door.login.sessions.find(before) is None
