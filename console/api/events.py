"""Outcomes of an order as server-sent events: its version and the state of its tickets, whenever either changes.

The first event says how things stand, so nothing is missed by whoever connects again; `id` is the order's event number.
Source: WHATWG HTML, section 9.2 "Server-sent events", read 2026-11-24.
"""

import time
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from console.access import User
from console.api.problems import Problem, responses
from console.api.route import Does, May, OrderId
from console.services import Services
from console.watching import Bell
from schemas.failures import DependencyUnavailable

router = APIRouter(tags=["tickets"])
Reader = Annotated[User, Depends(May("orders.read"))]
BEAT_SECONDS = 15.0

_STREAM = {"description": "A stream of `order` events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}


@router.get("/orders/{order_id}/events", response_class=StreamingResponse, responses={**responses("no_such_order"), 200: _STREAM})
def watch_order(
    request: Request,
    order_id: OrderId,
    user: Reader,
    does: Does,
    seconds: Annotated[int, Query(ge=0, le=3600, description="End after so long.")] = 600,
) -> StreamingResponse:
    """Watch an order: `data` is {"version", "tickets": {ticket id: state}}."""
    first = does.pulse(order_id)
    bell: Bell = request.app.state.bell
    ends = time.time() + min(seconds, max(0.0, user.expires_at - time.time()))
    stream = _events(does, bell, order_id, first, ends)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(
    does: Services, bell: Bell, order_id: OrderId, first: tuple[int, int, dict[str, str]], ends: float
) -> AsyncIterator[bytes]:
    told, beaten = first, time.monotonic()
    yield _event(first)
    while time.time() < ends and not bell.stopping:
        await bell.wait(min(2.0, max(0.05, ends - time.time())))
        try:
            now = await run_in_threadpool(does.pulse, order_id)
        except (DependencyUnavailable, Problem):
            return  # the client connects again and learns how things stand
        if now != told:
            told, beaten = now, time.monotonic()
            yield _event(now)
        elif time.monotonic() - beaten > BEAT_SECONDS:
            beaten = time.monotonic()
            yield b": still here\n\n"


def _event(pulse: tuple[int, int, dict[str, str]]) -> bytes:
    version, number, tickets = pulse
    data = orjson.dumps({"version": version, "tickets": tickets}, option=orjson.OPT_SORT_KEYS)
    return b"event: order\nid: %d\ndata: %b\n\n" % (number, data)
