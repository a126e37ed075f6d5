"""Generated requests, good and bad, against every operation: none fails on our side, every answer is as documented.

The event streams are left out: they answer for as long as they are asked to; they have scenarios of their own. `ORDERMEND_FUZZ_API` says how many
requests each operation gets of each kind; the ring's own number keeps it under a minute or two.
"""

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from console.access import ROLES
from console.app import Console
from console.guard import Buckets, Guard
from console.tokens import Verifier
from ordermend import web
from schemas.order import Order
from tests.api import ISSUER, Published, client, token
from tests.conftest import Eventually
from tests.line import Line, shopify_order

EXAMPLES = int(os.environ.get("ORDERMEND_FUZZ_API", "20"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    made = line.state_order(shopify_order(6401))
    line.send_raw(b'{"id": 2', key=b"2")
    eventually(lambda: line.order(made.order_id), what="the order in the book")
    return made


@pytest.fixture
def console(line: Line) -> Iterator[Console]:
    made = web.console(line.settings.model_copy(update={"issuer_url": ISSUER}), keys=Published())
    guard = Guard(
        made.api, verifier=Verifier(ISSUER, "ordermend", Published()), audit=made.services.audit, revocations=lambda _: True,
        rate=Buckets(1e9, 1e9), strangers=Buckets(1e9, 1e9),
    )  # fmt: skip
    yield Console(made.api, made.services, guard)
    made.services.book.close()


def test_every_operation_keeps_the_contract(line: Line, console: Console, order: Order, eventually: Eventually) -> None:
    ticket = line.ticket(order.order_id, ("set_contact", {"email": "new@example.org"}))
    eventually(lambda: line.state(ticket) == "applied", what="a ticket to ask for")
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", console.asgi)
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="a letter to ask for")
    tool = client(console, "bea", ROLES)
    many: dict[str, Any] = {"selection": {"order_ids": [str(order.order_id)]}, "reason_code": "customer_request"}
    many |= {"operations": [{"name": "set_tags", "arguments": {"add": ["seen"]}}]}
    cause = {"fingerprint": line.one("select fingerprint from dead_letter")}
    known = {
        "order_id": str(order.order_id),
        "ticket_id": str(ticket),
        "letter_id": str(line.one("select letter_id from dead_letter")),
        "bulk_id": tool.post("/api/v1/bulk-edits", json=many, headers={"Idempotency-Key": "b"}).json()["bulk_id"],
        "replay_id": tool.post("/api/v1/bulk-replays", json=cause, headers={"Idempotency-Key": "r"}).json()["replay_id"],
        "rule": "lines_present",
    }
    tried, faults = 0, []
    for result in schema.exclude(path_regex=r"/events$").get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                tried += _ask(_good(result), mode, known)
            except Exception as fault:  # noqa: BLE001 -- raised below: what one operation does wrong must not hide what another does
                faults.append(fault)
    if faults:
        raise ExceptionGroup("operations that break the contract", faults)
    assert tried > 60 * EXAMPLES
    assert () == line.findings()


def _good(result: Any) -> Any:
    """Return the operation; one that the document describes wrongly fails here."""
    return result.ok()


def _ask(operation: Any, mode: GenerationMode, known: dict[str, str]) -> int:
    """Send generated requests; return how many. Every second good one is about what is there: made-up ids would find nothing."""
    tried = 0

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def ask(case: Any) -> None:
        nonlocal tried
        tried += 1
        if mode is GenerationMode.POSITIVE and tried % 2:
            case.path_parameters |= {name: known[name] for name in known.keys() & case.path_parameters.keys()}
        answer = case.call(headers={"Authorization": f"Bearer {token('ana', ROLES)}"})
        checks = [check for check in CHECKS if check is not negative_data_rejection or _should_refuse(case, answer.status_code)]
        case.validate_response(answer, checks=checks)

    ask()
    return tried


def _should_refuse(case: Any, status: int) -> bool:
    """Whether the library may judge how a bad request was refused.

    A body above the door's cap is refused before anything of it is read, which it does not count as a refusal; and a query parameter whose bad
    value is an empty list or object is not sent at all, so what arrives is a good request.
    """
    return status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not any(value in ([], {}) for value in (case.query or {}).values())
