"""What every route shares: who asks, what they may, and the parameters that many take."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPBearer

from console.access import Action, User
from console.api.models import MAX_INT
from console.api.problems import Problem
from console.services import Services

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token (RFC 9068) of the configured issuer.")


def services_of(request: Request) -> Services:
    """Return what the routes call."""
    found: Services = request.app.state.services
    return found


Does = Annotated[Services, Depends(services_of)]


class May:
    """Asks for a right; gives the user who has it. The guard has verified the token already."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def __call__(self, request: Request, services: Does, _token: Annotated[Any, Security(_bearer)]) -> User:
        """Return the user, or raise `role_missing`."""
        user: User = request.state.user
        _check_query(request)
        order_id = request.path_params.get("order_id", "")
        services.check(user, self.action, f"{request.method} {request.url.path}"[:200], _uuid(order_id))
        return user


def _check_query(request: Request) -> None:
    """Refuse a query parameter that the route does not know: a misspelt filter must not answer with everything."""
    route = request.scope["route"]
    known = {parameter.alias for parameter in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise Problem(
                "invalid_request", f"there is no query parameter {name[:40]!r}", field=f"/query/{name[:40]}", rule="extra_forbidden"
            )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def action_of(endpoint: Callable[..., object]) -> Action | None:
    """Return the right a route asks for, from its signature."""
    for annotation in getattr(endpoint, "__annotations__", {}).values():
        for part in getattr(annotation, "__metadata__", ()):
            if isinstance(getattr(part, "dependency", None), May):
                found: Action = part.dependency.action
                return found
    return None


OrderId = Annotated[UUID, Path(description="Our id of the order.")]
TicketId = Annotated[UUID, Path(description="The ticket's id.")]
Version = Annotated[int, Path(ge=1, le=MAX_INT, description="A version of the order; 1 is as placed.")]
CURSOR = r"^[A-Za-z0-9_-]{1,400}$"
After = Annotated[str | None, Query(alias="cursor", pattern=CURSOR, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Chosen by the client; the same request sent again under it is taken once. A UUID becomes the message's id.",
    ),
]


async def body_bytes(request: Request) -> bytes:
    """Return the request as it was sent: what an idempotency key stands for."""
    return request.url.path.encode() + b"\n" + (request.headers.get("if-match", "")).encode() + b"\n" + await request.body()


Bytes = Annotated[bytes, Depends(body_bytes)]


async def body_text(request: Request) -> str:
    """Return the body as text, as it was sent: parsed, its numbers would lose digits."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem("invalid_request", "the body is no UTF-8 text", field="/body", rule="utf8") from None


BodyText = Annotated[str, Depends(body_text)]
