"""The door as a web application: the API, the login, the pages, behind one guard."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from console.api import bulk, edit_rules, events, letters, operating, orders, problems, replays, rules, stock, tickets
from console.api.links import add_links
from console.around import OrderAround
from console.book import Book
from console.bulk_work import BulkWork
from console.delegations import Delegations
from console.desks import Desks, no_desk
from console.edit_rule_tuning import EditRuleTuning
from console.editing import Editing
from console.finding import Finding
from console.guard import API, Guard
from console.issuer import Issuer
from console.letter_work import LetterWork
from console.login import Login
from console.many import Many
from console.measures import Ends, Measures
from console.reviewing import Reviewing
from console.revocations import Revocations
from console.rule_tuning import Rulebook, RuleTuning
from console.services import Services
from console.sessions import Sessions
from console.stock import Stock
from console.submitting import ASSERTION_SECONDS, Door
from console.tokens import Verifier
from console.watching import Bell
from dlq_handler import Desk
from modification_processor import load_what_edits_need
from schemas.assertion import Signer
from store.sealing import KeyVault

VERSION = "1.1.0"
ROUTERS: Final = (orders, tickets, bulk, letters, replays, rules, edit_rules, operating, stock, events)


@dataclass(frozen=True)
class Parts:
    """What the application is made of; chosen by `ordermend.bootstrap`."""

    book: Book
    vault: KeyVault
    signer: Signer
    topic: str
    verifier: Verifier
    issuer: Issuer | None = None
    """Whom people log in with; None: the API alone."""
    base_url: str = ""
    """Where people reach the pages: scheme, host and port."""
    desk: Callable[[], Desk] = no_desk
    """Sets up a desk for dead letters."""
    read_topics: tuple[str, ...] = ()
    """What the processor reads, for how far behind it is; `ends` says where they end, None: it is not shown."""
    ends: Ends | None = None
    rulebook: Rulebook | None = None
    """The tuning of intake's rules; None: it is neither shown nor changed."""


@dataclass(frozen=True)
class Console:
    """The application behind its guard (`asgi`), and the application itself."""

    api: FastAPI
    services: Services
    asgi: ASGIApp

    def closing(self) -> None:
        """End every stream: the process was told to stop, and a server waits for its answers to end. From any thread."""
        self.api.state.bell.close()


def create(parts: Parts) -> Console:
    """Put the application together."""
    load_what_edits_need()
    parts.signer.lifetime_seconds = ASSERTION_SECONDS
    services = Services(parts.book, parts.vault, Door(parts.signer, parts.topic))
    desks = Desks(parts.desk)
    lent = Delegations(parts.book).lent
    api = _api(parts, services, desks)
    if parts.issuer is not None:
        from console import pages  # noqa: PLC0415 -- the API alone needs no page library

        login = Login(parts.issuer, parts.verifier, Sessions(parts.book, parts.vault, lent=lent), parts.base_url, services.audit)
        works = (
            api.state.letters,
            api.state.rules,
            api.state.edit_rules,
            api.state.bulk,
            Editing(services),
            Finding(services),
            Many(services),
        )
        shown = (
            Reviewing(services),
            OrderAround(services),
            Measures(services, api.state.rules, parts.read_topics, parts.ends),
            api.state.stock,
        )
        pages.install(api, pages.Desk(services, login, api, *works, *shown))
    guard = Guard(
        api, verifier=parts.verifier, audit=services.audit, revocations=api.state.holds, lent=lent, host=urlsplit(parts.base_url).netloc
    )  # fmt: skip
    return Console(api, services, guard)


def _api(parts: Parts, services: Services, desks: Desks) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bell: Bell = app.state.bell
        bell.start(asyncio.get_running_loop())
        yield
        bell.stop()
        desks.close()
        parts.book.close()

    api = FastAPI(
        title="Ordermend",
        version=VERSION,
        summary="Read orders, correct them before fulfilment, and see what became of every correction.",
        openapi_url=f"{API}openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.services = services
    api.state.letters = LetterWork(services, desks)
    api.state.rules = RuleTuning(services, parts.rulebook)
    api.state.edit_rules = EditRuleTuning(services)
    api.state.bulk = BulkWork(services)
    api.state.stock = Stock(services)
    api.state.holds = Revocations(parts.book).hold
    api.state.bell = Bell(parts.book.connect)
    problems.install(api)
    for part in ROUTERS:
        api.include_router(part.router, prefix=API.removesuffix("/"))
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]  # the framework's own way to extend the document
    return api


def _openapi(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        found = get_openapi(title=api.title, version=api.version, summary=api.summary, routes=api.routes)
        schemas = found["components"]["schemas"]
        schemas["ProblemDocument"] = problems.ProblemDocument.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        add_links(found)
        api.openapi_schema = found
    return api.openapi_schema
