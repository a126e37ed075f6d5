"""One dead letter as work: what failed and what it costs, its message (hidden until somebody asks), repair, dry run, replay, discard.

Every act is the desk's; what it answers, done or refused, is said in its words in one place on the page.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from nicegui import background_tasks, ui

from console.access import User, can
from console.api.problems import Problem
from console.letter_work import Shown
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, SignedOut, markup, shell, told
from console.sessions import Session
from dlq_handler import NEEDS_EDITED
from schemas.failures import DependencyUnavailable
from schemas.repair import Rehearsed, Step

LONGEST_TEXT: Final = 200_000
"""Characters that a form of a browser is asked to hold; what is longer is repaired by a JSON Patch."""
TONES: Final = {"unresolved": "bad", "replaying": "wait", "resolved": "good", "resent": "good"}
_ENDED: Final = frozenset({"resolved", "resent", "superseded", "discarded"})


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/letters/{letter_id}", title="Dead letter - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def letter(request: Request, letter_id: UUID) -> Response | None:
        session = await desk.admit(request, "letters.read")
        if isinstance(session, Response):
            return session
        try:
            found = await desk.ask(session, desk.letters.shown, letter_id)
        except Problem as problem:
            return HTMLResponse(f'<!doctype html><html lang="en"><title>Dead letter</title><p>{problem.title}</p>', problem.status)
        with shell(desk, session, "Dead letters"):
            page = _Page(desk, session, found)
            await page.draw()
        background_tasks.create(page.watch(ui.context.client), name=f"watch {letter_id}")
        return None


class _Page:
    """One person's view of one letter."""

    def __init__(self, desk: Desk, session: Session, found: Shown) -> None:
        self._desk = desk
        self._session = session
        self._found = found
        self._id = found.letter.letter_id
        self._works = can("letters.work", session.user.roles)

    async def draw(self) -> None:
        """Put everything on the page."""
        self._head = markup(show.Markup(""))
        with ui.element("div").classes("om-grid"):
            self._failure, self._impact = markup(show.Markup("")), markup(show.Markup(""))
        with ui.element("section").classes("om-card"):
            ui.html("Message", tag="h2")
            self._outline = markup(show.Markup(""))
            if self._works:
                self._draw_edit()
        with ui.element("section").classes("om-card"):
            ui.html("Work", tag="h2")
            if self._works:
                self._draw_work()
            else:
                ui.label("Working on a letter takes the role DLQ_Operate.").classes("om-quiet")
        self._log = markup(show.Markup(""))
        self._refresh()
        if self._works:
            with told(self._no_outline):
                outline = await self._desk.ask(self._session, self._desk.letters.outline, self._session.user, self._id)
                self._outline.content = _pre(outline, "The message, its values hidden")
        else:
            self._no_outline("Its payload is sealed.")

    def _no_outline(self, why: str) -> None:
        self._outline.content = show.Markup(f'<p class="om-quiet">{show.escape(why)}</p>')

    def _draw_edit(self) -> None:
        letters, missing = self._desk.letters, sorted(NEEDS_EDITED - self._session.user.roles)
        if can("letters.payload", self._session.user.roles):
            with ui.element("div").classes("om-row"):
                self._reveal = ui.button("Show payload", on_click=self._show).props("no-caps outline")
                ui.label("It may be personal: that you looked is written down.").classes("om-quiet")
        self._locked = markup(show.Markup(""))
        if missing:
            ui.label(f"Changing what a message says takes the role {', '.join(missing)} too.").classes("om-quiet")
        self._text, self._patch = (
            ui.textarea(name).props("outlined autogrow input-style='font-family: monospace'").style("width: 100%; margin-top: .75rem")
            for name in ("Message as text", "JSON Patch")
        )
        with ui.element("div").classes("om-row"):
            self._keep_text = ui.button("Keep edited text", on_click=lambda: self._do(letters.keep_text, self._text.value or ""))
            self._keep_patch = ui.button("Keep patch", on_click=lambda: self._do(letters.keep_patch, self._patch.value or ""))
        for button in (self._keep_text, self._keep_patch):
            button.props("no-caps outline").set_enabled(not missing)
        self._patch.set_enabled(not missing)
        self._editable = not missing
        self._hide_text()

    def _draw_work(self) -> None:
        letters = self._desk.letters
        with ui.element("div").props('aria-live="polite" role="status"').style("width: 100%; margin-bottom: .5rem"):
            self._said = markup(show.Markup('<span class="om-quiet">What an act answers is said here.</span>'))
        with ui.element("div").classes("om-row"):
            self._button("Claim", letters.claim)
            self._button("Release", letters.release)
            ui.button("Dry run", on_click=self._dry_run).props("no-caps outline")
            self._button("Replay", letters.replay, look="unelevated")
            if can("letters.approve", self._session.user.roles):
                self._button("Approve replay", letters.approve, "replay")
                self._button("Approve discard", letters.approve, "discard")
        for label, name, act in (
            ("Reason for a discard", "Discard", letters.discard),
            ("Assign to", "Assign", letters.assign),
            ("Note, without personal data", "Add note", letters.remark),
        ):
            with ui.element("div").classes("om-row"):
                given = ui.input(label).props("outlined dense maxlength=500").style("flex: 1")
                ui.button(name, on_click=self._given(act, given)).props("no-caps outline")
        with ui.element("div").props('aria-live="polite" role="region" aria-label="Dry run"').style("width: 100%"):
            self._rehearsed = markup(show.Markup(""))

    def _button(self, name: str, act: Callable[..., str], *values: str, look: str = "outline") -> None:
        ui.button(name, on_click=lambda: self._do(act, *values)).props(f"no-caps {look}")

    def _given(self, act: Callable[..., str], field: Any) -> Callable[[], Awaitable[None]]:
        async def done() -> None:
            if await self._do(act, field.value or ""):
                field.value = ""

        return done

    async def _do(self, act: Callable[..., str], *values: str) -> bool:
        """Do an act of the desk, say what it answered, and show the letter as it is then."""
        self._rehearsed.content = show.Markup("")
        done = False
        with told(self._say_not):
            answer = await self._desk.ask(self._session, act, self._session.user, self._id, *values)
            self._said.content = show.Markup(f"{show.chip('done', 'good')} <span>{show.escape(answer)}</span>")
            done = True
        await self._read()
        return done

    async def _dry_run(self) -> None:
        with told(self._say_not):
            found = await self._desk.ask(self._session, self._desk.letters.dry_run, self._session.user, self._id)
            self._said.content = show.Markup(
                f"{show.chip('dry run')} <span>Nothing was changed. What a replay would do stands below.</span>"
            )
            self._rehearsed.content = rehearsed_markup(found)

    def _say_not(self, text: str) -> None:
        self._said.content = show.Markup(f"{show.chip('not done', 'bad')} <span>{show.escape(text)}</span>")
        self._rehearsed.content = show.Markup("")

    async def _show(self) -> None:
        """Show the payload, which is written down, and let it be edited."""
        with told(self._say_not):
            view = await self._desk.ask(self._session, self._desk.letters.payload, self._session.user, self._id)
            locked = show.facts([("Locked", ", ".join(view.locked))]) if view.locked else show.Markup("")
            self._locked.content = locked
            self._patch.value = view.patch or ""
            if len(view.text) > LONGEST_TEXT or not self._editable:
                self._outline.content = _pre(view.text, "The message")
            else:
                self._text.value = view.text
                self._text.set_visibility(True)
                self._keep_text.set_visibility(True)
                self._outline.set_visibility(False)
            self._reveal.set_visibility(False)
        await self._read()

    def _hide_text(self) -> None:
        self._text.set_visibility(False)
        self._keep_text.set_visibility(False)

    async def watch(self, client: Any) -> None:
        """Draw again whenever something happened to the letter, for as long as the page is open."""
        await client.connected()
        while not client.is_deleted and not self._desk.bell.stopping:
            await self._desk.bell.wait()
            try:
                now = await self._desk.look(self._session, self._desk.letters.shown, self._id)
            except DependencyUnavailable:
                continue
            except (Problem, SignedOut):
                return
            if now != self._found and not client.is_deleted:
                self._found = now
                with client:
                    self._refresh()

    async def _read(self) -> None:
        with told():
            self._found = await self._desk.ask(self._session, self._desk.letters.shown, self._id)
            self._refresh()

    def _refresh(self) -> None:
        found = self._found
        self._head.content = _head(found, self._session.user)
        self._failure.content = show.section("What failed", _failure(found))
        self._impact.content = show.section("Impact", _impact(found))
        self._log.content = _log(found)


def _head(found: Shown, user: User) -> show.Markup:
    letter, claim = found.letter, found.around.claim
    chips = [show.chip(letter.status, TONES.get(letter.status, "calm")), show.chip(found.priority), show.chip(letter.error_class)]
    if claim is not None:
        chips.append(show.chip("claimed by you" if claim.actor == user.sub else f"claimed by {claim.actor}", "wait"))
        chips += [show.chip("repair kept", "wait")] if claim.patch_sha256 else []
        chips += [show.chip(f"approved by {claim.approved_by}", "good")] if claim.approved_by else []
    return show.Markup(f"<h1>Dead letter: {show.escape(show.words(letter.code))}</h1>" + " ".join(chips))


def _failure(found: Shown) -> show.Markup:
    letter, number = found.letter, found.around.order_number
    return show.facts(
        [
            ("What happened", letter.detail),
            ("Class", letter.error_class),
            ("Code", letter.code),
            ("Stage", letter.stage),
            ("Field", letter.field or "-"),
            ("Rule", letter.rule or "-"),
            ("Attempts", str(letter.attempts)),
            ("Order", show.link(number, f"/orders/{letter.order_id}") if number else "not in the book"),
            ("Message", f"{letter.message} {letter.message_id}"),
            ("Channel", letter.channel or "-"),
            ("Topic", letter.topic),
            ("First failed", show.moment(letter.first_failed_at)),
            ("Last failed", show.moment(letter.last_failed_at)),
            ("Waiting behind it", str(found.around.waiting)),
            ("Cause", show.link(letter.fingerprint, f"/letters?cause={letter.fingerprint}")),
        ]
    )


def _impact(found: Shown) -> show.Markup:
    rows = [(show.words(part.name), str(part.points), str(part.most)) for part in found.parts]
    ended = found.letter.status in _ENDED
    score = found.letter.score if ended else found.score
    note = '<p class="om-quiet">The parts are as they would be now.</p>' if ended else ""
    return show.Markup(f'<p class="om-big">{score}</p>{note}{show.table("Impact by part", ("Part", "Points", "Of at most"), rows, "-")}')


def _log(found: Shown) -> show.Markup:
    around = found.around
    attempts = [(str(x.n), show.moment(x.at), x.error_class, show.words(x.code), x.detail) for x in around.attempts]
    repairs = [(show.moment(x.at), x.actor, x.approved_by or "-", show.words(x.outcome)) for x in around.repairs]
    acts = [(show.moment(x.at), x.actor, show.words(x.action.removeprefix("letter_")), x.detail) for x in around.acts]
    parts = [
        show.section("Repairs", show.table("Repairs", ("Sent", "By", "Approved by", "Outcome"), repairs, "")) if repairs else "",
        show.section("Attempts", show.table("Attempts", ("Attempt", "When", "Class", "Code", "What happened"), attempts, ""))
        if attempts
        else "",
        show.section("Log", show.table("Log", ("When", "Who", "What", "Detail"), acts, "Nobody has worked on it.")),
    ]
    return show.Markup('<div style="height: 1rem"></div>'.join(filter(None, parts)))


def rehearsed_markup(found: Rehearsed) -> show.Markup:
    """Return what a replay would do: the letter's own message first, then every follower it lets go on."""
    sections = [_step(step, "The message" if index == 0 else f"Follower {index}") for index, step in enumerate(found.steps)]
    waiting = f'<p class="om-quiet">{found.waiting} messages would go on waiting.</p>' if found.waiting else ""
    return show.Markup('<div style="height: .75rem"></div>'.join(sections) + waiting)


def _step(step: Step, title: str) -> show.Markup:
    currency = step.currency or ""
    why = " ".join(filter(None, (step.code and show.words(step.code), step.detail)))
    facts = [("Message", step.message_id), ("Outcome", show.state(step.outcome))]
    facts += [("Why", why)] if why else []
    facts += [("Order's version", str(step.version))] if step.version else []
    facts += [("Money", show.amount(step.money_delta_minor, currency))] if currency else []
    rows = [
        (
            show.path(c.path),
            *((show.Markup('<em class="om-quiet">personal</em>'),) * 2 if c.sealed else _values(c.path, c.old, c.new, currency)),
        )
        for c in step.changes
    ]
    return show.section(
        title, show.Markup(show.facts(facts) + show.table(title, ("Field", "Before", "After"), rows, "No field of a stored order changes."))
    )


def _values(path: str, old: str | None, new: str | None, currency: str) -> tuple[str, str]:
    reading = partial(show.value, at=path, currency=currency)
    return reading(old), reading(new)


def _pre(text: str, label: str) -> show.Markup:
    return show.Markup(f'<pre class="om-pre" tabindex="0" aria-label="{show.escape(label)}">{show.escape(text)}</pre>')
