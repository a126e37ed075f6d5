"""The webhook door: `POST /webhooks/<channel>/<account>` -> a record on the channel's raw topic. An ASGI application.

A request is answered 202 only after Kafka has confirmed its record: what is not confirmed is answered 503, and the channel sends it
again. The signature is checked over the bytes as they came, before anything reads them. A document that comes twice has the same
message id both times, so the second does nothing.

Bounds:  5 MiB a body, counted while it streams in; `IN_FLIGHT` requests at once, beyond that 429 with Retry-After; no compressed bodies.
Answers: 202 taken; 401 signature; 404 no such endpoint; 405; 413; 415; 429; 503. Problem documents (RFC 9457) with a stable code.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from intake import signatures
from intake.accept import EVENT_ID_HEADERS, UNKEPT
from intake.endpoints import Endpoint
from intake.signatures import SignatureRefused
from normalizers import discover
from normalizers.wire import MAX_BYTES
from streaming.producer import DeliveryFailed, Record
from telemetry.logs import logger
from telemetry.metrics import WEBHOOKS

IN_FLIGHT: Final = 256
CONFIRM_SECONDS: Final = 10.0
RETRY_AFTER_SECONDS: Final = 2
_EVENT_IDS: Final = (*EVENT_ID_HEADERS, "webhook-id")
_SIGNATURES: Final = ("signature", "hmac", "cookie", "authorization")


class Outlet(Protocol):
    """Where records go: returns when Kafka has confirmed the record, raises `DeliveryFailed` otherwise."""

    async def send(self, record: Record, timeout_seconds: float) -> None:
        """Send one record and wait for it."""


class _Answer(Exception):
    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Door:
    """The door's one route. `find` names the endpoint of a channel's account, `prefix` stands before every topic."""

    def __init__(
        self, find: Callable[[str, str], Endpoint | None], outlet: Outlet, prefix: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._find = find
        self._outlet = outlet
        self._prefix = prefix
        self._clock = clock
        self._under_way = 0
        self._log = logger("webhooks")

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(routes=[Route("/webhooks/{channel}/{account}", self._handle, methods=["POST"])])

    async def _handle(self, request: Request) -> Response:
        channel = request.path_params["channel"]
        known = channel if channel in discover() else "unknown"
        if self._under_way >= IN_FLIGHT:
            return self._told(known, _Answer(429, "too_many_requests", f"{IN_FLIGHT} requests are under way"))
        self._under_way += 1
        try:
            message_id = await self._take(request, channel, request.path_params["account"])
        except _Answer as answer:
            return self._told(known, answer)
        except ClientDisconnect:
            return self._told(known, _Answer(400, "disconnected", "the sender left before the body was whole"))
        finally:
            self._under_way -= 1
        WEBHOOKS.labels(known, "taken").inc()
        return JSONResponse({"message_id": message_id}, 202, {"Cache-Control": "no-store"})

    async def _take(self, request: Request, channel: str, account: str) -> str:
        endpoint = self._find(channel, account)
        if endpoint is None:
            raise _Answer(404, "no_such_endpoint", "there is no such endpoint")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("content-encoding", "identity").casefold() != "identity":
            raise _Answer(415, "compressed", "a body is sent as it is, not compressed")
        body = await _body(request)
        self._check(endpoint, body, headers)
        record = self._record(endpoint, body, headers)
        try:
            await self._outlet.send(record, CONFIRM_SECONDS)
        except DeliveryFailed as error:
            self._log.warning("unconfirmed", channel=channel, error=error.message)
            raise _Answer(503, "unavailable", "the document could not be stored; send it again") from error
        return str(dict(record.headers)["message_id"])

    def _check(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> None:
        scheme = discover()[endpoint.channel].signature
        try:
            signatures.check(scheme, signatures.Request(body, headers, endpoint.address), endpoint.secrets, self._clock())
        except SignatureRefused as error:
            self._log.warning("refused", channel=endpoint.channel, rule=error.rule)
            raise _Answer(401, error.code, error.message) from error

    def _record(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Record:
        named = next((headers[name] for name in _EVENT_IDS if headers.get(name)), None) or sha256(body).hexdigest()
        kept: dict[str, str | bytes | None] = {
            name: value
            for name, value in headers.items()
            if (name.startswith("x-") or name in {"content-type", "webhook-id"})
            and name not in UNKEPT
            and not name.startswith("x-forwarded")
            and not any(word in name for word in _SIGNATURES)
        }
        kept |= {"account": endpoint.account, "message_id": f"{endpoint.channel}:{endpoint.account}:{named}"[:200]}
        return Record(f"{self._prefix}{discover()[endpoint.channel].topic.name}", None, body, list(kept.items()))

    @staticmethod
    def _told(channel: str, answer: _Answer) -> Response:
        WEBHOOKS.labels(channel, answer.code).inc()
        headers = {"Cache-Control": "no-store"}
        if answer.status in {429, 503}:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        problem = {
            "type": "about:blank",
            "title": answer.code.replace("_", " "),
            "status": answer.status,
            "code": answer.code,
            "detail": answer.detail,
        }
        return JSONResponse(problem, answer.status, headers, "application/problem+json")


async def _body(request: Request) -> bytes:
    """Read the body, and stop at the cap whatever its stated length."""
    stated = request.headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > MAX_BYTES:
        raise _Answer(413, "body_too_large", f"a body has at most {MAX_BYTES} bytes")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise _Answer(413, "body_too_large", f"a body has at most {MAX_BYTES} bytes")
        parts.append(part)
    if not size:
        raise _Answer(422, "body_empty", "the request has no body")
    return b"".join(parts)


class KafkaOutlet:
    """An `Outlet` to Kafka: one producer for all requests, its reports served by the thread that polls it."""

    def __init__(self, enqueue: Callable[[Record, Callable[[str | None], None]], None]) -> None:
        """`enqueue` hands a record to the producer and says later, from any thread, what became of it (None: confirmed)."""
        self._enqueue = enqueue

    async def send(self, record: Record, timeout_seconds: float) -> None:
        """Send one record and wait for it."""
        running = asyncio.get_running_loop()
        done: asyncio.Future[str | None] = running.create_future()

        def tell(error: str | None) -> None:
            running.call_soon_threadsafe(lambda: None if done.done() else done.set_result(error))

        self._enqueue(record, tell)
        try:
            error = await asyncio.wait_for(done, timeout_seconds)
        except TimeoutError:
            raise DeliveryFailed(f"Kafka did not confirm the record within {timeout_seconds:g} s") from None
        if error is not None:
            raise DeliveryFailed(f"Kafka refused the record: {error}")
