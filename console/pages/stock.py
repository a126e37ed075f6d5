"""Stock: levels by SKU, found by how a SKU begins; of one SKU also the orders that hold it. Everything stands in the address."""

from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.api.problems import Problem
from console.api.stock_models import HeldView, LevelView, StockView
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session
from schemas.stock import EVERYWHERE

ROWS: Final = 50
LONGEST: Final = 200
UNCOUNTED: Final = (
    "No stock is counted yet: everything is sold as if there were enough of it. Counts come in with"
    " `ordermend catalogue load stock.csv --kind stock`."
)


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/stock", title="Stock - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def stock(request: Request) -> Response | None:
        session = await desk.admit(request, "stock.read")
        if isinstance(session, Response):
            return session
        given = dict(request.query_params)
        text = given.get("q", "")[:LONGEST].replace("\x00", "").strip()
        with shell(desk, session, "Stock"):
            ui.html("Stock", tag="h1")
            _draw_search(text)
            with told():
                if "sku" in given:
                    await _draw_one(desk, session, given["sku"][:LONGEST])
                else:
                    await _draw_list(desk, session, text, given.get("after"))
        return None


def _draw_search(text: str) -> None:
    """A plain form: it works by keyboard, and what it asks for is in the address."""
    with ui.element("form").props('method="get" action="/stock" role="search"').classes("om-row"):
        ui.input("SKU begins with", value=text).props(f'outlined dense name="q" maxlength={LONGEST}').style("min-width: 16rem")
        ui.button("Find").props("no-caps unelevated type=submit")
        ui.link("All stock", "/stock")


async def _draw_list(desk: Desk, session: Session, text: str, after: str | None) -> None:
    page = await desk.ask(session, desk.stock.listing, text, after, ROWS)
    empty = f"No SKU that was counted begins with “{text}”." if text else UNCOUNTED
    markup(show.section("Levels", levels(page.items, empty)))
    if page.next:
        ui.link("Further SKUs", f"/stock?{urlencode({'q': text, 'after': page.next})}")


async def _draw_one(desk: Desk, session: Session, sku: str) -> None:
    try:
        found = await desk.ask(session, desk.stock.one, sku)
    except Problem as problem:
        if problem.code != "no_such_sku":
            raise
        markup(show.section("Levels", show.escape(f"Nobody counted {sku}: it is sold as if there were enough of it.")))
        return
    markup(show.section(f"{sku} {found.levels[0].name}".strip(), levels(found.levels, "")))
    markup(show.section("Promised to orders", holders(found)))


def levels(rows: list[LevelView], empty: str) -> show.Markup:
    """Return levels as a table."""
    cells = [
        (
            show.link(row.sku, f"/stock?{urlencode({'sku': row.sku})}"), row.name or "-",
            "any warehouse" if row.location == EVERYWHERE else row.location, show.right(str(row.on_hand)), show.right(str(row.reserved)),
            _free(row), f"{row.incoming} from {show.moment(row.incoming_at)}" if row.incoming else "-",
            show.moment(row.counted_at) if row.counted_at else show.chip("never counted", "wait"),
        )
        for row in rows
    ]  # fmt: skip
    head = ("SKU", "Name", "Where", show.right("On hand"), show.right("Promised"), show.right("To be had"), "Comes", "Counted")
    return show.table("Levels", head, cells, empty)


def _free(row: LevelView) -> show.Markup:
    """Return what can be promised; where more is promised than lies there, by how much."""
    short = row.reserved - row.on_hand
    if row.backorder:
        return show.Markup(f"{show.right(str(row.free))} {show.chip('more on back order')}")
    return show.Markup(f"{show.right('0')} {show.chip(f'{short} short', 'bad')}") if short > 0 else show.right(str(row.free))


def holders(found: StockView) -> show.Markup:
    """Return the lines that hold units, and how many more there are."""
    rows = [_holder(row) for row in found.held]
    head = ("Order", "Channel", "Where", show.right("Units"), "Since")
    more = found.lines - len(found.held)
    note = show.Markup(f'<p class="om-quiet">and {more} lines more</p>') if more else show.Markup("")
    return show.Markup(show.table("Promised to orders", head, rows, "No order holds units of it.") + note)


def _holder(row: HeldView) -> tuple[str, ...]:
    where = "any warehouse" if row.location == EVERYWHERE else row.location
    return (
        show.link(row.order_number, f"/orders/{row.order_id}"), row.channel, where, show.right(str(row.units)), show.moment(row.changed_at),
    )  # fmt: skip
