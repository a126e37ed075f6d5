"""Tickets: sent, watched, withdrawn, reviewed, taken back. Every POST is answered 202 with where to watch."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from console.access import User
from console.api import models as m
from console.api.problems import Problem, responses
from console.api.route import After, Bytes, Does, Key, Limit, May, OrderId, TicketId

router = APIRouter(tags=["tickets"])
Reader = Annotated[User, Depends(May("orders.read"))]
Author = Annotated[User, Depends(May("tickets.submit"))]
Withdrawer = Annotated[User, Depends(May("tickets.cancel"))]
Reviewer = Annotated[User, Depends(May("tickets.review"))]
ApprovalsReader = Annotated[User, Depends(May("approvals.read"))]

_LOCATION: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "Where the ticket's state is.", "schema": {"type": "string"}}}}
}
_TICKET = responses("no_such_order", "no_such_ticket")
_SENT = {**_TICKET, **_LOCATION}
Match = Annotated[str | None, Header(alias="If-Match", max_length=40, description="ETag of the order its author looked at.")]


@router.get("/orders/{order_id}/tickets", responses=responses("no_such_order"))
def list_tickets(order_id: OrderId, _user: Reader, does: Does) -> m.TicketsView:
    """List an order's tickets, newest first."""
    return does.tickets(order_id)


@router.post(
    "/orders/{order_id}/tickets",
    status_code=202,
    responses={**responses("no_such_order", "version_ahead", "base_version_missing"), **_LOCATION},
)
def submit_ticket(
    order_id: OrderId, user: Author, does: Does, key: Key, body: m.TicketBody, request: Bytes, response: Response, match: Match = None
) -> m.Accepted:
    """Ask for a change. Once this answers 202 the ticket is kept, whatever happens to Kafka or to us."""
    return _located(response, does.submit(user, order_id, key, body, _base(body.base_version, match), request))


@router.get("/orders/{order_id}/tickets/{ticket_id}", responses=_TICKET)
def read_ticket(order_id: OrderId, ticket_id: TicketId, _user: Reader, does: Does) -> m.TicketView:
    """Read where a ticket stands."""
    return does.ticket(order_id, ticket_id)


@router.get("/orders/{order_id}/tickets/{ticket_id}/effects", responses={**_TICKET, **responses("erased")})
def read_effects(order_id: OrderId, ticket_id: TicketId, _user: Reader, does: Does) -> m.PreviewView:
    """Say what a ticket would do now: what its reviewer has to see."""
    return does.effects(order_id, ticket_id)


@router.post("/orders/{order_id}/tickets/{ticket_id}/cancel", status_code=202, responses=_SENT)
def cancel_ticket(
    order_id: OrderId, ticket_id: TicketId, user: Withdrawer, does: Does, key: Key, body: m.CancelBody, request: Bytes, response: Response
) -> m.Accepted:
    """Withdraw a ticket that waits, awaits approval or is dead."""
    return _located(response, does.cancel(user, order_id, ticket_id, key, body, request))


@router.post("/orders/{order_id}/tickets/{ticket_id}/review", status_code=202, responses=_SENT)
def review_ticket(
    order_id: OrderId, ticket_id: TicketId, user: Reviewer, does: Does, key: Key, body: m.ReviewBody, request: Bytes, response: Response
) -> m.Accepted:
    """Approve or decline a ticket of somebody else, for the effects that were seen."""
    return _located(response, does.review(user, order_id, ticket_id, key, body, request))


@router.post("/orders/{order_id}/tickets/{ticket_id}/undo", status_code=202, responses=_SENT)
def undo_ticket(
    order_id: OrderId, ticket_id: TicketId, user: Author, does: Does, key: Key, body: m.UndoBody, request: Bytes, response: Response
) -> m.Accepted:
    """Send a new ticket that takes an applied one back, exactly."""
    return _located(response, does.undo(user, order_id, ticket_id, key, body, request))


@router.get("/approvals", responses=responses())
def list_approvals(_user: ApprovalsReader, does: Does, cursor: After = None, limit: Limit = 50) -> m.ApprovalPage:
    """List tickets that await approval, longest waiting first."""
    return does.approvals(cursor, limit)


def _located(response: Response, accepted: m.Accepted) -> m.Accepted:
    response.headers["Location"] = accepted.status_url
    return accepted


def _base(stated: int | None, match: str | None) -> int | None:
    """Return the version the author looked at, from the body or from If-Match; the two must agree."""
    if match is None:
        return stated
    digits = match.strip().removeprefix('"').removesuffix('"')
    if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= m.MAX_INT:
        raise Problem("invalid_request", 'If-Match is the ETag of an order, such as "3"', field="/header/if-match", rule="etag")
    if stated is not None and stated != int(digits):
        raise Problem("invalid_request", "If-Match and base_version differ", field="/body/base_version", rule="one_base_version")
    return int(digits)
