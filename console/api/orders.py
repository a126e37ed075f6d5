"""Orders: found, read now and as of any version, with what may be done to them and what was."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response

from console import cursors
from console.access import User
from console.api import models as m
from console.api.problems import responses
from console.api.route import After, Does, Limit, May, OrderId, Version
from console.queries.orders import Filters

router = APIRouter(tags=["orders"])
Reader = Annotated[User, Depends(May("orders.read"))]
Author = Annotated[User, Depends(May("tickets.preview"))]
Lifecycle = Literal["received", "held", "confirmed", "closed", "cancelled"]
Age = Literal["hour", "day", "week", "month", "over_day", "over_week", "over_month"]
_ORDER = responses("no_such_order")
_VERSION = responses("no_such_order", "no_such_version")


@router.get("/orders", responses=responses())
def find_orders(
    _user: Reader,
    does: Does,
    cursor: After = None,
    limit: Limit = 50,
    q: Annotated[
        str | None, Query(max_length=254, description="Order number, channel's order id, name, e-mail, phone, SKU or postcode.")
    ] = None,
    lifecycle: Lifecycle | None = None,
    channel: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$")] = None,
    hold: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$", description="A kind of hold that the order has.")] = None,
    age: Annotated[Age | None, Query(description="How long ago it arrived: within an hour, …, or over a day, … ago.")] = None,
    edited: Annotated[Literal["true", "false"] | None, Query(description="Whether any edit was applied.")] = None,
) -> m.OrderPage:
    """Find orders, newest arrival first."""
    return does.find(Filters(q, lifecycle, channel, hold, age, None if edited is None else edited == "true"), cursor, limit)


@router.get(
    "/orders/{order_id}",
    responses={
        **_ORDER,
        200: {"headers": {"ETag": {"description": "The version, quoted; If-Match of a ticket takes it.", "schema": {"type": "string"}}}},
        304: {"description": "The order is still at the version you have."},
    },
    response_model=m.OrderView,
)
def read_order(
    order_id: OrderId,
    _user: Reader,
    does: Does,
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> m.OrderView | Response:
    """Read an order as it is now."""
    view = does.order(order_id)
    etag = f'"{view.version}"'
    if if_none_match is not None and etag in [part.strip() for part in if_none_match.split(",")]:
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return view


@router.get("/orders/{order_id}/modes", responses=_ORDER)
def read_modes(order_id: OrderId, user: Reader, does: Does) -> m.ModesView:
    """Say of each field whether the caller may change it, by which rule, and why not."""
    return does.modes(user, order_id)


@router.get("/orders/{order_id}/history", responses=_ORDER)
def read_history(order_id: OrderId, _user: Reader, does: Does, cursor: After = None, limit: Limit = 100) -> m.HistoryPage:
    """List every changed leaf with user, time, old, new and reason, newest first."""
    before = int(cursors.decode(cursor, int)[0]) if cursor else None
    rows, more = does.history(order_id, before, limit)
    return m.HistoryPage(items=rows, next=cursors.encode(more) if more is not None else None)


@router.get("/orders/{order_id}/versions", responses=_ORDER)
def read_versions(order_id: OrderId, _user: Reader, does: Does) -> m.VersionsView:
    """List what made each version."""
    return does.versions(order_id)


@router.get("/orders/{order_id}/versions/{version}", responses=_VERSION)
def read_version(order_id: OrderId, version: Version, _user: Reader, does: Does) -> m.OrderView:
    """Read an order as of a version; 1 is as placed."""
    return does.order(order_id, version)


@router.get("/orders/{order_id}/diff", responses=_VERSION)
def read_diff(
    order_id: OrderId,
    _user: Reader,
    does: Does,
    older: Annotated[int, Query(ge=1, le=m.MAX_INT)],
    newer: Annotated[int, Query(ge=1, le=m.MAX_INT)],
) -> m.DiffView:
    """Say what differs between two versions, who changed it last, and why the total moved."""
    return does.diff(order_id, older, newer)


@router.post("/orders/{order_id}/preview", responses=_ORDER)
def preview(order_id: OrderId, user: Author, does: Does, body: m.PreviewBody) -> m.PreviewView:
    """Say what operations would do now, by the code that would do it. Changes nothing."""
    return does.preview(user, order_id, body.operations, body.reason_code)


@router.get("/operations", responses=responses())
def read_operations(_user: Reader, does: Does) -> m.OperationsView:
    """List the operations a ticket can have."""
    return does.operations()
