"""Every error the API answers, once: problem documents with a stable code (RFC 9457, read 2026-11-24)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from console.cursors import CursorInvalid
from modification_processor import NoSuchVersion, Refused, RequestLost
from schemas.failures import DependencyUnavailable, OrdermendError
from telemetry.logs import logger

MEDIA_TYPE: Final = "application/problem+json"

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "token_missing": (401, "The request carries no bearer token."),
    "token_refused": (401, "The bearer token is not one that we take."),
    "role_missing": (403, "None of your roles allows this."),
    "letter_role_missing": (403, "A role that the dead letter's message needs is missing."),
    "origin_refused": (403, "The request comes from another site."),
    "not_found": (404, "There is nothing at this address."),
    "no_such_order": (404, "The book has no such order."),
    "no_such_version": (404, "The order has no such version."),
    "no_such_ticket": (404, "The order has no such ticket."),
    "no_such_letter": (404, "There is no such dead letter."),
    "no_such_bulk_replay": (404, "There is no such bulk replay."),
    "no_such_sku": (404, "Nobody counted this SKU, and no order holds units of it."),
    "no_such_bulk_edit": (404, "There is no such bulk edit."),
    "method_not_allowed": (405, "The address does not take this method."),
    "letter_act_refused": (409, "This cannot be done with the dead letter now."),
    "letter_taken": (409, "Somebody else works on the dead letter, or has sent it back."),
    "dry_run_kills": (409, "Handling the dead letter ends the process that tries it."),
    "letter_approval_needed": (409, "A second person has to approve exactly this act."),
    "not_editable": (409, "This kind of dead letter cannot be edited."),
    "erased": (410, "What was asked for was erased."),
    "version_ahead": (412, "The order has not reached the version you name."),
    "rules_moved": (412, "Another version of the rules is in force than the one you name."),
    "body_too_large": (413, "The body is larger than we read."),
    "body_encoded": (415, "The body is compressed."),
    "invalid_request": (422, "The request breaks a rule."),
    "idempotency_key_reused": (422, "The idempotency key was used for another request."),
    "patch_refused": (422, "The patch cannot be carried out."),
    "letter_field_locked": (422, "The patch changes a field that no repair may change."),
    "bulk_refused": (422, "The bulk edit cannot be done as asked."),
    "rule_tuning_invalid": (422, "The tuning is not usable."),
    "edit_rules_invalid": (422, "The edit rules are not usable."),
    "refused": (422, "What was asked for was refused."),
    "operation_refused": (422, "An operation of the ticket cannot be read or done."),
    "base_version_missing": (428, "Say which version you looked at: base_version or If-Match."),
    "rules_version_missing": (428, "Say which version of the rules you looked at: If-Match."),
    "too_many_requests": (429, "Too many requests."),
    "unexpected": (500, "Something went wrong on our side."),
    "unavailable": (503, "Something we depend on does not answer."),
}


class ProblemDocument(BaseModel):
    """What went wrong. `code` never changes its meaning; `detail` is for people."""

    type: str = Field("about:blank", description="Always about:blank: the code says what it is.")
    title: str
    status: int
    code: str
    detail: str
    field: str | None = Field(None, description="JSON pointer of the part of the request that breaks the rule.")
    rule: str | None = None


class Problem(Exception):
    """An error the API answers. `code` is one of `CODES`."""

    def __init__(
        self, code: str, detail: str | None = None, *, field: str | None = None, rule: str | None = None, retry_seconds: int = 1
    ) -> None:
        self.status, self.title = CODES[code]
        super().__init__(detail or self.title)
        self.code = code
        self.field = field
        self.rule = rule
        self.retry_seconds = retry_seconds

    @classmethod
    def of(cls, refused: Refused) -> "Problem":
        """Return a refusal of the processor's own code as a problem."""
        return cls("operation_refused", f"{refused.code}: {refused.message}", field=refused.path, rule=refused.rule_id or refused.code)


def document(problem: Problem) -> dict[str, Any]:
    """Return the body of the answer."""
    found = ProblemDocument(
        type="about:blank",
        title=problem.title,
        status=problem.status,
        code=problem.code,
        detail=str(problem),
        field=problem.field,
        rule=problem.rule,
    )
    return found.model_dump(exclude_none=True)


def response(problem: Problem) -> JSONResponse:
    """Return the answer."""
    headers = {"Cache-Control": "no-store"}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="ordermend"'
    if problem.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = str(problem.retry_seconds)
    return JSONResponse(jsonable_encoder(document(problem)), problem.status, headers, MEDIA_TYPE)


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route may answer beside its own, for the OpenAPI document. What every route may is added."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in (
        *codes,
        "token_refused",
        "role_missing",
        "invalid_request",
        "body_too_large",
        "body_encoded",
        "too_many_requests",
        "unavailable",
    ):
        status, title = CODES[code]
        words = {title, *str(found.get(status, {}).get("description", "")).split(" / ")} - {""}
        schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
        found[status] = {"description": " / ".join(sorted(words)), "content": {MEDIA_TYPE: schema}}
    return found


def _of_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return response(error)


def _of_validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    pointer = "/" + "/".join(str(part) for part in first["loc"])
    return response(Problem("invalid_request", first["msg"], field=pointer, rule=first["type"]))


def _of_cursor(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CursorInvalid)
    return response(Problem("invalid_request", error.message, field=error.field, rule=error.rule))


def _of_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):  # raised while the framework read the body
        return response(error.__cause__)
    code = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "body_encoded"}.get(
        error.status_code, "invalid_request"
    )
    answer = response(Problem(code))
    answer.headers.update(error.headers or {})
    return answer


def _of_outage(_request: Request, error: Exception) -> JSONResponse:
    logger("api").warning("unavailable", error=str(error))
    return response(Problem("unavailable"))


def _of_data(_request: Request, _error: Exception) -> JSONResponse:
    return response(Problem("invalid_request", "a value of the request cannot be stored"))


def _of_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Answer what a service refused in its own words, under its own code where that is one of ours."""
    assert isinstance(error, OrdermendError)
    if error.error_class in {"INFRA", "DEPENDENCY", "CONTENTION"}:
        return _of_outage(_request, error)
    code, detail = (error.code, error.message) if error.code in CODES else ("refused", f"{error.code}: {error.message}")
    return response(Problem(code, detail, field=error.field, rule=error.rule))


def _of_version(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NoSuchVersion)
    return response(Problem("no_such_order" if error.rule == "order_exists" else "no_such_version", error.message))


def _of_erased(_request: Request, _error: Exception) -> JSONResponse:
    return response(Problem("erased"))


def _of_defect(_request: Request, error: Exception) -> JSONResponse:
    logger("api").error("unexpected", error=type(error).__name__)
    return response(Problem("unexpected"))


HANDLERS: Final = (
    (Problem, _of_problem),
    (RequestValidationError, _of_validation),
    (CursorInvalid, _of_cursor),
    (HTTPException, _of_http),
    (DependencyUnavailable, _of_outage),
    (DataError, _of_data),
    (NoSuchVersion, _of_version),
    (RequestLost, _of_erased),
    (OrdermendError, _of_refusal),
    (Exception, _of_defect),
)


def install(app: FastAPI) -> None:
    """Answer every error of this application as a problem document."""
    for kind, handler in HANDLERS:
        app.add_exception_handler(kind, handler)
