"""What every page shares: who is signed in, the bar, the colours, and how a problem is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final, TypeVar
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import ui
from starlette.concurrency import run_in_threadpool

from console.access import Action, User, may
from console.api.problems import Problem
from console.around import OrderAround
from console.bulk_work import BulkWork
from console.edit_rule_tuning import EditRuleTuning
from console.editing import Editing
from console.finding import Finding
from console.letter_work import LetterWork
from console.login import Login
from console.many import Many
from console.measures import Measures
from console.pages.show import Markup
from console.reviewing import Reviewing
from console.rule_tuning import RuleTuning
from console.services import Services
from console.sessions import Session
from console.stock import Stock
from console.watching import Bell
from schemas.failures import DependencyUnavailable, OrdermendError

T = TypeVar("T")
RESPONSE_SECONDS: Final = 20.0
_NAV: Final[tuple[tuple[str, str, Action], ...]] = (
    ("Orders", "/", "orders.read"),
    ("Bulk edits", "/bulk", "bulk.read"),
    ("Approvals", "/approvals", "approvals.read"),
    ("Dead letters", "/letters", "letters.read"),
    ("Stock", "/stock", "stock.read"),
    ("Rules", "/rules", "rules.read"),
    ("Figures", "/kpis", "kpis.read"),
)
_CSS: Final = resources.files("console.pages").joinpath("style.css").read_text(encoding="utf-8")


class SignedOut(Exception):
    """The session is over."""


@dataclass(frozen=True)
class Desk:
    """What pages are made with."""

    services: Services
    login: Login
    api: FastAPI
    letters: LetterWork
    rules: RuleTuning
    edit_rules: EditRuleTuning
    bulk: BulkWork
    editing: Editing
    finding: Finding
    many: Many
    reviewing: Reviewing
    around: OrderAround
    measures: Measures
    stock: Stock

    @property
    def bell(self) -> Bell:
        """What rings when something was committed."""
        found: Bell = self.api.state.bell
        return found

    async def admit(self, request: Request, action: Action) -> Session | Response:
        """Return who is signed in and may see this page, or where to go instead."""
        return await run_in_threadpool(self._admit, request, action)

    def _admit(self, request: Request, action: Action) -> Session | Response:
        try:
            session = self.login.session(request)
            if session is None:
                here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/login?next={quote(here, safe='/')}", 303)
            if not may(action, session.user):
                self.services.audit(session.user.sub, f"GET {request.url.path}"[:200], f"role_missing {action}")
                return _plain("No access", "None of your roles shows this page.", 403)
        except DependencyUnavailable:
            return _plain("Not now", "The order book does not answer. Nothing was changed; load the page again in a moment.", 503)
        return session

    async def ask(self, session: Session, call: Callable[..., T], *arguments: Any) -> T:
        """Call a service off the event loop because a person did something, for a session that is still good."""
        return await run_in_threadpool(self._for, session, True, call, arguments)

    async def look(self, session: Session, call: Callable[..., T], *arguments: Any) -> T:
        """Call a service off the event loop because time has passed: a page that is only open does not keep its session from going idle."""
        return await run_in_threadpool(self._for, session, False, call, arguments)

    def _for(self, session: Session, used: bool, call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        if not self.login.sessions.alive(session, used=used):
            raise SignedOut
        return call(*arguments)


def _plain(title: str, sentence: str, status: int) -> Response:
    return HTMLResponse(f'<!doctype html><html lang="en"><title>{title}</title><p>{sentence}</p>', status, {"Cache-Control": "no-store"})


def _notify(text: str) -> None:
    ui.notify(text, type="negative")


@contextmanager
def told(say: Callable[[str], None] = _notify) -> Iterator[None]:
    """Tell the person what went wrong, in one sentence, and go on. `say` puts it where they look."""
    try:
        yield
    except SignedOut:
        ui.notify("You are signed out. Load the page again to sign in.", type="warning", timeout=0, close_button="Close")
    except DependencyUnavailable:
        say("The order book does not answer. Nothing was changed; try again in a moment.")
    except (Problem, OrdermendError) as problem:
        say(str(problem))


@contextmanager
def shell(desk: Desk, session: Session, here: str) -> Iterator[None]:
    """Draw the bar; the page goes inside."""
    ui.add_css(_CSS)
    ui.colors(primary="#1f5f5b")
    dark = ui.dark_mode(session.dark)
    with ui.element("header").classes("om-bar"):
        ui.label("Ordermend").classes("om-brand")
        with ui.element("nav").classes("om-row").props('aria-label="Main"').style("width: auto"):
            for name, path, action in _NAV:
                if may(action, session.user):
                    link = ui.link(name, path)
                    if name == here:
                        link.props('aria-current="page"')
        ui.element("div").classes("om-grow")
        ui.label(session.user.name or session.user.sub)
        ui.label(_roles(session.user)).classes("om-quiet om-small om-roles")

        async def switch() -> None:
            dark.value = not dark.value
            with told():
                await desk.ask(session, partial(desk.login.sessions.colour, session, dark=bool(dark.value)))

        ui.button("Colours", on_click=switch).props('flat dense no-caps aria-label="Switch between light and dark"')
        with ui.element("form").props('method="post" action="/logout"'):
            ui.button("Sign out").props("flat dense no-caps type=submit")
    with ui.element("main").classes("om-main"):
        yield


def _roles(user: User) -> str:
    """Return somebody's roles in words; those they were lent say so."""
    return ", ".join([*sorted(user.roles), *(f"{role} (lent)" for role in sorted(user.lent - user.roles))])


def markup(text: Markup) -> ui.html:
    """Put HTML of ours on the page."""
    return ui.html(text).style("width: 100%")
