"""One order: now or as of any version, its history, what differs between versions, its tickets, its payments; and Edit."""

from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from nicegui import background_tasks, ui

from console.access import can
from console.api import models as m
from console.api.problems import Problem
from console.pages import order_around, show
from console.pages.edit import Edit, why_not
from console.pages.shell import RESPONSE_SECONDS, Desk, SignedOut, markup, shell, told
from console.services import OrderNow
from console.sessions import Session
from schemas.failures import DependencyUnavailable, OrdermendError
from schemas.order import Order

HISTORY_ROWS = 200
TABS = ("Order", "History", "Versions", "Tickets", "Payments", "Fulfilment", "Channel messages")


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/orders/{order_id}", title="Order - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def order(request: Request, order_id: UUID) -> Response | None:
        session = await desk.admit(request, "orders.read")
        if isinstance(session, Response):
            return session
        try:
            now = await desk.ask(session, desk.services.now, session.user, order_id)
        except Problem as problem:
            return HTMLResponse(f'<!doctype html><html lang="en"><title>Order</title><p>{problem.title}</p>', problem.status)
        with shell(desk, session, "Orders"):
            page = _Page(desk, session, now)
            page.draw()
        background_tasks.create(page.watch(ui.context.client), name=f"watch {order_id}")
        return None


class _Page:
    """One person's view of one order."""

    def __init__(self, desk: Desk, session: Session, now: OrderNow) -> None:
        self._desk = desk
        self._session = session
        self._now = now
        self._id = now.view.order.order_id
        self._edit = Edit(desk, session, self.refresh)
        self._allowed = False
        self._tab = TABS[0]

    @property
    def _view(self) -> m.OrderView:
        return self._now.view

    def draw(self) -> None:
        with ui.element("div").classes("om-row"):
            self._head = markup(show.Markup("")).style("width: auto")
            ui.element("div").classes("om-grow")
            self._why = ui.label("").classes("om-quiet").props('id="why-not"')
            self._button = ui.button("Edit order", on_click=self._open).props(
                'no-caps unelevated aria-keyshortcuts="E" aria-describedby="why-not"'
            )
        self._edit.draw()
        ui.keyboard(self._key)
        with ui.tabs(on_change=self._turned).props("no-caps align=left dense") as tabs:
            names = [ui.tab(name) for name in TABS]
        with ui.tab_panels(tabs, value=names[0]).classes("om-panels").style("width: 100%; background: transparent"):
            with ui.tab_panel(names[0]):
                self._version = ui.select({}, label="Shown", on_change=self._choose).props("outlined dense").style("min-width: 14rem")
                self._order = markup(show.Markup(""))
            with ui.tab_panel(names[1]):
                self._history = markup(show.Markup(""))
            with ui.tab_panel(names[2]):
                self._draw_versions()
            with ui.tab_panel(names[3]):
                self._tickets = markup(show.Markup(""))
            with ui.tab_panel(names[4]):
                self._payments = markup(show.Markup(""))
            with ui.tab_panel(names[5]):
                self._fulfilment = markup(show.Markup(""))
            with ui.tab_panel(names[6]):
                self._draw_messages()
        self._show()

    def _draw_versions(self) -> None:
        with ui.element("div").classes("om-row"):
            self._older = ui.select([], label="From version", on_change=self._compare).props("outlined dense").style("min-width: 9rem")
            self._newer = ui.select([], label="To version", on_change=self._compare).props("outlined dense").style("min-width: 9rem")
        self._diff = markup(show.Markup(""))
        self._versions = markup(show.Markup(""))

    def _draw_messages(self) -> None:
        self._sent = markup(show.Markup(""))
        with ui.element("section").classes("om-card om-stack"):
            ui.html("One message", tag="h2")
            with ui.element("div").classes("om-row"):
                self._message = ui.select({}, label="Message", on_change=self._outline).props("outlined dense").style("min-width: 20rem")
                self._unmask = ui.button("Show the values", on_click=self._raw).props("no-caps outline")
            why = "" if can("orders.raw", self._session.user.roles) else "Its values take the role DLQ_Payload or Audit_Read."
            ui.label(why or "Looking at the values is written into the audit log.").classes("om-quiet")
            self._unmask.set_enabled(False)
            self._shown = ui.html("", tag="pre").classes("om-pre").props('role="region" aria-label="The message" tabindex="0"')

    async def _key(self, event: Any) -> None:
        if event.action.keydown and event.key == "e" and not (event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt):
            await self._open()

    async def _open(self) -> None:
        if self._allowed:
            await self._edit.open(self._id)

    async def watch(self, client: Any) -> None:
        """Draw again whenever something happened to the order, for as long as the page is open."""
        await client.connected()
        while not client.is_deleted and not self._desk.bell.stopping:
            await self._desk.bell.wait()
            try:
                now = await self._desk.look(self._session, self._desk.services.pulse, self._id)
            except DependencyUnavailable:
                continue
            except (Problem, SignedOut):
                return
            if (
                now != self._now.pulse and not client.is_deleted and not self._edit.is_open
            ):  # the form tells what happens; the page does when it closes
                with client:
                    await self.refresh()

    async def refresh(self) -> None:
        """Read the order again and show it, and what the tab in front says of it."""
        with told():
            self._now = await self._desk.look(self._session, self._desk.services.now, self._session.user, self._id)
            self._show()
            await self._fill()

    def _show(self) -> None:
        self._draw_head(self._now.modes)
        self._order.content = order_markup(self._view.order)
        self._payments.content = _payments(self._view.order)
        self._choices()

    async def _turned(self, event: Any) -> None:
        self._tab = str(event.value)
        with told():
            await self._fill()

    async def _fill(self) -> None:
        """Read what the tab in front shows; the others are read when somebody turns to them."""
        services, order_id, look = self._desk.services, self._id, self._desk.look
        if self._tab == "History":
            history, _ = await look(self._session, services.history, order_id, None, HISTORY_ROWS)
            self._history.content = _history(history, self._view.order)
        elif self._tab == "Versions":
            self._versions.content = _versions(await look(self._session, services.versions, order_id))
            await self._compare()
        elif self._tab == "Tickets":
            self._tickets.content = _tickets(await look(self._session, services.tickets, order_id))
        elif self._tab in {"Fulfilment", "Channel messages"}:
            found = await look(self._session, self._desk.around.around, order_id)
            self._fulfilment.content = order_around.fulfilment(self._view.order, found)
            self._sent.content = order_around.messages(found)
            names = {x.message_id: f"{show.words(x.event or x.kind)}, {show.moment(x.received_at)}" for x in found.sent}
            if names != self._message.options:
                self._message.set_options(names, value=self._message.value if self._message.value in names else None)

    async def _outline(self, event: Any) -> None:
        self._unmask.set_enabled(bool(event.value) and can("orders.raw", self._session.user.roles))
        if event.value:
            await self._show_message(self._desk.around.outline, self._id, event.value)

    async def _raw(self) -> None:
        await self._show_message(self._desk.around.raw, self._session.user, self._id, self._message.value)

    async def _show_message(self, call: Any, *arguments: Any) -> None:
        self._shown.content = ""
        with told():
            self._shown.content = show.escape(await self._desk.ask(self._session, call, *arguments))

    def _draw_head(self, modes: m.ModesView) -> None:
        order = self._view.order
        chips = [
            show.chip(order.lifecycle, "wait" if order.lifecycle == "held" else "calm"),
            *(show.chip(f"hold: {h.kind}", "wait") for h in order.holds),
        ]
        title = f"<h1>Order {show.escape(order.order_number)}</h1>"
        self._head.content = show.Markup(
            title + " ".join((*chips, show.chip(f"version {self._view.version}"), show.chip(order.source.channel)))
        )
        why = why_not(self._session, modes)
        self._why.text = why
        self._button.set_enabled(not why)
        self._allowed = not why

    def _choices(self) -> None:
        newest = self._view.newest
        names = {
            newest: f"Now (version {newest})",
            **{n: f"Version {n}" for n in range(newest - 1, 1, -1)},
            **({1: "As placed"} if newest > 1 else {}),
        }
        self._version.set_options(names, value=newest)
        everyone = list(range(1, newest + 1))
        self._older.set_options(everyone, value=max(1, newest - 1))
        self._newer.set_options(everyone, value=newest)

    async def _choose(self, event: Any) -> None:
        if event.value is None:
            return
        with told():
            version = None if event.value == self._view.newest else int(event.value)
            view = await self._desk.ask(self._session, self._desk.services.order, self._id, version)
            self._order.content = order_markup(view.order)

    async def _compare(self) -> None:
        older, newer = self._older.value, self._newer.value
        if older is None or newer is None or older >= newer:
            self._diff.content = show.Markup('<p class="om-quiet">Choose an older and a newer version.</p>')
            return
        try:
            diff = await self._desk.look(self._session, self._desk.services.diff, self._id, older, newer)
        except OrdermendError as error:
            self._diff.content = show.section("Differences", show.facts([("Cannot be shown", error.message)]))
            return
        self._diff.content = _diff(diff, self._view.order)


def order_markup(order: Order) -> show.Markup:
    """Return an order as people read it."""
    currency = order.currency
    window = order.delivery_window
    cards = [
        show.section("Ship to", show.lines(show.address(order.ship_to))),
        show.section("Bill to", show.lines(show.address(order.bill_to))),
        show.section("Contact", show.lines(filter(None, (order.contact.name, order.contact.email, order.contact.phone))) or show.Markup("-")),
        show.section("Delivery", show.facts([
            ("From", show.moment(window.earliest if window else None)), ("Until", show.moment(window.latest if window else None)),
            ("Method", order.ship_method or "-"), ("Placed", show.moment(order.placed_at)), ("Note", order.note or "-"),
        ])),
    ]  # fmt: skip
    lines = [
        (
            line.sku or "-", line.name, show.scaled(line.ordered, line.quantity_exponent), show.scaled(line.cancelled, line.quantity_exponent),
            show.scaled(line.shipped, line.quantity_exponent), show.amount(line.gross_minor, currency),
        )
        for line in order.lines
    ]  # fmt: skip
    extra = [
        (show.words(a.kind), a.code or a.label or "-", show.amount(-a.amount_minor if a.kind == "discount" else a.amount_minor, currency))
        for a in order.adjustments
    ]
    totals = order.totals
    sums = show.facts([
        ("Goods", show.amount(totals.subtotal_minor, currency)), ("Discounts", show.amount(-totals.discount_minor, currency)),
        ("Shipping and fees", show.amount(totals.shipping_minor + totals.fee_minor, currency)), ("Tax", show.amount(totals.tax_minor, currency)),
        ("Total", show.amount(totals.grand_total_minor, currency)),
    ])  # fmt: skip
    return show.Markup(
        f'<div class="om-grid" style="margin: .75rem 0">{"".join(cards)}</div>'
        + show.section("Lines", show.table("Lines", ("SKU", "Name", "Ordered", "Cancelled", "Shipped", "Amount"), lines, "No lines."))
        + '<div style="height: .75rem"></div>'
        + (show.section("Discounts, shipping, fees", show.table("Adjustments", ("Kind", "Name", "Amount"), extra, "-")) if extra else "")
        + show.section("Totals", sums)
    )


def _history(rows: list[m.HistoryRowView], order: Order) -> show.Markup:
    cells = [
        (
            show.moment(row.at), row.user_id, show.path(row.path, order),
            show.erased() if row.erased else show.value(row.old, row.path, order.currency),
            show.erased() if row.erased else show.value(row.new, row.path, order.currency),
            show.words(row.reason_code or "-"), f"{row.version}{' (derived)' if row.derived else ''}",
        )
        for row in rows
    ]  # fmt: skip
    head = ("When", "Who", "Field", "Old", "New", "Reason", "Version")
    return show.section("History", show.table("History", head, cells, "Nothing was changed since the order was placed."))


def _versions(notes: m.VersionsView) -> show.Markup:
    rows = [
        (str(n.version), show.moment(n.at), n.user_id, n.role, show.words(n.reason_code or "-"), n.cause) for n in reversed(notes.versions)
    ]
    rows.append(("1", show.moment(notes.placed_at), "-", "-", "-", "as placed"))
    return show.section("Versions", show.table("Versions", ("Version", "When", "Who", "Role", "Reason", "By"), rows, "-"))


def _diff(diff: m.DiffView, order: Order) -> show.Markup:
    rows = [
        (
            show.path(c.path, order), show.value(c.old, c.path, order.currency), show.value(c.new, c.path, order.currency),
            f"{c.changed_by} in version {c.changed_in_version}",
        )
        for c in diff.changes
    ]  # fmt: skip
    moves = [(move.what, f"{move.amount.amount} {move.amount.currency}") for move in diff.moves]
    title = f"Version {diff.older} to {diff.newer}; the total moved by {diff.total_moved.amount} {diff.total_moved.currency}"
    body = show.table("Differences", ("Field", "Old", "New", "Last changed by"), rows, "Nothing differs.")
    return show.section(title, show.Markup(body + (show.table("Why the total moved", ("Row", "Moved"), moves, "") if moves else "")))


def _tickets(tickets: m.TicketsView) -> show.Markup:
    rows = [
        (
            show.moment(t.submitted_at), t.user_id, ", ".join(map(show.words, t.operations)), show.words(t.reason_code or "-"), show.state(t.state),
            f"{t.money_moved.amount} {t.money_moved.currency}" if t.money_moved else "-", t.message or (f"version {t.new_version}" if t.new_version else "-"),
        )
        for t in tickets.items
    ]  # fmt: skip
    head = ("Submitted", "Who", "What", "Reason", "State", "Money", "Outcome")
    return show.section("Tickets", show.table("Tickets", head, rows, "No tickets yet."))


def _payments(order: Order) -> show.Markup:
    rows = [
        (show.moment(p.at), show.words(p.kind), p.provider, p.method or "-", p.transaction, show.amount(p.amount_minor, order.currency))
        for p in order.payments
    ]
    head = ("When", "Kind", "Provider", "Method", "Transaction", "Amount")
    return show.section("Payment ledger", show.table("Payment ledger", head, rows, "No payment is recorded."))
