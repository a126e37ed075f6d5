"""The orders: found by what people say, filtered, kept under names, page by page; chosen for a bulk edit; edited in place."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.api.models import OrderPage
from console.finding import filters_of, texts_of
from console.pages import show
from console.pages.edit import Edit
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.queries.orders import Filters
from console.sessions import Session
from normalizers import discover

STATES: Final = {"": "any state", **{name: name for name in ("received", "held", "confirmed", "closed", "cancelled")}}
AGES: Final = {
    "": "any age", "hour": "within an hour", "day": "within a day", "week": "within a week", "month": "within a month",
    "over_day": "over a day ago", "over_week": "over a week ago", "over_month": "over a month ago",
}  # fmt: skip
EDITED: Final = {"": "edited or not", "yes": "edited", "no": "not edited"}
ROWS: Final = 25
_PICK: Final = "(e) => { const d = e.target.dataset; if (d.order) emit(d.order, e.target.checked); }"
_TYPED: Final = "(e) => emit(e.target.value)"
"""What stands in a field when a key is pressed: what its value is here may be a quarter of a second old."""
_EDIT: Final = '(e) => { const b = e.target.closest("[data-edit]"); if (b) emit(b.dataset.edit); }'


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/", title="Orders - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def orders(request: Request) -> Response | None:
        session = await desk.admit(request, "orders.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Orders"):
            await _List(desk, session, dict(request.query_params)).draw()
        return None


class _List:
    """One person's list: what they asked for, which page they are on, what they chose."""

    def __init__(self, desk: Desk, session: Session, asked: dict[str, str]) -> None:
        self._desk = desk
        self._session = session
        self._asked = texts_of(filters_of(asked))
        self._fields: dict[str, Any] = {}
        self._views: dict[str, Filters] = {}
        self._before: list[str | None] = [None]
        self._page = OrderPage(items=[], next=None)
        self._chosen: dict[str, None] = {}
        self._edits = can("tickets.submit", session.user.roles)
        self._bulk = can("bulk.work", session.user.roles)
        self._edit = Edit(desk, session, self._show)
        self._turn = 0
        self._setting = False

    @property
    def _filters(self) -> Filters:
        return filters_of(self._asked)

    async def draw(self) -> None:
        ui.html("Orders", tag="h1")
        if not self._edits:
            ui.label("Changing an order takes the role Order_Modify.").classes("om-quiet")
        with ui.element("search").classes("om-stack"):
            await self._draw_filters()
        self._draw_selection()
        with ui.element("div").classes("om-card om-scroll").props('aria-live="polite"'):
            self._table = markup(show.Markup(""))
            self._table.on("change", self._pick, js_handler=_PICK)
            self._table.on("click", self._open, js_handler=_EDIT)
            self._again = ui.button("Try again", on_click=self._show).props("no-caps outline")
            self._again.set_visibility(False)
        with ui.element("div").classes("om-row"):
            self._newer = ui.button("Newer", on_click=self._back).props("flat no-caps")
            self._older = ui.button("Older", on_click=self._on).props("flat no-caps")
        self._edit.draw()
        await self._show()

    async def _draw_filters(self) -> None:
        kinds, views = [], {}
        with told():
            kinds = await self._desk.ask(self._session, self._desk.finding.hold_kinds)
            views = await self._desk.ask(self._session, self._desk.finding.views, self._session.user)
        with ui.element("div").classes("om-row"):
            find = ui.input("Find an order", placeholder="number, name, e-mail, phone, SKU or postcode", on_change=self._changed("query"))
            find.props("outlined dense clearable debounce=250 autofocus").style("flex: 1; min-width: 18rem")
            find.on("keydown.enter", self._open_the_one, js_handler=_TYPED)
            self._fields["query"] = find
            self._choice("lifecycle", "State", STATES)
            self._choice("channel", "Channel", {"": "any channel", **{name: name for name in sorted(discover())}})
        with ui.element("div").classes("om-row"):
            self._choice("hold", "Hold", {"": "any hold or none", **{kind: show.words(kind) for kind in kinds}})
            self._choice("age", "Arrived", AGES)
            self._choice("edited", "Edited", EDITED)
            ui.element("div").classes("om-grow")
            self._view = (
                ui.select([], label="Saved view", on_change=self._recall, clearable=True).props("outlined dense").style("min-width: 11rem")
            )
            self._name = ui.input("Name").props("outlined dense maxlength=60").style("width: 9rem")
            ui.button("Save view", on_click=self._keep).props("flat no-caps dense")
            self._drop = ui.button("Delete view", on_click=self._forget).props("flat no-caps dense")
        self._set_fields()
        self._set_views(views)

    def _choice(self, name: str, label: str, options: dict[str, str]) -> None:
        made = ui.select(options, value="", label=label, on_change=self._changed(name)).props("outlined dense options-dense")
        self._fields[name] = made.style("min-width: 9.5rem")

    def _draw_selection(self) -> None:
        with ui.element("div").classes("om-row") as self._bar:
            self._count = ui.label("").props('role="status" aria-label="Chosen orders"')
            ui.button("Choose this page", on_click=self._whole_page).props("flat no-caps dense")
            self._clear = ui.button("Choose none", on_click=self._none).props("flat no-caps dense")
            ui.element("div").classes("om-grow")
            self._some = ui.button("Bulk edit chosen", on_click=self._bulk_edit(all_of_them=False)).props("outline no-caps dense")
            ui.button("Bulk edit all that fit", on_click=self._bulk_edit(all_of_them=True)).props("flat no-caps dense")
        self._bar.set_visibility(self._bulk)

    # --- asking --------------------------------------------------------------------------------------------------

    def _changed(self, name: str) -> Callable[[Any], Awaitable[None] | None]:
        def changed(event: Any) -> Awaitable[None] | None:
            if self._setting:
                return None
            self._asked[name] = (event.value or "").strip()
            self._before = [None]
            return self._show()

        return changed

    def _set_fields(self) -> None:
        self._setting = True
        for name, element in self._fields.items():
            text = self._asked.get(name, "")
            if name != "query" and text not in element.options:
                element.set_options({**element.options, text: show.words(text)})
            element.value = text
        self._setting = False

    async def _open_the_one(self, event: Any) -> None:
        """Enter opens the order where only one fits what stands in the field then, whatever is being looked for meanwhile."""
        self._asked["query"] = text = str(event.args or "").strip()
        self._before = [None]
        found = await self._look()
        if text and found is not None and len(found.items) == 1:
            ui.navigate.to(f"/orders/{found.items[0].order_id}")

    async def _on(self) -> None:
        self._before.append(self._page.next)
        await self._show()

    async def _back(self) -> None:
        self._before.pop()
        await self._show()

    async def _show(self) -> None:
        await self._look()

    async def _look(self) -> OrderPage | None:
        """Look, and draw what was found unless something else was asked for meanwhile; return it, or None where the book does not answer."""
        page: OrderPage | None = None
        self._turn += 1
        turn = self._turn
        self._again.set_visibility(False)
        with told(self._say_not):
            page = await self._desk.ask(self._session, self._desk.finding.page, self._filters, self._before[-1], ROWS)
            if turn != self._turn:  # something else was asked for meanwhile
                return page
            self._page = page
            self._draw_rows()
        self._newer.set_enabled(len(self._before) > 1)
        self._older.set_enabled(self._page.next is not None)
        return page

    def _say_not(self, text: str) -> None:
        self._table.content = show.Markup(f'<p role="alert">{show.escape(text)}</p>')
        self._again.set_visibility(True)

    # --- rows ----------------------------------------------------------------------------------------------------

    def _draw_rows(self) -> None:
        self._count.text = f"{len(self._chosen)} chosen" if self._chosen else "No order chosen"
        self._some.set_enabled(bool(self._chosen))
        self._clear.set_enabled(bool(self._chosen))
        rows = [
            (
                *([self._box(str(row.order_id), row.order_number)] if self._bulk else []),
                show.link(row.order_number, f"/orders/{row.order_id}"),
                row.channel,
                show.chip(row.lifecycle, "wait" if row.lifecycle == "held" else "calm"),
                show.right(f"{row.grand_total.amount} {row.grand_total.currency}"),
                show.moment(row.placed_at),
                show.right(str(row.edits) if row.edits else "-"),
                *([_edit_button(row.order_id, row.order_number)] if self._edits else []),
            )
            for row in self._page.items
        ]
        head = (
            *(["Chosen"] if self._bulk else []), "Order", "Channel", "State", show.right("Total"), "Placed", show.right("Edits"),
            *(["Edit"] if self._edits else []),
        )  # fmt: skip
        nothing = (
            "No order fits. Try a shorter text, or another filter."
            if texts_of(self._filters)
            else "No orders yet. They come in from the sales channels."
        )
        self._table.content = show.table("Orders", head, rows, nothing)

    def _box(self, order_id: str, number: str) -> show.Markup:
        checked = " checked" if order_id in self._chosen else ""
        return show.Markup(f'<input type="checkbox" data-order="{order_id}" aria-label="Choose order {show.escape(number)}"{checked}>')

    def _pick(self, event: Any) -> None:
        order_id, on = event.args
        if on and UUID(order_id) in {row.order_id for row in self._page.items}:
            self._chosen[order_id] = None
        else:
            self._chosen.pop(order_id, None)
        self._draw_rows()

    def _whole_page(self) -> None:
        self._chosen.update(dict.fromkeys(str(row.order_id) for row in self._page.items))
        self._draw_rows()

    def _none(self) -> None:
        self._chosen.clear()
        self._draw_rows()

    async def _open(self, event: Any) -> None:
        await self._edit.open(UUID(event.args))

    def _bulk_edit(self, *, all_of_them: bool) -> Callable[[], Awaitable[None]]:
        async def go() -> None:
            ids = () if all_of_them else tuple(UUID(order_id) for order_id in self._chosen)
            with told():
                select = self._desk.finding.select
                name = await self._desk.ask(self._session, select, self._session.user, ids, self._filters if all_of_them else None)
                ui.navigate.to(f"/bulk/new?selection={quote(name)}")

        return go

    # --- saved views ---------------------------------------------------------------------------------------------

    def _set_views(self, views: dict[str, Filters], chosen: str | None = None) -> None:
        self._views = views
        self._setting = True
        self._view.set_options(list(views), value=chosen)
        self._setting = False
        self._drop.set_enabled(chosen is not None)

    async def _recall(self, event: Any) -> None:
        self._drop.set_enabled(event.value is not None)
        if self._setting or event.value is None:
            return
        self._asked = texts_of(self._views[event.value])
        self._before = [None]
        self._set_fields()
        await self._show()

    async def _keep(self) -> None:
        name = " ".join((self._name.value or "").split())
        with told():
            await self._desk.ask(self._session, self._desk.finding.keep, self._session.user, name, self._filters)
            self._set_views(await self._desk.ask(self._session, self._desk.finding.views, self._session.user), name)
            self._name.value = ""
            ui.notify(f"Saved as {name}.", type="positive")

    async def _forget(self) -> None:
        with told():
            if self._view.value:
                await self._desk.ask(self._session, self._desk.finding.forget, self._session.user, self._view.value)
            self._set_views(await self._desk.ask(self._session, self._desk.finding.views, self._session.user))


def _edit_button(order_id: UUID, number: str) -> show.Markup:
    return show.Markup(
        f'<button type="button" class="om-link" data-edit="{order_id}" aria-label="Edit order {show.escape(number)}">Edit</button>'
    )
