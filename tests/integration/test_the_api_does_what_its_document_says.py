"""Generated requests, good and bad, against every operation, and walks along the document's links: nothing fails on our side, every answer is as documented.

A walk previews an edit, sends it, reads what became of it, takes it back; starts a job, pauses it, goes on with it; and what an answer names is there.
The event streams are left out: they answer for as long as they are asked to; they have scenarios of their own. `ORDERMEND_FUZZ_API` says how many
requests each operation gets of each kind, and how many walks there are; the ring's own number keeps it under a minute or two.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput
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
from schemas.stock import StockEntry
from store import stock
from tests.api import ISSUER, Published, client, token
from tests.conftest import Eventually
from tests.line import Line, shopify_order

EXAMPLES = int(os.environ.get("ORDERMEND_FUZZ_API", "20"))
STEPS = 12
"""Calls a walk, at most."""
EDITS: tuple[dict[str, Any], ...] = (
    {"name": "set_tags", "arguments": {"add": ["seen"]}},
    {"name": "set_note", "arguments": {"note": "ring twice"}},
    {"name": "set_contact", "arguments": {"email": "newer@example.org"}},
    {"name": "place_hold", "arguments": {"kind": "customer", "reason": "asked to wait"}},
)
"""What walks ask for: made-up operations would all be refused, and nothing would follow."""
KEPT_BY_ANY = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CHECKS = [
    *KEPT_BY_ANY,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]


@pytest.fixture
def order(line: Line, eventually: Eventually) -> Order:
    with line.book.transaction(), line.book.cursor() as cursor:
        stock.save(cursor, [StockEntry(sku="SKU-A", on_hand=40)])
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


@pytest.fixture
def known(line: Line, console: Console, order: Order, eventually: Eventually) -> dict[str, str]:
    """Path parameters that name something: an order, its applied ticket, a letter, a job, a replay."""
    ticket = line.ticket(order.order_id, ("set_contact", {"email": "new@example.org"}))
    eventually(lambda: line.state(ticket) == "applied", what="a ticket to ask for")
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="a letter to ask for")
    tool = client(console, "bea", ROLES)
    many: dict[str, Any] = {"selection": {"order_ids": [str(order.order_id)]}, "reason_code": "customer_request"}
    many |= {"operations": [{"name": "set_tags", "arguments": {"add": ["seen"]}}]}
    cause = {"fingerprint": line.one("select fingerprint from dead_letter")}
    return {
        "order_id": str(order.order_id),
        "ticket_id": str(ticket),
        "letter_id": str(line.one("select letter_id from dead_letter")),
        "bulk_id": tool.post("/api/v1/bulk-edits", json=many, headers={"Idempotency-Key": "b"}).json()["bulk_id"],
        "replay_id": tool.post("/api/v1/bulk-replays", json=cause, headers={"Idempotency-Key": "r"}).json()["replay_id"],
        "rule": "lines_present",
        "sku": "SKU-A",
    }


@pytest.mark.timeout(300 + 30 * EXAMPLES)
def test_every_operation_keeps_the_contract(line: Line, console: Console, known: dict[str, str]) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", console.asgi)
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
        checks = [check for check in CHECKS if check is not negative_data_rejection or _should_refuse(case, answer)]
        case.validate_response(answer, checks=checks)

    ask()
    return tried


def _should_refuse(case: Any, answer: Any) -> bool:
    """Whether the library may judge how a bad request was refused.

    A body above the door's cap is refused before anything of it is read, which it does not count as a refusal; and of a query parameter whose bad
    value is an empty list, say, nothing is sent at all, so what arrives is a good request.
    """
    sent = parse_qs(urlsplit(answer.request.url).query, keep_blank_values=True)
    return answer.status_code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE and sent.keys() >= (case.query or {}).keys()


@pytest.mark.timeout(300 + 30 * EXAMPLES)
def test_what_an_answer_names_is_there(line: Line, console: Console, known: dict[str, str], eventually: Eventually) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", console.asgi).exclude(path_regex=r"/events$")
    answered: Counter[tuple[str, int]] = Counter()
    walked = 0

    class Walk(schema.as_state_machine()):  # type: ignore[misc]  # made from the document
        def setup(self) -> None:
            nonlocal walked
            walked += 1

        def get_call_kwargs(self, _case: Case[Any]) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {token('ana', ROLES)}"}}

        def validate_response(self, response: Response, case: Case[Any], additional_checks: Any = None, **_: Any) -> None:
            del additional_checks
            case.validate_response(response, checks=KEPT_BY_ANY)

        def step(self, asked: StepInput) -> StepOutput:
            if _is_good(asked):
                _make_real(asked, known, EDITS[sum(answered.values()) % len(EDITS)])
            said: StepOutput = super().step(asked)
            answered[asked.case.operation.definition.raw["operationId"], said.response.status_code] += 1
            if _was_named(asked):
                answered["by what an answer named", HTTPStatus.OK] += 1
                assert said.response.status_code != HTTPStatus.NOT_FOUND, f"{asked.transition} names what is not there"
            ticket = said.response.json().get("ticket_id") if said.response.status_code == HTTPStatus.ACCEPTED else None
            if ticket is not None:
                eventually(lambda: line.state(UUID(ticket)) is not None, what="a ticket's outcome")
            return said

    while walked < EXAMPLES:
        some = settings(
            max_examples=min(10, EXAMPLES - walked), stateful_step_count=STEPS, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        # A walk that begins like one before need not go on like it: the book has moved since. The library takes that for a defect of the generator.
        with suppress(FlakyStrategyDefinition):
            run_state_machine_as_test(Walk, settings=some)
    assert sum(count for (_, status), count in answered.items() if status == HTTPStatus.ACCEPTED) > 0
    assert answered["by what an answer named", HTTPStatus.OK] > 0
    assert () == line.findings()


def _make_real(asked: StepInput, known: dict[str, str], edit: dict[str, Any]) -> None:
    """Let a generated request be about what is there, and ask for what can be done; what a link brought stays as it is."""
    case, brought = asked.case, {name for _, name in asked.applied_parameters}
    case.path_parameters |= {name: known[name] for name in known.keys() & case.path_parameters.keys() - brought}
    if isinstance(case.body, dict) and "operations" in case.body and not brought & {None, "operations"}:
        case.body |= {"operations": [edit], "reason_code": "customer_request"}
        if "selection" in case.body:
            case.body["selection"] = {"order_ids": [known["order_id"]]}
        if asked.case.operation.path.endswith("/tickets"):
            case.body |= {"base_version": 1, "preview_hash": None}
            case.headers.pop("If-Match", None)


def _was_named(asked: StepInput) -> bool:
    """Whether a good request is about nothing but what the answer before it named: every required parameter of its path and query came from there."""
    if asked.transition is None or not _is_good(asked):
        return False
    named = {name for location, name in asked.applied_parameters if location in (ParameterLocation.PATH, ParameterLocation.QUERY)}
    raw = asked.case.operation.definition.raw.get("parameters", [])
    needed = {one["name"] for one in raw if one["required"] and one["in"] in ("path", "query")}
    return bool(needed) and needed <= named


def _is_good(asked: StepInput) -> bool:
    return asked.case.meta is not None and asked.case.meta.generation.mode is GenerationMode.POSITIVE
