"""The Edit Order form: every field in its mode with its reason, what it would do as it is typed, apply, result, undo; in one place.

It follows its order: what is captured, released, shipped or edited meanwhile changes the fields in place. What was typed
stays; where somebody else changed the same field, both values are shown and nothing is sent until one is chosen.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from nicegui import background_tasks, ui

from console import form
from console.access import can
from console.api import models as m
from console.api.problems import Problem
from console.form import postal
from console.pages import effects, show
from console.pages.edit_fields import Fields
from console.pages.shell import Desk, SignedOut, markup, told
from console.services import OrderNow
from console.sessions import Session
from schemas.failures import DependencyUnavailable, OrdermendError
from store.presence import Present

WAITS: Final = frozenset({"submitted", "waiting", "compensating", "settling"})
OUTCOME_SECONDS: Final = 20.0
PRESENT_EVERY: Final = 4.0
_SEND: Final = """(e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
  e.preventDefault(); e.stopPropagation(); document.activeElement?.blur(); setTimeout(() => emit(), 0); } }"""
"""Leaving the field sends what was typed last, before the wish to apply it."""
_DIGIT: Final = "(e) => { if (e.altKey && /^Digit[0-9]$/.test(e.code)) { e.preventDefault(); emit(Number(e.code.slice(5))); } }"


def why_not(session: Session, modes: m.ModesView) -> str:
    """Return why this person cannot edit this order; empty where they can."""
    if not can("tickets.submit", session.user.roles):
        return "Changing an order takes the role Order_Modify."
    if modes.editable:
        return ""
    return next((mode.message for mode in modes.modes if mode.message), "No field of this order can be changed.")


class Edit:
    """One person's form. `changed` is called when the form is closed, and when an edit of theirs has an outcome after that."""

    def __init__(self, desk: Desk, session: Session, changed: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._session = session
        self._changed = changed
        self._fields = Fields(self._type)
        self._form_id = uuid.uuid4()
        self._sections: tuple[form.Section, ...] = ()
        self._base: dict[str, form.Field] = {}
        """Each field as whoever types has seen it: what their text is a change of."""
        self._typed: dict[str, str] = {}
        self._clashes: tuple[form.Clash, ...] = ()
        self._operations: list[m.OperationBody] = []
        self._preview: m.PreviewView | None = None
        self._turn = self._shown_turn = 0
        self._sending = self._looking = False

    @property
    def is_open(self) -> bool:
        """Whether the form is in front."""
        return bool(self._dialog.value)

    def draw(self) -> None:
        """Put the dialog on the page, closed."""
        with ui.dialog().props('aria-label="Edit order" maximized=false') as self._dialog, ui.card().classes("om-dialog") as card:
            with ui.element("div").classes("om-foot om-head"):
                self._title = ui.html("Edit order", tag="h1")
                self._others = ui.label("").classes("om-quiet").props('role="note" aria-label="Who else is here"')
                ui.element("div").classes("om-grow")
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
            with ui.element("div").classes("om-dialog-body"):
                self._form = ui.element("div").classes("om-form")
                self._draw_side()
            with ui.element("div").classes("om-foot"):
                self._apply = ui.button("Apply", on_click=self.apply).props('no-caps unelevated aria-keyshortcuts="Control+Enter"')
                with ui.element("div").props('aria-live="assertive"').style("flex: 1"):
                    self._result = markup(show.Markup(""))
                ui.label("Alt+1…9 reason · Ctrl+Enter apply · Esc close").classes("om-quiet om-small om-keys")
                self._undo = ui.button("Undo", on_click=self._take_back).props("no-caps outline")
        # Before the field in focus sees it: a list would open on Enter.
        card.on("keydown.capture", self.apply, js_handler=_SEND)
        card.on("keydown.capture", self._digit, js_handler=_DIGIT)
        self._dialog.on("hide", self._closed)

    def _draw_side(self) -> None:
        with ui.element("div").classes("om-side"):
            self._reason = ui.select({}, label="Reason code (required)", on_change=self._ready).props("outlined dense").style("width: 100%")
            self._comment = ui.input("Comment").props("outlined dense maxlength=2000").style("width: 100%")
            self._clash_box = ui.element("div").props('aria-live="assertive"').classes("om-stack")
            self._kept = markup(show.Markup("")).props('aria-live="polite"')
            with ui.element("div").props('aria-live="polite" role="status"').classes("om-stack"):
                self._shown = markup(show.Markup(""))

    async def open(self, order_id: UUID) -> None:
        """Read order and modes, and show the form; where it may not be edited, say why."""
        if self._dialog.value:
            return
        self._id = order_id
        with told():
            self._known = await self._desk.ask(self._session, self._desk.services.operations)
            modes = await self._read()
            reason = why_not(self._session, modes)
            if reason:
                ui.notify(f"Order {self._view.order.order_number} cannot be edited: {reason}", type="warning")
                return
            self._fields.draw(self._form, form.sections(self._view.order, modes))
            self._begin(modes)
            self._result.content = show.Markup("")
            self._undo.set_visibility(False)
            self._form_id = uuid.uuid4()
            self._dialog.open()
            background_tasks.create(self._watch(ui.context.client, self._form_id), name=f"follow {order_id}")

    def _begin(self, modes: m.ModesView) -> None:
        """Let the form say the order as it is now, with nothing typed."""
        self._opened_at = datetime.now(UTC)
        self._typed, self._operations, self._preview, self._clashes = {}, [], None, ()
        self._sections = form.sections(self._view.order, modes)
        self._base = _by_key(self._sections)
        self._fields.begin(self._sections)
        self._shown.content = show.Markup('<p class="om-quiet">Change a field to see what it does.</p>')
        self._say_title()
        self._show_clashes()
        self._kept.content = show.Markup("")
        self._reasons([])
        self._ready()

    def _say_title(self) -> None:
        self._title.content = f"Edit order {show.escape(self._view.order.order_number)}"

    async def _read(self, how: Any = None) -> m.ModesView:
        now: OrderNow = await (how or self._desk.ask)(self._session, self._desk.services.now, self._session.user, self._id)
        self._view, self._pulse = now.view, now.pulse
        return now.modes

    # --- typing ----------------------------------------------------------------------------------------------------

    async def _type(self, field: form.Field, text: str) -> None:
        self._typed[field.key] = text
        await self._look()
        await self._help(field, text)

    async def _help(self, field: form.Field, text: str) -> None:
        """Say what helps with the field that is being typed into."""
        prefix, _, _ = field.key.partition(".")
        if prefix in {"ship_to", "bill_to"}:
            self._remark_address(prefix)
        if field.kind not in {"sku", "promotion"}:
            return
        currency = self._view.order.currency
        with suppress(OrdermendError, SignedOut):  # help that cannot be had is no error
            if field.kind == "sku":
                goods = await self._desk.ask(self._session, self._desk.editing.goods, text, currency)
                offers = [(x.sku, x.told(currency)) for x in goods]
            else:
                offers = [(x.code, x.label) for x in await self._desk.ask(self._session, self._desk.editing.codes, text, currency)]
            self._fields.offer(field.key, offers)
            exact = next((label for value, label in offers if value == text.strip()), "")
            self._fields.remark(
                field.key, exact or ", ".join(value for value, _ in offers) or ("Nothing begins like this." if text.strip() else "")
            )

    def _remark_address(self, prefix: str) -> None:
        keys = [key for key in self._base if key.startswith(f"{prefix}.")]
        parts = {key.partition(".")[2]: self._typed.get(key, self._base[key].value) for key in keys}
        said = postal.remarks(parts.get("country", ""), parts)
        for key in keys:
            self._fields.remark(key, said.get(key.partition(".")[2], ""))

    async def _look(self) -> None:
        """Work out what is asked for, and show what it would do. While an answer is on its way, only the newest wish waits for the next."""
        self._turn += 1
        self._preview = None
        try:
            self._operations = form.operations(self._view.order, self._sections, self._typed)
        except form.NotReadable as error:
            self._operations = []
            self._shown.content = show.section("Cannot be read", show.facts([("Why", str(error))]))
        reasons = self._reasons(self._operations)
        self._ready()
        if self._looking:
            return
        self._looking = True
        try:
            with told():
                while self._operations and self._shown_turn != self._turn:
                    await self._show_effects(self._reason.value or (reasons[0] if reasons else "customer_request"))
        finally:
            self._looking = False

    async def _show_effects(self, reason: str) -> None:
        turn = self._turn
        found = await self._desk.ask(self._session, self._desk.services.preview, self._session.user, self._id, self._operations, reason)
        if turn == self._turn:  # else something else was typed meanwhile, and is shown next
            self._preview, self._shown_turn = found, turn
            self._shown.content = effects.markup(found, self._view)
            self._ready()

    def _reasons(self, asked: list[m.OperationBody]) -> list[str]:
        """Offer the reasons that fit; the one that was chosen stays where it fits."""
        codes = form.reasons(self._known, asked)
        options = {code: (f"{n} · " if n < 10 else "") + show.words(code) for n, code in enumerate(codes, start=1)}
        if options != self._reason.options:
            self._reason.set_options(options, value=self._reason.value if self._reason.value in codes else None)
        return codes

    def _digit(self, event: Any) -> None:
        codes = list(self._reason.options)
        if 1 <= event.args <= len(codes):
            self._reason.value = codes[event.args - 1]

    def _ready(self) -> None:
        fine = self._preview is not None and self._preview.refusal is None and not self._clashes and not self._sending
        self._apply.set_enabled(fine and bool(self._reason.value))

    # --- following -------------------------------------------------------------------------------------------------

    async def _watch(self, client: Any, form_id: UUID) -> None:
        """Follow the order, and say who else is here, for as long as this form is open."""
        loop, present_at = asyncio.get_running_loop(), 0.0
        while self._dialog.value and self._form_id == form_id and not client.is_deleted and not self._desk.bell.stopping:
            try:
                now = await self._desk.look(self._session, self._desk.services.pulse, self._id)
                if loop.time() >= present_at:
                    here = await self._desk.look(self._session, self._desk.editing.here, self._session.user, self._id, form_id)
                    self._say_who(here)
                    present_at = loop.time() + PRESENT_EVERY
                if not self._sending and not client.is_deleted and now != self._pulse:
                    with client:
                        await self._follow()
            except DependencyUnavailable:
                pass
            except (Problem, SignedOut):
                return
            await self._desk.bell.wait()
        with suppress(OrdermendError, SignedOut):
            await self._desk.look(self._session, self._desk.editing.gone, self._id, form_id)

    def _say_who(self, here: list[Present]) -> None:
        said = ", ".join(f"{who.name} (since {who.since:%H:%M} UTC)" for who in here)
        self._others.text = f"Also editing: {said}" if said else ""

    async def _follow(self) -> None:
        """Take over the order as it is now, around what was typed."""
        modes = await self._read(self._desk.look)
        self._sections = form.sections(self._view.order, modes)
        followed = form.follow(self._base, self._sections, self._typed)
        touched = {key for key, text in self._typed.items() if key in self._base and text.strip() != self._base[key].value.strip()}
        clashing = {clash.field.key for clash in followed.clashes}
        self._fields.follow(self._sections, touched)
        self._base = {**{key: field for key, field in _by_key(self._sections).items() if key not in clashing},
                      **{key: self._base[key] for key in clashing}}  # fmt: skip
        self._clashes = followed.clashes
        self._show_clashes(await self._authors() if clashing else {})
        self._say_shut(followed.shut)
        await self._look()

    async def _authors(self) -> dict[str, str]:
        """Return who changed which path last."""
        with suppress(OrdermendError):
            rows, _ = await self._desk.look(self._session, self._desk.services.history, self._id, None, 200)
            return {row.path: f"{row.user_id} in version {row.version}" for row in reversed(rows)}
        return {}

    def _show_clashes(self, authors: dict[str, str] | None = None) -> None:
        self._clash_box.clear()
        if not self._clashes:
            return
        with self._clash_box, ui.element("section").classes("om-card om-clash").props('aria-label="Changed by somebody else"'):
            ui.html("Somebody else changed this while you were typing", tag="h2")
            for clash in self._clashes:
                self._show_clash(clash, authors or {})

    def _show_clash(self, clash: form.Clash, authors: dict[str, str]) -> None:
        leaf = clash.field.key.partition(".")[2]
        by = next(
            (who for path, who in authors.items() if path.startswith(clash.field.path) and (path == clash.field.path or leaf in path)), "-"
        )
        markup(show.facts([
            ("Field", clash.field.label), ("Was", clash.before or "-"), ("Theirs", clash.theirs or "-"), ("By", by), ("Yours", clash.yours or "-"),
        ]))  # fmt: skip
        with ui.element("div").classes("om-row"):
            ui.button(f"Keep mine: {clash.field.label}", on_click=lambda: self._settle(clash, mine=True)).props("no-caps outline dense")
            ui.button(f"Take theirs: {clash.field.label}", on_click=lambda: self._settle(clash, mine=False)).props("no-caps outline dense")

    async def _settle(self, clash: form.Clash, *, mine: bool) -> None:
        """Go on from what somebody else wrote, or let it stand."""
        key = clash.field.key
        self._base[key] = clash.field
        if not mine:
            self._typed.pop(key, None)
            self._fields.put(key, clash.field.value)
        self._clashes = tuple(other for other in self._clashes if other.field.key != key)
        self._show_clashes()
        await self._look()

    def _say_shut(self, shut: tuple[form.Field, ...]) -> None:
        rows = [(field.label, f"“{self._typed[field.key].strip()}” is kept here and not sent. {field.hint}") for field in shut]
        self._kept.content = show.section("Cannot be changed any more", show.facts(rows)) if rows else show.Markup("")

    # --- sending ---------------------------------------------------------------------------------------------------

    async def apply(self) -> None:
        """Send the ticket for exactly what was shown, and tell what became of it."""
        for _ in range(100):  # what was typed last may still be on its way
            if self._shown_turn == self._turn or not self._operations:
                break
            await asyncio.sleep(0.02)
        preview = self._preview
        if preview is None or preview.refusal is not None or self._clashes or self._sending:
            return
        if not self._reason.value:
            self._result.content = show.Markup(f"{show.chip('not sent', 'wait')} <span>Choose a reason first.</span>")
            return
        body = m.TicketBody(
            operations=self._operations,
            reason_code=self._reason.value,
            base_version=self._view.version,
            comment=self._comment.value or None,
            preview_hash=preview.preview_hash,
            opened_at=self._opened_at,
        )
        self._sending = True
        self._ready()
        try:
            with told():
                await self._may()
                sent = await self._desk.ask(
                    self._session, self._desk.services.submit, self._session.user, self._id, str(uuid.uuid4()), body, body.base_version,
                    body.model_dump_json().encode(),
                )  # fmt: skip
                await self._tell(sent.ticket_id, "Edit")
        finally:
            self._sending = False
            self._ready()

    async def _may(self) -> None:
        what = f"form of order {self._id}"
        await self._desk.ask(self._session, self._desk.services.check, self._session.user, "tickets.submit", what, self._id)

    async def _take_back(self) -> None:
        self._undo.set_enabled(False)
        body = m.UndoBody(reason_code=self._reason.value or "entry_error")
        self._sending = True
        try:
            with told():
                await self._may()
                sent = await self._desk.ask(
                    self._session, self._desk.services.undo, self._session.user, self._id, self._ticket, str(uuid.uuid4()), body,
                    body.model_dump_json().encode(),
                )  # fmt: skip
                self._undo.set_visibility(False)
                await self._tell(sent.ticket_id, "Undo")
        finally:
            self._sending = False

    async def _tell(self, ticket_id: UUID, what: str) -> None:
        """Wait for the outcome, and say it where the person looks."""
        self._result.content = show.Markup(f"{show.state('submitted')} <span>{what} sent.</span>")
        ticket = await self._outcome(ticket_id)
        outcome = ticket.message or (f"It is version {ticket.new_version} now." if ticket.new_version else "")
        if ticket.state == "awaiting_approval":
            outcome = "Somebody with the role Order_Approve has to agree."
        elif ticket.state in WAITS:
            outcome = "It is kept and will be done; the order's page shows when."
        self._result.content = show.Markup(
            f"{show.state(ticket.state)} <span>{what}: {show.escape(show.words(ticket.state))}. {show.escape(outcome)}</span>"
        )
        self._ticket = ticket_id
        self._undo.set_enabled(True)
        self._undo.set_visibility(what == "Edit" and ticket.state in {"applied", "settling", "settled"})
        if ticket.state in {"refused", "conflicted"}:
            await self._follow()  # what was typed stays, over the order as it is now
        else:
            self._begin(await self._read())
        if not self.is_open:
            await self._changed()

    async def _outcome(self, ticket_id: UUID) -> m.TicketView:
        loop = asyncio.get_running_loop()
        ends = loop.time() + OUTCOME_SECONDS
        with self._desk.bell.ear(self._id) as ear:  # it hears what happens while the book is asked, too
            while True:
                try:
                    ticket = await self._desk.ask(self._session, self._desk.services.ticket, self._id, ticket_id)
                    if ticket.state not in WAITS or ticket.new_version is not None or loop.time() > ends:
                        return ticket
                except (DependencyUnavailable, Problem):
                    if loop.time() > ends:
                        raise
                await ear.wait(0.5)

    async def _closed(self) -> None:
        self._form_id = uuid.uuid4()
        await self._changed()


def _by_key(sections: tuple[form.Section, ...]) -> dict[str, form.Field]:
    return {field.key: field for section in sections for field in section.fields}
