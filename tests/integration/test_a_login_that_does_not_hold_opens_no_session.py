"""Signing in by code and PKCE against the local issuer itself; whatever is missing, moved or repeated opens nothing.

Sessions are the book's: a second process knows them at once, a restart ends none, and a revocation ends all of a user's.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from console.access import User
from console.book import Book
from console.issuer import Issuer
from console.login import CALLBACK, Login, local_path
from console.revocations import STALE_SECONDS, Revocations
from console.sessions import CHECK_SECONDS, IDLE_SECONDS, LOGIN_SECONDS, LONGEST_SECONDS, NOTE_SECONDS, Sessions
from console.tokens import Verifier
from ordermend.local.issuer import create_app
from ordermend.local.stack import Stack
from ordermend.local.users import USERS
from schemas.failures import DependencyUnavailable
from store import sessions as rows
from store.database import connect, drop_schema, role_of
from store.migrating import migrate
from store.sealing import KeyVault

BASE = "http://127.0.0.1:8080"
ISSUER = "http://127.0.0.1:8089"
KEY = RSAKey.generate_key(2048, private=True)
KEY.ensure_kid()
VAULT = KeyVault(b"k" * 32)


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


@pytest.fixture(scope="module")
def book(stack: Stack) -> Iterator[Book]:
    schema = f"logins_{secrets.token_hex(4)}"
    migrate(stack.owner_database_url, schema, role_of(stack.database_url))
    made = Book(lambda: connect(stack.database_url, schema))
    yield made
    made.close()
    drop_schema(stack.owner_database_url, schema)


@pytest.fixture
def door(book: Book) -> Door:
    issuer = TestClient(create_app(KEY, ISSUER), ISSUER)
    near = Near(ISSUER, there=issuer)
    denied: list[str] = []
    login = Login(near, Verifier(ISSUER, "ordermend", near), Sessions(book, VAULT), BASE, lambda _who, _subject, code: denied.append(code))
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
    login = Login(door.near, door.login.verifier, door.login.sessions, "https://orders.example", door.login.audit)
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
    assert set(USERS) == set(re.findall(r'name="user" value="(\w+)"', page.text))


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/\n/evil", "/" + "a" * 300, "/é"]
)
def test_a_login_leads_nowhere_else(path: str) -> None:
    assert "/" == local_path(path)


ANA = User("ana", frozenset({"Order_Modify"}), "Ana", expires_at=10**9, issued_at=900)


def test_a_session_ends_with_its_token_with_idleness_after_half_a_day_and_at_sign_out(book: Book) -> None:
    now = [1000.0]
    here, there = (Sessions(book, VAULT, clock=lambda: now[0]) for _ in range(2))
    first, second, third = (here.open(ANA) for _ in range(3))
    short = here.open(User("ana", frozenset(), expires_at=2000))
    held = here.find(third)
    assert held is not None
    there.close(third)
    assert here.find(third) is None
    assert here.alive(held)  # the page that is open there has not asked again yet
    now[0] += CHECK_SECONDS
    assert not here.alive(held)
    now[0] = 1999
    assert here.find(short)
    now[0] = 2000
    assert here.find(short) is None
    now[0] = 1000 + IDLE_SECONDS - 1
    assert here.find(first)
    now[0] += 2
    assert (True, None) == (there.find(first) is not None, there.find(second))
    while now[0] < 1000 + LONGEST_SECONDS - IDLE_SECONDS:
        now[0] += IDLE_SECONDS - NOTE_SECONDS - 2
        assert here.find(first)
    now[0] = 1000 + LONGEST_SECONDS
    assert here.find(first) is None


def test_a_page_that_is_only_open_goes_idle(book: Book) -> None:
    now = [1000.0]
    here = Sessions(book, VAULT, clock=lambda: now[0])
    session = here.find(here.open(ANA))
    assert session is not None
    for _ in range(int(IDLE_SECONDS / NOTE_SECONDS) - 1):
        now[0] += NOTE_SECONDS
        assert here.alive(session, used=False)
    now[0] += NOTE_SECONDS
    assert not here.alive(session, used=False)


def test_another_process_knows_the_session_and_what_was_chosen_in_it(book: Book) -> None:
    here, there = Sessions(book, VAULT), Sessions(book, VAULT)
    name = here.open(User("ana", frozenset({"Order_Modify"}), "Ana", expires_at=2**40, issued_at=7))
    mine = here.find(name)
    assert mine is not None
    here.colour(mine, dark=True)
    found = there.find(name)
    assert found is not None
    assert (mine.user, True) == (found.user, found.dark)


def test_a_login_begun_in_one_process_comes_back_once_to_any(book: Book) -> None:
    now = [1000.0]
    here, there = (Sessions(book, VAULT, clock=lambda: now[0]) for _ in range(2))
    state, login = here.begin("/orders/1")
    assert login == there.come_back(state, login.browser)
    assert here.come_back(state, login.browser) is None
    state, login = here.begin("/")
    now[0] += LOGIN_SECONDS + 1
    assert there.come_back(state, login.browser) is None


def test_who_reads_the_book_can_sign_in_as_nobody(book: Book) -> None:
    here = Sessions(book, VAULT)
    name = here.open(User("ana", frozenset({"Order_Modify"}), "Ana Example", expires_at=2**40))
    state, login = here.begin("/")
    with book.read() as cursor:
        kept = cursor.execute("select s::text from session s union all select l::text from login l").fetchall()
    text = " ".join(row[0] for row in kept)
    for secret in (name, state, login.verifier, login.nonce, login.browser, "Ana Example", "Order_Modify"):
        assert secret not in text
        assert secret.encode().hex() not in text
    assert Sessions(book, KeyVault(b"x" * 32)).find(name) is None  # under another key it is noise
    # A row moved under another id is noise too.
    other = here.open(User("root", frozenset({"Order_Approve"}), expires_at=2**40))
    with book.write() as cursor:
        cursor.execute("update session set user_sealed = (select user_sealed from session where sub = 'root') where sub = 'ana'")
    assert here.find(name) is None
    assert here.find(other) is not None


def test_a_revocation_ends_sessions_and_tokens_in_every_process_within_a_minute(book: Book) -> None:
    here, held = Sessions(book, VAULT), Revocations(book)
    tokens = [User("rosa", frozenset(), expires_at=2**40, issued_at=1), User("sam", frozenset(), expires_at=2**40, issued_at=1)]
    names = [here.open(user) for user in tokens]
    page = here.find(names[0])
    assert page is not None
    assert [True, True] == [held.hold(user) for user in tokens]
    with book.write() as cursor:
        assert 1 == rows.revoke(cursor, "rosa", "olga", "left the house")
    assert [False, True] == [here.find(name) is not None for name in names]
    assert CHECK_SECONDS <= 60
    page.checked -= CHECK_SECONDS
    assert not here.alive(page)
    held.clock = lambda: held._read + CHECK_SECONDS
    assert [False, True] == [held.hold(user) for user in tokens]
    # Whom the issuer lets in anew comes in.
    again = User("rosa", frozenset(), expires_at=2**40, issued_at=2**33)
    assert held.hold(again)
    assert here.find(here.open(again)) is not None


def test_a_door_that_cannot_tell_does_not_stand_open() -> None:
    def away() -> Any:
        raise psycopg.OperationalError("no server")

    held = Revocations(Book(away), clock=lambda: 1000.0)
    with pytest.raises(DependencyUnavailable):
        held.hold(ANA)
    held._read = 1000.0 - STALE_SECONDS + 1
    assert held.hold(ANA)  # what was known a moment ago still stands


def test_signing_in_again_ends_the_session_before(door: Door) -> None:
    door.come_back(door.choose(door.begin()))
    before = door.browser.cookies.get(door.login.cookie)
    door.come_back(door.choose(door.begin(), "approver"))
    assert door.signed_in is not None
    assert "approver" == door.signed_in.sub
    assert door.login.sessions.find(before) is None
