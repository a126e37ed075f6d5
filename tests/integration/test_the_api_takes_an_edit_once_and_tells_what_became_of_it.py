"""An agent's tool finds an order, looks at an edit, sends it twice, watches it, and takes it back; Kafka may be away."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from console.app import Console
from ordermend import web
from schemas.facts import FactPayment
from schemas.order import Order
from tests.api import ISSUER, Published, client
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Ida", "lines": ["2 Low Street"], "city": "Leeds", "postal_code": "LS2 2BB", "country": "GB"}
EDIT = {"operations": [{"name": "set_ship_address", "arguments": ADDRESS}], "reason_code": "address_correction"}


@pytest.fixture
def console(line: Line) -> Iterator[Console]:
    made = web.console(line.settings.model_copy(update={"issuer_url": ISSUER}), keys=Published())
    with TestClient(made.asgi):
        yield made


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    made = line.state_order(shopify_order(6201))
    eventually(lambda: line.order(made.order_id), what="the order in the book")
    return made


def _state(tool: TestClient, url: str) -> str:
    found: str = tool.get(url).json()["state"]
    return found


def test_the_agents_day(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    tool = client(console)
    (row,) = tool.get("/api/v1/orders", params={"q": "ida@example.com"}).json()["items"]
    assert (str(order.order_id), {"amount": "25.50", "currency": "GBP"}) == (row["order_id"], row["grand_total"])
    here = f"/api/v1/orders/{order.order_id}"
    read = tool.get(here)
    assert ('"1"', 1) == (read.headers["etag"], read.json()["version"])
    assert 304 == tool.get(here, headers={"If-None-Match": '"1"'}).status_code
    assert tool.get(f"{here}/modes").json()["editable"]

    seen = tool.post(f"{here}/preview", json=EDIT).json()
    assert seen["refusal"] is None
    assert "/ship_to/postal_code" in {change["path"] for change in seen["changes"]}
    asked, headers = EDIT | {"preview_hash": seen["preview_hash"]}, {"Idempotency-Key": "edit-1", "If-Match": '"1"'}
    first, again = (tool.post(f"{here}/tickets", json=asked, headers=headers) for _ in range(2))
    assert (202, 202) == (first.status_code, again.status_code)
    assert (False, True) == (first.json()["replayed"], again.json()["replayed"])
    url = first.headers["location"]
    assert url == again.headers["location"]
    eventually(lambda: _state(tool, url) == "applied", what="the ticket applied")
    other = tool.post(f"{here}/tickets", json=EDIT | {"reason_code": "entry_error"}, headers=headers)
    assert (422, "idempotency_key_reused") == (other.status_code, other.json()["code"])

    history = tool.get(f"{here}/history").json()["items"]
    postcode = next(row for row in history if row["path"] == "/ship_to/postal_code")
    assert ('"LS1 1AA"', '"LS2 2BB"', "ana", "address_correction") == tuple(
        postcode[name] for name in ("old", "new", "user_id", "reason_code")
    )
    assert "LS1 1AA" == tool.get(f"{here}/versions/1").json()["order"]["ship_to"]["postal_code"]
    assert "/ship_to/postal_code" in {c["path"] for c in tool.get(f"{here}/diff", params={"older": 1, "newer": 2}).json()["changes"]}

    undone = tool.post(f"{url}/undo", json={"reason_code": "entry_error"}, headers={"Idempotency-Key": str(uuid4())})
    assert 202 == undone.status_code
    eventually(lambda: _state(tool, undone.headers["location"]) == "applied", what="the undo applied")
    assert "undone" == _state(tool, url)
    assert order.ship_to == Order.model_validate_json(json.dumps(tool.get(here).json()["order"])).ship_to
    assert () == line.findings()


def test_equal_requests_at_the_same_moment_are_one_edit(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    """Twelve threads send one request under one key at once: the key is taken before the work, so one of them does it."""
    here, together = f"/api/v1/orders/{order.order_id}/tickets", threading.Barrier(12)
    tools = [client(console) for _ in range(12)]

    def send(tool: TestClient) -> Any:
        together.wait()
        return tool.post(here, json=EDIT, headers={"Idempotency-Key": "at-once", "If-Match": '"1"'})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, tools))
    assert [202] * 12 == [answer.status_code for answer in answers]
    assert 1 == len({answer.headers["location"] for answer in answers})
    assert [False] == [answer.json()["replayed"] for answer in answers if not answer.json()["replayed"]]
    eventually(lambda: _state(tools[0], answers[0].headers["location"]) == "applied", what="the one edit applied")
    assert (1, 2) == (line.one("select count(*) from ticket"), line.one("select version from orders"))
    assert 1 == line.one("select count(*) from outbox where topic = %s", line.topics.modifications)
    assert () == line.findings()


def test_a_submitted_edit_survives_kafka_being_away(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    line.stop("relay")
    tool = client(console)
    sent = tool.post(f"/api/v1/orders/{order.order_id}/tickets", json=EDIT | {"base_version": 1}, headers={"Idempotency-Key": str(uuid4())})
    assert 202 == sent.status_code
    assert "submitted" == _state(tool, sent.headers["location"])
    line.start("relay")
    eventually(lambda: _state(tool, sent.headers["location"]) == "applied", what="the ticket applied")
    # What was sent is kept by nobody but the ticket's own seal.
    assert [(b"", {})] == line.rows("select distinct value, headers from outbox where event_seq is null and sent_at is not null")


def test_four_eyes_at_the_door(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    payment = FactPayment(provider="psp", transaction="t1", kind="authorization", amount_minor=2550, currency="GBP")
    line.fact(order.order_id, "payment", payment=payment)
    eventually(lambda: line.one("select version from orders where order_id = %s", order.order_id) == 2, what="the authorisation")
    author, approver = client(console), client(console, "carla", ("Order_Approve",))
    abroad = EDIT | {"operations": [{"name": "set_ship_address", "arguments": ADDRESS | {"country": "FR"}}], "base_version": 2}
    url = author.post(f"/api/v1/orders/{order.order_id}/tickets", json=abroad, headers={"Idempotency-Key": str(uuid4())}).headers[
        "location"
    ]
    eventually(lambda: _state(author, url) == "awaiting_approval", what="the ticket awaiting approval")
    (waiting,) = approver.get("/api/v1/approvals").json()["items"]
    seen = approver.get(f"{url}/effects").json()
    assert waiting["ticket"]["effects_hash"] == seen["preview_hash"]
    review = {"decision": "approve", "preview_hash": seen["preview_hash"]}
    assert 403 == author.post(f"{url}/review", json=review, headers={"Idempotency-Key": "r1"}).status_code
    assert 202 == approver.post(f"{url}/review", json=review, headers={"Idempotency-Key": "r1"}).status_code
    eventually(lambda: _state(author, url) == "applied", what="the ticket applied")
    assert "carla" == author.get(url).json()["approved_by"]
    denied = line.rows("select actor, action, detail from audit where action = 'access_denied'")
    assert [("ana", "access_denied", "role_missing tickets.review")] == denied


def test_whoever_watches_is_told(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    tool = client(console)
    sent = tool.post(f"/api/v1/orders/{order.order_id}/tickets", json=EDIT | {"base_version": 1}, headers={"Idempotency-Key": str(uuid4())})
    eventually(lambda: _state(tool, sent.headers["location"]) == "applied", what="the ticket applied")
    answer = tool.get(f"/api/v1/orders/{order.order_id}/events", params={"seconds": 0})
    assert answer.headers["content-type"].startswith("text/event-stream")
    event, number, data = answer.text.strip().splitlines()
    assert ("event: order", "id: 2") == (event, number)
    assert {"version": 2, "tickets": {sent.json()["ticket_id"]: "applied"}} == json.loads(data.removeprefix("data: "))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (EDIT, {"Idempotency-Key": "a"}, 428, "base_version_missing"),
        (EDIT | {"base_version": 9}, {"Idempotency-Key": "a"}, 412, "version_ahead"),
        (EDIT | {"base_version": 1}, {}, 422, "invalid_request"),
        (EDIT | {"base_version": 1}, {"Idempotency-Key": "a", "If-Match": '"2"'}, 422, "invalid_request"),
        (EDIT | {"base_version": 1, "reason_code": "because"}, {"Idempotency-Key": "a"}, 422, "invalid_request"),
        (EDIT | {"base_version": 1, "operations": [{"name": "explode", "arguments": {}}]}, {"Idempotency-Key": "a"}, 422, "operation_refused"),
        (EDIT | {"base_version": 1, "sudo": True}, {"Idempotency-Key": "a"}, 422, "invalid_request"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_names_the_rule(
    console: Console, order: Order, body: dict[str, object], headers: dict[str, str], status: int, code: str
) -> None:
    answer = client(console).post(f"/api/v1/orders/{order.order_id}/tickets", json=body, headers=headers)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "application/problem+json" == answer.headers["content-type"]


def test_pages_of_a_list_join_without_gap_or_repeat(line: Line, console: Console, eventually: Eventually) -> None:
    made = [line.state_order(shopify_order(6300 + number)) for number in range(7)]
    eventually(lambda: line.one("select count(*) from orders") == 7, what="the orders in the book")
    tool, seen, after = client(console), [], None
    for _ in range(4):
        page = tool.get("/api/v1/orders", params={"limit": 2} | ({"cursor": after} if after else {})).json()
        seen += [row["order_id"] for row in page["items"]]
        after = page["next"]
    assert after is None
    assert sorted(str(order.order_id) for order in made) == sorted(seen)
    assert 422 == tool.get("/api/v1/orders", params={"cursor": "nonsense"}).status_code
