"""Tickets that await approval: what each would do now, and a yes or no to exactly that."""

import uuid
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from console.access import can
from console.api import models as m
from console.pages import effects, show
from console.pages.shell import RESPONSE_SECONDS, Desk, markup, shell, told
from console.sessions import Session

MOST = 50


def install(desk: Desk) -> None:
    """Add the page."""

    @ui.page("/approvals", title="Approvals - Ordermend", response_timeout=RESPONSE_SECONDS)
    async def approvals(request: Request) -> Response | None:
        session = await desk.admit(request, "approvals.read")
        if isinstance(session, Response):
            return session
        with shell(desk, session, "Approvals"):
            ui.html("Approvals", tag="h1")
            await _draw_all(desk, session)
        return None


async def _draw_all(desk: Desk, session: Session) -> None:
    with told():
        page = await desk.ask(session, desk.services.approvals, None, MOST)
        if not page.items:
            ui.label("Nothing awaits approval.").classes("om-quiet")
        for row in page.items:
            await _draw(desk, session, row)
        if page.next:
            ui.label(f"These are the {MOST} that wait longest; more follow.").classes("om-quiet")


async def _draw(desk: Desk, session: Session, row: m.ApprovalRow) -> None:
    ticket = row.ticket
    view = await desk.ask(session, desk.services.order, ticket.order_id)
    found = await desk.ask(session, desk.services.effects, ticket.order_id, ticket.ticket_id)
    with ui.element("section").classes("om-card").props(f'aria-label="Ticket of order {show.escape(row.order_number)}"'):
        markup(
            show.facts(
                [
                    ("Order", show.link(row.order_number, f"/orders/{ticket.order_id}")),
                    ("Asked by", ticket.user_id + (f" for {ticket.on_behalf_of}" if ticket.on_behalf_of else "")),
                    ("What", ", ".join(map(show.words, ticket.operations))),
                    ("Reason", show.words(ticket.reason_code or "-")),
                    ("Waits until", show.moment(ticket.due_at)),
                ]
            )
        )
        markup(effects.markup(found, view))
        said = markup(show.Markup("")).props('aria-live="polite"')
        own = session.user.sub in (ticket.user_id, ticket.on_behalf_of)
        if own or not can("tickets.review", session.user.roles):
            ui.label("Somebody else has to review this." if own else "Reviewing takes the role Order_Approve.").classes("om-quiet")
            return
        with ui.element("div").classes("om-row"):
            buttons = [
                ui.button(name, on_click=_review(desk, session, ticket, found.preview_hash, decision, said)).props(f"no-caps {look}")
                for name, decision, look in (("Approve", "approve", "unelevated"), ("Decline", "decline", "outline"))
            ]
            buttons[0].set_enabled(found.refusal is None)


def _review(
    desk: Desk, session: Session, ticket: m.TicketView, seen: str | None, decision: str, said: ui.html
) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        with told():
            await desk.ask(session, desk.services.check, session.user, "tickets.review", "page /approvals", ticket.order_id)
            body = m.ReviewBody.model_validate({"decision": decision, "preview_hash": seen if decision == "approve" else None})
            await desk.ask(
                session, desk.services.review, session.user, ticket.order_id, ticket.ticket_id, str(uuid.uuid4()), body,
                body.model_dump_json().encode(),
            )  # fmt: skip
            for _ in range(20):
                await desk.bell.wait(0.5)
                now = await desk.ask(session, desk.services.ticket, ticket.order_id, ticket.ticket_id)
                said.content = show.Markup(f"{show.state(now.state)} {show.escape(now.message or '')}")
                if now.state != "awaiting_approval":
                    return

    return act
