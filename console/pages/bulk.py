"""One edit of many orders: what to do, tried over the selection first, then started; and the jobs there are."""

import uuid
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.api import bulk_models as b
from console.api import models as m
from console.api.problems import Problem
from console.pages import charts, show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session
from modification_processor import BULK_FINE, BULK_MODES, BULK_UNDECIDED, BulkRequest, DryRun
from schemas.money import to_text
from schemas.ticket import Operation

WAYS: Final = {
    "skip_failed": "skip those that fail", "stop_after": "stop after some failures", "all_or_nothing": "all or nothing (at most 500)",
}  # fmt: skip
LOOK_SECONDS: Final = 0.3
LISTED: Final = 50
TONES: Final = {"running": "wait", "paused": "wait", "done": "good", "stopped": "bad", "cancelled": "calm"}


def install(desk: Desk) -> None:
    """Add the pages."""

    @ui.page("/bulk", title="Bulk edits - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def jobs(request: Request) -> Response | None:
        session = await desk.admit(request, "bulk.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Bulk edits"):
            ui.html("Bulk edits", tag="h1")
            ui.label("A bulk edit begins in the list of orders: choose some there, or all that fit a search.").classes("om-quiet")
            with told():
                markup(show.section("Jobs", _jobs((await desk.ask(session, desk.bulk.listing, session.user, None, LISTED)).items)))
        return None

    @ui.page("/bulk/new", title="Bulk edit - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def new(request: Request, selection: str = "") -> Response | None:
        session = await desk.admit(request, "bulk.work")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Bulk edits"):
            try:
                ids = await desk.ask(session, desk.finding.selected, session.user, selection)
            except Problem as problem:
                ui.html("Bulk edit", tag="h1")
                ui.label(f"{problem}".capitalize()).props('role="alert"')
                ui.link("To the orders", "/")
                return None
            known = await desk.ask(session, desk.services.operations)
            _New(desk, session, ids, known).draw()
        return None


def _jobs(jobs: list[b.BulkView]) -> show.Markup:
    rows = [
        (
            show.link(f"{x.created_at:%d %b %Y, %H:%M} UTC", f"/bulk/{x.bulk_id}"), what(x), show.words(x.reason_code), x.user_id,
            show.chip(x.state, TONES.get(x.state, "calm")), f"{ended(x)} of {x.orders}",
        )
        for x in jobs
    ]  # fmt: skip
    return show.table("Jobs", ("Started", "What", "Reason", "Who", "State", "Orders"), rows, "No bulk edit yet.")


def what(job: b.BulkView) -> str:
    """Return what a job does."""
    return "take another one back" if job.undoes else ", ".join(map(show.words, job.operations)) or "-"


def ended(job: b.BulkView) -> int:
    """Return how many orders of a job have an outcome."""
    return job.orders - sum(job.outcomes.get(word, 0) for word in BULK_UNDECIDED)


class _New:
    """One person's bulk edit that is not started yet."""

    def __init__(self, desk: Desk, session: Session, ids: tuple[UUID, ...], known: m.OperationsView) -> None:
        self._desk = desk
        self._session = session
        self._ids = ids
        self._known = {operation.name: operation for operation in known.items if operation.bulk_safe}
        self._arguments: dict[str, Any] = {}
        self._tried: BulkRequest | None = None
        self._job_id = uuid.uuid4()

    def draw(self) -> None:
        """Put everything on the page."""
        ui.html(f"Bulk edit of {len(self._ids)} orders", tag="h1")
        with ui.element("div").classes("om-halves"):
            with ui.element("section").classes("om-card om-stack").props('aria-label="What to do"'):
                self._draw_form()
            with ui.element("section").classes("om-card om-stack").props('aria-label="What it would do"'):
                ui.html("What it would do", tag="h2")
                self._bar = ui.linear_progress(value=0, show_value=False).props('aria-label="Orders tried"')
                self._bar.set_visibility(False)
                with ui.element("div").props('aria-live="polite" role="status"'):
                    self._found = markup(show.Markup('<p class="om-quiet">Nothing is changed before you start it. Try it first.</p>'))
        self._choose_operation()

    def _draw_form(self) -> None:
        ui.html("What to do", tag="h2")
        names = {name: show.words(name) for name in self._known}
        self._operation = ui.select(names, value=next(iter(names), None), label="Operation", on_change=self._choose_operation)
        self._operation.props("outlined dense").style("width: 100%")
        self._box = ui.element("div").classes("om-stack")
        self._reason = ui.select({}, label="Reason code (required)", on_change=self._stale).props("outlined dense").style("width: 100%")
        self._mode = ui.select(
            {mode: WAYS[mode] for mode in BULK_MODES}, value="skip_failed", label="Where one fails", on_change=self._stale
        )
        self._mode.props("outlined dense").style("width: 100%")
        self._after = ui.number("Failures to stop after", value=10, min=1, precision=0, on_change=self._stale).props("outlined dense")
        self._comment = ui.input("Comment", on_change=self._stale).props("outlined dense maxlength=2000").style("width: 100%")
        with ui.element("div").classes("om-row"):
            self._try = ui.button("Try it", on_click=self._dry_run).props("no-caps outline")
            self._start = ui.button(f"Start for {len(self._ids)} orders", on_click=self._run).props("no-caps unelevated")
        self._start.set_enabled(False)

    def _choose_operation(self, _event: Any = None) -> None:
        """Show the fields of the operation's arguments, as its own schema has them."""
        operation = self._known.get(self._operation.value)
        self._box.clear()
        self._arguments = {}
        self._stale()
        if operation is None:
            return
        required = set(operation.arguments.get("required", ()))
        with self._box:
            for name, schema in operation.arguments.get("properties", {}).items():
                label = show.words(name).capitalize() + ("" if name in required else " (optional)")
                kind = _kind(schema)
                made = (
                    ui.input(label + (", comma between" if kind == "array" else ""), on_change=self._stale)
                    .props("outlined dense")
                    .style("width: 100%")
                )
                if kind == "moment":
                    made.props("type=datetime-local stack-label")
                self._arguments[name] = (kind, made)
        self._reason.set_options({code: show.words(code) for code in operation.reasons}, value=None)

    def _stale(self, _event: Any = None) -> None:
        """What was tried is not what stands here any more."""
        self._tried = None
        if hasattr(self, "_start"):
            self._start.set_enabled(False)
            self._after.set_visibility(self._mode.value == "stop_after")

    def _request(self) -> BulkRequest:
        arguments = {name: value for name, (kind, made) in self._arguments.items() if (value := _value(kind, made.value or "")) is not None}
        operation = Operation(name=self._operation.value, arguments=orjson.dumps(arguments).decode())
        if not self._reason.value:
            raise Problem("invalid_request", "choose a reason first", field="reason_code", rule="reason_known")
        user = self._session.user
        return BulkRequest(
            (operation,),
            self._reason.value,
            user.sub,
            user.roles,
            self._mode.value,
            int(self._after.value or 1),
            self._comment.value or None,
        )

    async def _dry_run(self) -> None:
        done = [0]
        timer = ui.timer(LOOK_SECONDS, lambda: self._bar.set_value(done[0] / max(1, len(self._ids))))
        self._try.set_enabled(False)
        self._bar.set_visibility(True)
        try:
            with told(self._say_not):
                request = self._request()
                found = await self._desk.ask(
                    self._session, partial(self._desk.many.try_it, self._session.user, request, self._ids), lambda n: done.__setitem__(0, n)
                )
                self._found.content = tried(found)
                self._tried = replace(request)
                self._start.set_enabled(any(found.outcomes.get(word) for word in ("applied", "awaiting_approval")))
        finally:
            timer.deactivate()
            self._bar.set_visibility(False)
            self._try.set_enabled(True)

    async def _run(self) -> None:
        if self._tried is None:
            return
        self._start.set_enabled(False)
        with told(self._say_not):
            await self._desk.ask(self._session, self._desk.many.start, self._session.user, self._tried, self._ids, self._job_id)
            ui.navigate.to(f"/bulk/{self._job_id}")

    def _say_not(self, text: str) -> None:
        self._found.content = show.Markup(f'<p role="alert">{show.chip("not done", "bad")} {show.escape(text)}</p>')


def _kind(schema: dict[str, Any]) -> str:
    """Return how a property is typed: text, array or moment."""
    parts = [schema, *schema.get("anyOf", ())]
    if any(part.get("type") == "array" for part in parts):
        return "array"
    return "moment" if any(part.get("format") == "date-time" for part in parts) else "text"


def _value(kind: str, text: str) -> Any:
    if kind == "array":
        return [part.strip() for part in text.split(",") if part.strip()] or None
    if kind == "moment":
        return f"{text}:00Z" if text else None
    return text.strip() or None


def tried(found: DryRun) -> show.Markup:
    """Return what a dry run found: a histogram of outcomes, the money, and what would wait for whom."""
    total = sum(found.outcomes.values())
    tones = {"applied": "good", "awaiting_approval": "wait"}
    rows = [charts.Bar(show.words(name), count, str(count), tones.get(name, "bad")) for name, count in found.outcomes.most_common()]
    money = [
        (f"Money in {currency}", f"{to_text(amount, currency)} {currency}") for currency, amount in sorted(found.money_delta_minor.items())
    ]
    waits = [("Would wait for approval", f"{count}: {show.words(rule)}") for rule, count in found.approvals.most_common()]
    return show.Markup(
        f"<p>Tried over {total} orders; nothing was changed.</p>" + charts.bars("Orders by outcome", rows) + show.facts([*money, *waits])
    )


def tone(outcome: str) -> str:
    """Return the colour of an order's outcome."""
    if outcome in show.STATES:
        return show.STATES[outcome]
    return "good" if outcome in BULK_FINE else "calm" if outcome in {"planned", "sent"} else "bad"


def may_run(session: Session) -> bool:
    """Whether this person steers jobs."""
    return can("bulk.work", session.user.roles)
