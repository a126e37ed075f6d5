"""Dead letters, those that cost most first. Their payloads stay sealed here; `ordermend letters` opens them, audited."""

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.api.models import LetterPage
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told

MOST = 100


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/letters", title="Dead letters - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def letters(request: Request) -> Response | None:
        session = desk.admit(request, "letters.read")
        if isinstance(session, Response):
            return session
        with shell(session, "Dead letters"):
            ui.html("Dead letters", tag="h1")
            with told():
                page = await desk.ask(session, desk.services.letters, "unresolved", None, MOST)
                with ui.element("div").classes("om-card"):
                    markup(_table(page))
                if page.next:
                    ui.label(f"These are the {MOST} that cost most; more follow.").classes("om-quiet")
        return None


def _table(page: LetterPage) -> show.Markup:
    rows = [
        (
            str(x.score),
            show.words(x.code),
            x.error_class,
            x.channel or "-",
            x.detail,
            x.field or "-",
            str(x.attempts),
            show.moment(x.first_failed_at),
            x.topic,
        )
        for x in page.items
    ]
    head = ("Score", "Cause", "Class", "Channel", "What happened", "Field", "Attempts", "First failed", "Topic")
    return show.table("Dead letters", head, rows, "No message waits for a person.")
