"""A bulk replay: its letters frozen, canaries first, stopped where too many fail; how far it is, and what became of each letter."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from nicegui import background_tasks, ui

from console.access import can
from console.api.problems import Problem
from console.letter_work import STARTABLE, BulkShown
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, SignedOut, markup, shell, told
from console.sessions import Session
from dlq_handler import Progress
from schemas.failures import DependencyUnavailable, OrdermendError

TONES: Final = {
    "done": "good",
    "running": "wait",
    "awaiting_approval": "wait",
    "sent": "wait",
    "paused": "wait",
    "stopped": "bad",
    "failed": "bad",
}
LOOK_SECONDS: Final = 0.5


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/replays/{bulk_id}", title="Bulk replay - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def replay(request: Request, bulk_id: UUID) -> Response | None:
        session = await desk.admit(request, "letters.work")
        if isinstance(session, Response):
            return session
        try:
            found = await desk.ask(session, desk.letters.progress, session.user, bulk_id)
        except (Problem, OrdermendError) as error:
            return HTMLResponse(f'<!doctype html><html lang="en"><title>Bulk replay</title><p>{show.escape(str(error))}</p>', 404)
        with shell(desk, session, "Dead letters"):
            page = _Page(desk, session, found)
            page.draw()
        background_tasks.create(page.watch(ui.context.client), name=f"watch bulk {bulk_id}")
        return None


class _Page:
    """One person's view of one bulk replay."""

    def __init__(self, desk: Desk, session: Session, found: BulkShown) -> None:
        self._desk = desk
        self._session = session
        self._found = found
        self._id = found.progress.bulk_id

    def draw(self) -> None:
        """Put everything on the page."""
        letters = self._desk.letters
        self._head = markup(show.Markup(""))
        with ui.element("section").classes("om-card").props('aria-live="polite" role="status"'):
            ui.html("Progress", tag="h2")
            self._bar = ui.linear_progress(show_value=False).props('aria-label="Letters that have ended"')
            self._counts = markup(show.Markup(""))
        with ui.element("div").classes("om-row"):
            self._run = ui.button("Run", on_click=self._does(letters.start)).props("no-caps unelevated")
            self._pause = ui.button("Pause", on_click=self._does(letters.pause)).props("no-caps outline")
            self._approve = ui.button("Approve", on_click=self._does(letters.approve_bulk)).props("no-caps outline")
        with ui.element("div").props('aria-live="assertive"').style("width: 100%"):
            self._said = markup(show.Markup(""))
        self._members = markup(show.Markup(""))
        self._refresh()

    def _does(self, act: Callable[..., Progress]) -> Callable[[], Awaitable[None]]:
        async def done() -> None:
            self._said.content = show.Markup("")
            with told(self._say_not):
                await self._desk.ask(self._session, act, self._session.user, self._id)
            with told(self._say_not):
                self._found = await self._desk.ask(self._session, self._desk.letters.progress, self._session.user, self._id)
                self._refresh()

        return done

    def _say_not(self, text: str) -> None:
        self._said.content = show.Markup(f"{show.chip('not done', 'bad')} <span>{show.escape(text)}</span>")

    async def watch(self, client: Any) -> None:
        """Show how far it is, for as long as the page is open and the replay has not ended."""
        await client.connected()
        while not client.is_deleted and not self._desk.bell.stopping and self._found.progress.state not in ("done", "stopped"):
            await self._desk.bell.wait(LOOK_SECONDS)
            try:
                now = await self._desk.look(self._session, self._desk.letters.progress, self._session.user, self._id)
            except DependencyUnavailable:
                continue
            except SignedOut:
                return
            if now != self._found and not client.is_deleted:
                self._found = now
                with client:
                    self._refresh()

    def _refresh(self) -> None:
        found, at = self._found, self._found.progress
        total = at.frozen + at.sent + at.done + at.failed + at.skipped
        self._head.content = show.Markup(
            f"<h1>Bulk replay of {total} letters</h1>{show.chip(show.words(at.state), TONES.get(at.state, 'calm'))}"
        )
        self._bar.value = (at.done + at.failed + at.skipped) / max(1, total)
        self._counts.content = show.facts(
            [
                ("Ended well", f"{at.done} of {total}"),
                ("Failed", str(at.failed)),
                ("Skipped", str(at.skipped)),
                ("Under way", str(at.sent)),
                ("Not sent yet", str(at.frozen)),
                *([("Because", at.reason)] if at.reason else []),
                ("Cause", show.link(found.cause, f"/letters?cause={quote(found.cause)}")),
                ("Prepared by", found.actor + (", with a patch for every letter" if found.edited else "")),
                ("Approved by", found.approved_by or "-"),
            ]
        )
        rows = [
            (show.link(str(x.letter_id), f"/letters/{x.letter_id}"), show.chip(x.state, TONES.get(x.state, "calm")), x.detail or "-")
            for x in found.members
        ]
        self._members.content = show.section("Letters", show.table("Letters", ("Letter", "State", "What happened"), rows, "-"))
        self._run.set_enabled(at.state in STARTABLE)
        self._pause.set_enabled(at.state == "running")
        self._approve.set_visibility(at.state == "awaiting_approval" and can("letters.approve", self._session.user.roles))
