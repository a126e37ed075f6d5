"""Everybody asks for every page, by the browser's own request: each cell is as declared here, and each denial is in the audit log.

The pages come from the console's own modules: one that is not declared here fails. Without a session every page leads to the sign-in.
"""

import http.client
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from nicegui import ui

from console import pages
from modification_processor.approvals import APPROVAL, default_text
from store import rulesets
from tests.conftest import Eventually
from tests.e2e.people import session_of
from tests.line import Line, shopify_order

MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT = (
    "Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "DLQ_Payload", "Rules_Tune", "Audit_Read",
)  # fmt: skip
ROLES: Final = (MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT)
READS_ORDERS: Final = {MODIFY, APPROVE, SENIOR, BULK, OPERATE, AUDIT}
DECLARED: Final[Mapping[str, set[str]]] = {
    "/": READS_ORDERS, "/orders/{order_id}": READS_ORDERS, "/approvals": {APPROVE, SENIOR, AUDIT}, "/bulk": {BULK, AUDIT}, "/bulk/new": {BULK},
    "/bulk/{job_id}": {BULK, AUDIT}, "/letters": {OPERATE, AUDIT}, "/letters/{letter_id}": {OPERATE, AUDIT}, "/replays/{bulk_id}": {OPERATE},
    "/rules": set(ROLES), "/edit-rules": set(ROLES), "/kpis": set(ROLES), "/tickets": READS_ORDERS, "/stock": READS_ORDERS,
}  # fmt: skip
"""Page -> roles, of which one is enough."""


def _paths(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the pages that the modules of the console install."""
    found: set[str] = set()

    def page(path: str, **_: Any) -> Any:
        found.add(path)
        return lambda function: function

    monkeypatch.setattr(ui, "page", page)
    for module in vars(pages).values():
        if getattr(module, "__name__", "").startswith("console.pages.") and hasattr(module, "install"):
            module.install(cast("Any", None))
    return found


def test_every_page_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(DECLARED) == _paths(monkeypatch)


def _get(console: str, path: str, session: str | None) -> tuple[int, str]:
    """Ask as a browser would; return status and where it leads."""
    connection = http.client.HTTPConnection(urlsplit(console).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={"Cookie": f"ordermend_session={session}"} if session else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("location") or ""
    finally:
        connection.close()


def test_everybody_every_page(line: Line, console: str, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(8901))
    line.send_raw(b"{cut short", key=b"8902")
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    ids: dict[str, UUID] = {
        "order_id": order.order_id,
        "letter_id": line.one("select letter_id from dead_letter"),
        "bulk_id": uuid4(),
        "job_id": uuid4(),
    }
    denied: set[tuple[str, str, str]] = set()
    for role in ("", *ROLES):
        session = session_of(line, f"user-{role}", (role,) if role else ())
        for page, roles in DECLARED.items():
            path = page.format(**ids)
            status, _ = _get(console, path, session)
            if role in roles:
                assert status in ({404} if page in {"/replays/{bulk_id}", "/bulk/{job_id}"} else {200}), (page, role)
            else:
                assert 403 == status, (page, role)
                denied.add((f"user-{role}", f"GET {path}", "role_missing"))
    logged = line.rows("select actor, subject, split_part(detail, ' ', 1) from audit where action = 'access_denied'")
    assert denied == set(logged)
    assert len(denied) == len(logged), "each denial is remembered once"
    for page in DECLARED:
        path = page.format(**ids)
        for guessed in (None, "guessed"):
            assert (303, True) == (_get(console, path, guessed)[0], _get(console, path, guessed)[1].startswith("/login?next=")), page


LENT: Final = """
[[delegations]]
from = "carla"
to = "user-"
role = "Order_Approve"
until = 2036-12-24T00:00:00Z
"""


def test_who_stands_in_for_an_approver_sees_the_queue_and_its_orders(line: Line, console: str) -> None:
    with line.book.cursor() as cursor:
        rulesets.add(cursor, APPROVAL, default_text() + LENT, "rosa", "carla is away")
    session = session_of(line, "user-", ())
    seen = {page for page in DECLARED if "{" not in page and _get(console, page, session)[0] == 200}
    assert {"/", "/approvals", "/tickets"} == seen


def test_a_session_that_is_revoked_sees_nothing_more(line: Line, console: str) -> None:
    from store import sessions  # noqa: PLC0415 - the revocation itself, as the command does it

    session = session_of(line, "rosa", (AUDIT,))
    assert 200 == _get(console, "/kpis", session)[0]
    with line.book.cursor() as cursor:
        sessions.revoke(cursor, "rosa", "olga", "left the house")
    assert 303 == _get(console, "/kpis", session)[0]
    assert [("olga", "rosa")] == line.rows("select actor, subject from audit where action = 'access_revoked'")
