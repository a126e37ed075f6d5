"""Intake's rules: each with its modes by scope, what it refused and how much of that stood, the history; and tuning, for who may."""

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.pages import show, tuning
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.rule_tuning import DAYS
from console.sessions import Session
from intake import MODES, Scope, Tuned

NO_MODE: Final = "no mode of its own"
TONES: Final = {"shadow": "calm", "warn": "wait", "enforce": "bad"}


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/rules", title="Rules - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def rules(request: Request) -> Response | None:
        session = await desk.admit(request, "rules.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Rules"):
            await _Page(desk, session).draw()
        return None


class _Page:
    """One person's view of the rules."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._tuner = tuning.Tuner(self._refresh, "every intake hears of it within seconds.")

    async def draw(self) -> None:
        """Put everything on the page."""
        ui.html("Rules", tag="h1")
        markup(tuning.links("/rules"))
        self._rules = markup(show.Markup(""))
        self._tunes = can("rules.tune", self._session.user.roles)
        with ui.element("section").classes("om-card"):
            ui.html("Tune", tag="h2")
            if self._tunes:
                self._draw_form()
            else:
                tuning.locked()
        self._history = markup(show.Markup(""))
        await self._refresh()

    def _draw_form(self) -> None:
        with ui.element("div").classes("om-row"):
            self._rule = ui.select([], label="Rule").props("outlined dense").style("min-width: 14rem")
            self._mode = ui.select([*MODES, NO_MODE], value="warn", label="Mode").props("outlined dense").style("min-width: 11rem")
            self._place = [
                ui.input(name).props("outlined dense maxlength=200").style("flex: 1; min-width: 8rem")
                for name in ("Channel", "Account", "Delivery country")
            ]
        ui.label("A field left empty is everywhere; the narrowest scope that fits an order counts.").classes("om-quiet")
        with ui.element("div").classes("om-row"):
            self._tuner.reason = ui.input("Reason").props("outlined dense maxlength=500").style("flex: 1")
            ui.button("Set mode", on_click=self._tuner.does(self._tune, "choose a rule first")).props("no-caps unelevated")
            self._version = ui.select({}, label="Version").props("outlined dense").style("min-width: 11rem")
            ui.button("Revert to it", on_click=self._tuner.does(self._revert, "choose a version first")).props("no-caps outline")
        self._tuner.draw_said()

    async def _tune(self) -> int | None:
        if not self._rule.value:
            return None
        channel, account, country = (field.value or None for field in self._place)
        mode = None if self._mode.value == NO_MODE else self._mode.value
        return await self._desk.ask(
            self._session, self._desk.rules.tune, self._session.user, self._rule.value, mode, (channel, account, country),
            self._tuner.reason.value or "",
        )  # fmt: skip

    async def _revert(self) -> int | None:
        if self._version.value is None:
            return None
        return await self._desk.ask(
            self._session, self._desk.rules.revert, self._session.user, self._version.value, self._tuner.reason.value or ""
        )

    async def _refresh(self) -> None:
        with told():
            found = await self._desk.ask(self._session, self._desk.rules.rules)
            versions = await self._desk.ask(self._session, self._desk.rules.versions)
            self._rules.content = show.section(f"Rules, and what they did in {DAYS} days", _rules(found))
            self._history.content = show.section("History", tuning.history(versions))
            if self._tunes:
                self._rule.set_options([one.rule.name for one in found], value=self._rule.value)
                self._version.set_options(tuning.choices(versions), value=None)


def _rules(found: Sequence[Tuned]) -> show.Markup:
    rows = [
        (
            show.words(rule.name), about, show.words(rule.verdict), rule.mode, _modes(rule.mode, scopes), rule.owner, str(told.refused),
            str(told.overturned), "-" if told.precision is None else f"{told.precision:.1%}",
        )
        for rule, about, scopes, told in found
    ]  # fmt: skip
    head = ("Rule", "What it looks for", "Verdict", "Shipped", "Now", "Owner", "Refused", "Sent back", "Precision")
    return show.table("Rules", head, rows, "There is no rule.")


def _modes(shipped: str, scopes: Sequence[Scope]) -> show.Markup:
    """Return a rule's modes, that of everywhere first."""
    tuned = [(scope.mode, " ".join(filter(None, scope.place)) or "everywhere") for scope in sorted(scopes, key=lambda one: one.narrowness)]
    everywhere = [] if any(not scope.narrowness for scope in scopes) else [(shipped, "everywhere, as shipped")]
    return show.Markup("<br>".join(f"{show.chip(mode, TONES[mode])} {show.escape(place)}" for mode, place in [*everywhere, *tuned]))
