"""The approver's queue: for each ticket who asks, why, of which order, what it would do now, what asks for somebody, until when; yes or no.

A yes is to exactly the effects that are shown: where they changed meanwhile, the ticket asks again and is shown anew.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import may, roles_for
from console.api import models as m
from console.pages import effects, show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.reviewing import Waiting
from console.sessions import Session

ROWS: Final = 10
OUTCOME_LOOKS: Final = 40


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/approvals", title="Approvals - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def approvals(request: Request) -> Response | None:
        session = await desk.admit(request, "approvals.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Approvals"):
            await _Queue(desk, session).draw()
        return None


class _Queue:
    """One person's view of the queue."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._before: list[str | None] = [None]
        self._next: str | None = None
        self._clocks: list[tuple[datetime, Any]] = []

    async def draw(self) -> None:
        with ui.element("div").classes("om-row"):
            ui.html("Approvals", tag="h1")
            ui.element("div").classes("om-grow")
            ui.button("Look again", on_click=self._show).props("flat no-caps")
        with ui.element("div").props('aria-live="polite" role="status"').style("width: 100%"):
            self._said = markup(show.Markup(""))
        self._box = ui.element("div").classes("om-stack")
        with ui.element("div").classes("om-row"):
            self._back = ui.button("Back", on_click=self._go_back).props("flat no-caps")
            self._on = ui.button("More", on_click=self._go_on).props("flat no-caps")
        ui.timer(1.0, self._tick)
        await self._show()

    async def _go_on(self) -> None:
        self._before.append(self._next)
        await self._show()

    async def _go_back(self) -> None:
        self._before.pop()
        await self._show()

    async def _show(self) -> None:
        with told(self._say):
            found = await self._desk.ask(self._session, self._desk.reviewing.queue, self._session.user, self._before[-1], ROWS)
            self._next, self._clocks = found.next, []
            self._box.clear()
            with self._box:
                if not found.items:
                    ui.label("Nothing awaits approval. Tickets come here when an edit needs somebody else's yes.").classes("om-quiet")
                for waiting in found.items:
                    self._draw(waiting)
            self._back.set_enabled(len(self._before) > 1)
            self._on.set_enabled(self._next is not None)
            self._tick()

    def _say(self, text: str) -> None:
        self._said.content = show.Markup(f"<p>{show.escape(text)}</p>")

    def _draw(self, waiting: Waiting) -> None:
        with ui.element("section").classes("om-card").props(f'aria-label="Ticket of order {show.escape(waiting.number)}"') as card:
            with ui.element("div").classes("om-row"):
                markup(_headline(waiting)).style("width: auto")
                ui.element("div").classes("om-grow")
                if waiting.ticket.due_at is not None:
                    clock = ui.label("").classes("om-quiet").props('role="timer" aria-label="Expires"')
                    self._clocks.append((waiting.ticket.due_at, clock))
            with ui.element("div").classes("om-halves"):
                with ui.element("div").classes("om-stack"):
                    markup(show.section("Who and why", show.facts(_facts(waiting))))
                    self._draw_answer(waiting, card)
                with ui.element("div").classes("om-stack"):
                    markup(effects.markup(waiting.effects, waiting.view))

    def _draw_answer(self, waiting: Waiting, card: Any) -> None:
        here = "" if may("tickets.review", self._session.user) else f"reviewing takes the role {' or '.join(roles_for('tickets.review'))}"
        why_not = waiting.why_not or here
        if why_not:
            own = self._session.user.sub in (waiting.ticket.user_id, waiting.ticket.on_behalf_of)
            ui.label(
                "This is a ticket of your own: somebody else has to review it." if own else f"{why_not[:1].upper()}{why_not[1:]}."
            ).classes("om-quiet")
            return
        if waiting.lent:
            ui.label(f"You stand in with {', '.join(waiting.lent)}.").classes("om-quiet")
        comment = ui.input("Comment for the author").props("outlined dense maxlength=2000").style("width: 100%")
        with ui.element("div").classes("om-row"):
            yes = ui.button("Approve", on_click=self._answers(waiting, "approve", comment, card)).props("no-caps unelevated")
            ui.button("Decline", on_click=self._answers(waiting, "decline", comment, card)).props("no-caps outline")
        yes.set_enabled(waiting.effects.refusal is None)
        if waiting.effects.refusal is not None:
            ui.label("It could not be applied as the order is now; it can only be declined.").classes("om-quiet")

    def _answers(self, waiting: Waiting, decision: str, comment: Any, card: Any) -> Callable[[], Awaitable[None]]:
        ticket, seen = waiting.ticket, waiting.effects.preview_hash

        async def act() -> None:
            with told(self._say):
                check = self._desk.services.check
                await self._desk.ask(self._session, check, self._session.user, "tickets.review", "page /approvals", ticket.order_id)
                body = m.ReviewBody.model_validate(
                    {"decision": decision, "preview_hash": seen if decision == "approve" else None, "comment": comment.value or None}
                )
                await self._desk.ask(
                    self._session, self._desk.services.review, self._session.user, ticket.order_id, ticket.ticket_id, str(uuid.uuid4()), body,
                    body.model_dump_json().encode(),
                )  # fmt: skip
                await self._outcome(waiting, card)

        return act

    async def _outcome(self, waiting: Waiting, card: Any) -> None:
        """Wait until the answer counts; what is decided leaves the queue, what asks again is shown anew."""
        ticket = waiting.ticket
        for _ in range(OUTCOME_LOOKS):
            await self._desk.bell.wait(0.5)
            now = await self._desk.ask(self._session, self._desk.services.ticket, ticket.order_id, ticket.ticket_id)
            if now.state != "awaiting_approval":
                said = f"Order {waiting.number}: {show.words(now.state)}. {now.message or ''}"
                self._said.content = show.Markup(f"{show.state(now.state)} <span>{show.escape(said.strip())}</span>")
                card.delete()
                return
            if now.effects_hash != ticket.effects_hash:
                await self._show()
                self._say(f"Order {waiting.number}: the order changed meanwhile, and the ticket would do something else now. Look again.")
                return
        self._say(f"Order {waiting.number}: your answer is kept and will count; it has not been handled yet.")

    def _tick(self) -> None:
        now = datetime.now(UTC)
        for due, label in self._clocks:
            text = f"expires in {_left((due - now).total_seconds())}"
            if label.text != text and not label.is_deleted:
                label.text = text


def _left(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    if seconds <= 0:
        return "no time: it is over"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds) % 60} s"


def _headline(waiting: Waiting) -> show.Markup:
    order, moves = waiting.view.order, waiting.effects.total_moves
    sign = "" if moves.amount.startswith("-") else "+"
    return show.Markup(
        f'<h2 class="om-line">Order {show.link(waiting.number, f"/orders/{order.order_id}")} '
        f"{show.chip(order.lifecycle)} {show.chip(order.source.channel)} "
        f'<span class="om-big">{show.escape(f"{sign}{moves.amount} {moves.currency}")}</span></h2>'
    )


def _facts(waiting: Waiting) -> list[tuple[str, str]]:
    ticket = waiting.ticket
    return [
        ("Asked by", f"{ticket.user_id} ({waiting.roles.replace(' ', ', ') or 'no role'})"),
        *([("On behalf of", ticket.on_behalf_of)] if ticket.on_behalf_of else []),
        ("What", ", ".join(map(show.words, ticket.operations))),
        ("Reason", show.words(ticket.reason_code or "-")),
        ("Comment", waiting.comment or "-"),
        ("Asked at", show.moment(ticket.submitted_at)),
        ("Waits because", effects.rules(waiting.effects.approvals) or show.words(ticket.rule_id or "-")),
        ("Expires at", show.moment(ticket.due_at)),
        ("Total of the order", show.amount(waiting.view.order.totals.grand_total_minor, waiting.view.order.currency)),
    ]
