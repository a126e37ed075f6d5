"""Everybody asks everything of orders in every state: each cell is as the table below declares, and each denial is in the audit log.

The routes come from the application, the rights from this file: a route that is not declared here fails, and so does a right that grew. What
is another order's is nobody's way in, and a body may say no more than its route takes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from console.app import ROUTERS, Console
from console.guard import Buckets, Guard
from console.tokens import Verifier
from modification_processor.approvals import APPROVAL, default_text
from ordermend import web
from schemas.facts import FactPayment
from schemas.order import Order
from schemas.ticket import APPLIED_STATES
from store import rulesets
from tests.api import ISSUER, Published, client
from tests.conftest import Eventually
from tests.line import Line, shopify_order

API: Final = "/api/v1"
MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT = (
    "Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "DLQ_Payload", "Rules_Tune", "Audit_Read",
)  # fmt: skip
PEOPLE: Final[tuple[frozenset[str], ...]] = (
    frozenset(), *(frozenset({role}) for role in (MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT)),
    frozenset({OPERATE, PAYLOAD}), frozenset({OPERATE, MODIFY}), frozenset({OPERATE, APPROVE}), frozenset({OPERATE, SENIOR}), frozenset({MODIFY, APPROVE}),
    frozenset({"root", "admin", "order_modify"}),
)  # fmt: skip

READS_ORDERS = ({MODIFY}, {APPROVE}, {SENIOR}, {BULK}, {OPERATE}, {AUDIT})
EVERYBODY = tuple({role} for role in (MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT))
DECLARED: Final[Mapping[str, tuple[set[str], ...]]] = {
    **dict.fromkeys(
        (
            "GET /orders", "GET /orders/{order_id}", "GET /orders/{order_id}/versions/{version}", "GET /orders/{order_id}/modes",
            "GET /orders/{order_id}/history", "GET /orders/{order_id}/versions", "GET /orders/{order_id}/diff", "GET /operations",
            "GET /orders/{order_id}/tickets", "GET /orders/{order_id}/tickets/{ticket_id}",
            "GET /orders/{order_id}/tickets/{ticket_id}/effects", "GET /orders/{order_id}/events", "GET /stock", "GET /stock/{sku}",
        ),
        READS_ORDERS,
    ),
    **dict.fromkeys(
        (
            "POST /orders/{order_id}/preview", "POST /orders/{order_id}/tickets", "POST /orders/{order_id}/tickets/{ticket_id}/cancel",
            "POST /orders/{order_id}/tickets/{ticket_id}/undo",
        ),
        ({MODIFY},),
    ),
    "POST /orders/{order_id}/tickets/{ticket_id}/review": ({APPROVE}, {SENIOR}),
    "GET /approvals": ({APPROVE}, {SENIOR}, {AUDIT}),
    **dict.fromkeys(
        (
            "GET /bulk-edits", "GET /bulk-edits/{bulk_id}", "GET /bulk-edits/{bulk_id}/outcomes", "GET /bulk-edits/{bulk_id}/outcomes.csv",
            "GET /bulk-edits/{bulk_id}/events",
        ),
        ({BULK}, {AUDIT}),
    ),
    **dict.fromkeys(
        (
            "POST /bulk-edits", "POST /bulk-edits/dry-run", "POST /bulk-edits/{bulk_id}/pause", "POST /bulk-edits/{bulk_id}/resume",
            "POST /bulk-edits/{bulk_id}/cancel", "POST /bulk-edits/{bulk_id}/undo",
        ),
        ({BULK},),
    ),
    **dict.fromkeys(
        ("GET /letters", "GET /letters/{letter_id}", "GET /letters/{letter_id}/work", "GET /letter-causes", "GET /bulk-replays"),
        ({OPERATE}, {AUDIT}),
    ),
    **dict.fromkeys(
        (
            "GET /letters/{letter_id}/outline", "POST /letters/{letter_id}/dry-run", "POST /letters/{letter_id}/claim",
            "POST /letters/{letter_id}/release", "POST /letters/{letter_id}/assign", "POST /letters/{letter_id}/notes",
            "POST /letters/{letter_id}/replay", "POST /letters/{letter_id}/discard", "POST /bulk-replays", "GET /bulk-replays/{replay_id}",
            "POST /bulk-replays/{replay_id}/run", "POST /bulk-replays/{replay_id}/pause", "GET /bulk-replays/{replay_id}/events",
        ),
        ({OPERATE},),
    ),
    "GET /letters/{letter_id}/payload": ({OPERATE, PAYLOAD},),
    "PUT /letters/{letter_id}/patch": ({OPERATE, MODIFY},),
    "POST /letters/{letter_id}/approve": ({OPERATE, APPROVE},),
    "POST /bulk-replays/{replay_id}/approve": ({OPERATE, APPROVE},),
    **dict.fromkeys(("GET /rules", "GET /rules/versions", "GET /edit-rules", "GET /edit-rules/versions", "GET /kpis"), EVERYBODY),
    **dict.fromkeys(
        ("PUT /rules/{rule}/mode", "POST /rules/revert", "PUT /edit-rules", "POST /edit-rules/revert", "POST /edit-rules/dry-run"), ({TUNE},)
    ),
}  # fmt: skip
"""Method and path -> roles, of which one row has to be held whole."""

ADDRESS = {"name": "Ida", "lines": ["2 Low Street"], "city": "Leeds", "postal_code": "LS2 2BB", "country": "GB"}
NOTE = {"operations": [{"name": "set_note", "arguments": {"note": "leave it at the door"}}], "reason_code": "customer_request"}
TAGS = {"operations": [{"name": "set_tags", "arguments": {"add": ["seen"]}}], "reason_code": "customer_request"}
BODIES: Final[Mapping[str, Any]] = {
    "POST /orders/{order_id}/preview": NOTE,
    "POST /orders/{order_id}/tickets": NOTE | {"base_version": 1},
    "POST /orders/{order_id}/tickets/{ticket_id}/cancel": {},
    "POST /orders/{order_id}/tickets/{ticket_id}/undo": {"reason_code": "entry_error"},
    "POST /orders/{order_id}/tickets/{ticket_id}/review": {"decision": "decline"},
    "POST /bulk-edits": TAGS | {"selection": {"sku": "NONE"}},
    "POST /bulk-edits/dry-run": TAGS | {"selection": {"sku": "SKU-A"}},
    "POST /letters/{letter_id}/assign": {"to": "nobody"},
    "POST /letters/{letter_id}/notes": {"text": "seen"},
    "POST /letters/{letter_id}/discard": {"reason": "never"},
    "POST /letters/{letter_id}/approve": {},
    "PUT /letters/{letter_id}/patch": [{"op": "remove", "path": "/body/none"}],
    "POST /bulk-replays": {"fingerprint": "none"},
    "PUT /rules/{rule}/mode": {"mode": "warn", "reason": "why"},
    "POST /rules/revert": {"version": 7000, "reason": "why"},
    "PUT /edit-rules": {"text": "version = 1", "reason": "why"},
    "POST /edit-rules/revert": {"version": 7000, "reason": "why"},
    "POST /edit-rules/dry-run": {"text": "version = 1"},
}

PREVIEWS: Final[Mapping[str, Mapping[str, str]]] = {
    "confirmed": {"address": "done", "fewer": "done", "cancel": "done", "note": "done"},
    "captured, allocated": {"address": "done", "fewer": "done", "cancel": "done", "note": "done"},
    "packed": {"address": "recalled", "fewer": "recalled", "cancel": "field_locked", "note": "done"},
    "shipped": {"address": "field_locked", "fewer": "field_locked", "cancel": "field_locked", "note": "done"},
    "cancelled": {"address": "field_locked", "fewer": "field_locked", "cancel": "field_locked", "note": "done"},
}
"""State of the order -> what an agent's edit of it comes to: done, after the warehouse gave back, or refused."""


@dataclass
class Scene:
    """Orders by state, each with a ticket, and one letter."""

    orders: dict[str, Order]
    tickets: dict[str, UUID]
    letter: str
    ids: dict[str, str] = field(default_factory=dict)


def _routes() -> dict[str, tuple[str, APIRoute]]:
    found = [route for part in ROUTERS for route in part.router.routes if isinstance(route, APIRoute)]
    return {f"{method} {route.path}": (method, route) for route in found for method in sorted(route.methods or ())}


@pytest.fixture
def console(line: Line) -> Iterator[Console]:
    made = web.console(line.settings.model_copy(update={"issuer_url": ISSUER}), keys=Published())
    free = Buckets(1e9, 1e9)
    guard = Guard(
        made.api, verifier=Verifier(ISSUER, "ordermend", Published()), audit=made.services.audit, revocations=made.api.state.holds, rate=free,
        strangers=free,
    )  # fmt: skip
    with TestClient(made.asgi):
        yield Console(made.api, made.services, guard)


@pytest.fixture
def scene(line: Line, eventually: Eventually) -> Scene:
    orders = {state: line.state_order(shopify_order(9100 + number)) for number, state in enumerate(PREVIEWS)}
    line.send_raw(b"{cut short", key=b"9199")
    eventually(lambda: line.one("select count(*) from orders") == len(orders), what="the orders in the book")
    ids = {state: order.order_id for state, order in orders.items()}
    tickets = {state: line.ticket(order_id, ("set_contact", {"email": "new@example.org"})) for state, order_id in ids.items()}
    eventually(lambda: {line.state(ticket) for ticket in tickets.values()} == {"applied"}, what="the tickets applied")
    paid = FactPayment(provider="psp", transaction="t1", kind="capture", amount_minor=2550, currency="GBP", method="card")
    line.fact(ids["captured, allocated"], "payment", payment=paid)
    for state, kinds in (
        ("captured, allocated", ("allocated",)),
        ("packed", ("allocated", "packed")),
        ("shipped", ("allocated", "shipped")),
    ):
        for kind in kinds:
            line.fact(ids[state], kind)
    gone = line.ticket(ids["cancelled"], ("cancel_order", {}))
    eventually(lambda: line.state(gone) in APPLIED_STATES, what="the cancellation")
    eventually(lambda: line.one("select count(*) from inbox where message_id like 'fact:%%'") == 6, what="the facts")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    return Scene(orders, tickets, str(line.one("select letter_id from dead_letter")))


def _ask(tool: TestClient, name: str, scene: Scene, state: str) -> Any:
    method, path = name.split(" ", 1)
    ids = {
        "order_id": str(scene.orders[state].order_id), "ticket_id": str(scene.tickets[state]), "letter_id": scene.letter, "version": "1",
        "bulk_id": str(UUID(int=1)), "replay_id": str(UUID(int=2)), "rule": "lines_present", "sku": "SKU-A",
    }  # fmt: skip
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"7000"'} if "rules" in path else {"Idempotency-Key": str(uuid4())}
    query = {"seconds": 0} if path.endswith("/events") else {"older": 1, "newer": 1} if path.endswith("/diff") else {}
    body = BODIES.get(name)
    return tool.request(method, API + path.format(**ids), json=body, headers=headers, params=query)


def test_every_route_is_declared() -> None:
    assert set(DECLARED) == set(_routes())
    assert set(BODIES) <= set(DECLARED)


def test_everybody_everything_every_state(line: Line, console: Console, scene: Scene) -> None:
    _what_an_agents_edit_comes_to_is_the_orders_state_to_say(console, scene)
    _what_is_anothers_is_no_way_in(line, console, scene)
    _a_body_says_no_more_than_its_route_takes(line, console, scene)
    _every_cell_is_as_declared(line, console, scene)


def _every_cell_is_as_declared(line: Line, console: Console, scene: Scene) -> None:
    denied: Counter[tuple[str, str, str]] = Counter()
    cells = 0
    for number, roles in enumerate(PEOPLE):
        who = f"user{number}"
        tool = client(console, who, tuple(sorted(roles)))
        for name, rows in DECLARED.items():
            method = name.partition(" ")[0]
            for state in scene.orders if "{order_id}" in name else ["confirmed"]:
                answer = _ask(tool, name, scene, state)
                allowed = any(needed <= roles for needed in rows)
                cells += 1
                said = (name, sorted(roles), state, answer.status_code, answer.text[:200])
                assert answer.status_code < 500, said
                assert allowed == (answer.status_code not in {401, 403}), said
                if not allowed:
                    order_id = str(scene.orders[state].order_id) if "{order_id}" in name else str(UUID(int=0))
                    denied[who, f"{method} {answer.request.url.path}"[:200], order_id] += 1
    assert cells == len(PEOPLE) * sum(len(scene.orders) if "{order_id}" in name else 1 for name in DECLARED)
    assert cells > 1000
    logged = line.rows(
        "select actor, subject, order_id::text from audit where action = 'access_denied' and detail like 'role_missing %%' and actor like 'user%%'"
    )
    assert denied == Counter(logged), "every denial is remembered, and nothing else"
    writers = {
        user for (user,) in line.rows("select distinct user_id from submission where message_id like 'ticket:%%' and user_id like 'user%%'")
    }
    assert writers == {f"user{number}" for number, roles in enumerate(PEOPLE) if MODIFY in roles}
    assert () == line.findings()


def _what_an_agents_edit_comes_to_is_the_orders_state_to_say(console: Console, scene: Scene) -> None:
    tool, approver = client(console), client(console, "carla", (APPROVE, AUDIT, OPERATE))
    seen_as = {}
    for state in PREVIEWS:
        order = scene.orders[state]
        edits = {
            "address": ("set_ship_address", ADDRESS), "fewer": ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 1}),
            "cancel": ("cancel_order", {}), "note": ("set_note", {"note": "leave it at the door"}),
        }  # fmt: skip
        found = {}
        for name, (operation, arguments) in edits.items():
            body = {"operations": [{"name": operation, "arguments": arguments}], "reason_code": "customer_request"}
            seen = tool.post(f"{API}/orders/{order.order_id}/preview", json=body).json()
            found[name] = seen["refusal"]["code"] if seen["refusal"] else "recalled" if seen["recalls"] else "done"
        seen_as[state] = found
        assert not approver.get(f"{API}/orders/{order.order_id}/modes").json()["editable"], "nobody edits without the role, in no state"
    assert seen_as == PREVIEWS


LENT: Final = """
[[delegations]]
from = "carla"
to = "dora"
role = "Order_Approve"
until = 2036-12-24T00:00:00Z

[[delegations]]
from = "sue"
to = "dora"
role = "Order_Bulk"
until = 2036-12-24T00:00:00Z

[[delegations]]
from = "carla"
to = "late"
role = "Order_Approve"
until = 2026-01-01T00:00:00Z
"""
LENT_COUNTS_FOR: Final = {
    "GET /approvals",
    "POST /orders/{order_id}/tickets/{ticket_id}/review",
    *(name for name, rows in DECLARED.items() if rows == READS_ORDERS and not name.startswith("GET /stock")),
}


def test_a_role_that_was_lent_opens_the_queue_and_nothing_else(line: Line, scene: Scene, eventually: Eventually) -> None:
    """Dora holds no role and stands in for Carla: she reviews as Carla might, sees what she reviews, and what she sends names no role."""
    with line.book.cursor() as cursor:
        rulesets.add(cursor, APPROVAL, default_text() + LENT, "rosa", "carla is away")
    made = web.console(line.settings.model_copy(update={"issuer_url": ISSUER}), keys=Published())
    with TestClient(made.asgi):
        for who, opens in (("dora", LENT_COUNTS_FOR), ("late", set()), ("carla", set())):
            tool = client(made, who, ())
            came_in = {name for name in DECLARED if _ask(tool, name, scene, "confirmed").status_code != 403}
            assert opens == came_in, who
        order = scene.orders["confirmed"]
        waiting = {
            user: line.ticket(order.order_id, ("add_fee", {"label": "Express", "amount": "4.90"}), user=user) for user in ("ana", "carla")
        }
        eventually(lambda: {line.state(ticket) for ticket in waiting.values()} == {"awaiting_approval"}, what="two tickets to approve")
        reviews = {user: _approve(made, order.order_id, ticket, "dora", ()) for user, ticket in waiting.items()}
        eventually(lambda: line.state(waiting["ana"]) == "applied", what="the ticket that dora approved in carla's place")
        eventually(lambda: _outcome(line, reviews["carla"]) == "refused", what="her refusal")
    assert "awaiting_approval" == line.state(waiting["carla"]), "nobody stands in for the author of a ticket"
    assert () == line.findings()


def _approve(console: Console, order_id: UUID, ticket: UUID, who: str, roles: tuple[str, ...]) -> UUID:
    """Approve a ticket by the API; return the review's id."""
    review = uuid4()
    url, headers = f"{API}/orders/{order_id}/tickets/{ticket}/review", {"Idempotency-Key": str(review)}
    answer = client(console, who, roles).post(url, json={"decision": "approve"}, headers=headers)
    assert 202 == answer.status_code, answer.text
    return review


def _outcome(line: Line, review: UUID) -> str:
    return "".join(outcome for (outcome,) in line.rows("select outcome from inbox where message_id = %s", f"review:{review}"))


def test_a_senior_approver_approves_what_is_beyond_others(line: Line, console: Console, scene: Scene, eventually: Eventually) -> None:
    order = scene.orders["confirmed"]
    dear = line.ticket(order.order_id, ("add_fee", {"label": "Crane", "amount": "20000.00"}))
    eventually(lambda: line.state(dear) == "awaiting_approval", what="a ticket of 20,000")
    review = _approve(console, order.order_id, dear, "carla", (APPROVE,))
    eventually(lambda: _outcome(line, review) == "refused", what="the answer to an approver")
    assert "awaiting_approval" == line.state(dear), "beyond this approver's tier"
    _approve(console, order.order_id, dear, "sue", (SENIOR,))
    eventually(lambda: line.state(dear) == "applied", what="the senior's yes")
    assert () == line.findings()


def _what_is_anothers_is_no_way_in(line: Line, console: Console, scene: Scene) -> None:
    """A ticket under another order, a letter or a job by a guessed id: 404, and nothing is sent."""
    tool = client(console, "eve", (MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, AUDIT))
    before = line.one("select count(*) from submission")
    mine, theirs = scene.orders["confirmed"].order_id, scene.tickets["packed"]
    for act, body in (
        ("", None),
        ("/effects", None),
        ("/cancel", {}),
        ("/review", {"decision": "decline"}),
        ("/undo", {"reason_code": "entry_error"}),
    ):
        method = "GET" if body is None else "POST"
        answer = tool.request(method, f"{API}/orders/{mine}/tickets/{theirs}{act}", json=body, headers={"Idempotency-Key": str(uuid4())})
        assert answer.status_code in {404, 422}, (act, answer.text)
        assert answer.json()["code"] in {"no_such_ticket", "operation_refused"}, act
    for path in (
        f"letters/{uuid4()}",
        f"letters/{uuid4()}/payload",
        f"bulk-edits/{uuid4()}",
        f"bulk-replays/{uuid4()}",
        f"orders/{uuid4()}",
    ):
        assert 404 == tool.get(f"{API}/{path}").status_code, path
    # Somebody else's idempotency key is no way to their request.
    key: dict[str, str] = {"Idempotency-Key": str(uuid4())}
    edit: dict[str, Any] = NOTE | {"base_version": 1}
    assert 202 == client(console, "ana").post(f"{API}/orders/{mine}/tickets", json=edit, headers=key).status_code
    assert "idempotency_key_reused" == tool.post(f"{API}/orders/{mine}/tickets", json=edit, headers=key).json()["code"]
    assert before + 1 == line.one("select count(*) from submission")


FOREIGN = (
    "user_id",
    "actor",
    "roles",
    "state",
    "approved_by",
    "order_id",
    "ticket_id",
    "version",
    "door",
    "money_delta_minor",
    "status",
    "sub",
)


def _a_body_says_no_more_than_its_route_takes(line: Line, console: Console, scene: Scene) -> None:
    tool = client(console, "eve", (MODIFY, APPROVE, SENIOR, BULK, OPERATE, PAYLOAD, TUNE, AUDIT))
    before = line.one("select count(*) from submission")
    taking = [name for name, body in BODIES.items() if isinstance(body, dict)]
    for name in taking:
        method, path = name.split(" ", 1)
        ids = {
            "order_id": scene.orders["confirmed"].order_id,
            "ticket_id": scene.tickets["confirmed"],
            "letter_id": scene.letter,
            "rule": "lines_present",
        }
        for extra in FOREIGN:
            if extra in BODIES[name]:
                continue
            answer = tool.request(
                method,
                API + path.format(**ids),
                json=BODIES[name] | {extra: "root"},
                headers={"Idempotency-Key": str(uuid4()), "If-Match": '"0"'},
            )
            assert (422, "invalid_request", f"/body/{extra}") == (answer.status_code, answer.json()["code"], answer.json()["field"]), name
    operation = NOTE["operations"][0] | {"user_id": "root"}  # type: ignore[operator]  # a literal above
    answer = tool.post(f"{API}/orders/{scene.orders['confirmed'].order_id}/preview", json=NOTE | {"operations": [operation]})
    assert "/body/operations/0/user_id" == answer.json()["field"]
    argument = {"name": "set_note", "arguments": {"note": "x", "approved_by": "root"}}
    answer = tool.post(f"{API}/orders/{scene.orders['confirmed'].order_id}/preview", json=NOTE | {"operations": [argument]})
    assert (answer.json().get("refusal") or answer.json())["code"] in {"operation_refused", "invalid_arguments"}, answer.text
    assert before == line.one("select count(*) from submission")
    document = console.api.openapi()
    bodies = [
        operation["requestBody"]["content"]
        for item in document["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]
    assert len(taking) <= len(bodies)
    for content in bodies:
        schema = next(iter(content.values()))["schema"]
        named = document["components"]["schemas"][(schema.get("items") or schema)["$ref"].rsplit("/", 1)[1]]
        assert False is named["additionalProperties"], schema
