"""Outcomes as server-sent events: an order's version and its tickets, a job's or a bulk replay's progress, whenever they change.

The first event says how things stand, so nothing is missed by whoever connects again. A stream ends when it is asked to, with the token,
within seconds of a revocation, and as soon as the process is told to stop.
Source: WHATWG HTML, section 9.2 "Server-sent events", read 2026-11-24.
"""

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from console.access import User
from console.api.bulk import BulkId
from console.api.bulk import Works as BulkWorks
from console.api.letters import Works as LetterWorks
from console.api.problems import Problem, responses
from console.api.replays import ReplayId
from console.api.route import Does, May, OrderId
from console.letter_views import counts
from console.watching import Bell
from schemas.failures import DependencyUnavailable, OrdermendError

router = APIRouter(tags=["outcomes"])
Reader = Annotated[User, Depends(May("orders.read"))]
BulkReader = Annotated[User, Depends(May("bulk.read"))]
Operator = Annotated[User, Depends(May("letters.work"))]
Seconds = Annotated[int, Query(ge=0, le=3600, description="End after so long.")]
BEAT_SECONDS = 15.0


def _stream(event: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": f"A stream of `{event}` events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get("/orders/{order_id}/events", response_class=StreamingResponse, responses={**responses("no_such_order"), **_stream("order")})
def watch_order(request: Request, order_id: OrderId, user: Reader, does: Does, seconds: Seconds = 600) -> StreamingResponse:
    """Watch an order: `data` is {"version", "tickets": {ticket id: state}}; `id` is the order's event number."""

    def look() -> bytes:
        version, number, tickets = does.pulse(order_id)
        return _event("order", {"version": version, "tickets": tickets}, number)

    return _answer(request, user, seconds, look)


@router.get(
    "/bulk-edits/{bulk_id}/events", response_class=StreamingResponse, responses={**responses("no_such_bulk_edit"), **_stream("progress")}
)
def watch_bulk_edit(request: Request, bulk_id: BulkId, user: BulkReader, works: BulkWorks, seconds: Seconds = 600) -> StreamingResponse:
    """Watch a bulk edit: `data` is {"state", "orders", "outcomes"}."""

    def look() -> bytes:
        now = works.shown(user, bulk_id)
        return _event("progress", {"state": now.state, "orders": now.orders, "outcomes": now.outcomes})

    return _answer(request, user, seconds, look)


@router.get(
    "/bulk-replays/{replay_id}/events",
    response_class=StreamingResponse,
    responses={**responses("no_such_bulk_replay"), **_stream("progress")},
)
def watch_bulk_replay(
    request: Request, replay_id: ReplayId, user: Operator, works: LetterWorks, seconds: Seconds = 600
) -> StreamingResponse:
    """Watch a bulk replay: `data` is {"state", "letters"}."""

    def look() -> bytes:
        now = works.progress(user, replay_id).progress
        return _event("progress", {"state": now.state, "letters": counts(now)})

    return _answer(request, user, seconds, look)


def _answer(request: Request, user: User, seconds: int, look: Callable[[], bytes]) -> StreamingResponse:
    """Answer with a stream of what `look` returns, each time it is something else; the first look is taken before anything is sent."""
    first = look()
    ends = time.time() + min(seconds, max(0.0, user.expires_at - time.time()))
    stream = _events(request.app.state.bell, first, ends, lambda: look() if request.app.state.holds(user) else None)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(bell: Bell, first: bytes, ends: float, look: Callable[[], bytes | None]) -> AsyncIterator[bytes]:
    told, beaten = first, time.monotonic()
    yield first
    while time.time() < ends and not bell.stopping:
        await bell.wait(min(2.0, max(0.05, ends - time.time())))
        if bell.stopping:
            return
        try:
            now = await run_in_threadpool(look)
        except (DependencyUnavailable, Problem, OrdermendError):
            return  # the client connects again and learns how things stand
        if now is None:
            return  # what the user held was revoked
        if now != told:
            told, beaten = now, time.monotonic()
            yield now
        elif time.monotonic() - beaten > BEAT_SECONDS:
            beaten = time.monotonic()
            yield b": still here\n\n"


def _event(name: str, data: dict[str, Any], number: int | None = None) -> bytes:
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), b"" if number is None else b"id: %d\n" % number, text)
