"""Dead letters by cause and by impact, those that cost most first, with what makes them cost. Payloads stay sealed here."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

from fastapi import Query, Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.letter_work import MOST
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session
from store.triage import Group, Listed


def install(desk: Desk) -> None:
    """Add the page. `cause`: only letters with this fingerprint. `after`: the last letter of the page before. `rows`: letters a page."""

    @ui.page("/letters", title="Dead letters - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def letters(
        request: Request, cause: str | None = None, after: UUID | None = None, rows: Annotated[int, Query(ge=1, le=MOST)] = MOST
    ) -> Response | None:
        session = await desk.admit(request, "letters.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Dead letters"):
            ui.html("Dead letters", tag="h1")
            with told():
                groups = await desk.ask(session, desk.letters.groups)
                markup(show.section("Causes", _groups(groups)))
                found = await desk.ask(session, desk.letters.listed, cause, after, rows + 1)
                markup(show.section(f"Letters of the cause {cause}" if cause else "Letters", _table(found[:rows])))
                _draw_pages(found, cause, after, rows)
                if cause and found and can("letters.work", session.user.roles):
                    _draw_bulk(desk, session, cause)
                if cause:
                    ui.link("Show the letters of every cause", "/letters")
        return None


def _draw_pages(found: list[Listed], cause: str | None, after: UUID | None, rows: int) -> None:
    """Lead to the letters that cost less, and back to those that cost most."""
    if after is None and len(found) <= rows:
        return
    kept = ({"cause": cause} if cause else {}) | ({"rows": str(rows)} if rows != MOST else {})
    with ui.element("nav").classes("om-row").props('aria-label="Pages of letters"'):
        if after is not None:
            ui.link("Those that cost most", "/letters" + (f"?{urlencode(kept)}" if kept else ""))
        if len(found) > rows:
            ui.link("Those that cost less", f"/letters?{urlencode(kept | {'after': str(found[rows - 1].letter_id)})}")


def _draw_bulk(desk: Desk, session: Session, cause: str) -> None:
    """Let the letters of a cause be frozen for a bulk replay; it is run on a page of its own."""
    with ui.element("section").classes("om-card"):
        ui.html("Send every letter of this cause back", tag="h2")
        ui.label("One goes first, then ten, then never more than a tenth of what has passed; it stops above one failure in ten.").classes(
            "om-quiet"
        )
        patch = ui.textarea("JSON Patch for every letter (optional)").props("outlined autogrow").style("width: 100%; margin-top: .75rem")

        async def prepare() -> None:
            bulk_id = uuid4()
            with told():
                await desk.ask(session, desk.letters.prepare, session.user, bulk_id, cause, (patch.value or "").strip() or None)
                ui.navigate.to(f"/replays/{bulk_id}")

        with ui.element("div").classes("om-row"):
            ui.button("Prepare bulk replay", on_click=prepare).props("no-caps outline")


def _groups(groups: list[Group]) -> show.Markup:
    rows = [
        (
            str(g.score), str(g.letters), str(g.last_hour), show.link(show.words(g.code), f"/letters?cause={quote(g.fingerprint)}"), g.error_class,
            g.stage, g.field or "-", ", ".join(g.channels) or "-", show.moment(g.last_failed_at), str(g.repairs) if g.repairs else "-",
        )
        for g in groups
    ]  # fmt: skip
    head = ("Worst score", "Letters", "Last hour", "Cause", "Class", "Stage", "Field", "Channels", "Last failed", "Repaired before")
    return show.table("Causes", head, rows, "Nothing has a cause to look for.")


def _table(letters: list[Listed]) -> show.Markup:
    rows = [
        (
            str(x.score), _parts(x.parts), show.link(show.words(x.code), f"/letters/{x.letter_id}"), x.error_class, x.channel or "-", x.detail,
            x.order_number or "-", str(x.attempts), show.moment(x.first_failed_at), x.claimed_by or "-",
        )
        for x in letters
    ]  # fmt: skip
    head = ("Score", "Of", "Failure", "Class", "Channel", "What happened", "Order", "Attempts", "First failed", "Claimed by")
    return show.table("Dead letters", head, rows, "No message waits for a person.")


def _parts(parts: Mapping[str, str] | None) -> str:
    """Return what a score is made of, the largest first; a letter of this second has not been scored yet."""
    found = sorted(((Decimal(points), name) for name, points in (parts or {}).items()), reverse=True)
    return ", ".join(f"{name} {points}" for points, name in found if points) or "-"
