"""The orders: found by what people say, filtered, page by page."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.api.models import OrderPage
from console.pages import show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session

STATES = {"": "Any state", "received": "received", "held": "held", "confirmed": "confirmed", "closed": "closed", "cancelled": "cancelled"}
ROWS = 25


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/", title="Orders - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def orders(request: Request) -> Response | None:
        session = await desk.admit(request, "orders.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Orders"):
            await _List(desk, session).draw()
        return None


class _List:
    """One person's list: what they asked for and which page they are on."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._query, self._state, self._channel = "", "", ""
        self._before: list[str | None] = [None]
        self._next: str | None = None

    async def draw(self) -> None:
        ui.html("Orders", tag="h1")
        with ui.element("div").classes("om-row"):
            find = ui.input("Find an order", placeholder="number, name, e-mail, phone, SKU or postcode", on_change=self._asked("_query"))
            find.props("outlined dense clearable debounce=250 autofocus").style("flex: 1; min-width: 18rem")
            ui.select(STATES, value="", label="State", on_change=self._asked("_state")).props("outlined dense").style("min-width: 9rem")
            channel = ui.input("Channel", on_change=self._asked("_channel")).props("outlined dense clearable debounce=250")
            channel.style("max-width: 9rem")
        with ui.element("div").classes("om-card").props('aria-live="polite"'):
            self._table = markup(show.Markup(""))
        with ui.element("div").classes("om-row"):
            self._newer = ui.button("Newer", on_click=self._back).props("flat no-caps")
            self._older = ui.button("Older", on_click=self._on).props("flat no-caps")
        await self._show()

    def _asked(self, name: str) -> Any:
        async def changed(event: Any) -> None:
            setattr(self, name, (event.value or "").strip())
            self._before = [None]
            await self._show()

        return changed

    async def _on(self) -> None:
        self._before.append(self._next)
        await self._show()

    async def _back(self) -> None:
        self._before.pop()
        await self._show()

    async def _show(self) -> None:
        with told():
            find = self._desk.services.find
            page = await self._desk.ask(
                self._session, find, self._query or None, self._state or None, self._channel.lower() or None, self._before[-1], ROWS
            )
            self._next = page.next
            self._table.content = _table(page)
        self._newer.set_enabled(len(self._before) > 1)
        self._older.set_enabled(self._next is not None)


def _table(page: OrderPage) -> show.Markup:
    rows = [
        (
            show.link(row.order_number, f"/orders/{row.order_id}"),
            row.channel,
            show.chip(row.lifecycle, "wait" if row.lifecycle == "held" else "calm"),
            f"{row.grand_total.amount} {row.grand_total.currency}",
            show.moment(row.placed_at),
            str(row.edits) if row.edits else "-",
        )
        for row in page.items
    ]
    return show.table("Orders", ("Order", "Channel", "State", "Total", "Placed", "Edits"), rows, "No order fits.")
