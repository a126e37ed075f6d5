"""The Edit Order form: each field in its mode with its reason, what it would do as it is typed, apply, result, undo; in one place."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from nicegui import ui

from console.api import models as m
from console.api.problems import Problem
from console.pages import form, show
from console.pages.shell import Desk, markup, told
from console.sessions import Session
from schemas.failures import DependencyUnavailable

WAITS: Final = frozenset({"submitted", "waiting", "compensating", "settling"})
OUTCOME_SECONDS: Final = 20.0


class Edit:
    """One person's form over one order. `allowed` is set by the page; `changed` draws the page again."""

    def __init__(self, desk: Desk, session: Session, order_id: UUID, changed: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._session = session
        self._id = order_id
        self._changed = changed
        self.allowed = False
        self._sections: tuple[form.Section, ...] = ()
        self._filled: dict[str, str] = {}
        self._operations: list[m.OperationBody] = []
        self._preview: m.PreviewView | None = None
        self._turn = 0

    def draw(self) -> None:
        """Put the dialog on the page, closed."""
        with ui.dialog().props('aria-label="Edit order"') as self._dialog, ui.card().classes("om-dialog") as card:
            with ui.element("div").classes("om-foot").style("border: 0"):
                self._title = ui.html("Edit order", tag="h1").style("font-size: 1.2rem; line-height: 1.3; margin: 0")
                ui.element("div").classes("om-grow")
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
            with ui.element("div").classes("om-dialog-body"):
                self._form = ui.element("div").style("display: flex; flex-direction: column; gap: 1rem")
                with ui.element("div").classes("om-side"):
                    self._reason = (
                        ui.select([], label="Reason code (required)", on_change=self._ready).props("outlined dense").style("width: 100%")
                    )
                    self._comment = ui.input("Comment").props("outlined dense maxlength=2000").style("width: 100%")
                    with ui.element("div").props('aria-live="polite" role="status"').style("width: 100%"):
                        self._shown = markup(show.Markup(""))
            with ui.element("div").classes("om-foot"):
                self._apply = ui.button("Apply", on_click=self.apply).props('no-caps unelevated aria-keyshortcuts="Control+Enter"')
                with ui.element("div").props('aria-live="assertive"').style("flex: 1"):
                    self._result = markup(show.Markup(""))
                self._undo = ui.button("Undo", on_click=self._take_back).props("no-caps outline")
        for key in ("ctrl", "meta"):
            # Before the field in focus sees it: a list would open on Enter.
            card.on(f"keydown.capture.stop.prevent.{key}.enter", self.apply, args=[])

    async def open(self) -> None:
        """Read order and modes, and show the form."""
        if not self.allowed or self._dialog.value:
            return
        with told():
            self._known = await self._desk.ask(self._session, self._desk.services.operations)
            await self._begin()
            self._result.content = show.Markup("")
            self._undo.set_visibility(False)
            self._dialog.open()

    async def _begin(self) -> None:
        """Read the order as it is now, and draw the form anew."""
        self._opened_at = datetime.now(UTC)
        modes = await self._read()
        self._filled, self._operations, self._preview = {}, [], None
        self._shown.content = show.Markup('<p class="om-quiet">Change a field to see what it does.</p>')
        self._title.content = f"Edit order {show.escape(self._view.order.order_number)}"
        self._sections = form.sections(self._view.order, modes)
        self._draw_fields()
        self._reason.set_options({code: show.words(code) for code in form.reasons(self._known, [])}, value=None)
        self._ready()

    async def _read(self) -> m.ModesView:
        services = self._desk.services
        self._view = await self._desk.ask(self._session, services.order, self._id)
        return await self._desk.ask(self._session, services.modes, self._session.user, self._id)

    def _draw_fields(self) -> None:
        self._form.clear()
        first = True
        with self._form:
            for section in self._sections:
                with ui.element("fieldset").style("border: 0; padding: 0; margin: 0"):
                    ui.html(section.title, tag="legend").style("font-weight: 600; padding: 0 0 .4rem")
                    with ui.element("div").classes("om-fields"):
                        for field in section.fields:
                            self._draw_field(field, focus=first and field.enabled)
                            first = first and not field.enabled

    def _draw_field(self, field: form.Field, *, focus: bool) -> None:
        on_change = self._typed(field.key)
        element: Any = (
            ui.textarea(field.label, value=field.value, on_change=on_change).props("rows=2 autogrow")
            if field.kind == "area"
            else ui.input(field.label, value=field.value, on_change=on_change)
        )
        element.props("outlined dense debounce=200" + (" type=datetime-local stack-label" if field.kind == "moment" else ""))
        element.props(f"{'autofocus' if focus else ''} {'' if field.enabled else 'disable'}")
        if field.hint:
            element.props["hint"] = field.hint
            element.props["bottom-slots"] = True

    def _typed(self, key: str) -> Callable[[Any], Awaitable[None]]:
        async def changed(event: Any) -> None:
            self._filled[key] = event.value or ""
            await self._look()

        return changed

    async def _look(self) -> None:
        """Work out what is asked for, and show what it would do."""
        self._turn += 1
        turn = self._turn
        self._preview = None
        try:
            self._operations = form.operations(self._view.order, self._sections, self._filled)
        except form.NotReadable as error:
            self._operations = []
            self._shown.content = show.section("Cannot be read", show.facts([("Why", str(error))]))
        reasons = form.reasons(self._known, self._operations)
        if not self._reason.value or self._reason.value in reasons:
            self._reason.set_options({code: show.words(code) for code in reasons}, value=self._reason.value)
        else:
            self._reason.set_options({code: show.words(code) for code in reasons}, value=None)
        self._ready()
        if not self._operations:
            return
        with told():
            reason = self._reason.value or (reasons[0] if reasons else "customer_request")
            found = await self._desk.ask(self._session, self._desk.services.preview, self._session.user, self._id, self._operations, reason)
            if turn == self._turn:  # something else was typed meanwhile, and will be shown
                self._preview = found
                self._shown.content = preview_markup(found, self._view)
                self._ready()

    def _ready(self) -> None:
        self._apply.set_enabled(self._preview is not None and self._preview.refusal is None and bool(self._reason.value))

    async def apply(self) -> None:
        """Send the ticket for exactly what was shown, and tell what became of it."""
        preview = self._preview
        if preview is None or preview.refusal is not None or not self._reason.value:
            return
        body = m.TicketBody(
            operations=self._operations,
            reason_code=self._reason.value,
            base_version=self._view.version,
            comment=self._comment.value or None,
            preview_hash=preview.preview_hash,
            opened_at=self._opened_at,
        )
        self._apply.set_enabled(False)
        with told():
            await self._desk.ask(
                self._session, self._desk.services.check, self._session.user, "tickets.submit", f"page /orders/{self._id}", self._id
            )
            sent = await self._desk.ask(
                self._session, self._desk.services.submit, self._session.user, self._id, str(uuid.uuid4()), body, body.base_version,
                body.model_dump_json().encode(),
            )  # fmt: skip
            await self._tell(sent.ticket_id, "Edit")

    async def _take_back(self) -> None:
        self._undo.set_enabled(False)
        body = m.UndoBody(reason_code=self._reason.value or "entry_error")
        with told():
            await self._desk.ask(
                self._session, self._desk.services.check, self._session.user, "tickets.submit", f"page /orders/{self._id}", self._id
            )
            sent = await self._desk.ask(
                self._session, self._desk.services.undo, self._session.user, self._id, self._ticket, str(uuid.uuid4()), body,
                body.model_dump_json().encode(),
            )  # fmt: skip
            self._undo.set_visibility(False)
            await self._tell(sent.ticket_id, "Undo")

    async def _tell(self, ticket_id: UUID, what: str) -> None:
        """Wait for the outcome, and say it where the person looks."""
        self._result.content = show.Markup(f"{show.state('submitted')} <span>{what} sent.</span>")
        ticket = await self._outcome(ticket_id)
        outcome = ticket.message or (f"It is version {ticket.new_version} now." if ticket.new_version else "")
        if ticket.state == "awaiting_approval":
            outcome = "Somebody with the role Order_Approve has to agree."
        elif ticket.state in WAITS:
            outcome = "It is kept and will be done; this page shows when."
        self._result.content = show.Markup(
            f"{show.state(ticket.state)} <span>{what}: {show.escape(show.words(ticket.state))}. {show.escape(outcome)}</span>"
        )
        self._ticket = ticket_id
        self._undo.set_enabled(True)
        self._undo.set_visibility(what == "Edit" and ticket.state == "applied")
        await self._changed()
        if ticket.state in {"refused", "conflicted"}:
            await self._read()  # what was typed stays, over the order as it is now: the difference is shown again
            await self._look()
        else:
            await self._begin()

    async def _outcome(self, ticket_id: UUID) -> m.TicketView:
        loop = asyncio.get_running_loop()
        ends = loop.time() + OUTCOME_SECONDS
        while True:
            try:
                ticket = await self._desk.ask(self._session, self._desk.services.ticket, self._id, ticket_id)
                if ticket.state not in WAITS or loop.time() > ends:
                    return ticket
            except (DependencyUnavailable, Problem):
                if loop.time() > ends:
                    raise
            await self._desk.bell.wait(0.5)


def preview_markup(found: m.PreviewView, view: m.OrderView) -> show.Markup:
    """Return what an edit would do: asked for first, what follows from it after."""
    if found.refusal is not None:
        where = [("Field", show.path(found.refusal.path, view.order))] if found.refusal.path else []
        return show.section(
            "This cannot be done",
            show.facts([("Why", found.refusal.message), *where, ("Rule", found.refusal.rule_id or found.refusal.code)]),
        )
    currency = view.order.currency
    rows = [
        (
            show.path(c.path, view.order) + (" (follows)" if c.derived else ""),
            show.value(c.old, c.path, currency),
            show.value(c.new, c.path, currency),
        )
        for c in sorted(found.changes, key=lambda change: change.derived)
        if not c.path.endswith("/normalized")
    ]
    totals = show.facts([
        ("Total now", show.amount(view.order.totals.grand_total_minor, currency)), ("Total after", f"{found.total_after.amount} {currency}"),
        ("Difference", f"{found.total_moves.amount} {currency}"),
    ])  # fmt: skip
    before = [("Needs approval", found.approvals), ("The warehouse gives back first", found.recalls)]
    approvals = show.facts([(label, ", ".join(what)) for label, what in before if what])
    return show.Markup(
        show.section("What it does", show.table("What it does", ("Field", "Old", "New"), rows, "Nothing."))
        + show.section("Money", show.Markup(totals + approvals))
    )
