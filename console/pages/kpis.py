"""The figures the house is measured by, each beside its goal."""

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.api.models import KpisView
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told

DAYS = 30


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/kpis", title="Figures - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def kpis(request: Request) -> Response | None:
        session = await desk.admit(request, "kpis.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Figures"):
            ui.html(f"Figures of the last {DAYS} days", tag="h1")
            with told():
                markup(_cards(await desk.ask(session, desk.services.kpis, DAYS)))
        return None


def _cards(found: KpisView) -> show.Markup:
    rate, mean = found.modification_rate_permille, found.edit_resolution_seconds_mean
    cards = [
        _card("Order modification rate", "-" if rate is None else f"{rate // 10}.{rate % 10} %", f"goal: below 5 %; {found.orders_edited} of {found.orders} orders"),
        _card("Edit resolution time", "-" if mean is None else f"{mean} s", f"goal: 120 s; 95 of 100 within {found.edit_resolution_seconds_p95 or 0} s"),
        _card("Edits applied", str(found.edits_applied), f"of {found.edits_decided} decided"),
        _card("Dead letters open", str(found.letters_open), f"{found.lanes_closed} lanes closed"),
        _card("Work items open", str(found.work_items_open), "what a person has to look at"),
        _card("Oldest message to be sent", "-" if found.outbox_oldest_seconds is None else f"{found.outbox_oldest_seconds} s", "in the outbox"),
    ]  # fmt: skip
    rows = [(show.state(state), str(count)) for state, count in sorted(found.tickets_by_state.items())]
    tickets = show.section("Tickets by state", show.table("Tickets by state", ("State", "Tickets"), rows, "No tickets."))
    note = '<p class="om-quiet" style="margin-top: .75rem">Integrity errors after an edit: <code>ordermend verify</code> replays the whole book; its last count is the metric ordermend_integrity_findings.</p>'
    return show.Markup(f'<div class="om-grid" style="margin-bottom: 1rem">{"".join(cards)}</div>{tickets}{note}')


def _card(title: str, value: str, note: str) -> show.Markup:
    return show.section(title, show.Markup(f'<p class="om-big">{show.escape(value)}</p><p class="om-quiet">{show.escape(note)}</p>'))
