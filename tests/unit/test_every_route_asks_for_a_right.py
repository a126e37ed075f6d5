"""Route by route and role by role: who has the right comes in, who has not is refused, and that is remembered.

The matrix is made from the application's own routes: a new route without a right fails here. Nothing behind the door
runs: a book that does not answer stands for it.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from console.access import ROLES, Action, can, roles_for
from console.api.links import LINKS
from console.api.route import action_of
from console.app import ROUTERS, Console, Parts, create
from console.book import Book
from console.guard import API, LOGIN_PATHS, MAX_BODY_BYTES, Buckets, Guard
from console.services import Services
from console.tokens import Verifier
from schemas.assertion import create_key, load_signer
from schemas.failures import DependencyUnavailable
from store.database import Cursor
from store.sealing import KeyVault
from tests.api import ISSUER, Published, client, token

DENIED: list[tuple[str, str, str]] = []


class Closed(Book):
    """A book that does not answer."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("nobody connects here"))

    @contextmanager
    def _lent(self, begin: str) -> Iterator[Cursor]:
        raise DependencyUnavailable
        yield


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Console:
    folder: Path = tmp_path_factory.mktemp("keys")
    create_key(folder, "door", "RS256", roles=ROLES, messages=("ModificationTicket",))
    parts = Parts(Closed(), KeyVault(b"k" * 32), load_signer(folder, "door", "console"), "t", Verifier(ISSUER, "ordermend", Published()))
    made = create(parts)

    def audit(_services: Services, who: str, subject: str, detail: str, _order: object = None) -> None:
        DENIED.append((who, subject, detail))

    Services.audit = audit  # type: ignore[method-assign,assignment]  # the audit log needs a book; here it is a list
    return Console(
        made.api,
        made.services,
        Guard(
            made.api,
            verifier=parts.verifier,
            audit=made.services.audit,
            revocations=lambda _: True,
            rate=Buckets(10_000, 10_000),
            strangers=Buckets(10_000, 10_000),
        ),
    )


@pytest.fixture(autouse=True, scope="module")
def _audit_again() -> Iterator[None]:
    before = Services.audit
    yield
    Services.audit = before  # type: ignore[method-assign]  # see above


def _routes() -> list[APIRoute]:
    return [route for part in ROUTERS for route in part.router.routes if isinstance(route, APIRoute)]


ROUTES = {f"{method} {route.path}": (method, route) for route in _routes() for method in sorted(route.methods or ())}


def _call(console: Console, method: str, route: APIRoute, roles: tuple[str, ...]) -> int:
    path = API.removesuffix("/") + route.path
    for name in ("order_id", "ticket_id", "letter_id"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    found: int = client(console, "ana", roles).request(method, path.replace("{version}", "1")).status_code
    return found


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("role", [*ROLES, ""])
def test_the_matrix(console: Console, name: str, role: str) -> None:
    method, route = ROUTES[name]
    action = action_of(route.endpoint)
    assert action is not None, f"{name} asks for no right"
    DENIED.clear()
    status = _call(console, method, route, (role,) if role else ())
    if can(action, frozenset({role})):
        assert status not in {401, 403}
        assert [] == DENIED
    else:
        assert 403 == status
        assert [("ana", f"role_missing {action}")] == [(who, detail) for who, _, detail in DENIED]


def test_every_route_of_the_application_is_in_the_matrix(console: Console) -> None:
    paths = {path for path in console.api.openapi()["paths"] if path.startswith(API)}
    assert paths == {API.removesuffix("/") + route.path for _, route in ROUTES.values()}


def test_every_link_gives_its_operation_what_it_asks_for(console: Console) -> None:
    paths = console.api.openapi()["paths"]
    operations = {one["operationId"]: one for path in paths.values() for one in path.values()}
    assert len(operations) == sum(len(path) for path in paths.values())
    links = [link for one in operations.values() for answer in one["responses"].values() for link in answer.get("links", {}).values()]
    assert len(LINKS) == len(links)
    for link in links:
        asked = operations[link["operationId"]].get("parameters", [])
        assert set(link["parameters"]) <= {parameter["name"] for parameter in asked}
        assert {parameter["name"] for parameter in asked if parameter["in"] == "path"} <= set(link["parameters"])


@pytest.mark.parametrize("name", ROUTES)
def test_without_a_token_there_is_nothing_to_learn(console: Console, name: str) -> None:
    method, route = ROUTES[name]
    stranger = TestClient(console.asgi, raise_server_exceptions=False)
    DENIED.clear()
    answer = stranger.request(method, API.removesuffix("/") + route.path, content=b"{")
    assert 401 == answer.status_code
    assert ("token_missing", "application/problem+json") == (answer.json()["code"], answer.headers["content-type"])
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert [("anonymous", "token_missing")] == [(who, detail) for who, _, detail in DENIED]


@pytest.mark.parametrize("action", ["orders.read", "tickets.submit", "tickets.review", "letters.read"])
def test_rights_are_held_by_named_roles_alone(action: Action) -> None:
    assert roles_for(action)
    assert not can(action, frozenset())
    assert not can(action, frozenset({"Rules_Tune", "root"}))


def test_a_body_above_the_cap_is_refused_stated_or_not(console: Console) -> None:
    path = f"{API}orders/{uuid4()}/preview"
    big = b'{"operations": [' + b" " * MAX_BODY_BYTES + b"]}"
    assert 413 == client(console).post(path, content=big).status_code
    assert 413 == client(console).post(path, content=(big[i : i + 5000] for i in range(0, len(big), 5000))).status_code


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "Identity, gzip"])
def test_a_compressed_body_is_refused_and_not_unpacked(console: Console, encoding: str) -> None:
    path = f"{API}orders/{uuid4()}/preview"
    answer = client(console).post(path, content=gzip.compress(b'{"operations": []}'), headers={"Content-Encoding": encoding})
    assert (415, "body_encoded") == (answer.status_code, answer.json()["code"])


def test_another_sites_page_changes_nothing(console: Console) -> None:
    asked = TestClient(console.asgi, "http://testserver", raise_server_exceptions=False)
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = asked.post("/logout", headers=headers)
        assert (403, "origin_refused") == (answer.status_code, answer.json()["code"])
    assert "origin_refused" != asked.post("/logout", headers={"Origin": "http://testserver"}).json().get("code")


def test_answers_are_kept_by_nobody_and_framed_by_nobody(console: Console) -> None:
    answer = client(console).get(f"{API}orders")
    assert 503 == answer.status_code
    assert ("no-store", "nosniff") == (answer.headers["cache-control"], answer.headers["x-content-type-options"])
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_who_asks_too_often_waits(console: Console) -> None:
    guard = Guard(
        console.api,
        verifier=Verifier(ISSUER, "ordermend", Published()),
        audit=lambda *_: None,
        revocations=lambda _: True,
        rate=Buckets(3, 0),
    )
    asked = TestClient(guard, headers={"Authorization": f"Bearer {token()}"}, raise_server_exceptions=False)
    statuses = [asked.get(f"{API}operations").status_code for _ in range(5)]
    assert [200, 200, 200, 429, 429] == statuses
    other = TestClient(guard, headers={"Authorization": f"Bearer {token('ben')}"}, raise_server_exceptions=False)
    assert 200 == other.get(f"{API}operations").status_code


def _guard(console: Console, **changes: Any) -> Guard:
    given: dict[str, Any] = {
        "verifier": Verifier(ISSUER, "ordermend", Published()),
        "audit": console.services.audit,
        "revocations": lambda _: True,
    }
    return Guard(console.api, **given | changes)


def test_whose_token_was_revoked_is_told_so_and_that_is_remembered(console: Console) -> None:
    asked = TestClient(_guard(console, revocations=lambda user: user.sub != "ana"), raise_server_exceptions=False)
    DENIED.clear()
    answer = asked.get(f"{API}operations", headers={"Authorization": f"Bearer {token('ana')}"})
    assert (401, "token_refused", "token.revoked") == (answer.status_code, answer.json()["code"], answer.json()["rule"])
    assert [("anonymous", f"GET {API}operations", "token_refused token.revoked")] == DENIED
    assert 200 == asked.get(f"{API}operations", headers={"Authorization": f"Bearer {token('ben')}"}).status_code


def test_a_door_that_cannot_tell_whether_a_token_was_revoked_stays_shut(console: Console) -> None:
    def away(_user: object) -> bool:
        raise DependencyUnavailable

    asked = TestClient(_guard(console, revocations=away), raise_server_exceptions=False)
    answer = asked.get(f"{API}operations", headers={"Authorization": f"Bearer {token()}"})
    assert (503, "unavailable", "1") == (answer.status_code, answer.json()["code"], answer.headers["retry-after"])


@pytest.mark.parametrize("path", sorted(LOGIN_PATHS))
def test_who_begins_too_many_logins_waits(console: Console, path: str) -> None:
    asked = TestClient(_guard(console, logins=Buckets(3, 0.25)), raise_server_exceptions=False)
    answers = [asked.get(path) for _ in range(5)]
    assert [False, False, False, True, True] == [answer.status_code == 429 for answer in answers]
    assert "4" == answers[-1].headers["retry-after"]
    assert "too_many_requests" == answers[-1].json()["code"]


def test_who_is_told_to_wait_is_told_how_long(console: Console) -> None:
    asked = TestClient(_guard(console, rate=Buckets(1, 0.1)), headers={"Authorization": f"Bearer {token()}"}, raise_server_exceptions=False)
    first, second = (asked.get(f"{API}operations") for _ in range(2))
    assert (200, 429, "10") == (first.status_code, second.status_code, second.headers["retry-after"])
    strange = TestClient(_guard(console, strangers=Buckets(1, 0.2)), raise_server_exceptions=False)
    first, second = (strange.get(f"{API}operations") for _ in range(2))
    assert (401, 429, "5") == (first.status_code, second.status_code, second.headers["retry-after"])


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://testserver.evil.example"}]
)
def test_another_sites_page_opens_no_socket_to_ours(console: Console, headers: dict[str, str]) -> None:
    DENIED.clear()
    asked = TestClient(_guard(console), "http://testserver", raise_server_exceptions=False)
    with pytest.raises(WebSocketDisconnect), asked.websocket_connect("/_nicegui_ws/socket.io/?transport=websocket", headers=headers):
        pass
    assert [("anonymous", "GET /_nicegui_ws/socket.io/", "origin_refused")] == DENIED


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/logout", "/_nicegui_ws/socket.io/", "/", "/anything"])
@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://testserver@evil.example"])
def test_nothing_is_changed_at_the_pages_from_another_site(console: Console, method: str, path: str, origin: str | None) -> None:
    asked = TestClient(_guard(console), "http://testserver", raise_server_exceptions=False)
    answer = asked.request(method, path, headers={"Origin": origin} if origin else {})
    assert (403, "origin_refused") == (answer.status_code, answer.json()["code"])


def test_the_pages_answer_under_their_own_name_alone_and_load_nothing_from_elsewhere(console: Console) -> None:
    guard = _guard(console, host="orders.example")
    assert 404 == TestClient(guard, "http://evil.example").get("/login").status_code
    answer = TestClient(guard, "http://orders.example").get("/login")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert {"'none'"} == {policy[name] for name in ("object-src", "base-uri", "frame-ancestors")}
    assert {"'self'"} == {policy[name] for name in ("default-src", "connect-src", "form-action")}
    assert not [word for word in answer.headers["content-security-policy"].split() if "*" in word or word.startswith("http")]
    assert "same-origin" == answer.headers["cross-origin-opener-policy"]
