"""A bulk edit under way: how far it is, paused, resumed, cancelled, taken back; every order's outcome, also as a file."""

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from nicegui import ui

from console import csv_text
from console.api import bulk_models as b
from console.api.problems import Problem
from console.many import SHOWN, First
from console.pages import bulk, charts, show
from console.pages.shell import RESPONSE_SECONDS, Desk, SignedOut, markup, shell, told
from console.sessions import Session
from schemas.failures import DependencyUnavailable
from schemas.ticket import APPLIED_STATES

LOOK_SECONDS: Final = 0.5
ACTS: Final = (("Pause", "pause"), ("Resume", "resume"), ("Cancel the rest", "cancel"))


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/bulk/{job_id}", title="Bulk edit - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def job(request: Request, job_id: UUID) -> Response | None:
        session = await desk.admit(request, "bulk.read")
        if isinstance(session, Response):
            return session
        try:
            found = await desk.ask(session, desk.bulk.shown, session.user, job_id)
            first = await desk.ask(session, desk.many.first, session.user, job_id)
        except Problem as problem:
            return HTMLResponse(f'<!doctype html><html lang="en"><title>Bulk edit</title><p>{show.escape(str(problem))}</p>', 404)
        with shell(desk, session, "Bulk edits"):
            page = _Page(desk, session, found, first)
            page.draw()
        return None


class _Page:
    """One person's view of one job."""

    def __init__(self, desk: Desk, session: Session, found: b.BulkView, first: First) -> None:
        self._desk = desk
        self._session = session
        self._found = found
        self._first = first
        self._id = found.bulk_id
        self._undo_key = str(uuid.uuid4())

    def draw(self) -> None:
        """Put everything on the page."""
        self._head = markup(show.Markup(""))
        with ui.element("section").classes("om-card om-stack").props('aria-live="polite" role="status"'):
            ui.html("Progress", tag="h2")
            self._bar = ui.linear_progress(show_value=False).props('aria-label="Orders that have an outcome"')
            self._counts = markup(show.Markup(""))
        with ui.element("div").classes("om-row"):
            self._buttons = {act: ui.button(name, on_click=self._steers(act)).props("no-caps outline") for name, act in ACTS}
            self._undo = ui.button("Undo all that were applied", on_click=self._take_back).props("no-caps outline")
            ui.element("div").classes("om-grow")
            ui.button("Outcomes as CSV", on_click=self._export).props("no-caps flat")
        with ui.element("div").props('aria-live="assertive"').style("width: 100%"):
            self._said = markup(show.Markup(""))
        self._orders = markup(show.Markup(""))
        self._refresh()
        self._timer = ui.timer(LOOK_SECONDS, self._tick)

    def _steers(self, act: str) -> Callable[[], Awaitable[None]]:
        async def done() -> None:
            self._said.content = show.Markup("")
            with told(self._say_not):
                await self._desk.ask(self._session, self._desk.bulk.steer, self._session.user, self._id, act)
            await self._read()

        return done

    async def _take_back(self) -> None:
        with told(self._say_not):
            undo = await self._desk.ask(self._session, self._desk.bulk.undo, self._session.user, self._id, self._undo_key, b"undo")
            ui.navigate.to(f"/bulk/{undo.bulk_id}")

    async def _export(self) -> None:
        with told(self._say_not):
            text = await self._desk.ask(self._session, self._csv)
            ui.download.content(text.encode(), f"bulk-{self._id}.csv", "text/csv")

    def _csv(self) -> str:
        return "".join(csv_text.lines(b.CSV_HEADER, self._desk.bulk.rows(self._session.user, self._id)))

    def _say_not(self, text: str) -> None:
        self._said.content = show.Markup(f"{show.chip('not done', 'bad')} <span>{show.escape(text)}</span>")

    async def _read(self) -> None:
        with told(self._say_not):
            await self._look(self._desk.ask)

    async def _look(self, how: Any) -> None:
        """Read the job and the orders to be shown, and draw them where they are not as before."""
        now = (await how(self._session, self._desk.bulk.shown, self._session.user, self._id),
               await how(self._session, self._desk.many.first, self._session.user, self._id))  # fmt: skip
        if now != (self._found, self._first):
            self._found, self._first = now
            self._refresh()

    async def _tick(self) -> None:
        """Show how far it is, for as long as the page is open and an order has no final outcome."""
        if self._over():
            self._timer.deactivate()
            return
        with suppress(DependencyUnavailable, SignedOut, Problem):
            await self._look(self._desk.look)

    def _over(self) -> bool:
        moving = ("planned", "sent", "waiting", "settling", "compensating")
        return self._found.state in {"done", "stopped", "cancelled"} and not any(self._found.outcomes.get(word) for word in moving)

    def _refresh(self) -> None:
        job = self._found
        done = "Undo of a bulk edit" if job.undoes else "Bulk edit"
        self._head.content = show.Markup(
            f"<h1>{done}: {job.orders} orders</h1>{show.chip(job.state, bulk.TONES.get(job.state, 'calm'))}"
            + show.facts([
                *([("Takes back", show.link("another job", f"/bulk/{job.undoes}"))] if job.undoes else [("What", bulk.what(job))]),
                ("Reason", show.words(job.reason_code)), ("Who", job.user_id), ("Where one fails", bulk.WAYS.get(job.mode, job.mode)),
                ("Started", show.moment(job.created_at)), *([("Comment", job.comment)] if job.comment else []),
            ])
        )  # fmt: skip
        ended = bulk.ended(job)
        self._bar.value = ended / max(1, job.orders)
        rows = [
            charts.Bar(show.words(name), count, str(count), bulk.tone(name))
            for name, count in sorted(job.outcomes.items(), key=lambda x: -x[1])
        ]
        self._counts.content = show.Markup(f"<p>{ended} of {job.orders} have an outcome.</p>" + charts.bars("Orders by outcome", rows))
        self._orders.content = show.section("Orders", self._table())
        open_, may = job.state in {"running", "paused"}, bulk.may_run(self._session)
        self._buttons["pause"].set_enabled(may and job.state == "running")
        self._buttons["resume"].set_enabled(may and job.state == "paused")
        self._buttons["cancel"].set_enabled(may and open_)
        applied = sum(job.outcomes.get(state, 0) for state in APPLIED_STATES)
        self._undo.set_enabled(may and not open_ and bool(applied) and job.undoes is None)

    def _table(self) -> show.Markup:
        found, total = self._first, self._found.orders
        rows = [
            (
                show.link(found.numbers[x.order_id], f"/orders/{x.order_id}") if x.order_id in found.numbers else str(x.order_id),
                show.chip(show.words(x.outcome), bulk.tone(x.outcome)), show.words(x.code or "-"), str(x.new_version or "-"),
            )
            for x in found.outcomes
        ]  # fmt: skip
        more = f'<p class="om-quiet">The first {SHOWN}; the file has all {total}.</p>' if total > SHOWN else ""
        return show.Markup(show.table("Orders", ("Order", "Outcome", "Why", "Version"), rows, "No orders.") + more)
