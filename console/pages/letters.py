"""Dead letters by cause and by impact, those that cost most first, with what makes them cost. Payloads stay sealed here."""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.letter_work import MOST
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from store.triage import Group, Listed


def install(desk: Desk) -> None:
    """Add the page. `cause`: only letters with this fingerprint."""

    @ui.page("/letters", title="Dead letters - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def letters(request: Request, cause: str | None = None) -> Response | None:
        session = desk.admit(request, "letters.read")
        if isinstance(session, Response):
            return session
        with shell(session, "Dead letters"):
            ui.html("Dead letters", tag="h1")
            with told():
                groups = await desk.ask(session, desk.letters.groups)
                markup(show.section("Causes", _groups(groups)))
                rows = await desk.ask(session, desk.letters.listed, cause)
                markup(show.section(f"Letters of the cause {cause}" if cause else "Letters", _table(rows)))
                if cause:
                    ui.link("Show the letters of every cause", "/letters")
                if len(rows) == MOST:
                    ui.label(f"These are the {MOST} that cost most; more may follow.").classes("om-quiet")
        return None


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
