"""The figures the house is measured by, each beside its goal, over time and by channel; every number leads to the tickets behind it."""

from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.measures import SAMPLE, Found
from console.pages import charts, show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.queries.measures import GOAL_SECONDS
from console.sessions import Session
from modification_processor import LookedOver

DAYS: Final = 30
RATE_GOAL: Final = 5.0


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
                found = await desk.ask(session, desk.measures.look, DAYS)
                with ui.element("div").classes("om-grid"):
                    goals, others = _cards(found)
                    markup(goals).classes("om-contents")
                    await _draw_integrity(desk, session)
                    markup(others).classes("om-contents")
                markup(_charts(found))
                markup(_tables(found))
        return None


async def _draw_integrity(desk: Desk, session: Session) -> None:
    """Check a sample of the book whenever somebody asks, and once now."""
    with ui.element("section").classes("om-card"):
        ui.html("Integrity errors after edits", tag="h2")
        said = markup(show.Markup("")).props('role="status"')

        async def check() -> None:
            with told():
                said.content = _integrity(await desk.ask(session, desk.measures.check))

        ui.button("Check others", on_click=check).props("flat dense no-caps")
        await check()


def _integrity(found: LookedOver) -> show.Markup:
    tone = "good" if not found.findings else "bad"
    return show.Markup(
        f'<p class="om-big om-{tone}">{found.findings}</p><p class="om-quiet">goal: 0; among {found.orders} orders checked just now'
        f" (at most {SAMPLE}); <code>ordermend verify</code> checks all</p>"
    )


def _cards(found: Found) -> tuple[show.Markup, show.Markup]:
    """Return the figures with a goal, and the others."""
    k = found.figures
    rate, mean = k.modification_rate_permille, k.edit_resolution_seconds_mean
    refusals, lag = found.refusals, found.lag
    oldest = f"; the oldest event not sent yet waits {took(k.outbox_oldest_seconds)}" if k.outbox_oldest_seconds else ""
    goals = [
        _card("Order modification rate", "-" if rate is None else f"{rate // 10}.{rate % 10} %", f"goal: below 5 %; {k.orders_edited} of {k.orders} orders",
              "/?edited=yes", good=rate is None or rate < RATE_GOAL * 10),
        _card("Edit resolution time", took(mean), f"goal: {took(GOAL_SECONDS)}; 95 of 100 within {took(k.edit_resolution_seconds_p95)}",
              f"/tickets?{urlencode({'slow': 'yes', 'days': DAYS})}", good=mean is None or mean <= GOAL_SECONDS),
    ]  # fmt: skip
    others = [
        _card("False-positive refusals", "-" if refusals is None else str(refusals.overturned),
              "the rules cannot be asked" if refusals is None else f"of {refusals.refused} refused by intake's rules, sent back as they were", "/rules"),
        _card("Edits applied", str(k.edits_applied), f"of {k.edits_decided} decided", f"/tickets?{urlencode({'state': 'applied', 'days': DAYS})}"),
        _card("Dead letters open", str(k.letters_open), f"{k.lanes_closed} lanes closed", "/letters"),
        _card("Work items open", str(k.work_items_open), "what a person has to look at", ""),
        _card("Not handled yet", "-" if lag is None else str(sum(lag.values())),
              ("messages on Kafka that are not in the book" if lag is not None else "Kafka does not answer") + oldest, ""),
    ]  # fmt: skip
    return show.Markup("".join(goals)), show.Markup("".join(others))


def took(seconds: int | None) -> str:
    """Return a span of time in its two largest units."""
    if seconds is None:
        return "-"
    for length, large, small, part in ((86_400, "d", "h", 3600), (3600, "h", "min", 60), (60, "min", "s", 1)):
        if seconds >= length:
            rest = seconds % length // part
            return f"{seconds // length} {large}" + (f" {rest} {small}" if rest else "")
    return f"{seconds} s"


def _card(title: str, value: str, note: str, to: str, *, good: bool | None = None) -> show.Markup:
    tone = "" if good is None else f" om-{'good' if good else 'bad'}"
    body = f'<p class="om-big{tone}">{show.escape(value)}</p><p class="om-quiet">{show.escape(note)}</p>'
    link = f"<p>{show.link('Show them', to)}</p>" if to else ""
    return show.section(title, show.Markup(body + link))


def _charts(found: Found) -> show.Markup:
    rates = [(f"{d.day:%d %b}", 100 * d.edited / d.orders if d.orders else 0.0) for d in found.days]
    seconds = [(f"{d.day:%d %b}", float(d.seconds or 0)) for d in found.days]
    orders = [(f"{d.day:%d %b}", float(d.orders)) for d in found.days]
    parts = [
        show.section("Modification rate by day of arrival", charts.days("Modification rate", rates, RATE_GOAL, "%")),
        show.section("Resolution time by day", charts.days("Edit resolution time", seconds, float(GOAL_SECONDS), "s")),
        show.section("Orders by day", charts.days("Orders", orders, None, "")),
    ]
    return show.Markup(f'<div class="om-charts">{"".join(parts)}</div>')


def _tables(found: Found) -> show.Markup:
    states = [
        (show.link(show.words(state), f"/tickets?{urlencode({'state': state, 'days': DAYS})}"), show.right(str(count)))
        for state, count in sorted(found.figures.tickets_by_state.items())
    ]
    channels = [
        (
            show.link(c.channel, f"/?{urlencode({'channel': c.channel})}"), show.right(str(c.orders)),
            show.Markup(f'<span class="om-right">{show.link(str(c.edited), "/?" + urlencode({"channel": c.channel, "edited": "yes"}))}</span>'),
            show.right(f"{100 * c.edited / c.orders:.1f} %" if c.orders else "-"), show.right(str(c.held)), show.right(str(c.letters)),
        )
        for c in found.channels
    ]  # fmt: skip
    lag = [(topic, show.right(str(count))) for topic, count in (found.lag or {}).items()]
    head = ("Channel", *(show.right(name) for name in ("Orders", "Edited", "Rate", "Held", "Letters")))
    parts = [
        show.section("By channel", show.table("By channel", head, channels, "No channel has sent anything yet.")),
        show.section("Tickets by state", show.table("Tickets by state", ("State", show.right("Tickets")), states, "No tickets yet.")),
        *([show.section("Not handled yet, by topic", show.table("Lag", ("Topic", show.right("Messages")), lag, "-"))] if lag else []),
    ]
    return show.Markup(f'<div class="om-stack">{"".join(parts)}</div>')
