"""The tickets behind a figure: by state, channel and days, or those that took longer than the goal; page by page."""

from typing import Any, Final, get_args
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.queries.measures import GOAL_SECONDS, Asked, Listed
from schemas.ticket import TicketState

ROWS: Final = 50
LONGEST_DAYS: Final = 3650


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/tickets", title="Tickets - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def tickets(request: Request) -> Response | None:
        session = await desk.admit(request, "orders.read")
        if isinstance(session, Response):
            return session
        asked, after = _asked(dict(request.query_params)), request.query_params.get("after")
        with shell(desk, session, "Figures"):
            ui.html(_title(asked), tag="h1")
            with told():
                rows, more = await desk.ask(session, desk.measures.tickets, asked, after, ROWS)
                markup(show.section("Tickets", _table(rows)))
                with ui.element("div").classes("om-row"):
                    ui.link("All figures", "/kpis")
                    if more:
                        ui.link("Older", f"/tickets?{urlencode({**_query(asked), 'after': more})}")
        return None


def _asked(given: dict[str, str]) -> Asked:
    """Return what was asked for; what is not known asks for nothing."""
    days = int(given["days"]) if given.get("days", "").isdecimal() and len(given["days"]) < 6 else 30
    state = given.get("state", "")
    channel = given.get("channel", "")[:40].replace("\x00", "")
    return Asked(state if state in get_args(TicketState) else "", channel, max(1, min(days, LONGEST_DAYS)), given.get("slow") == "yes")


def _query(asked: Asked) -> dict[str, Any]:
    return {"state": asked.state, "channel": asked.channel, "days": asked.days, "slow": "yes" if asked.slow else ""}


def _title(asked: Asked) -> str:
    words = ["Tickets", *([f"that took longer than {GOAL_SECONDS} s"] if asked.slow else []), *([f"that are {show.words(asked.state)}"] if asked.state else []),
             *([f"of {asked.channel}"] if asked.channel else []), f"of the last {asked.days} days"]  # fmt: skip
    return str(show.escape(" ".join(words)))


def _table(rows: list[Listed]) -> show.Markup:
    cells = [
        (
            show.moment(t.submitted_at), show.link(t.order_number, f"/orders/{t.order_id}"), t.channel, t.user_id,
            ", ".join(map(show.words, t.operations.split())), show.words(t.reason_code), show.state(t.state),
            show.right(f"{t.seconds} s" if t.seconds is not None else "-"), t.message or t.code or "-",
        )
        for t in rows
    ]  # fmt: skip
    head = ("Submitted", "Order", "Channel", "Who", "What", "Reason", "State", show.right("Took"), "Outcome")
    return show.table("Tickets", head, cells, "No ticket fits.")
