"""The rules that narrow edits: each in words with what it does to open orders now, the text that is in force, what another would do; the history.

Whoever may tune tries a text before it is put into force; the same rules are refused or in force by command, by API and here.
"""

from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.edit_rule_tuning import InForce, Tried
from console.pages import show, tuning
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session
from modification_processor import Narrowing, Shift, field_label


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/edit-rules", title="Edit rules - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def edit_rules(request: Request) -> Response | None:
        session = await desk.admit(request, "rules.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Rules"):
            await _Page(desk, session).draw(await desk.ask(session, desk.edit_rules.shown))
        return None


class _Page:
    """One person's view of the edit rules."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._tuner = tuning.Tuner(self._refresh, "every process keeps to it from its next batch on.")
        self._standing = 0
        """The version whose author looks at the page: a change is one of it, or of none."""

    async def draw(self, found: InForce) -> None:
        """Put everything on the page."""
        ui.html("Edit rules", tag="h1")
        markup(tuning.links("/edit-rules"))
        self._rules = markup(show.Markup(""))
        self._tunes = can("rules.tune", self._session.user.roles)
        with ui.element("section").classes("om-card"):
            ui.html("Text", tag="h2")
            # The text is there from the start: one that is set later would be set once more when the browser has connected, over what was typed.
            self._text = (
                ui.textarea("Rules in force, as TOML", value=found.text)
                .props("outlined dense rows=14 input-class=om-code")
                .style("width: 100%")
            )
            self._text.props("spellcheck=false maxlength=65536")
            if self._tunes:
                self._draw_acts()
            else:
                self._text.props("readonly")
                tuning.locked()
        self._history = markup(show.Markup(""))
        await self._show(found)

    def _draw_acts(self) -> None:
        with ui.element("div").classes("om-row"):
            ui.button("Try", on_click=self._try).props("no-caps outline")
            ui.label("Says what the text would do to the newest open orders; changes nothing.").classes("om-quiet")
        with ui.element("div").props('role="region" aria-label="What it would do" aria-live="polite"').style("width: 100%"):
            self._tried = markup(show.Markup(""))
        with ui.element("div").classes("om-row"):
            self._tuner.reason = ui.input("Reason").props("outlined dense maxlength=500").style("flex: 1")
            ui.button("Put into force", on_click=self._tuner.does(self._put, "write rules first")).props("no-caps unelevated")
            self._version = ui.select({}, label="Version").props("outlined dense").style("min-width: 11rem")
            ui.button("Revert to it", on_click=self._tuner.does(self._revert, "choose a version first")).props("no-caps outline")
        self._tuner.draw_said()

    async def _try(self) -> None:
        self._tried.content = show.Markup("")
        with told(self._tuner.say_not):
            found = await self._desk.ask(self._session, self._desk.edit_rules.try_out, self._session.user, self._text.value or "")
            self._tried.content = _tried(found)

    async def _put(self) -> int | None:
        if not (self._text.value or "").strip():
            return None
        return await self._desk.ask(
            self._session, self._desk.edit_rules.put, self._session.user, self._text.value, self._tuner.reason.value or "", self._standing
        )

    async def _revert(self) -> int | None:
        if self._version.value is None:
            return None
        return await self._desk.ask(
            self._session,
            self._desk.edit_rules.revert,
            self._session.user,
            self._version.value,
            self._tuner.reason.value or "",
            self._standing,
        )

    async def _refresh(self) -> None:
        with told():
            found = await self._desk.ask(self._session, self._desk.edit_rules.shown)
            self._text.value = found.text
            await self._show(found)

    async def _show(self, found: InForce) -> None:
        with told():
            versions = await self._desk.ask(self._session, self._desk.edit_rules.versions)
            self._standing = found.version
            title = f"Version {found.version} in force" if found.version else "In force, as shipped"
            self._rules.content = show.section(
                f"{title}, and what each rule does to the newest {found.orders} open orders", _rules(found.rules)
            )
            self._history.content = show.section("History", tuning.history(versions))
            if self._tunes:
                self._tried.content = show.Markup("")
                self._version.set_options(tuning.choices(versions), value=None)


def _rules(found: Sequence[Narrowing]) -> show.Markup:
    rows = [
        (
            rule.rule_id, f"{', '.join(map(field_label, rule.classes))}: {rule.says}.", show.right(str(rule.orders)),
            ", ".join(f"{field_label(name)} on {count}" for name, count in sorted(rule.by_class.items())) or "-",
        )
        for rule in found
    ]  # fmt: skip
    return show.table("Edit rules", ("Rule", "What it says", "Orders now", "Stricter for it"), rows, "No rule narrows edits.")


def _tried(found: Tried) -> show.Markup:
    return show.Markup(
        show.section(f"The rules of the text, on the newest {found.orders} open orders", _rules(found.rules))
        + show.section(
            "What would change",
            show.table(
                "What would change",
                ("Field", "Now", "Then", "Orders"),
                map(_shift, found.shifts),
                "No field of these orders would be in another mode.",
            ),
        )
    )


def _shift(one: Shift) -> tuple[str, str, str, str]:
    return field_label(one.field_class), one.before, one.after, show.right(str(one.orders))
