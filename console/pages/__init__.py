"""What the agent sees: one file a page, over the same services as the API, with the same rights."""

from fastapi import FastAPI
from nicegui import ui

from console.login import Login
from console.pages import approvals, dashboard, kpis, letters, order
from console.pages.shell import Desk
from console.services import Services


def install(api: FastAPI, services: Services, login: Login) -> None:
    """Add the pages and the login to the application. Every asset comes from the installed packages."""
    api.include_router(login.router())
    desk = Desk(services, login, api)
    for page in (dashboard, order, approvals, letters, kpis):
        page.install(desk)
    ui.run_with(api, title="Ordermend", dark=None, tailwind=False, show_welcome_message=False, reconnect_timeout=30.0)
